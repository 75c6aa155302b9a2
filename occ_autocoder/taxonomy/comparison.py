"""What changed between two taxonomies, code by code: the base of a crosswalk between two editions of a scheme."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from .occupation import Occupation
from .taxonomy import Taxonomy

if TYPE_CHECKING:
    import pandas

STATUSES = ("same", "retitled", "reparented", "recoded", "added", "removed")
EXAMPLES = re.compile(r"\(e\.?g\.?[^()]*\)")
JOINING = ("and", "or")


@dataclass(frozen=True)
class Change:
    """What became of one code. The `_before` fields are None for an added code, the `_after` fields for a removed one.

    `reparented` tells that the level or the parent differs, whatever the status; `code_reused` that a kept code has the
    title of another earlier code, so that records coded before may mean something else.
    """

    status: str
    code_before: str | None
    code_after: str | None
    title_before: str | None
    title_after: str | None
    level_before: int | None
    level_after: int | None
    parent_before: str | None
    parent_after: str | None
    reparented: bool = False
    code_reused: bool = False


@dataclass(frozen=True)
class Comparison:
    """The changes from taxonomy `before` to `after` (scheme, version): those of `after` in its order, then removals."""

    before: tuple[str, str]
    after: tuple[str, str]
    changes: tuple[Change, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many changes have each status; every status is listed."""
        found = Counter(change.status for change in self.changes)
        return {status: found[status] for status in STATUSES}

    def to_frame(self) -> "pandas.DataFrame":
        """One row a change, `Change`'s fields as columns."""
        import pandas

        return pandas.DataFrame([asdict(change) for change in self.changes], columns=list(Change.__annotations__))


def compare(a: Taxonomy, b: Taxonomy, level: int | None = None) -> Comparison:
    """What became of each code from `a` (the earlier) to `b`, at every level or at one.

    Status, the first that applies: `same`, or `reparented` (other level or parent), or `retitled` for a code in both;
    `recoded` for a code only in `a` whose title stands in `b`, at the same level, under a code without it before, one
    row for the pair; `added` for a code only in `b`, `removed` for one only in `a`. Titles are compared after
    `normalise_title`; a title that occurs twice at a level in either table recodes nothing.
    """
    old, new = _at(a, level), _at(b, level)
    moved = _moves(old, new)
    origin = {after: before for before, after in moved.items() if after not in old}
    pairs = [(old.get(origin.get(code, code)), occupation) for code, occupation in new.items()]
    pairs += [(old[code], new.get(moved.get(code))) for code in old if _is_gone(code, new, moved, origin)]
    titles = _unique_titles(old.values())
    return Comparison((a.scheme, a.version), (b.scheme, b.version), tuple(_change(*pair, titles) for pair in pairs))


def normalise_title(title: str) -> str:
    """`title` without case, punctuation, plural endings, "and" and "or", and without examples in brackets."""
    text = EXAMPLES.sub(" ", unicodedata.normalize("NFKC", title).casefold())
    words = re.findall(r"\w+", re.sub("['\u2018\u2019]", "", text))
    return " ".join(_singular(word) for word in words if word not in JOINING)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _at(taxonomy: Taxonomy, level: int | None) -> dict[str, Occupation]:
    return {occupation.code: occupation for occupation in taxonomy if level in (None, occupation.level)}


def _title_key(occupation: Occupation) -> tuple[int, str]:
    return occupation.level, normalise_title(occupation.title)


def _unique_titles(occupations: Iterable[Occupation]) -> dict[tuple[int, str], str]:
    """(level, normalised title) -> code, for titles that one code of the level has."""
    keys = [(_title_key(occupation), occupation.code) for occupation in occupations]
    often = Counter(key for key, _ in keys)
    return {key: code for key, code in keys if often[key] == 1}


def _moves(old: dict[str, Occupation], new: dict[str, Occupation]) -> dict[str, str]:
    """Code only in `old` -> the code of `new` that has its title now."""
    before, after = _unique_titles(old.values()), _unique_titles(new.values())
    return {code: after[key] for key, code in before.items() if code not in new and key in after}


def _is_gone(code: str, new: dict[str, Occupation], moved: dict[str, str], origin: dict[str, str]) -> bool:
    """True for a code only in the earlier table that is not the first half of a recoded row of the later one."""
    return code not in new and origin.get(moved.get(code)) != code


def _change(old: Occupation | None, new: Occupation | None, titles: dict[tuple[int, str], str]) -> Change:
    both = old is not None and new is not None
    values = [getattr(side, name, None) for name in ("code", "title", "level", "parent") for side in (old, new)]
    reparented = both and (old.level, old.parent) != (new.level, new.parent)
    reused = both and titles.get(_title_key(new), old.code) != old.code
    return Change(_status(old, new, reparented), *values, reparented=reparented, code_reused=reused)


def _status(old: Occupation | None, new: Occupation | None, reparented: bool) -> str:
    if old is None or new is None:
        return "added" if old is None else "removed"
    if old.code != new.code:
        return "recoded"
    if normalise_title(old.title) != normalise_title(new.title):
        return "retitled"
    return "reparented" if reparented else "same"
