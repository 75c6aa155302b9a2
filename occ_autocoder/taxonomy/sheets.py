"""Files as rows: CSV, TSV, Excel and Parquet, with each row's number as a spreadsheet shows it."""

import csv
import datetime
import gzip
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from occ_autocoder.taxonomy.checks import TaxonomyError

NUMBERED = re.compile(r"0+")
ENCODING = "allowed: UTF-8 (in Excel: save as 'CSV UTF-8')"


class Unreadable(str):
    """A cell that is not what it shows; its text says why."""


@dataclass(frozen=True)
class Sheet:
    """One table: its column names and, by the row number (the header is row 1), its cells as they were stored."""

    path: str
    columns: list[str]
    rows: dict[int, dict[str, object]]


def read_sheet(path: str | PathLike) -> Sheet:
    """The table in `path` (Excel: the first sheet); rows without any content are left out.

    Raises TaxonomyError for another kind of file, text that is not UTF-8, rows with more or fewer cells than the header,
    a doubled column, or no row at all.
    """
    name = str(path).lower().removesuffix(".gz")
    read = READERS.get(Path(name).suffix)
    if read is None:
        raise TaxonomyError(f"{path}: files of this kind are not read; allowed: {', '.join(READERS)}, also .csv.gz")
    rows = list(read(Path(path)))
    header = _header(path, rows)
    _refuse_ragged(path, len(header), rows)
    filled = {number: cells for number, cells in rows[1:] if any(cell not in (None, "") for cell in cells)}
    if not filled:
        raise TaxonomyError(f"{path}: no row below the header; allowed: at least one")
    return Sheet(str(path), header, {number: dict(zip(header, cells)) for number, cells in filled.items()})


def _header(path: str | PathLike, rows: Sequence[tuple[int, Sequence]]) -> list[str]:
    header = ["" if cell is None else str(cell).strip() for cell in rows[0][1]] if rows else []
    if not any(header):
        raise TaxonomyError(f"{path}, row 1: empty; allowed: a header with the columns' names")
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    if doubled:
        raise TaxonomyError(f"{path}, row 1: doubled column(s) {', '.join(doubled)}; allowed: each once")
    return header


def _refuse_ragged(path: str | PathLike, width: int, rows: Iterable[tuple[int, Sequence]]) -> None:
    ragged = [(number, len(cells)) for number, cells in rows if cells and len(cells) != width]
    if ragged:
        raise TaxonomyError([f"{path}, row {number}: {found} cells; allowed: {width}" for number, found in ragged])


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    try:
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError) as error:
        raise TaxonomyError(f"{path}: a damaged gzip file ({error})") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data[:4096]:
        raise TaxonomyError(f"{path}: the text is UTF-16 or binary; {ENCODING}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise TaxonomyError(f"{path}, line {row}: byte 0x{data[error.start]:02x} is not UTF-8; {ENCODING}") from error


def _delimited(delimiter: str) -> Callable[[Path], Iterator[tuple[int, list[str]]]]:
    def read(path: Path) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(io.StringIO(_decoded(path), newline=""), delimiter=delimiter, strict=True)
        number = 0
        try:
            for number, cells in enumerate(reader, start=1):
                yield number, cells
        except csv.Error as error:
            raise TaxonomyError(f"{path}, row {number + 1}: {error}; allowed: well-formed, closed quotes") from error

    return read


def _excel(path: Path) -> Iterator[tuple[int, list[object]]]:
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True)
    except Exception as error:  # openpyxl passes on what zip and XML raise: there is no common type
        raise TaxonomyError(f"{path}: not a readable Excel file ({error}); allowed: .xlsx, .xlsm") from error
    width = 0
    for number, cells in enumerate(book.worksheets[0].iter_rows(), start=1):
        values = [_excel_value(cell) for cell in cells]
        width = width or _last_filled(values)
        yield number, values[:width] + [None] * (width - len(values))
    book.close()


def _last_filled(values: Sequence[object]) -> int:
    return max((place for place, value in enumerate(values, start=1) if value is not None), default=0)


def _excel_value(cell: object) -> object:
    """The cell as shown: a number formatted as 0000 keeps its leading zeros; a formula or an error is Unreadable."""
    value = cell.value
    if value is None:
        return None
    if cell.data_type in ("f", "e"):
        return Unreadable(f"{value!r} is a formula or an error; allowed: its value")
    if isinstance(value, int) and not isinstance(value, bool) and NUMBERED.fullmatch(cell.number_format or ""):
        return str(value).zfill(len(cell.number_format))
    return value


def _parquet(path: Path) -> Iterator[tuple[int, list[object]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(str(path)) as file:
            table = file.read()
    except pyarrow.ArrowException as error:
        raise TaxonomyError(f"{path}: not a readable Parquet file ({error})") from error
    yield 1, table.column_names
    yield from enumerate(map(list, zip(*(column.to_pylist() for column in table.columns))), start=2)


READERS = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".tab": _delimited("\t"),
    ".xlsx": _excel,
    ".xlsm": _excel,
    ".parquet": _parquet,
}


def text_of(cell: object) -> str:
    """The cell as text, surrounding blanks removed: "" for an empty one, a whole number as its digits.

    Raises ValueError, saying what is allowed, for a formula, an error, a date, a truth value or a number with a fraction.
    """
    if isinstance(cell, Unreadable):
        raise ValueError(str(cell))
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, bool | datetime.date | datetime.time):
        raise ValueError(f"{cell} is a {type(cell).__name__}; allowed: text")
    if isinstance(cell, float) and not cell.is_integer():
        raise ValueError(f"{cell!r} is a number with a fraction; allowed: text, or a whole number")
    return str(int(cell)) if isinstance(cell, float) else str(cell).strip()
