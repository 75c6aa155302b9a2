"""What classifiers hold of a record that were trained on the other records and on the taxonomy's own texts."""

from collections.abc import Iterator, Sequence

import numpy as np

from occ_autocoder.extras import require
from occ_autocoder.model.text_occupation import normalize
from occ_autocoder.taxonomy import Taxonomy

from .encoder import Encode
from .records import record_texts
from .retrieval import known_texts

require("data")
from scipy.sparse import csr_matrix, hstack  # noqa: E402
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # noqa: E402
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402
from sklearn.model_selection import GroupKFold  # noqa: E402
from sklearn.naive_bayes import MultinomialNB  # noqa: E402

CLASSIFIERS = {
    "discriminant": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1),
    "naive_bayes": lambda: MultinomialNB(alpha=0.01, fit_prior=False),
}
LEAST = 1e-6
NGRAMS = 2**15


def out_of_sample(
    taxonomy: Taxonomy,
    codes: Sequence[str],
    job_titles: Sequence[str],
    job_duties: Sequence[str],
    labels: np.ndarray,
    encode: Encode,
    folds: int = 5,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Name of `CLASSIFIERS` -> log probabilities [n, codes] of one that never saw the record or one of the same text.

    Linear discriminant analysis with a shrunken covariance has the vectors of the title and of title and duties, naive
    Bayes the n-grams of the title's letters and of the words. What the taxonomy says of each code is trained on in
    every fold, so that every code is known. All codes are as likely where there are fewer different texts than `folds`.

    Args:
        labels: [n], places in `codes`; -1 for a record without a code, which is not trained on.
    """
    size, known = len(labels), np.arange(len(codes))
    titles, duties = taxonomy_records(taxonomy, codes)
    features = {
        "discriminant": record_vectors([*job_titles, *titles], [*job_duties, *duties], encode),
        "naive_bayes": record_ngrams([*job_titles, *titles], [*job_duties, *duties]),
    }
    found = {name: np.full((size, len(codes)), -np.log(len(codes)), dtype=np.float32) for name in features}
    for train, test in splits(record_texts(job_titles, job_duties), labels, folds, seed):
        rows, given = np.concatenate([train, size + known]), np.concatenate([labels[train], known])
        for name, make in CLASSIFIERS.items():
            probabilities = make().fit(features[name][rows], given).predict_proba(features[name][test])
            found[name][test] = np.log(np.maximum(probabilities, LEAST))
    return found


def splits(texts: Sequence[str], labels: np.ndarray, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(rows to train on, rows to judge) of each fold; equal texts are judged together."""
    groups = np.unique(texts, return_inverse=True)[1]
    if groups.max(initial=-1) + 1 >= folds:
        for train, test in GroupKFold(folds, shuffle=True, random_state=seed).split(texts, groups=groups):
            yield train[labels[train] >= 0], test


def taxonomy_records(taxonomy: Taxonomy, codes: Sequence[str]) -> tuple[list[str], list[str]]:
    """A title and a text about the work of each code."""
    occupations = [taxonomy[code] for code in codes]
    return [item.title for item in occupations], [known_texts(item)[0] for item in occupations]


def record_vectors(job_titles: Sequence[str], job_duties: Sequence[str], encode: Encode) -> np.ndarray:
    """[n, 2 d], the vector of the title and that of title and duties; the latter twice where there is no title."""
    texts = record_texts(job_titles, job_duties)
    titles = [normalize(title) or text for title, text in zip(job_titles, texts, strict=True)]
    return np.hstack([encode(titles), encode(texts)])


def record_ngrams(job_titles: Sequence[str], job_duties: Sequence[str]) -> csr_matrix:
    """[n, n-grams], TF-IDF of the most frequent n-grams of letters in the titles and of words in the whole texts."""
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, max_features=NGRAMS)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=NGRAMS)
    titles = letters.fit_transform(map(normalize, job_titles))
    return hstack([titles, words.fit_transform(record_texts(job_titles, job_duties))]).tocsr()
