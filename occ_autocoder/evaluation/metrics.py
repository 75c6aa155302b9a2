"""Everything that is said about one set of coded records, from its labels and probabilities."""

from collections.abc import Mapping, Sequence

import numpy as np

from .calibration import check_scores, expected_calibration_error, reliability_table
from .classes import class_table, confusions, macro_scores, support_bands
from .coverage import aurc, coverage_table, thinned_curve


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
    seed: int = 0,
) -> dict:
    """Metrics of probabilities [n, C] against labels [n]: a dict that can be written as JSON.

    Args:
        probabilities: rows sum to 1 (tolerance 0.01), one column per leaf code.
        labels: index of the right code, 0..C-1.
        codes: the C leaf codes, in the order of the columns.
        ancestors: level (1 the coarsest) -> [C], index of each leaf's ancestor (or itself) at that level, -1 for none.
            The leaves' own levels belong in it. See `level_groups` for how -1 is handled.
        train_counts: [C] training records per code, for the results by support.
        level_codes: level -> codes that the indices in `ancestors` stand for, for the table of the coarsest groups.
        thresholds: target accuracy -> confidence threshold chosen on another split (`coverage.choose_thresholds`).
        seed: for the bootstrap intervals.
    Returns:
        Numbers, shares from 0 to 1: `records`, `codes`, `codes_seen`, `accuracy`, `accuracy_low`, `accuracy_high`
        (95 % bootstrap interval), `top_<k>_accuracy`, `macro_recall`, `macro_f1`, `log_loss` (nats), `brier` (0 to 2),
        `ece`, `ece_equal_mass`, `aurc`, `mean_confidence`. Tables, lists of dicts: `levels`, `groups`, `support_bands`,
        `coverage`, `coverage_curve`, `reliability`, `classes`, `confusions`.
    Raises: ValueError that says which input has the wrong shape or values.
    """
    probabilities, labels = check_inputs(probabilities, labels, codes, ancestors, train_counts)
    ranks, predicted, confidence = label_ranks(probabilities, labels), probabilities.argmax(1), probabilities.max(1)
    correct = ranks == 0
    low, high = bootstrap_interval(correct, seed=seed)
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
        "levels": level_table(probabilities, labels, ancestors, bins=bins, seed=seed),
        "groups": group_table(probabilities, labels, ancestors, level_codes) if level_codes else [],
        "support_bands": [] if train_counts is None else support_bands(ranks, labels, train_counts, bands, max(top_k)),
        "coverage": coverage_table(confidence, correct, targets, thresholds),
        "coverage_curve": thinned_curve(confidence, correct),
        "reliability": reliability_table(confidence, correct, bins),
        "classes": classes,
        "confusions": confusions(predicted, labels, codes),
    }


def scalar_metrics(results: dict) -> dict[str, float]:
    """The plain numbers of `evaluate_probabilities` and `accuracy_level_<L>`, flat, as a tracker or a card wants them."""
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


def bootstrap_interval(
    correct: np.ndarray, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of an accuracy, from right/wrong [n].

    To draw n of n right/wrong values with replacement and count the right ones is a binomial draw, so it is done as one.
    Where all records are right (or wrong) the bootstrap sees no spread and gives an interval without width.
    """
    draws = np.random.default_rng(seed).binomial(len(correct), np.mean(correct), size=resamples) / len(correct)
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def level_groups(ancestors: Mapping[int, Sequence[int]], level: int) -> tuple[np.ndarray, np.ndarray]:
    """The group of every leaf at a level, [C] int, and whether a leaf can be judged there, [C] bool.

    A leaf that skips the level (-1 there, an ancestor at a finer one; SSOC's X1000 lies directly under X) stands under its
    next coarser ancestor. A leaf that is itself coarser than the level, or has no ancestor that coarse, is not judged.
    Groups of different levels get different numbers.
    """
    levels = sorted(ancestors)
    table = np.array([ancestors[name] for name in levels])
    place = levels.index(level)
    offset = np.arange(len(levels))[:, None] * (table.max() + 1)
    numbered = np.where(table >= 0, table + offset, -1)
    groups = numbered[place]
    for row in numbered[:place][::-1]:
        groups = np.where(groups >= 0, groups, row)
    return groups, (table[place:] >= 0).any(axis=0) & (groups >= 0)


def group_probabilities(probabilities: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the columns of each group: [n, G] and the group numbers [G], ascending."""
    order = np.argsort(groups, kind="stable")
    numbers, starts = np.unique(groups[order], return_index=True)
    return np.add.reduceat(probabilities[:, order], starts, axis=1), numbers


def level_table(
    probabilities: np.ndarray,
    labels: np.ndarray,
    ancestors: Mapping[int, Sequence[int]],
    *,
    bins: int = 15,
    seed: int = 0,
) -> list[dict]:
    """One row per level, coarsest first: `level`, `groups` (in the classification), `records` (judged there), `accuracy`
    of the group with the largest summed probability, `low`, `high` (95 % bootstrap interval), `accuracy_of_top_code`
    (of the group of the most probable leaf), `macro_recall`, `macro_f1`, `ece` (of the summed probability).

    A level at which no record can be judged has no row.
    """
    rows = (level_row(probabilities, labels, ancestors, level, bins, seed) for level in sorted(ancestors))
    return [row for row in rows if row]


def level_row(probabilities, labels, ancestors, level: int, bins: int, seed: int) -> dict | None:
    """The row of one level, or None when no record can be judged there."""
    groups, judged = level_groups(ancestors, level)
    keep = judged[labels]
    if not keep.any():
        return None
    probabilities, labels = probabilities[keep], labels[keep]
    summed, numbers = group_probabilities(probabilities, groups)
    wanted, chosen = np.searchsorted(numbers, groups[labels]), summed.argmax(axis=1)
    correct = chosen == wanted
    low, high = bootstrap_interval(correct, seed=seed)
    return {
        "level": int(level),
        "groups": int((numbers >= 0).sum()),
        "records": len(labels),
        "accuracy": float(correct.mean()),
        "low": low,
        "high": high,
        "accuracy_of_top_code": float(np.mean(groups[probabilities.argmax(axis=1)] == groups[labels])),
        **macro_scores(class_table(chosen, wanted, numbers)),
        "ece": expected_calibration_error(summed.max(axis=1).clip(0, 1), correct, bins),
    }


def group_table(probabilities, labels, ancestors, level_codes: Mapping[int, Sequence[str]]) -> list[dict]:
    """`classes.class_table` of the groups at the coarsest level; records without a group there are left out."""
    level = min(ancestors)
    groups = np.asarray(ancestors[level])
    keep = groups[labels] >= 0
    summed, numbers = group_probabilities(probabilities[keep], groups)
    codes = [level_codes[level][number] if number >= 0 else "" for number in numbers]
    wanted = np.searchsorted(numbers, groups[labels[keep]])
    return [row for row in class_table(summed.argmax(axis=1), wanted, codes) if row["code"]]
