"""TF-IDF of words and character n-grams with one linear support vector machine a code: the classical coder."""

import warnings
from collections.abc import Sequence

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, make_union
from sklearn.svm import LinearSVC

from occ_autocoder.data.records import record_texts
from occ_autocoder.training.examples import Example

from .texts import example_texts

PART = 64
REST = -1


def vectorizer() -> FeatureUnion:
    """Words and pairs of words; characters within words, two to five. Term frequencies are sublinear."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, dtype=np.float32)
    return make_union(words, characters)


class TfidfSVM:
    """One-vs-rest linear SVM, squared hinge loss (liblinear, Fan et al. 2008).

    Args:
        C: how much an error costs against the norm of the weights.
        tol: when liblinear stops; its own default, 0.1, and not scikit-learn's 1e-4: the same accuracy sooner.
        max_iter: passes over the examples for a code, at the most. About 20 are used; 5 cost a point of accuracy.
        n_jobs: processes; each solves a part of the codes at a time, which is the same problem for each code.
    """

    def __init__(self, C: float = 1.0, tol: float = 0.1, max_iter: int = 1000, n_jobs: int = 2):
        self.C, self.tol, self.max_iter, self.n_jobs = C, tol, max_iter, n_jobs

    def fit(self, examples: Sequence[Example], classes: int) -> "TfidfSVM":
        """Fit on the texts of the examples; `classes` is the number of codes."""
        texts, labels = example_texts(examples)
        self.classes, self.vectorizer = classes, vectorizer()
        features = self.vectorizer.fit_transform(texts).tocsr()
        self.seen = np.unique(labels)
        if len(self.seen) < 2:
            raise ValueError(f"examples of {len(self.seen)} code: at least two are needed")
        parts = np.array_split(self.seen, max(2, -(-len(self.seen) // PART)))
        jobs = (delayed(fit_part)(features, labels, part, self.C, self.tol, self.max_iter) for part in parts)
        solved = Parallel(n_jobs=self.n_jobs)(jobs)
        self.weights = np.concatenate([weights for weights, _ in solved])
        self.biases = np.concatenate([biases for _, biases in solved])
        return self

    def predict_proba(self, job_titles: Sequence[str], job_duties: Sequence[str]) -> np.ndarray:
        """Scores [n, C], no probabilities: the distances to the codes' hyperplanes; -inf for a code never seen."""
        features = self.vectorizer.transform(record_texts(job_titles, job_duties))
        scores = np.full((features.shape[0], self.classes), -np.inf)
        scores[:, self.seen] = features @ self.weights.T + self.biases
        return scores


def fit_part(features: sparse.csr_matrix, labels: np.ndarray, part: np.ndarray, C: float, tol: float, max_iter: int):
    """The weights [codes, features] and biases [codes] of the codes in `part`, each against all other examples."""
    own = np.where(np.isin(labels, part), labels, REST)
    machine = LinearSVC(C=C, tol=tol, max_iter=max_iter, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(features, own)
    # The rest, below every label, stands first, and has no row beside a single code.
    return machine.coef_[-len(part) :].astype(np.float32), machine.intercept_[-len(part) :]
