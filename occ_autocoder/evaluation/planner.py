"""How much can be coded without a person at a wanted accuracy: a plan, chosen on some records and checked on others.

A threshold that just reaches the target on the records that it was chosen on does a little worse on others. So half of
the records choose, and the other half tell what to expect.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import beta, betabinom, binom

from .backoff import LevelChoice, back_off, choose_back_off, level_choices, safe_and_correct
from .coverage import choose_threshold, thinned_curve
from .interval import wilson_interval

BACK_OFF = "back-off"
INTERVAL = 0.95
STEPS = 200
LARGE_BATCH = 2000


def plan(
    probabilities: np.ndarray,
    labels: Sequence[int],
    ancestors: Mapping[int, Sequence[int]],
    target: float,
    *,
    assurance: float | None = None,
    volume: int = 100_000,
    seed: int = 0,
) -> dict:
    """The plan for a target accuracy, at each level and with back-off, from labelled records of the source to be coded.

    Args:
        probabilities, labels, ancestors: as `metrics.evaluate_probabilities` takes them.
        target: the accuracy wanted of what is coded without a person, 0 to 1.
        assurance: how sure it must be that the true accuracy is the target or more, as 0.95; None where it is enough to
            expect the target. Back-off is planned by expectation alone.
        volume: records of the batch that is to be coded, for the workload and the batch's interval.
        seed: of the halves.
    Returns:
        `target`, `assurance`, `volume`, `records` (that choose, and that check), `rows` and `curves`. A row has `level`
        (or "back-off"), `threshold` (None: not reachable; with back-off level -> threshold) and, from the half that
        checks, what `expected` says. `curves` has for each level rows of `coverage.thinned_curve`, of all records.
    Raises: ValueError for fewer than 20 records, or a target, assurance or volume out of range.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    check_wanted(len(labels), target, assurance, volume)
    choosing = halves(len(labels), seed)
    choices = level_choices(probabilities, ancestors)
    rows = []
    for level, choice in choices.items():
        correct = choice.correct(labels)
        threshold = choose(choice.confidence[choosing], correct[choosing], target, assurance)
        coded = choice.confidence[~choosing] >= threshold
        found = expected(int(correct[~choosing][coded].sum()), int(coded.sum()), len(coded), volume)
        rows.append({"level": level, "threshold": finite(threshold)} | found)
    rows.append(back_off_row(choices, labels, choosing, target, volume))
    curves = {level: thinned_curve(choice.confidence, choice.correct(labels)) for level, choice in choices.items()}
    records = {"choosing": int(choosing.sum()), "checking": int((~choosing).sum())}
    about = {"target": target, "assurance": assurance, "volume": volume, "records": records}
    return about | {"rows": rows, "curves": curves}


def check_wanted(records: int, target: float, assurance: float | None, volume: int) -> None:
    """ValueError for what makes no plan."""
    if records < 20:
        raise ValueError(f"{records} records; allowed: 20 or more, better a thousand")
    if not 0 < target < 1:
        raise ValueError(f"target is {target}; allowed: between 0 and 1, as 0.95")
    if assurance is not None and not 0 < assurance < 1:
        raise ValueError(f"assurance is {assurance}; allowed: between 0 and 1, as 0.95")
    if volume < 1:
        raise ValueError(f"volume is {volume}; allowed: 1 record or more")


def halves(records: int, seed: int) -> np.ndarray:
    """[records], whether a record is of the half that chooses."""
    return np.random.default_rng(seed).permutation(records) < records / 2


def choose(confidence: np.ndarray, correct: np.ndarray, target: float, assurance: float | None) -> float:
    """The lowest threshold that reaches the target by expectation, or with the assurance."""
    if assurance is None:
        return choose_threshold(confidence, correct, target)
    return assured_threshold(confidence, correct, target, assurance)


def assured_threshold(confidence: np.ndarray, correct: np.ndarray, target: float, assurance: float) -> float:
    """The lowest threshold of which the records reject, one after the other, that the accuracy is below the target.

    Fixed-sequence testing from the strictest of 200 thresholds down, each by the binomial tail, to the first that is
    not rejected ("Learn then test", Angelopoulos et al. 2021): the accuracy is at least the target with probability
    `assurance` or more. Infinity where none is rejected.
    """
    order = np.argsort(-confidence, kind="stable")
    confidence, right = confidence[order], np.cumsum(correct[order])
    fewest = math.ceil(math.log(1 - assurance) / math.log(target))  # fewer could not reject, all of them right
    sizes = np.unique(np.linspace(min(fewest, len(confidence)), len(confidence), STEPS).astype(int))
    found = math.inf
    for size in sizes:
        size = int(np.searchsorted(-confidence, -confidence[size - 1], side="right"))  # equal ones are coded together
        if binom.sf(right[size - 1] - 1, size, target) > 1 - assurance:
            break
        found = float(confidence[size - 1])
    return found


def back_off_row(
    choices: Mapping[int, LevelChoice], labels: np.ndarray, choosing: np.ndarray, target: float, volume: int
) -> dict:
    """The row of back-off: each record is coded at the deepest level that is safe, and right if that is right."""
    first = {level: part(choice, choosing) for level, choice in choices.items()}
    thresholds = choose_back_off(first, labels[choosing], target)
    second = {level: part(choice, ~choosing) for level, choice in choices.items()}
    safe = back_off(second, thresholds)
    right = safe_and_correct(second, safe, labels[~choosing])
    coded = int((safe.levels > 0).sum())
    at = {level: float((safe.levels == level).mean()) for level in choices}
    row = {"level": BACK_OFF, "threshold": {level: finite(value) for level, value in thresholds.items()}}
    return row | expected(int(right.sum()), coded, len(right), volume) | {"coverage_at": at}


def part(choice: LevelChoice, rows: np.ndarray) -> LevelChoice:
    """The choice for these rows."""
    return LevelChoice(choice.groups[rows], choice.confidence[rows], choice.own, choice.judged)


def expected(right: int, coded: int, records: int, volume: int) -> dict:
    """What `right` of `coded` of `records` let expect: these two numbers, and what follows.

    `coverage` with `coverage_low` and `coverage_high`, the share coded without a person (95 % interval); `workload`,
    how many of `volume` records are left to people; `accuracy`, with `accuracy_low` and `accuracy_high`, the 95 %
    interval of the true one (Jeffreys'), and `batch_low` and `batch_high`, within which that of a batch of `volume`
    records will lie in 95 of 100 cases. None where nothing is coded.
    """
    coverage = coded / records
    low, high = wilson_interval(coverage, records)
    found = {"right": right, "coded": coded, "coverage": coverage, "coverage_low": low, "coverage_high": high}
    found["workload"] = round((1 - coverage) * volume)
    names = ("accuracy", "accuracy_low", "accuracy_high", "batch_low", "batch_high")
    if not coded:
        return found | dict.fromkeys(names)
    batch = batch_interval(right, coded, max(1, round(coverage * volume)))
    return found | dict(zip(names, (right / coded, *true_interval(right, coded), *batch), strict=True))


def true_interval(right: int, coded: int) -> tuple[float, float]:
    """The 95 % interval of the true accuracy of which `right` of `coded` were right (Jeffreys' prior)."""
    tail = (1 - INTERVAL) / 2
    low = beta.ppf(tail, right + 0.5, coded - right + 0.5) if right else 0.0
    high = beta.ppf(1 - tail, right + 0.5, coded - right + 0.5) if right < coded else 1.0
    return float(low), float(high)


def batch_interval(right: int, coded: int, batch: int) -> tuple[float, float]:
    """Within which the accuracy of `batch` further records will lie in 95 of 100 cases.

    Beta-binomial; of a large batch, whose law takes long to sum up, the beta law with the same mean and variance.
    """
    tail, first, second = (1 - INTERVAL) / 2, right + 0.5, coded - right + 0.5
    law = betabinom(batch, first, second)
    if batch > LARGE_BATCH:
        mean = first / (first + second)
        total = mean * (1 - mean) / (law.var() / batch**2) - 1
        law = beta(mean * total, (1 - mean) * total)
        return float(law.ppf(tail)), float(law.ppf(1 - tail))
    return float(law.ppf(tail) / batch), float(law.ppf(1 - tail) / batch)


def finite(threshold: float) -> float | None:
    """None for infinity, which JSON lacks."""
    return threshold if math.isfinite(threshold) else None


def outcome(
    row: Mapping, probabilities: np.ndarray, labels: np.ndarray, ancestors: Mapping[int, Sequence[int]]
) -> tuple[int, int]:
    """(right, coded): how many records are coded as the row of a plan says, and how many of them rightly."""
    choices = level_choices(probabilities, ancestors)
    thresholds = row["threshold"] if row["level"] == BACK_OFF else {row["level"]: row["threshold"]}
    safe = back_off(choices, {level: value for level, value in thresholds.items() if value is not None})
    return int(safe_and_correct(choices, safe, labels).sum()), int((safe.levels > 0).sum())


def keeps_promise(row: Mapping, right: int, coded: int) -> bool:
    """Whether on other records, of which `coded` were coded and `right` of them right, the row's promise holds.

    It holds where the accuracy lies in the interval for a batch of that size, given what the row was told by.
    """
    if not coded or row["accuracy"] is None:
        return not coded
    low, high = batch_interval(row["right"], row["coded"], coded)
    return low <= right / coded <= high
