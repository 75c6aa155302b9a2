"""Nearest neighbours on sentence embeddings: a code scores as the one of its known texts that is most alike."""

from collections.abc import Sequence

import numpy as np

from occ_autocoder.training.examples import Example

from .encoder import Encode
from .texts import example_texts, record_texts

QUERIES = 256


class NearestNeighbours:
    """What ClassifAI (Office for National Statistics) does with a vector store; nothing is trained.

    Args:
        encode: texts -> unit vectors [n, d], as `encoder.sentence_encoder` gives it.
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


class LabelledVectors:
    """Vectors [m, d], dense or sparse, in the order of their labels."""

    def __init__(self, vectors, labels: np.ndarray):
        order = np.argsort(labels, kind="stable")
        self.vectors = vectors[order]
        self.labels, self.starts = np.unique(labels[order], return_index=True)

    def nearest(self, queries, classes: int) -> np.ndarray:
        """[n, classes], the largest inner product of each query with a vector of the label; -inf where it has none."""
        scores = np.full((queries.shape[0], classes), -np.inf, dtype=np.float32)
        for start in range(0, queries.shape[0], QUERIES):
            part = queries[start : start + QUERIES] @ self.vectors.T
            part = part.toarray() if hasattr(part, "toarray") else part
            scores[start : start + QUERIES, self.labels] = np.maximum.reduceat(part, self.starts, axis=1)
        return scores
