"""Sources of records as rows of named cells: tables, JSON lines, and what `datasets.load_dataset` reads."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count
from os import PathLike
from pathlib import Path

from occ_autocoder.taxonomy.delimited import SheetError, Unreadable
from occ_autocoder.taxonomy.sheets import BATCH_ROWS, READERS, arrow_rows, open_sheet

from .json_lines import json_rows

JSON_LINES = (".jsonl", ".ndjson")
FILES = ", ".join([*READERS, *JSON_LINES])
HUB_ID = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")
HEADER_ROW = 1
SHOWN_COLUMNS = 20

ALIASES = {
    "id": ("id",),
    "job_title": ("job_title", "title"),
    "job_duties": ("job_duties", "duties", "description"),
    "code": ("code",),
    "source": ("source",),
}
FIELDS = tuple(ALIASES)
TEXTS = ("job_title", "job_duties")

Rows = Iterator[tuple[int, dict[str, object] | Unreadable]]


class RecordsError(ValueError):
    """A source that cannot be read as a whole; the message names it, the place, and what is allowed."""


def open_source(
    source: str | PathLike,
    columns: Mapping[str, str | None],
    split: str = "train",
    revision: str | None = None,
    aliases: Mapping[str, Sequence[str]] = ALIASES,
) -> Rows:
    """The rows of `source` as they are read: the row's number, and its cells by our fields, Unreadable if malformed.

    A table's header is row 1; the first of JSON lines is row 1 too. A blank row is malformed, except at the end of the
    file, where it is none. `columns` maps our fields to the source's columns, None for one that it lacks; other fields
    are known by their `aliases`.
    Raises RecordsError, from here or from the rows, for what cannot be read as a whole.
    """
    _check(columns, aliases)
    found, rows = _opened(source, split, revision)
    if found is None:
        return _by_own_keys(source, rows, columns, aliases)
    return _by_field(rows, _resolved(source, found, columns, aliases))


def named_rows(path: Path) -> tuple[list[str], Rows]:
    """The columns of a file (of JSON lines those of all its lines) and its rows by them, blank ones left out.

    Raises SheetError, from here or from the rows, for a file that cannot be read as a whole.
    """
    if not path.is_file():
        raise SheetError(f"{path}: no such file; allowed: {FILES}, and .gz of the text ones")
    if Path(path.name.lower().removesuffix(".gz")).suffix in JSON_LINES:
        lines = [(number, cells) for number, cells in json_rows(path) if cells != []]
        return list(dict.fromkeys(name for _, cells in lines if isinstance(cells, dict) for name in cells)), iter(lines)
    header, rows = open_sheet(path)
    return header, (
        (number, cells if isinstance(cells, Unreadable) else dict(zip(header, cells, strict=True)))
        for number, cells in rows
        if cells != []
    )


def _opened(source: str | PathLike, split: str, revision: str | None) -> tuple[list[str] | None, Rows]:
    """The column names of `source`, None where every row has its own (JSON lines), and its rows by these names."""
    kind = Path(str(source).lower().removesuffix(".gz")).suffix
    path = Path(source)
    if path.is_dir() or (not path.exists() and kind not in (*READERS, *JSON_LINES) and HUB_ID.fullmatch(str(source))):
        return _open_dataset(str(source), split, revision)
    if not path.is_file():
        raise RecordsError(f"{source}: no such file; allowed: a file, a folder, or a dataset's id on the Hub")
    if kind in JSON_LINES:
        return None, _guarded(_filled(json_rows(path)))
    if kind not in READERS:
        raise RecordsError(f"{source}: files of this kind are not read; allowed: {FILES}, and .gz of the text ones")
    return _open_table(path)


def _open_table(path: Path) -> tuple[list[str], Rows]:
    try:
        header, rows = open_sheet(path)
    except SheetError as error:
        raise RecordsError(str(error)) from error
    return header, _guarded(_named(path, header, _filled(rows)))


def _guarded(rows: Iterator) -> Iterator:
    """The rows, with the errors of the files below as ours."""
    try:
        yield from rows
    except SheetError as error:
        raise RecordsError(str(error)) from error


def _filled(rows: Iterator[tuple[int, object]]) -> Iterator[tuple[int, object]]:
    """The rows up to the last that is not blank ([]); a blank one among them is Unreadable."""
    blanks = 0
    for number, row in rows:
        if row == []:
            blanks += 1
            continue
        yield from ((blank, Unreadable("the row is blank")) for blank in range(number - blanks, number))
        blanks = 0
        yield number, row


def _named(path: Path, header: Sequence[str], rows: Iterator[tuple[int, object]]) -> Rows:
    for number, cells in rows:
        if cells == header and number == HEADER_ROW + 1:
            raise RecordsError(f"{path}, row {number}: the header again; allowed: once")
        if cells == header:
            yield number, Unreadable("the header again; allowed: once, in row 1")
        else:
            yield number, cells if isinstance(cells, Unreadable) else dict(zip(header, cells, strict=True))


def _open_dataset(source: str, split: str, revision: str | None) -> tuple[list[str], Rows]:
    """A folder or Hub dataset; codes that are a ClassLabel come as their names."""
    from datasets import load_dataset

    try:
        dataset = load_dataset(source, split=split, revision=revision)
    except Exception as error:  # datasets passes on what its many readers and the network raise
        raise RecordsError(f"{source}, split {split!r}: no dataset that can be read ({error})") from error
    if dataset.info.builder_name == "csv":
        loss = "datasets reads CSV files with 0110 as 110 and NA as missing"
        raise RecordsError(f"{source}: {loss}; allowed: the CSV file itself, or a dataset of Parquet files")
    return dataset.column_names, _dataset_rows(dataset)


def _dataset_rows(dataset: object) -> Rows:
    from datasets import ClassLabel

    names = {column: feature.names for column, feature in dataset.features.items() if isinstance(feature, ClassLabel)}
    numbers = count(HEADER_ROW + 1)
    for batch in dataset.with_format("arrow").iter(BATCH_ROWS):
        for cells in arrow_rows(batch):
            row = dict(zip(batch.column_names, cells, strict=True))
            labels = {column: _label_name(row[column], classes) for column, classes in names.items()}
            yield next(numbers), row | labels


def _label_name(label: int | None, names: Sequence[str]) -> str | None:
    """The class's name; None for none, which datasets also writes as -1."""
    return None if label is None or label < 0 else names[label]


def _check(columns: Mapping[str, str | None], aliases: Mapping[str, Sequence[str]]) -> None:
    if unknown := sorted(set(columns) - set(aliases)):
        raise RecordsError(f"columns: unknown field(s) {', '.join(unknown)}; allowed: {', '.join(aliases)}")
    if all(field in columns and columns[field] is None for field in TEXTS):
        raise RecordsError("columns: neither job_title nor job_duties; allowed: at least one of them")


def _resolved(
    source: object,
    found: Sequence[str],
    given: Mapping[str, str | None],
    aliases: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    """Our field -> the source's column, for the fields that it has; RecordsError where that is not clear."""
    columns = {field: column for field, column in given.items() if column is not None}
    if missing := [column for column in columns.values() if column not in found]:
        raise RecordsError(f"{source}: missing column(s) {', '.join(map(repr, missing))}; found: {_shown(found)}")
    free = [column for column in found if column not in columns.values()]
    for field in (field for field in aliases if field not in given):
        names = [column for column in free if _plain(column) in aliases[field]]
        if len(names) > 1:
            both = f"columns {' and '.join(map(repr, names))} may each be {field}"
            raise RecordsError(f"{source}: {both}; allowed: columns= that names one of them")
        columns.update((field, name) for name in names)
    if not any(field in columns for field in TEXTS):
        raise RecordsError(_no_text(source, found))
    return columns


def _plain(column: str) -> str:
    return column.strip().casefold().replace(" ", "_")


def _no_text(source: object, found: Sequence[str]) -> str:
    delimiter = "; is its delimiter right?" if len(found) == 1 and any(sign in found[0] for sign in ",;\t|") else ""
    allowed = "allowed: a column job_title or job_duties, or columns= that names one"
    return f"{source}: no column with titles or duties; found: {_shown(found)}{delimiter}; {allowed}"


def _shown(columns: Sequence[str]) -> str:
    more = ", ..." if len(columns) > SHOWN_COLUMNS else ""
    return ", ".join(f"{column[:40]!a}" for column in columns[:SHOWN_COLUMNS]) + more


def _by_field(rows: Rows, columns: Mapping[str, str]) -> Rows:
    for number, row in rows:
        cells = row if isinstance(row, Unreadable) else {field: row[column] for field, column in columns.items()}
        yield number, cells


def _by_own_keys(
    source: object, rows: Rows, given: Mapping[str, str | None], aliases: Mapping[str, Sequence[str]]
) -> Rows:
    """The rows of JSON lines, each resolved by its own keys; RecordsError at the end if a column was in none."""

    @lru_cache(maxsize=1000)
    def resolved(keys: tuple[str, ...]) -> dict[str, str] | Unreadable:
        here = {field: column for field, column in given.items() if column is None or column in keys}
        try:
            return _resolved("the object", keys, {**dict.fromkeys(given), **here}, aliases)
        except RecordsError as error:
            return Unreadable(str(error))

    unseen = {column for column in given.values() if column is not None}
    texts, last = False, None
    for number, row in rows:
        columns = row if isinstance(row, Unreadable) else resolved(tuple(row))
        if isinstance(columns, Unreadable):
            last = row if isinstance(row, dict) else last
            yield number, columns
        else:
            texts, unseen = True, unseen and unseen - row.keys()
            yield number, {field: row[column] for field, column in columns.items()}
    if unseen and texts:
        raise RecordsError(f"{source}: column(s) {', '.join(map(repr, sorted(unseen)))} are in no line")
    if last is not None and not texts:
        raise RecordsError(_no_text(source, list(last)))
