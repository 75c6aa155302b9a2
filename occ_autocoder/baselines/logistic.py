"""Multinomial logistic regression on the embeddings of a frozen encoder."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from occ_autocoder.data.encoder import Encode
from occ_autocoder.data.records import record_texts
from occ_autocoder.training.examples import Example

from .texts import example_texts


class LogisticCoder:
    """scikit-learn's `LogisticRegression` over sentence embeddings.

    Args:
        encode: texts -> unit vectors [n, d].
        C: how much the fit counts against the norm of the weights. Unit vectors need more than scikit-learn's 1.
    """

    def __init__(self, encode: Encode, C: float = 10.0, max_iter: int = 300):
        self.encode = encode
        self.model = LogisticRegression(C=C, max_iter=max_iter)

    def fit(self, examples: Sequence[Example], classes: int) -> "LogisticCoder":
        """Fit on the texts of the examples; `classes` is the number of codes."""
        texts, labels = example_texts(examples)
        self.model.fit(self.encode(texts), labels)
        self.classes = classes
        return self

    def predict_proba(self, job_titles: Sequence[str], job_duties: Sequence[str]) -> np.ndarray:
        """Probabilities [n, C]; 0 for a code never seen."""
        vectors = self.encode(record_texts(job_titles, job_duties))
        probabilities = np.zeros((len(vectors), self.classes))
        probabilities[:, self.model.classes_] = self.model.predict_proba(vectors)
        return probabilities
