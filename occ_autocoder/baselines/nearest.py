"""Nearest neighbours on sentence embeddings: a code scores as the one of its known texts that is most alike."""

from collections.abc import Sequence

import numpy as np

from occ_autocoder.data.encoder import Encode
from occ_autocoder.data.records import record_texts
from occ_autocoder.data.retrieval import LabelledVectors
from occ_autocoder.training.examples import Example

from .texts import example_texts


class NearestNeighbours:
    """What ClassifAI (Office for National Statistics) does with a vector store; nothing is trained.

    Args:
        encode: texts -> unit vectors [n, d], as `data.encoder.sentence_encoder` gives it.
    """

    def __init__(self, encode: Encode):
        self.encode = encode

    def fit(self, examples: Sequence[Example], classes: int) -> "NearestNeighbours":
        """Embed the texts of the examples; `classes` is the number of codes."""
        texts, labels = example_texts(examples)
        self.corpus, self.classes = LabelledVectors(self.encode(texts), labels), classes
        return self

    def predict_proba(self, job_titles: Sequence[str], job_duties: Sequence[str]) -> np.ndarray:
        """Scores [n, C], no probabilities: the cosine to the code's nearest text; -inf for a code without one."""
        return self.corpus.nearest(self.encode(record_texts(job_titles, job_duties)), self.classes)
