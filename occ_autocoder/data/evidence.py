"""How likely each code is for a record, and whether the given one is right: evidence that never saw the record's label.

Two witnesses: what the taxonomy says of its codes, and a classifier trained on the other records. Their sum is a
distribution over the codes; a model of label noise tells how much of it speaks against the given code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from occ_autocoder.extras import require
from occ_autocoder.model.text_occupation import normalize
from occ_autocoder.taxonomy import Taxonomy

from .encoder import Encode
from .records import record_texts
from .retrieval import Retriever, known_texts, with_text

require("data")
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # noqa: E402
from sklearn.model_selection import GroupKFold  # noqa: E402

SHRINKAGE = 0.1
LEAST = 1e-6
WEIGHTS = {  # of a record with duties, of a title alone; chosen for F1 of planted errors in ESCO's training records
    "classifier": (0.25, 0.12),
    "dense_titles": (4.0, 4.0),
    "dense_texts": (14.0, 10.0),
    "lexical_titles": (4.0, 4.0),
    "lexical_texts": (7.0, 5.0),
}
ROUNDS, START = 60, (0.8, 0.1, 0.1)
PART = 1024


@dataclass(frozen=True)
class Noise:
    """Shares of the labels: right, drawn from all codes, drawn from the codes beside the right one. They sum to 1."""

    right: float
    anywhere: float
    beside: float


def out_of_sample(
    taxonomy: Taxonomy,
    codes: Sequence[str],
    job_titles: Sequence[str],
    job_duties: Sequence[str],
    labels: np.ndarray,
    encode: Encode,
    folds: int = 5,
    seed: int = 0,
) -> np.ndarray:
    """[n, codes], probabilities of a classifier that was trained without the record and without its equals.

    Linear discriminant analysis with a shrunken covariance on the vectors of the title and of title and duties; what
    the taxonomy says of each code is trained on in every fold, so that every code is known. All codes are as likely
    where the records have fewer different texts than there are `folds`.

    Args:
        labels: [n], places in `codes`; -1 for a record without a code, which is not trained on.
    """
    known = record_vectors(*taxonomy_records(taxonomy, codes), encode)
    vectors = record_vectors(job_titles, job_duties, encode)
    groups = np.unique(record_texts(job_titles, job_duties), return_inverse=True)[1]
    probabilities = np.full((len(labels), len(codes)), 1 / len(codes), dtype=np.float32)
    if groups.max(initial=0) < folds:
        return probabilities
    for others, test in GroupKFold(folds, shuffle=True, random_state=seed).split(vectors, groups=groups):
        train = others[labels[others] >= 0]
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
        model.fit(np.concatenate([vectors[train], known]), np.concatenate([labels[train], np.arange(len(codes))]))
        probabilities[test] = model.predict_proba(vectors[test])
    return probabilities


def taxonomy_records(taxonomy: Taxonomy, codes: Sequence[str]) -> tuple[list[str], list[str]]:
    """A title and a text about the work of each code."""
    occupations = [taxonomy[code] for code in codes]
    return [item.title for item in occupations], [known_texts(item)[0] for item in occupations]


def record_vectors(job_titles: Sequence[str], job_duties: Sequence[str], encode: Encode) -> np.ndarray:
    """[n, 2 d], the vector of the title and that of title and duties; the latter twice where there is no title."""
    texts = record_texts(job_titles, job_duties)
    titles = [normalize(title) or text for title, text in zip(job_titles, texts, strict=True)]
    return np.hstack([encode(titles), encode(texts)])


def distribution(
    retriever: Retriever, job_titles: Sequence[str], job_duties: Sequence[str], classifier: np.ndarray
) -> np.ndarray:
    """[n, codes], how likely each code is by both witnesses: the softmax of the weighted sum of their evidence."""
    likely = np.empty(classifier.shape, dtype=np.float32)
    for start in range(0, len(likely), PART):
        part = slice(start, start + PART)
        cosines = retriever.similarities(job_titles[part], job_duties[part])
        likely[part] = weighted(cosines, classifier[part], with_text(job_duties[part]))
    return likely


def weighted(cosines: Mapping[str, np.ndarray], classifier: np.ndarray, described: np.ndarray) -> np.ndarray:
    """[n, codes], the softmax of log probabilities and cosines by `WEIGHTS`; what is not known counts as 0."""
    evidence = {name: np.where(np.isinf(cosine), 0.0, cosine) for name, cosine in cosines.items()}
    evidence["classifier"] = np.log(np.maximum(classifier, LEAST))
    total = sum(np.where(described, *WEIGHTS[name])[:, np.newaxis] * values for name, values in evidence.items())
    powers = np.exp(total - total.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def beside(taxonomy: Taxonomy, codes: Sequence[str]) -> np.ndarray:
    """[codes, codes], row by row the chance of each code to be given in place of the right one by a near mistake.

    Equal for the codes below the nearest group that has others than the right one.
    """
    labels = {code: label for label, code in enumerate(codes)}
    chances = np.zeros((len(codes), len(codes)), dtype=np.float32)
    for code, label in labels.items():
        for above in taxonomy.ancestors(code):
            near = [labels[leaf.code] for leaf in taxonomy.leaves_under(above.code) if leaf.code in labels]
            if len(near) > 1:
                chances[label, near] = 1 / (len(near) - 1)
                chances[label, label] = 0
                break
    return chances


def estimate_noise(likely: np.ndarray, labels: np.ndarray, chances: np.ndarray) -> Noise:
    """The shares under which the given labels are most probable, by expectation maximisation from 80, 10 and 10 %.

    These 80, 10 and 10 % are what comes back without records.

    Args:
        likely: [n, codes], of `distribution`.
        labels: [n], places in the codes, none of them -1.
        chances: [codes, codes], of `beside`.
    """
    if not len(labels):
        return Noise(*START)
    own = likely[np.arange(len(labels)), labels]
    near = np.concatenate(
        [
            np.einsum("nc,cn->n", likely[start : start + PART], chances[:, labels[start : start + PART]])
            for start in range(0, len(labels), PART)
        ]
    )
    parts = np.stack([own, np.full(len(labels), 1 / likely.shape[1]), near], axis=1).astype(float)
    shares = np.array(START)
    for _ in range(ROUNDS):
        weights = parts * shares
        shares = (weights / weights.sum(axis=1, keepdims=True)).mean(axis=0)
    return Noise(*map(float, shares))


def posterior(likely: np.ndarray, labels: np.ndarray, chances: np.ndarray, noise: Noise) -> np.ndarray:
    """[n, codes], how probable each code is to be the right one, now that the given one is known as well.

    By Bayes' rule: `likely` is the prior, `noise` and `chances` tell how probable it is that the given label comes from
    each right one. `likely` itself for a label of -1.
    """
    found = likely.copy()
    rows = np.flatnonzero(labels >= 0)
    for start in range(0, len(rows), PART):
        part = rows[start : start + PART]
        given = noise.anywhere / likely.shape[1] + noise.beside * chances[:, labels[part]].T
        given[np.arange(len(part)), labels[part]] += noise.right
        joint = likely[part] * given
        found[part] = joint / joint.sum(axis=1, keepdims=True)
    return found
