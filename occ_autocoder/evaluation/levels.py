"""The same answers at every level of the classification: leaf probabilities summed up the tree."""

from collections.abc import Mapping, Sequence

import numpy as np

from occ_autocoder.taxonomy import Taxonomy

from .calibration import expected_calibration_error
from .classes import class_table, macro_scores
from .interval import wilson_interval


def taxonomy_levels(taxonomy: Taxonomy, codes: Sequence[str]) -> tuple[dict[int, list[int]], dict[int, list[str]]]:
    """`ancestors` and `level_codes` of `metrics.evaluate_probabilities` for the columns `codes` [C].

    `level_codes[level]` are the codes of that level above or among the columns, in table order; `ancestors[level]` [C]
    holds the place in it of each column's ancestor (or itself), -1 where its path skips the level. A level that no
    column has is left out. Raises UnknownCodeError (a KeyError) for a code that the taxonomy does not have.
    """
    paths = [{occupation.level: occupation.code for occupation in taxonomy.path(code)} for code in codes]
    occurring = {code for path in paths for code in path.values()}
    above = [occupation for occupation in taxonomy if occupation.code in occurring]
    levels = sorted({occupation.level for occupation in above})
    level_codes = {level: [occupation.code for occupation in above if occupation.level == level] for level in levels}
    places = {code: place for names in level_codes.values() for place, code in enumerate(names)}
    ancestors = {level: [places[path[level]] if level in path else -1 for path in paths] for level in level_codes}
    return ancestors, level_codes


def level_groups(ancestors: Mapping[int, Sequence[int]], level: int) -> tuple[np.ndarray, np.ndarray]:
    """The group of every leaf at a level, [C] int, and whether a leaf can be judged there, [C] bool.

    A leaf that skips the level (-1 there, an ancestor at a finer one; SSOC's X1000 lies directly under X) stands under
    its next coarser ancestor. A leaf that is itself coarser than the level, or has no ancestor that coarse, is not
    judged. Groups of different levels get different numbers.
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
    probabilities: np.ndarray, labels: np.ndarray, ancestors: Mapping[int, Sequence[int]], *, bins: int = 15
) -> list[dict]:
    """One row per level, coarsest first; a level at which no record can be judged has none.

    Columns: `level`, `groups` (in the classification), `records` (judged there), `accuracy` (of the group with the
    largest summed probability), `low`, `high` (its 95 % interval), `accuracy_of_top_code` (of the group of the most
    probable leaf), `macro_recall`, `macro_f1`, `ece` (of the summed probability).
    """
    rows = (level_row(probabilities, labels, ancestors, level, bins) for level in sorted(ancestors))
    return [row for row in rows if row]


def level_row(
    probabilities: np.ndarray, labels: np.ndarray, ancestors: Mapping[int, Sequence[int]], level: int, bins: int
) -> dict | None:
    """The row of one level, or None when no record can be judged there."""
    groups, judged = level_groups(ancestors, level)
    keep = judged[labels]
    if not keep.any():
        return None
    probabilities, labels = probabilities[keep], labels[keep]
    summed, numbers = group_probabilities(probabilities, groups)
    wanted, chosen = np.searchsorted(numbers, groups[labels]), summed.argmax(axis=1)
    correct = chosen == wanted
    low, high = wilson_interval(correct.mean(), len(correct))
    return {
        "level": int(level),
        "groups": int((numbers >= 0).sum()),
        "records": len(labels),
        "accuracy": float(correct.mean()),
        "low": low,
        "high": high,
        "accuracy_of_top_code": float(np.mean(groups[probabilities.argmax(axis=1)] == groups[labels])),
        **macro_scores(class_table(chosen, wanted, numbers)),
        # The rounding errors of a sum may carry it past 1.
        "ece": expected_calibration_error(summed.max(axis=1).clip(0, 1), correct, bins),
    }


def group_table(
    probabilities: np.ndarray,
    labels: np.ndarray,
    ancestors: Mapping[int, Sequence[int]],
    level_codes: Mapping[int, Sequence[str]],
) -> list[dict]:
    """`classes.class_table` of the groups at the coarsest level; records without a group there are left out.

    Two columns more are about the records coded into the group: `mean_confidence` of the most probable leaf and
    `code_accuracy`, the share of them whose leaf is right; None when no record was coded into it. A group where the
    two lie apart is miscalibrated, whatever the whole says.
    """
    level = min(ancestors)
    groups = np.asarray(ancestors[level])
    keep = groups[labels] >= 0
    probabilities, labels = probabilities[keep], labels[keep]
    summed, numbers = group_probabilities(probabilities, groups)
    chosen, wanted = summed.argmax(axis=1), np.searchsorted(numbers, groups[labels])
    codes = [level_codes[level][number] if number >= 0 else "" for number in numbers]
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    rows = class_table(chosen, wanted, codes)
    for place, row in enumerate(rows):
        coded = chosen == place
        row["mean_confidence"] = float(confidence[coded].mean()) if coded.any() else None
        row["code_accuracy"] = float(correct[coded].mean()) if coded.any() else None
    return [row for row in rows if row["code"]]
