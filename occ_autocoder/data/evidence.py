"""How likely each code is for a record, and whether the given one is right: evidence that never saw the record's label.

Witnesses are what the taxonomy says of its codes, and classifiers trained on the other records. Their weighted sum is
a distribution over the codes; a model of label noise tells how much of it speaks against the given code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from occ_autocoder.taxonomy import Taxonomy

from .retrieval import Retriever, with_text

WEIGHTS = {  # of a record with duties, of a title alone; chosen for F1 of planted errors in ESCO's training records
    "discriminant": (0.2, 0.1),
    "naive_bayes": (0.08, 0.1),
    "dense_titles": (3.0, 3.0),
    "dense_texts": (11.0, 8.0),
    "lexical_titles": (3.0, 3.0),
    "lexical_texts": (5.5, 4.0),
}
ROUNDS, START = 60, (0.8, 0.1, 0.1)
PART = 1024


@dataclass(frozen=True)
class Noise:
    """Shares of the labels: right, drawn from all codes, drawn from the codes beside the right one. They sum to 1."""

    right: float
    anywhere: float
    beside: float


def distribution(
    retriever: Retriever, job_titles: Sequence[str], job_duties: Sequence[str], opinions: Mapping[str, np.ndarray]
) -> np.ndarray:
    """[n, codes], how likely each code is by all witnesses: the softmax of the weighted sum of their evidence.

    Args:
        opinions: log probabilities of the classifiers, as `witnesses.out_of_sample` gives them.
    """
    likely = np.empty((len(job_titles), len(retriever.codes)), dtype=np.float32)
    for start in range(0, len(likely), PART):
        part = slice(start, start + PART)
        evidence = {name: values[part] for name, values in opinions.items()}
        evidence |= retriever.similarities(job_titles[part], job_duties[part])
        likely[part] = weighted(evidence, with_text(job_duties[part]))
    return likely


def weighted(evidence: Mapping[str, np.ndarray], described: np.ndarray) -> np.ndarray:
    """[n, codes], the softmax of log probabilities and cosines by `WEIGHTS`; what is not known (-inf) counts as 0."""
    total = sum(
        np.where(described, *WEIGHTS[name])[:, np.newaxis] * np.where(np.isinf(values), 0.0, values)
        for name, values in evidence.items()
    )
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
