"""The columns and Features of a record; reading CSV, JSON lines, Parquet, Excel and Hub datasets, row by row, checked.

Every row of a source is accepted as a `Record` or comes back as a `Rejected` that says why: none is dropped in silence.
"""

import atexit
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from itertools import islice
from os import PathLike
from pathlib import Path

import pyarrow
from datasets import Dataset, Features, Value

from occ_autocoder.model.text_occupation import normalize
from occ_autocoder.taxonomy.checks import code_fault
from occ_autocoder.taxonomy.delimited import Unreadable
from occ_autocoder.taxonomy.sheets import BATCH_ROWS, text_of, type_fault

from .readers import FIELDS, TEXTS, RecordsError, Rows, open_source

__all__ = [
    "RECORD_FEATURES",
    "REJECTED_FEATURES",
    "Record",
    "RecordsError",
    "Rejected",
    "iter_records",
    "read_records",
    "record_texts",
]

RECORD_FEATURES = Features({field: Value("string") for field in FIELDS})
REJECTED_FEATURES = Features(
    {"row": Value("int64"), "id": Value("string"), "column": Value("string"), "reason": Value("string")}
)
LONGEST_ID = 200
LONGEST_CODE = 100


@dataclass(frozen=True)
class Record:
    """A row that was accepted: normalised texts, of which one may be empty; `code` and `source` are "" if not given."""

    id: str
    job_title: str
    job_duties: str
    code: str
    source: str
    row: int


@dataclass(frozen=True)
class Rejected:
    """A row that was not: where it is, which of `FIELDS` is at fault ("" for the row) and why, without the text."""

    row: int
    id: str
    column: str
    reason: str


def iter_records(
    source: str | PathLike,
    *,
    columns: Mapping[str, str | None] | None = None,
    split: str = "train",
    revision: str | None = None,
) -> Iterator[Record | Rejected]:
    """The rows of `source` in their order, in constant memory.

    `source` is a file (.csv, .tsv, .tab, .jsonl, .ndjson, each also .gz; .xlsx or .xlsm, of which the first sheet is
    read; .parquet), or a folder or Hub id of which `datasets.load_dataset` reads `split` at `revision`. `columns` maps
    `FIELDS` to the source's columns, None for one that it lacks; without it, they are known by the names in `ALIASES`.
    Texts are normalised, and cut at 20,000 characters. "NA" and "null" are texts; None and blanks are empty; a whole
    number is its digits, in a title too; any other type is rejected. A row without an id has its number as id, "row-7"
    where there is an id column. A malformed or blank row is rejected; blank lines at the end of a file are no rows.
    Raises RecordsError: at once for a source or columns that are not there, and from the iterator, naming the line, for
    a file that is damaged or whose quotes do not close.
    """
    return checked(open_source(source, columns or {}, split, revision))


def read_records(
    source: str | PathLike,
    *,
    columns: Mapping[str, str | None] | None = None,
    split: str = "train",
    revision: str | None = None,
    codes: Collection[str] | None = None,
    need_code: bool = False,
) -> tuple[Dataset, Dataset]:
    """The accepted rows (`RECORD_FEATURES`) and the rejected (`REJECTED_FEATURES`) of `source`: see `iter_records`.

    `codes` are the codes that are allowed; with `need_code` a record without one is rejected. Both datasets lie in
    Arrow files that are written anew at every call and removed when the process ends.
    Raises RecordsError as `iter_records` does.
    """
    code_of = _code_check(codes, need_code)
    checked = (code_of(row) for row in iter_records(source, columns=columns, split=split, revision=revision))
    folder = Path(tempfile.mkdtemp(dir=_workspace()))
    try:
        return _written(checked, folder)
    except BaseException:
        shutil.rmtree(folder)
        raise


def record_texts(job_titles: Sequence[str], job_duties: Sequence[str]) -> list[str]:
    """One text a record, normalised; an empty field is left out. ValueError: the two are not of one length."""
    pairs = zip(job_titles, job_duties, strict=True)
    return [" ".join(filter(None, map(normalize, pair))) for pair in pairs]


def checked(rows: Rows, kind: type[Record] = Record, read: Mapping[str, Callable] | None = None) -> Iterator:
    """The rows as a `kind` of record, each id once, or as `Rejected`; `read` has how each field is read, as `READ`."""
    with closing(_no_ids()) as ids:
        for number, cells in rows:
            record = (
                Rejected(number, "", "", str(cells))
                if isinstance(cells, Unreadable)
                else _record(number, cells, kind, read or READ)
            )
            if isinstance(record, Record) and (earlier := _first_row(ids, record.id, number)) != number:
                record = Rejected(number, record.id, "id", f"the id of row {earlier} again; allowed: each id once")
            yield record


def _no_ids() -> sqlite3.Connection:
    """An empty table of ids, which spills to disk: tens of millions of ids would fill the memory."""
    ids = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    ids.execute("PRAGMA journal_mode = OFF")
    ids.execute("CREATE TABLE ids (id TEXT PRIMARY KEY, row INTEGER) WITHOUT ROWID")
    ids.execute("BEGIN")
    return ids


def _first_row(ids: sqlite3.Connection, id_: str, number: int) -> int:
    """The row that had the id first: `number` itself, which is then noted, if none did."""
    if ids.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", (id_, number)).rowcount:
        return number
    return ids.execute("SELECT row FROM ids WHERE id = ?", (id_,)).fetchone()[0]


def _record(
    number: int, cells: Mapping[str, object], kind: type[Record], read: Mapping[str, Callable]
) -> Record | Rejected:
    values: dict[str, str] = {"id": ""}
    for field in read:
        try:
            values[field] = read[field](cells.get(field))
        except ValueError as error:
            return Rejected(number, values["id"], field, str(error))
        if field == "id" and not values["id"]:
            values["id"] = f"row-{number}" if "id" in cells else str(number)
    if not any(values[field] for field in TEXTS):
        reason = "job_title and job_duties have no visible text; allowed: text in at least one"
        return Rejected(number, values["id"], "job_title", reason)
    return kind(**values, row=number)


def text_in(cell: object) -> str:
    """The cell's text; ValueError, which does not show it, for what is none."""
    if type(cell) is str:
        return cell.strip()
    if isinstance(cell, Unreadable):
        raise ValueError(str(cell))
    if fault := type_fault(cell):
        raise ValueError(f"{fault}; allowed: text or a whole number")
    return text_of(cell)


def prose(cell: object) -> str:
    """The cell's text, normalised; ValueError for what is none."""
    return normalize(text_in(cell))


def _id(cell: object) -> str:
    id_ = text_in(cell)
    if len(id_) > LONGEST_ID:
        raise ValueError(f"an id of {len(id_):,} characters; allowed: at most {LONGEST_ID}")
    if not id_.isprintable():
        raise ValueError("an id with control or invisible characters; allowed: visible ones")
    return id_


def _code(cell: object) -> str:
    code = text_in(cell)
    if len(code) > LONGEST_CODE or len(code.split()) > 1:  # not shown: it may be another column's text
        raise ValueError(f"{len(code):,} characters; allowed: a code, at most {LONGEST_CODE}, without blanks")
    if code and (fault := code_fault(code)):
        raise ValueError(fault)
    return code


READ = {"id": _id, "job_title": prose, "job_duties": prose, "code": _code, "source": prose}


def _code_check(codes: Collection[str] | None, need_code: bool) -> Callable[[Record | Rejected], Record | Rejected]:
    """A function that rejects records without a code (`need_code`) or with one that is not among `codes`."""
    if codes is not None and (isinstance(codes, str) or not all(isinstance(code, str) for code in codes)):
        raise TypeError("codes: allowed: a collection of texts, such as taxonomy.codes")
    allowed = None if codes is None else dict.fromkeys(codes)

    @lru_cache(maxsize=10_000)
    def fault(code: str) -> str:
        if not code:
            return "no code; allowed: one on every row" if need_code else ""
        if allowed is None or code in allowed:
            return ""
        near = get_close_matches(code, allowed, n=3, cutoff=0.5)
        return f"code '{code}' is not allowed; " + (f"nearest: {', '.join(near)}" if near else "no allowed one is near")

    def check(row: Record | Rejected) -> Record | Rejected:
        if isinstance(row, Record) and (reason := fault(row.code)):
            return Rejected(row.row, row.id, "code", reason)
        return row

    return check


@cache
def _workspace() -> str:
    """A folder that goes when the process ends: datasets keeps its own caches beside the files that we write there."""
    folder = tempfile.mkdtemp(prefix="occ_autocoder-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _written(rows: Iterator[Record | Rejected], folder: Path) -> tuple[Dataset, Dataset]:
    paths = {Record: str(folder / "records.arrow"), Rejected: str(folder / "rejected.arrow")}
    schemas = {Record: RECORD_FEATURES.arrow_schema, Rejected: REJECTED_FEATURES.arrow_schema}
    with (
        pyarrow.ipc.new_stream(paths[Record], schemas[Record]) as accepted,
        pyarrow.ipc.new_stream(paths[Rejected], schemas[Rejected]) as rejected,
    ):
        while batch := list(islice(rows, BATCH_ROWS)):
            for kind, file in ((Record, accepted), (Rejected, rejected)):
                part = [vars(row) for row in batch if isinstance(row, kind)]
                file.write_batch(pyarrow.RecordBatch.from_pylist(part, schema=schemas[kind]))
    return Dataset.from_file(paths[Record]), Dataset.from_file(paths[Rejected])
