"""What a taxonomy must satisfy: every fault is found and named with its row and column, then refused at once."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from .occupation import Occupation

SHOWN = 10
LONGEST_CODE = 200
DEEPEST = 99
WHOLE_NUMBER = f"a whole number from 1 to {DEEPEST}"
# An O among digits is a mistyped zero; beside another letter (INFO1) it belongs to a word.
ZERO_AS_LETTER = re.compile(r"(?<![a-zA-Z])(?:(?<=[0-9])[oO]+|[oO]+(?=[0-9]))(?![a-zA-Z])")


class TaxonomyError(ValueError):
    """A table that is not a taxonomy. `problems` holds every fault; the message shows the first ten and the count."""

    def __init__(self, problems: str | Sequence[str]):
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return self.problems[0]
        more = ["..."] if len(self.problems) > SHOWN else []
        return "\n- ".join([f"{len(self.problems)} problems", *self.problems[:SHOWN], *more])


class Problem(NamedTuple):
    """A fault of the `index`-th occupation (from 0) in one of `Occupation`'s fields."""

    index: int
    field: str
    message: str


Place = Callable[[int, str], str]


def in_memory(occupations: Sequence[Occupation]) -> Place:
    """Names a fault's place where no file is known: the occupation's position, from 1, its code and the field."""
    return lambda index, field: f"occupation {index + 1} (code {occupations[index].code!a}), field '{field}'"


def refuse(problems: Sequence[Problem], place: Place) -> None:
    """Raises TaxonomyError with all `problems` in row order, one a row and field; returns where there are none."""
    first: dict[tuple[int, str], Problem] = {}
    for problem in problems:
        first.setdefault(problem[:2], problem)
    found = sorted(first.values(), key=lambda problem: problem.index)
    if found:
        raise TaxonomyError([f"{place(index, field)}: {message}" for index, field, message in found])


def find_problems(occupations: Sequence[Occupation]) -> list[Problem]:
    """Every fault of codes, titles, parents and levels, in no order; empty for a sound taxonomy."""
    if problems := list(_wrong_types(occupations)):
        return problems
    by_code = {occupation.code: occupation for occupation in reversed(occupations)}
    checks = (
        _bad_codes(occupations),
        _duplicates(occupations),
        _bad_titles(occupations),
        _bad_levels(occupations),
        _orphans(occupations, by_code),
        _cycles(occupations, by_code),
        _levels_out_of_step(occupations, by_code),
    )
    return [problem for check in checks for problem in check]


def _wrong_types(occupations: Sequence[Occupation]) -> Iterator[Problem]:
    for index, occupation in enumerate(occupations):
        for field in ("code", "title"):
            if not isinstance(value := getattr(occupation, field), str):
                yield Problem(index, field, f"{value!r} is a {type(value).__name__}; allowed: text")
        if not isinstance(occupation.parent, str | None):
            yield Problem(index, "parent", f"{occupation.parent!r} is not text; allowed: a code, or None at the top")


def code_fault(code: str) -> str:
    """Why `code` is not allowed as a code, or "" where it is."""
    odd = next((c for c in code if not c.isascii() or not c.isprintable() or c.isspace()), "")
    if not code:
        return "the code is empty; allowed: ASCII letters, digits and signs"
    if len(code) > LONGEST_CODE:
        return f"a code of {len(code):,} characters; allowed: at most {LONGEST_CODE}"
    if odd:
        return f"code {code!a} holds {odd!r} (U+{ord(odd):04X}); allowed: ASCII letters, digits and signs, no blanks"
    if ZERO_AS_LETTER.search(code):
        return f"code '{code}' has the letter O beside a digit; allowed there: the digit 0"
    return ""


def _bad_codes(occupations: Sequence[Occupation]) -> Iterator[Problem]:
    for index, occupation in enumerate(occupations):
        if fault := code_fault(occupation.code):
            yield Problem(index, "code", fault)


def _duplicates(occupations: Sequence[Occupation]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, occupation in enumerate(occupations):
        earlier = first.setdefault(occupation.code, index)
        if earlier != index and occupation.code:
            message = f"code '{occupation.code}' is already used by {occupations[earlier].title!r}; allowed: once"
            yield Problem(index, "code", message)


def _bad_titles(occupations: Sequence[Occupation]) -> Iterator[Problem]:
    for index, occupation in enumerate(occupations):
        if not occupation.title.strip():
            yield Problem(index, "title", f"the title of code '{occupation.code}' is empty; allowed: any text")


def _is_level(level: object) -> bool:
    return isinstance(level, int) and not isinstance(level, bool) and 1 <= level <= DEEPEST


def _bad_levels(occupations: Sequence[Occupation]) -> Iterator[Problem]:
    for index, occupation in enumerate(occupations):
        if not _is_level(occupation.level):
            message = f"level {occupation.level!r} of code '{occupation.code}'; allowed: {WHOLE_NUMBER}"
            yield Problem(index, "level", message)


def _orphans(occupations: Sequence[Occupation], by_code: Mapping[str, Occupation]) -> Iterator[Problem]:
    for index, occupation in enumerate(occupations):
        if occupation.parent is not None and occupation.parent not in by_code:
            message = f"parent {occupation.parent!a} of '{occupation.code}' is not in the table"
            yield Problem(index, "parent", f"{message}; allowed: a code of the table, or empty at the top")


def _cycles(occupations: Sequence[Occupation], by_code: Mapping[str, Occupation]) -> Iterator[Problem]:
    length = {code: len(cycle) for cycle in _closed_chains(by_code) for code in cycle}
    for index, occupation in enumerate(occupations):
        if by_code[occupation.code] is occupation and occupation.code in length:
            message = f"code '{occupation.code}' is above itself: {_way_up(occupation.code, by_code, length)}"
            yield Problem(index, "parent", f"{message}; allowed: a parent that is not below it")


def _closed_chains(by_code: Mapping[str, Occupation]) -> Iterator[list[str]]:
    """The codes of each cycle, once, in a walk that visits every code once."""
    seen: set[str] = set()
    for start in by_code:
        walk, code = [], start
        while code in by_code and code not in seen:
            seen.add(code)
            walk.append(code)
            code = by_code[code].parent
        if code in walk:
            yield walk[walk.index(code) :]


def _way_up(code: str, by_code: Mapping[str, Occupation], length: Mapping[str, int]) -> str:
    """The cycle from `code` back to it ("a under b under a"); of a long one the first ten codes."""
    steps = list(islice(_upwards(code, by_code), min(length[code] + 1, SHOWN)))
    return " under ".join(steps if length[code] < SHOWN else [*steps, "..."])


def _upwards(code: str | None, by_code: Mapping[str, Occupation]) -> Iterator[str]:
    """`code`, its parent, and so on up to the top or an absent parent; without end in a cycle."""
    while code in by_code:
        yield code
        code = by_code[code].parent


def _levels_out_of_step(occupations: Sequence[Occupation], by_code: Mapping[str, Occupation]) -> Iterator[Problem]:
    if not all(_is_level(occupation.level) for occupation in occupations):
        return
    top = min((occupation.level for occupation in occupations), default=1)
    deepest = max((occupation.level for occupation in occupations), default=1)
    parents = {occupation.parent for occupation in occupations}
    for index, occupation in enumerate(occupations):
        may_skip = occupation.code not in parents and occupation.level == deepest
        if fault := _step_fault(occupation, by_code.get(occupation.parent), top, may_skip):
            yield Problem(index, "level", fault)


def _step_fault(occupation: Occupation, parent: Occupation | None, top: int, may_skip: bool) -> str:
    """Why the level does not follow from the parent's. SSOC's X1000 (level 5 under X, level 1) is what may skip."""
    named = f"level {occupation.level} of code '{occupation.code}'"
    if parent is None:
        rootless = occupation.parent is None and occupation.level != top
        return f"{named}, which has no parent; allowed there: level {top}, the table's top" if rootless else ""
    if occupation.level <= parent.level:
        return f"{named} is not below level {parent.level} of its parent '{parent.code}'; allowed: {parent.level + 1}"
    if occupation.level > parent.level + 1 and not may_skip:
        allowed = f"{parent.level + 1}, or the table's deepest level for a code with nothing below it"
        return f"{named} skips levels under '{parent.code}' (level {parent.level}); allowed: {allowed}"
    return ""
