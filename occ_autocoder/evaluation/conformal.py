"""Conformal prediction: sets of codes that hold the right one as often as promised, however good the model is.

Split conformal prediction with the score 1 - p of a code (LAC; Sadinle, Lei and Wasserman 2019): over all records, or
within each code (Vovk 2012, "Conditional validity of inductive conformal predictors").
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .calibration import check_scores

SOURCES = ("code", "group", "all")


@dataclass(frozen=True)
class Limits:
    """The score limit of each code [C], and where it comes from [C]: the places in `SOURCES`."""

    limits: np.ndarray
    sources: np.ndarray


def conformal_threshold(probabilities: np.ndarray, labels: Sequence[int], alpha: float = 0.1) -> float:
    """The score limit over all records, from held-out ones, [n, C].

    With it `conformal_sets` of new records from the same source hold the right code with probability 1 - alpha or more,
    over all records, not within each code. With fewer than 1/alpha - 1 records no limit can promise that: infinity, and
    every code is in every set.
    """
    probabilities, labels = check_scores(probabilities, labels, "probabilities")
    check_alpha(alpha)
    return quantile(own_scores(probabilities, labels), alpha)


def conformal_limits(
    probabilities: np.ndarray,
    labels: Sequence[int],
    groups: Sequence[int],
    alpha: float = 0.1,
    least: int | None = None,
) -> Limits:
    """A score limit for each code, so that the promise holds within each code.

    A code with fewer than `least` held-out records has the limit of its group, a group with fewer that of all records:
    the promise then holds within the group, or over all.

    Args:
        groups: [C], the group of each code.
        least: twice 1/alpha where None, with which a limit is not at the mercy of a single record.
    """
    probabilities, labels = check_scores(probabilities, labels, "probabilities")
    check_alpha(alpha)
    groups = np.asarray(groups)
    if len(groups) != probabilities.shape[1]:
        raise ValueError(f"{len(groups)} groups for {probabilities.shape[1]} codes; allowed: one for each")
    scores, least = own_scores(probabilities, labels), math.ceil(2 / alpha) if least is None else least
    pools = (labels[:, None] == np.arange(len(groups)), groups[labels][:, None] == groups[None, :])
    limits = np.full(len(groups), quantile(scores, alpha))
    sources = np.full(len(groups), SOURCES.index("all"))
    for name, pool in zip(("group", "code"), reversed(pools), strict=True):
        for label in np.flatnonzero(pool.sum(axis=0) >= least):
            limits[label], sources[label] = quantile(scores[pool[:, label]], alpha), SOURCES.index(name)
    return Limits(limits, sources)


def check_alpha(alpha: float) -> None:
    """ValueError unless alpha is a share."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")


def own_scores(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The score of the right code of each record, [n]."""
    return 1.0 - probabilities[np.arange(len(labels)), labels]


def quantile(scores: np.ndarray, alpha: float) -> float:
    """The smallest score that is not below the share 1 - alpha of n + 1 of them; infinity where n are too few."""
    rank = math.ceil((len(scores) + 1) * (1 - alpha))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def conformal_sets(probabilities: np.ndarray, limits: float | np.ndarray) -> np.ndarray:
    """Which codes are in the set of each record: bool [n, C], from probabilities [n, C] and one limit or C of them."""
    return 1.0 - np.asarray(probabilities, dtype=np.float64) <= limits


def set_report(sets: np.ndarray, labels: Sequence[int]) -> dict[str, float]:
    """`coverage` (share with the right code), `mean_size`, `median_size`, and the shares `single` and `empty`."""
    labels, sizes = np.asarray(labels), sets.sum(axis=1)
    return {
        "coverage": float(sets[np.arange(len(labels)), labels].mean()),
        "mean_size": float(sizes.mean()),
        "median_size": float(np.median(sizes)),
        "single": float((sizes == 1).mean()),
        "empty": float((sizes == 0).mean()),
    }
