"""Files as rows: CSV, TSV, Excel and Parquet, with each row's number as a spreadsheet shows it."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from os import PathLike
from pathlib import Path

from .checks import TaxonomyError
from .delimited import Rows, SheetError, Unreadable, read_delimited

NUMBERED = re.compile(r"0+")
BATCH_ROWS = 1000
EXCEL_ROWS = 1_048_576


@dataclass(frozen=True)
class Sheet:
    """One table: its column names and, by the row number (the header is row 1), its cells as they were stored."""

    path: str
    columns: list[str]
    rows: dict[int, dict[str, object]]


def read_sheet(path: str | PathLike) -> Sheet:
    """The table in `path` (Excel: the first sheet); rows without any content are left out.

    Raises TaxonomyError for another kind of file, text that is not UTF-8, rows with more or fewer cells than the
    header, a doubled column, or no row at all.
    """
    try:
        header, stream = open_sheet(path)
        rows = list(stream)
    except SheetError as error:
        raise TaxonomyError(str(error)) from error
    if faults := [f"{path}, row {number}: {cells}" for number, cells in rows if isinstance(cells, Unreadable)]:
        raise TaxonomyError(faults)
    filled = {number: cells for number, cells in rows if any(cell not in (None, "") for cell in cells)}
    if not filled:
        raise TaxonomyError(f"{path}: no row below the header; allowed: at least one")
    return Sheet(str(path), header, {number: dict(zip(header, cells, strict=True)) for number, cells in filled.items()})


def open_sheet(path: str | PathLike) -> tuple[list[str], Rows]:
    """The columns' names of the table in `path` (Excel: the first sheet), and its rows as they are read.

    A row is its number (the header is row 1) and its cells, as many as the header's; [] where the line is blank,
    Unreadable where the row is malformed.
    Raises SheetError, from here or from the rows, for another kind of file, no header, a doubled column, UTF-16, a
    damaged file, or a quote that was not closed.
    """
    name = str(path).lower().removesuffix(".gz")
    read = READERS.get(Path(name).suffix)
    if read is None:
        raise SheetError(f"{path}: files of this kind are not read; allowed: {', '.join(READERS)}, also .csv.gz")
    rows = read(Path(path))
    return _header(path, next(rows, (1, []))[1]), rows


def _header(path: str | PathLike, cells: Sequence[object] | Unreadable) -> list[str]:
    if isinstance(cells, Unreadable):
        raise SheetError(f"{path}, row 1: {cells}")
    header = ["" if cell is None else str(cell).strip() for cell in cells]
    if not any(header):
        raise SheetError(f"{path}, row 1: empty; allowed: a header with the columns' names")
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    if doubled:
        raise SheetError(f"{path}, row 1: doubled column(s) {', '.join(doubled)}; allowed: each once")
    return header


def _excel(path: Path) -> Rows:
    import openpyxl

    width = 0
    try:
        with closing(openpyxl.load_workbook(path, read_only=True)) as book:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # the size that a file states may be too small: rows would be left out
            for number, cells in enumerate(sheet.iter_rows(), start=1):
                if number > EXCEL_ROWS:
                    raise ValueError(f"more than {EXCEL_ROWS:,} rows")
                values = [_excel_value(cell) for cell in cells]
                width = width or _last_filled(values)
                yield number, (values + [None] * width)[:width] if _last_filled(values) else []
    except Exception as error:  # openpyxl passes on what zip and XML raise: there is no common type
        raise SheetError(f"{path}: not a readable Excel file ({error}); allowed: .xlsx, .xlsm") from error


def _last_filled(values: Sequence[object]) -> int:
    return max((place for place, value in enumerate(values, start=1) if value is not None), default=0)


def _excel_value(cell: object) -> object:
    """The cell as shown: a number formatted as 0000 keeps its leading zeros; a formula or an error is Unreadable."""
    value = cell.value
    if value is None:
        return None
    if cell.data_type in ("f", "e"):
        return Unreadable("a formula or an error; allowed: its value")
    if isinstance(value, int) and not isinstance(value, bool) and NUMBERED.fullmatch(cell.number_format or ""):
        return str(value).zfill(len(cell.number_format))
    return value


def _parquet(path: Path) -> Rows:
    import pyarrow
    import pyarrow.parquet

    numbers = count(2)
    try:
        with pyarrow.parquet.ParquetFile(str(path)) as file:
            yield 1, file.schema_arrow.names
            for batch in file.iter_batches(BATCH_ROWS):
                for cells in arrow_rows(batch):
                    yield next(numbers), cells
    except (pyarrow.ArrowException, OSError) as error:
        raise SheetError(f"{path}: not a readable Parquet file ({error})") from error


def arrow_rows(batch: object) -> Iterator[list[object]]:
    """The rows of a pyarrow RecordBatch or Table; a cell that Python cannot hold (bytes not UTF-8) is Unreadable."""
    return map(list, zip(*map(_arrow_cells, batch.columns), strict=True))


def _arrow_cells(column: object) -> list[object]:
    try:
        return column.to_pylist()
    except (ValueError, OverflowError):
        return [_arrow_cell(scalar) for scalar in column]


def _arrow_cell(scalar: object) -> object:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return Unreadable(f"a {scalar.type} that cannot be read; allowed: text in UTF-8")


READERS = {
    ".csv": read_delimited(","),
    ".tsv": read_delimited("\t"),
    ".tab": read_delimited("\t"),
    ".xlsx": _excel,
    ".xlsm": _excel,
    ".parquet": _parquet,
}


def type_fault(cell: object) -> str:
    """What the cell is, without its content, where it is neither empty, text nor a whole number; "" where it is."""
    if isinstance(cell, Unreadable):
        return str(cell)
    if isinstance(cell, bool) or not isinstance(cell, str | int | float | None):
        return f"a {type(cell).__name__}"
    if isinstance(cell, float) and not cell.is_integer():
        return "a float with a fraction" if math.isfinite(cell) else f"a float ({cell})"
    return ""


def text_of(cell: object) -> str:
    """The cell as text, surrounding blanks removed: "" for an empty one, a whole number as its digits.

    Raises ValueError, saying what is allowed, for a formula, an error, or anything else that is no text and no whole
    number: a date, a truth value, bytes, a list, a number with a fraction.
    """
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, Unreadable):
        raise ValueError(str(cell))
    if fault := type_fault(cell):
        raise ValueError(f"{cell} is {fault}; allowed: text or a whole number")
    return str(int(cell)) if isinstance(cell, float) else str(cell).strip()
