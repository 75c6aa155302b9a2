"""How much can be coded without a person, and how well: production rate against agreement rate."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from .calibration import check_confidence


def coverage_curve(confidence: np.ndarray, correct: np.ndarray) -> dict[str, np.ndarray]:
    """Every threshold that can be chosen, from the strictest: `threshold`, `coverage`, `accuracy`, each [m], m <= n.

    Coverage is the share of records with confidence >= threshold (the production rate), accuracy the share of those
    that are right (the agreement rate). Records with equal confidence are taken together: no threshold parts them.
    """
    confidence, correct = check_confidence(confidence, correct)
    order = np.argsort(-confidence, kind="stable")
    confidence, correct = confidence[order], correct[order]
    last_of_ties = np.append(np.flatnonzero(np.diff(confidence)), len(confidence) - 1)
    taken = last_of_ties + 1
    accuracy = np.cumsum(correct)[last_of_ties] / taken
    return {"threshold": confidence[last_of_ties], "coverage": taken / len(confidence), "accuracy": accuracy}


def choose_threshold(confidence: np.ndarray, correct: np.ndarray, target: float) -> float:
    """The lowest threshold at which the coded records reach the `target` accuracy; infinity when none does.

    Choose it on one split and check it on another with `apply_threshold`: on its own split it is optimistic.
    """
    curve = coverage_curve(confidence, correct)
    reached = np.flatnonzero(curve["accuracy"] >= target)
    return float(curve["threshold"][reached[-1]]) if len(reached) else math.inf


def choose_thresholds(confidence: np.ndarray, correct: np.ndarray, targets: Iterable[float]) -> dict[float, float]:
    """Target accuracy -> `choose_threshold` for it."""
    return {target: choose_threshold(confidence, correct, target) for target in targets}


def apply_threshold(confidence: np.ndarray, correct: np.ndarray, threshold: float) -> dict[str, float | None]:
    """`coverage` and `accuracy` of the records with confidence >= threshold; the accuracy of none is None."""
    confidence, correct = check_confidence(confidence, correct)
    coded = confidence >= threshold
    return {"coverage": float(coded.mean()), "accuracy": float(correct[coded].mean()) if coded.any() else None}


def coverage_table(
    confidence: np.ndarray,
    correct: np.ndarray,
    targets: Iterable[float],
    thresholds: Mapping[float, float] | None = None,
) -> list[dict]:
    """One row per target accuracy: `target`, `threshold` (None: not reachable), `coverage`, `accuracy`, `chosen_on`.

    `thresholds` (target -> threshold) come from another split; a target without one is chosen on these records, and
    `chosen_on` says which: "another split" or "these records".
    """
    given = thresholds or {}
    rows = []
    for target in sorted({*targets, *given}):
        threshold = given[target] if target in given else choose_threshold(confidence, correct, target)
        row = {"target": target, "threshold": threshold if math.isfinite(threshold) else None}
        row |= apply_threshold(confidence, correct, threshold)
        rows.append(row | {"chosen_on": "another split" if target in given else "these records"})
    return rows


def aurc(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Area under the risk-coverage curve: mean over k of the error rate among the k most confident; 0 is best.

    (Geifman, Uziel and El-Yaniv 2019.) Records of equal confidence count as in a random order, by expectation.
    """
    confidence, correct = check_confidence(confidence, correct)
    _, tie, size = np.unique(-confidence, return_inverse=True, return_counts=True)
    tie_accuracy = np.bincount(tie, weights=correct) / size
    right = np.cumsum(tie_accuracy[np.sort(tie)])
    return float(np.mean(1.0 - right / np.arange(1, len(right) + 1)))


def thinned_curve(confidence: np.ndarray, correct: np.ndarray, points: int = 200) -> list[dict]:
    """At most `points` rows of the coverage curve, evenly spread over coverage, for tables and plots."""
    curve = coverage_curve(confidence, correct)
    wanted = np.linspace(0.0, 1.0, points + 1)[1:]
    keep = np.unique(np.searchsorted(curve["coverage"], wanted - 1e-12).clip(max=len(curve["coverage"]) - 1))
    return [{name: float(values[i]) for name, values in curve.items()} for i in keep]
