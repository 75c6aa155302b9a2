"""Nothing trained: four similarities to what the taxonomy and the records say of a code, added up."""

from collections.abc import Sequence

import numpy as np

from occ_autocoder.data.encoder import Encode
from occ_autocoder.data.retrieval import Similarities
from occ_autocoder.model.text_occupation import normalize
from occ_autocoder.training.examples import Example


class UntrainedFusion:
    """The sum of four cosines; a code without a known text of a kind has 0 there.

    Two to the nearest known title: of character n-grams, and of the encoder. Two of title and duties together to the
    nearest text about the code's work: of words, and of the encoder. A record without one of the fields lacks its two.

    Args:
        encode: texts -> unit vectors [n, d].
    """

    def __init__(self, encode: Encode):
        self.encode = encode

    def fit(self, examples: Sequence[Example], classes: int) -> "UntrainedFusion":
        """Take the known titles (examples with a title alone) and the texts about the work (with duties alone)."""
        if not examples:
            raise ValueError("no examples to fit on")
        titles = [(normalize(item.job_title), item.label) for item in examples if not item.job_duties]
        duties = [(normalize(item.job_duties), item.label) for item in examples if not item.job_title]
        self.similarities = Similarities(titles, duties, classes, self.encode)
        return self

    def predict_proba(self, job_titles: Sequence[str], job_duties: Sequence[str]) -> np.ndarray:
        """Scores [n, C], no probabilities: sums of cosines."""
        cosines = self.similarities(job_titles, job_duties)
        scores = {name: np.where(np.isinf(cosine), 0.0, cosine) for name, cosine in cosines.items()}
        described = np.array([bool(normalize(text)) for text in job_duties])[:, np.newaxis]
        titles = scores["lexical_titles"] + scores["dense_titles"]
        return titles + described * (scores["lexical_texts"] + scores["dense_texts"])
