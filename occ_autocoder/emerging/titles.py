"""Titles that advertisements use and the classification does not list: new work that a known code swallows, too.

A model may be sure of a code whose titles are others: that of SSOC 2020 codes data engineers to database architects.
"""

import re
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass

from datasets import Dataset

from .periods import Growth, count_periods, growth, period_totals

GRADES = frozenset(["senior", "junior", "trainee", "apprentice", "intern", "i", "ii", "iii", "iv", "1", "2", "3", "4"])
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Unlisted:
    """A title that is not listed: how many different `ads` and `employers` have it, the `code` that most of them get,
    the `share` of them that do, their mean `confidence`, and their `growth`.
    """

    title: str
    ads: int
    employers: int
    code: str
    share: float
    confidence: float
    growth: Growth | None


def unlisted_titles(
    records: Dataset, known: Set[str], *, fewest: int = 5, unit: str = "quarter"
) -> tuple[Unlisted, ...]:
    """The titles of `fewest` ads or more that are none of `known`, the most frequent first.

    A title counts without the words of its grade, "Senior" or "II", at either end. Ads of the same texts count once.

    Args:
        records: with `title` as the model reads it, `job_duties`, `date`, `employer`, `codes` and `confidences`.
        known: titles as `words_of` gives them.
    """
    places: dict[str, dict[str, int]] = {}
    for place, (title, duties) in enumerate(zip(records["title"], records["job_duties"], strict=True)):
        if (core := core_of(title)) and core not in known and words_of(title) not in known:
            places.setdefault(core, {}).setdefault(duties, place)
    days = [[day] if day else [] for day in records["date"]]
    totals = period_totals(days, unit)
    codes, confidences, employers = records["codes"], records["confidences"], records["employer"]
    found = []
    for title, own in places.items():
        if len(rows := list(own.values())) >= fewest:
            [(code, most)] = Counter(codes[row][0] for row in rows).most_common(1)
            rise = growth(count_periods([days[row] for row in rows], list(totals), unit), totals)
            names = {employers[row].casefold() for row in rows} - {""}
            mean = sum(confidences[row][0] for row in rows) / len(rows)
            found.append(Unlisted(title, len(rows), len(names), code, most / len(rows), mean, rise))
    return tuple(sorted(found, key=lambda item: (-item.ads, item.title)))


def words_of(title: str) -> str:
    """The words of a title, one blank between two."""
    return " ".join(_WORD.findall(title))


def core_of(title: str) -> str:
    """`words_of` without the words of a grade at the ends; "" where there are no others."""
    words = _WORD.findall(title)
    while words and words[0] in GRADES:
        words = words[1:]
    while words and words[-1] in GRADES:
        words = words[:-1]
    return " ".join(words)
