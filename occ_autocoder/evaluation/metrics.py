"""Everything that is said about one set of coded records, from its labels and probabilities."""

from collections.abc import Mapping, Sequence

import numpy as np

from .calibration import check_scores, expected_calibration_error, reliability_table
from .classes import class_table, confusions, macro_scores, support_bands
from .coverage import aurc, coverage_table, thinned_curve
from .interval import wilson_interval
from .levels import group_table, level_table


def evaluate_probabilities(
    probabilities: np.ndarray,
    labels: Sequence[int],
    *,
    codes: Sequence[str],
    ancestors: Mapping[int, Sequence[int]],
    train_counts: Sequence[int] | None = None,
    level_codes: Mapping[int, Sequence[str]] | None = None,
    thresholds: Mapping[float, float] | None = None,
    top_k: Sequence[int] = (1, 3, 5),
    targets: Sequence[float] = (0.80, 0.90, 0.95),
    bands: Sequence[int] = (0, 10, 100),
    bins: int = 15,
) -> dict:
    """Metrics of probabilities [n, C] against labels [n]: a dict that can be written as JSON.

    Args:
        probabilities: rows sum to 1 (tolerance 0.01), one column per leaf code.
        labels: index of the right code, 0..C-1.
        codes: the C leaf codes, in the order of the columns.
        ancestors: level (1 the coarsest) -> [C], index of each leaf's ancestor (or itself) at that level, -1 for none.
            The leaves' own levels belong in it. `levels.taxonomy_levels` makes it, `levels.level_groups` uses it.
        train_counts: [C] training records per code, for the results by support.
        level_codes: level -> codes that the indices in `ancestors` stand for, for the table of the coarsest groups.
        thresholds: target accuracy -> confidence threshold chosen on another split (`coverage.choose_thresholds`).
    Returns:
        Numbers, shares from 0 to 1: `records`, `codes`, `codes_seen`, `accuracy`, `accuracy_low`, `accuracy_high`
        (95 % interval), `top_<k>_accuracy`, `macro_recall`, `macro_f1`, `log_loss` (nats), `brier` (0 to 2),
        `ece`, `ece_equal_mass`, `aurc`, `mean_confidence`. Tables, lists of dicts: `levels`, `groups`, `support_bands`,
        `coverage`, `coverage_curve`, `reliability`, `classes`, `confusions`.
    Raises: ValueError that says which input has the wrong shape or values.
    """
    probabilities, labels = check_inputs(probabilities, labels, codes, ancestors, train_counts)
    ranks, predicted, confidence = label_ranks(probabilities, labels), probabilities.argmax(1), probabilities.max(1)
    correct = ranks == 0
    low, high = wilson_interval(correct.mean(), len(correct))
    classes = class_table(predicted, labels, codes, train_counts)
    return {
        "records": len(labels),
        "codes": len(codes),
        "codes_seen": len(np.unique(labels)),
        "accuracy": float(correct.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        **{f"top_{k}_accuracy": float((ranks < k).mean()) for k in top_k},
        **macro_scores(classes),
        "log_loss": log_loss(probabilities, labels),
        "brier": brier_score(probabilities, labels),
        "ece": expected_calibration_error(confidence, correct, bins),
        "ece_equal_mass": expected_calibration_error(confidence, correct, bins, equal_mass=True),
        "aurc": aurc(confidence, correct),
        "mean_confidence": float(confidence.mean()),
        "levels": level_table(probabilities, labels, ancestors, bins=bins),
        "groups": group_table(probabilities, labels, ancestors, level_codes) if level_codes else [],
        "support_bands": [] if train_counts is None else support_bands(ranks, labels, train_counts, bands, max(top_k)),
        "coverage": coverage_table(confidence, correct, targets, thresholds),
        "coverage_curve": thinned_curve(confidence, correct),
        "reliability": reliability_table(confidence, correct, bins),
        "classes": classes,
        "confusions": confusions(predicted, labels, codes),
    }


def scalar_metrics(results: dict) -> dict[str, float]:
    """The plain numbers of `evaluate_probabilities` and `accuracy_level_<L>`, flat, for a tracker or a card."""
    scalars = {name: float(value) for name, value in results.items() if isinstance(value, int | float)}
    return scalars | {f"accuracy_level_{row['level']}": row["accuracy"] for row in results["levels"]}


def check_inputs(
    probabilities: np.ndarray,
    labels: Sequence[int],
    codes: Sequence[str],
    ancestors: Mapping[int, Sequence[int]],
    train_counts: Sequence[int] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities as float64 [n, C] and labels as int [n]; ValueError names the input that does not fit."""
    probabilities, labels = check_scores(probabilities, labels, "probabilities")
    columns = {"codes": codes} | {f"ancestors[{level}]": values for level, values in ancestors.items()}
    columns |= {} if train_counts is None else {"train_counts": train_counts}
    for name, values in columns.items():
        if len(values) != probabilities.shape[1]:
            raise ValueError(f"{name} has {len(values)} entries for {probabilities.shape[1]} columns of probabilities")
    if train_counts is not None and min(train_counts) < 0:
        raise ValueError(f"train_counts must be 0 or more, not {min(train_counts)}")
    sums = probabilities.sum(axis=1)
    bad = np.flatnonzero((probabilities.min(axis=1) < 0) | (abs(sums - 1) > 0.01))
    if len(bad):
        raise ValueError(f"probabilities[{bad[0]}] is no distribution: it sums to {sums[bad[0]]:.4f} or is below 0")
    return probabilities, labels


def label_ranks(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[n], how many codes stand before the right one; 0 is right. Ties go to the lower index, as in `argmax`."""
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    before = np.arange(probabilities.shape[1]) < labels[:, None]
    return (probabilities > own).sum(axis=1) + ((probabilities == own) & before).sum(axis=1)


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative log-probability of the right code, in nats; a probability of 0 counts as the float64 epsilon."""
    own = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(own.clip(np.finfo(np.float64).eps, 1.0)).mean())


def brier_score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean squared distance to the right answer, summed over the codes: 0 is best, 2 is worst (Brier 1950)."""
    own = probabilities[np.arange(len(labels)), labels]
    return float((np.einsum("nc,nc->n", probabilities, probabilities) - 2 * own + 1).mean())
