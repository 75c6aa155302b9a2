"""Two models on the same records: what changes, what is won and lost, and whether the second may take over."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from occ_autocoder.taxonomy import Taxonomy

from .calibration import expected_calibration_error
from .interval import Z95

UNKNOWN = "?"


@dataclass(frozen=True)
class Choices:
    """What a model chose for n records: `codes`, and how sure it was, `confidence` [n], 0 to 1."""

    codes: Sequence[str]
    confidence: np.ndarray


@dataclass(frozen=True)
class Limits:
    """Within what the second model may be released; shares from 0 to 1.

    `accuracy_loss`: of all records with a known code; a smaller loss is refused too where it is significant.
    `group_accuracy_loss`: of a group of the first level with `group_records` known codes or more, where it is
    significant among the groups. `group_shift`: how far a group's share of all records may move.
    """

    accuracy_loss: float = 0.005
    group_accuracy_loss: float = 0.05
    group_records: int = 30
    group_shift: float = 0.02
    calibration_error: float = 0.05
    golden_broken: int = 0
    significance: float = 0.05


def compare_choices(
    before: Choices,
    after: Choices,
    references: Sequence[str],
    taxonomy: Taxonomy,
    golden: Sequence[bool] | None = None,
    limits: Limits | None = None,
) -> dict:
    """The comparison of two models as a dict that can be written as JSON.

    Args:
        references: the right code of each record, "" where it is not known.
        golden: which records must be right; none where not given.
    Returns:
        `records`, `changed` (share with another code), `levels` (that share at each level), `groups` (of the first
        level: records before and after, their shares and known accuracy), `accuracy` (of the records with a known code,
        None without any: see `paired`), `calibration_error` (before and after, None without known codes),
        `golden_broken` (places of golden records that the second model gets wrong), and `checks`: a row for each of
        `limits` with what was found and whether it passed.
    Raises: ValueError for lists of different lengths, no records, or a golden record without a code.
    """
    limits = limits or Limits()
    golden = np.zeros(len(references), dtype=bool) if golden is None else np.asarray(golden, dtype=bool)
    check_lengths(before, after, references, golden)
    known = np.array([bool(code) for code in references])
    right = [np.array(model.codes) == np.array(references) for model in (before, after)]
    found = {
        "records": len(references),
        "changed": float(np.mean(np.array(before.codes) != np.array(after.codes))),
        "levels": [level_change(level, before.codes, after.codes, taxonomy) for level in sorted(taxonomy.levels)],
        "groups": group_rows(before.codes, after.codes, references, taxonomy),
        "accuracy": paired(right[0][known], right[1][known]) if known.any() else None,
        "calibration_error": [calibration(model, own, known) for model, own in zip((before, after), right)],
        "golden": int(golden.sum()),
        "golden_broken": np.flatnonzero(golden & ~right[1]).tolist(),
    }
    return found | {"checks": checks(found, limits)}


def check_lengths(before: Choices, after: Choices, references: Sequence[str], golden: np.ndarray) -> None:
    """ValueError unless there are records, as many in each list, and a code for every golden one."""
    sizes = {len(before.codes), len(before.confidence), len(after.codes), len(after.confidence), len(golden)}
    if sizes != {len(references)} or not references:
        raise ValueError(f"lists of {sorted({*sizes, len(references)})} records; allowed: the same number, from 1")
    if bad := [row for row, is_golden in enumerate(golden, start=1) if is_golden and not references[row - 1]]:
        raise ValueError(f"golden record {bad[0]}: no code; allowed: golden records with their codes")


def paired(before: np.ndarray, after: np.ndarray) -> dict:
    """Whether each of n records is right, [n] twice -> accuracies, their difference, and how significant it is.

    `difference` has a 95 % interval (`low`, `high`; Wald's for paired shares). `p_value` is McNemar's exact one: how
    likely it is that so unequal numbers of records are lost and won where neither model is better. `kept` is the share
    of those right before that still are, `fixed` that of those wrong before that now are right; None without any.
    """
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    size = len(before)
    difference = (won - lost) / size
    half = Z95 * np.sqrt(max(0.0, (won + lost) / size - difference**2) / size)
    return {
        "records": size,
        "before": float(before.mean()),
        "after": float(after.mean()),
        "difference": difference,
        "low": float(difference - half),
        "high": float(difference + half),
        "lost": lost,
        "won": won,
        "p_value": float(binomtest(lost, lost + won).pvalue) if lost + won else 1.0,
        "kept": float(after[before].mean()) if before.any() else None,
        "fixed": float(after[~before].mean()) if not before.all() else None,
    }


def calibration(model: Choices, right: np.ndarray, known: np.ndarray) -> float | None:
    """The expected calibration error where the right code is known; None where it is not."""
    if not known.any():
        return None
    return expected_calibration_error(np.asarray(model.confidence)[known].clip(0, 1), right[known])


def at_level(code: str, level: int, taxonomy: Taxonomy) -> str:
    """The code's ancestor at a level, or itself where it lies above; `UNKNOWN` for a code of another classification."""
    if code not in taxonomy:
        return UNKNOWN
    path = [item for item in taxonomy.path(code) if item.level <= level]
    return path[-1].code if path else UNKNOWN


def level_change(level: int, before: Sequence[str], after: Sequence[str], taxonomy: Taxonomy) -> dict:
    """The share of records whose group at a level is another one."""
    pairs = zip(before, after, strict=True)
    changed = [at_level(one, level, taxonomy) != at_level(other, level, taxonomy) for one, other in pairs]
    return {"level": level, "changed": float(np.mean(changed))}


def group_rows(
    before: Sequence[str], after: Sequence[str], references: Sequence[str], taxonomy: Taxonomy
) -> list[dict]:
    """The groups of the first level that occur: how many records each model puts there, and how many rightly coded."""
    first = min(taxonomy.levels)
    groups = [[at_level(code, first, taxonomy) for code in codes] for codes in (before, after, references)]
    counts = [Counter(found) for found in groups]
    own = np.array(groups[2])
    right = [np.array(codes) == np.array(references) for codes in (before, after)]
    known = np.array([bool(code) for code in references])
    rows = []
    for group in sorted({*counts[0], *counts[1]} | {code for code in groups[2] if code != UNKNOWN}):
        here = known & (own == group)
        rows.append(
            {
                "group": group,
                "before": counts[0][group],
                "after": counts[1][group],
                "shift": (counts[1][group] - counts[0][group]) / len(references),
                "accuracy": paired(right[0][here], right[1][here]) if here.any() else None,
            }
        )
    return rows


def checks(found: Mapping, limits: Limits) -> list[dict]:
    """A row for each limit: `check`, `found`, `limit`, `passed`; those about known codes only where there are some."""
    rows = [check("largest shift of a group", max(abs(row["shift"]) for row in found["groups"]), limits.group_shift)]
    if found["accuracy"]:
        accuracy = found["accuracy"]
        significant = accuracy["difference"] < 0 and accuracy["p_value"] < limits.significance
        rows.append(check("accuracy lost", max(0.0, -accuracy["difference"]), limits.accuracy_loss, not significant))
        rows.append(check("accuracy lost in a group", group_loss(found["groups"], limits), limits.group_accuracy_loss))
        rows.append(check("calibration error", found["calibration_error"][1], limits.calibration_error))
    if found["golden"]:
        rows.append(check("golden records that are wrong", len(found["golden_broken"]), limits.golden_broken))
    return rows


def check(name: str, value: float, limit: float, also: bool = True) -> dict:
    """One row of the checks: passed where the value is within the limit, and `also` holds."""
    return {"check": name, "found": value, "limit": limit, "passed": bool(value <= limit and also)}


def group_loss(groups: Sequence[Mapping], limits: Limits) -> float:
    """The largest loss of accuracy among the large groups where it is significant (Bonferroni, over these groups)."""
    large = [
        row["accuracy"] for row in groups if row["accuracy"] and row["accuracy"]["records"] >= limits.group_records
    ]
    significant = [item for item in large if item["p_value"] < limits.significance / len(large)]
    return max([0.0, *(-item["difference"] for item in significant)])
