"""Records of advertisements: with the day on which each appeared, the employer and the place, where these are known."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from os import PathLike

from .readers import ALIASES, open_source
from .records import READ, Record, Rejected, checked, prose, text_in

VACANCY_ALIASES = ALIASES | {
    "date": ("date", "posted", "date_posted", "published"),
    "employer": ("employer", "company"),
    "place": ("place", "location"),
}
FIRST_DAY = "0000-01-01"
_YEAR_OR_MONTH = re.compile(r"\d{4}(-\d\d)?")


@dataclass(frozen=True)
class Vacancy(Record):
    """A record of an advertisement; `date` is YYYY-MM-DD, and each is "" where it is not given."""

    date: str = ""
    employer: str = ""
    place: str = ""


def iter_vacancies(
    source: str | PathLike,
    *,
    columns: Mapping[str, str | None] | None = None,
    split: str = "train",
    revision: str | None = None,
    as_written: bool = False,
) -> Iterator[Vacancy | Rejected]:
    """The rows of `source` as `records.iter_records` gives them; a row with a date that is none is rejected.

    With `as_written` the description is not normalised: its lines stay, and places in it are places in the source's.
    """
    rows = open_source(source, columns or {}, split, revision, VACANCY_ALIASES)
    description = {"job_duties": written} if as_written else {}
    return checked(rows, Vacancy, READ | {"date": day, "employer": prose, "place": prose} | description)


def written(cell: object) -> str:
    """The cell's text with its lines, without the halves of characters that no file can hold."""
    return text_in(cell).encode("utf-8", "ignore").decode()


def day(cell: object) -> str:
    """The day of a date, or of a text that begins with one; of a year or month its first. ValueError for another."""
    if isinstance(cell, date):
        return cell.isoformat()[:10]
    text = text_in(cell)
    whole = text + FIRST_DAY[len(text) :] if _YEAR_OR_MONTH.fullmatch(text) else text[:10]
    try:
        return text and date.fromisoformat(whole).isoformat()
    except ValueError:
        allowed = "one as 2024-03-31, 2024-03 or 2024, or nothing"
        raise ValueError(f"{len(text)} characters that are no date; allowed: {allowed}") from None
