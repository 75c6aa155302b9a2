"""Clusters over time: ads by period, how sure a growth is, and the clusters of one period found again in the next."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest

UNITS = {"year": 1, "quarter": 4, "month": 12}  # how many make a year
NAMES = {"year": "{0}", "quarter": "{0}-Q{1}", "month": "{0}-{1:02d}"}
LINK = 0.8


@dataclass(frozen=True)
class Growth:
    """Ads in the `earlier` and in the `later` half of the periods, and the ratio of their rates with its 95 % interval.

    The ratio is infinite where there was none before.
    """

    earlier: int
    later: int
    ratio: float
    low: float
    high: float

    @property
    def rising(self) -> bool:
        """Whether the whole interval is above 1."""
        return self.low > 1


def period_of(day: str, unit: str) -> str:
    """The period of a day, YYYY-MM-DD: "2024", "2024-Q1" or "2024-03"."""
    return period_name(period_number(day, unit), unit)


def period_number(day: str, unit: str) -> int:
    """The place of a day's period among all since the year 0."""
    if unit not in UNITS:
        raise ValueError(f"unit {unit!r}; allowed: {', '.join(UNITS)}")
    found = date.fromisoformat(day)
    return found.year * UNITS[unit] + (found.month - 1) * UNITS[unit] // 12


def period_name(number: int, unit: str) -> str:
    """The name of the period at that place."""
    year, part = divmod(number, UNITS[unit])
    return NAMES[unit].format(year, part + 1)


def periods_between(days: Iterable[str], unit: str) -> list[str]:
    """Every period from the first of the days to the last, also those without any."""
    numbers = [period_number(day, unit) for day in days]
    return [period_name(number, unit) for number in range(min(numbers), max(numbers) + 1)] if numbers else []


def count_periods(dates: Iterable[Iterable[str]], periods: Sequence[str], unit: str) -> dict[str, int]:
    """Period -> ads in it. An ad has several dates where it was posted again, and counts once in each period."""
    counts = dict.fromkeys(periods, 0)
    for days in dates:
        for period in {period_of(day, unit) for day in days}:
            counts[period] += 1
    return counts


def period_totals(dates: Sequence[Iterable[str]], unit: str) -> dict[str, int]:
    """Every period from the first date to the last -> all ads of it, as `count_periods` counts them."""
    return count_periods(dates, periods_between((day for days in dates for day in days), unit), unit)


def growth(counts: Mapping[str, int], totals: Mapping[str, int] | None = None) -> Growth | None:
    """The later half of the periods against the earlier; None with fewer than two periods, or without ads.

    The ratio of two Poisson rates, exact by the binomial law of the one count given the sum of both (Przyborowski and
    Wilenski 1940; Clopper and Pearson 1934). It takes ads for independent: merge the near-duplicates first.

    Args:
        counts: period -> ads, in the order of time.
        totals: period -> all ads that were looked at, so that more ads in all are no growth; None where all periods
            count alike. ValueError for a period that it lacks.
    """
    periods, half = list(counts), len(counts) // 2
    if missing := [period for period in periods if totals is not None and period not in totals]:
        raise ValueError(f"totals: no period {missing[0]}; allowed: all of {periods[0]} to {periods[-1]}")
    parts = periods[:half], periods[half:]
    earlier, later = (sum(counts[period] for period in part) for part in parts)
    exposures = [sum(totals[period] if totals else 1 for period in part) for part in parts]
    if not earlier + later or not all(exposures):
        return None
    found = binomtest(later, earlier + later).proportion_ci(0.95, method="exact")
    unit_rate = exposures[0] / exposures[1]
    ratio = later / earlier * unit_rate if earlier else math.inf
    return Growth(earlier, later, ratio, odds(found.low) * unit_rate, odds(found.high) * unit_rate)


def odds(share: float) -> float:
    """0.75 -> 3; 1 -> infinity."""
    return share / (1 - share) if share < 1 else math.inf


def link(earlier: np.ndarray, later: np.ndarray, threshold: float = LINK) -> list[tuple[int, int, float]]:
    """(earlier, later, cosine) of clusters that are taken for the same: at most one each, the largest sum of cosines.

    By the Hungarian method (Kuhn 1955) on the cosines of unit centroids [k, d] and [m, d]; pairs below the threshold
    are none, and do not keep better ones apart.
    """
    if not len(earlier) or not len(later):
        return []
    cosines = earlier @ later.T
    pairs = zip(*linear_sum_assignment(np.where(cosines >= threshold, cosines, 0), maximize=True))
    return [(int(i), int(j), float(cosines[i, j])) for i, j in pairs if cosines[i, j] >= threshold]


def link_periods(periods: Sequence[np.ndarray], threshold: float = LINK) -> list[list[int | None]]:
    """One row for each cluster over time: its place among the clusters of every period, None where it was not found.

    A cluster that is missing in a period is looked for in the next by its last centroid. Rows are in the order in
    which clusters first come up.

    Args:
        periods: the unit centroids [k, d] of each period's clusters, in the order of time.
    """
    rows: list[list[int | None]] = []
    last: list[np.ndarray] = []
    for time, found in enumerate(periods):
        linked = {new: old for old, new, _ in link(np.array(last), found, threshold)}
        for row in rows:
            row.append(None)
        for place, centroid in enumerate(found):
            if place in linked:
                rows[linked[place]][time], last[linked[place]] = place, centroid
            else:
                rows.append([None] * time + [place])
                last.append(centroid)
    return rows
