"""Tables of tokens with a tag each (B, I or O): what a span tagger or a span-extracting language model learns from."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from datasets import Dataset, Features, List, Value

from occ_autocoder.taxonomy.delimited import SheetError, Unreadable

from .readers import named_rows

TOKENS, TAGS = "tokens", "tags"
BEGIN, INSIDE, OUTSIDE = ALLOWED = "B", "I", "O"
SHOWN_FAULTS = 10

Cells = dict[str, object] | Unreadable


class TaggedError(ValueError):
    """A table of tagged tokens that cannot be used; the message names the file, rows, columns and what is allowed."""


def read_tagged(path: str | PathLike, rejected: list[str] | None = None) -> Dataset:
    """The table in `path` as a dataset: `tokens` and every column `tags` or `tags_*`, each a list of strings a row.

    Tags are B (a span begins), I (it goes on) and O (Ramshaw and Marcus 1995, in the IOB2 form: I only after B or I).
    In CSV, TSV and Excel a cell holds tokens or tags with blanks between them, in JSON lines and Parquet a list or the
    same; any of the text ones may be .gz. Other columns are left out.

    Args:
        rejected: takes "FILE, row 3, column tags: ..." of each row that is not usable; None: any such row is an error.
    Raises:
        TaggedError: no such file, another kind of file, no column of tokens or tags, no usable row, or a row that is
            not usable where `rejected` is None.
    """
    try:
        names, rows = named_rows(Path(path))
        columns = checked_columns(Path(path), names)
        read = [(number, row_fault(cells, columns), cells) for number, cells in rows]
    except SheetError as error:
        raise TaggedError(str(error)) from error
    faults = [f"{path}, row {number}{fault}" for number, fault, _ in read if fault]
    if faults and rejected is None:
        more = f"\n{len(faults) - SHOWN_FAULTS:,} more" if len(faults) > SHOWN_FAULTS else ""
        raise TaggedError("\n".join(faults[:SHOWN_FAULTS]) + more)
    if rejected is not None:
        rejected += faults
    kept = [cells for _, fault, cells in read if not fault]
    if not kept:
        raise TaggedError(f"{path}: no usable row; allowed: at least one" + "".join(f"\n{one}" for one in faults[:1]))
    features = Features({name: List(Value("string")) for name in columns})
    return Dataset.from_dict({name: [parts(cells[name]) for cells in kept] for name in columns}, features)


def tag_columns(dataset: Dataset) -> list[str]:
    """The names of the columns with tags."""
    return [name for name in dataset.column_names if is_tags(name)]


def is_tags(name: str) -> bool:
    """Whether a column of this name holds tags."""
    return name == TAGS or name.startswith(f"{TAGS}_")


def tagged_spans(tags: Sequence[str]) -> list[tuple[int, int]]:
    """(first token, token after the last) of each span, in order."""
    starts = [place for place, tag in enumerate(tags) if tag == BEGIN]
    ends = [
        next((place for place in range(start + 1, len(tags)) if tags[place] != INSIDE), len(tags)) for start in starts
    ]
    return list(zip(starts, ends, strict=True))


def checked_columns(path: Path, found: Sequence[str]) -> list[str]:
    """`tokens` and the columns of tags; TaggedError where one of the two is not there."""
    tags = [name for name in found if is_tags(name)]
    if TOKENS not in found or not tags:
        shown = ", ".join(map(repr, found[:20])) or "none"
        raise TaggedError(f"{path}: columns {shown}; allowed: {TOKENS}, and {TAGS} or one or more {TAGS}_*")
    return [TOKENS, *tags]


def row_fault(cells: Cells, columns: Sequence[str]) -> str:
    """What makes a row unusable, as ", column tags: ..."; "" for nothing."""
    if isinstance(cells, Unreadable):
        return f": {cells}"
    for name in columns:
        if fault := column_fault(cells.get(name), name, cells):
            return f", column {name}: {fault}"
    return ""


def column_fault(cell: object, name: str, cells: dict[str, object]) -> str:
    """What is wrong with one cell; the tokens of its row are right already where it holds tags."""
    if cell is None or (isinstance(cell, str) and not cell.strip()) or (isinstance(cell, list) and not cell):
        return f"empty; allowed: one {'token' if name == TOKENS else 'tag'} or more"
    if isinstance(cell, Unreadable):
        return str(cell)
    if not isinstance(cell, str | list):
        return f"a {type(cell).__name__}; allowed: text, or a list of texts"
    if not all(isinstance(part, str) and part.strip() for part in parts(cell)):
        return "a part that is blank or no text; allowed: texts"
    return "" if name == TOKENS else tags_fault(parts(cell), len(parts(cells[TOKENS])))


def tags_fault(tags: Sequence[str], tokens: int) -> str:
    """What is wrong with the tags of so many tokens."""
    if len(tags) != tokens:
        return f"{len(tags)} tags; allowed: {tokens}, one for each token"
    if unknown := [tag for tag in tags if tag not in ALLOWED]:
        return f"tag {unknown[0]!r}; allowed: {', '.join(ALLOWED)}"
    for place, (before, tag) in enumerate(zip([OUTSIDE, *tags], tags), start=1):
        if (before, tag) == (OUTSIDE, INSIDE):
            return f"tag {place} is {INSIDE} after {OUTSIDE}; allowed: {INSIDE} after {BEGIN} or {INSIDE}"
    return ""


def parts(cell: str | list[str]) -> list[str]:
    """The tokens or tags of a cell."""
    return cell.split() if isinstance(cell, str) else list(cell)
