"""Who stands under whom, as each kind of table states it, and how deep."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count

from .occupation import Occupation

Parents = list[str | None]


def from_column(occupations: Sequence[Occupation]) -> Parents:
    """The parents that the table gives."""
    return [occupation.parent for occupation in occupations]


def from_prefix(occupations: Sequence[Occupation]) -> Parents:
    """The longest other code of the table that begins the code, None without one: where no column has the parents."""
    codes = {occupation.code for occupation in occupations} - {""}
    return [_first(_beginnings(occupation.code), codes) for occupation in occupations]


def from_dots(occupations: Sequence[Occupation]) -> Parents:
    """The longest code of the table that the code continues after a dot, else the parent column's: ESCO's nesting."""
    codes = {occupation.code for occupation in occupations} - {""}
    return [_first(_dotted(occupation.code), codes) or occupation.parent for occupation in occupations]


PARENT_RULES: Mapping[str, Callable[[Sequence[Occupation]], Parents]] = {
    "column": from_column,
    "prefix": from_prefix,
    "dotted": from_dots,
}


def depths(occupations: Sequence[Occupation]) -> list[int]:
    """How many steps each occupation is from the top, which is 1; in a cycle, some number from 1."""
    by_code = {occupation.code: occupation for occupation in reversed(occupations)}
    known: dict[str | None, int] = {}
    for code in by_code:
        walk = []
        while code in by_code and code not in known:
            known[code] = 0
            walk.append(code)
            code = by_code[code].parent
        known.update(zip(reversed(walk), count(known.get(code, 0) + 1), strict=False))
    return [known[occupation.code] for occupation in occupations]


def _first(candidates: Iterator[str], codes: set[str]) -> str | None:
    return next((candidate for candidate in candidates if candidate in codes), None)


def _beginnings(code: str) -> Iterator[str]:
    """Every proper beginning of `code`, the longest first."""
    return (code[:end] for end in range(len(code) - 1, 0, -1))


def _dotted(code: str) -> Iterator[str]:
    """Every beginning of `code` before one of its dots, the longest first."""
    return (code[:end] for end in range(len(code) - 1, 0, -1) if code[end] == ".")
