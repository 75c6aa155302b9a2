"""Tables as delimited text that is safe to open in a spreadsheet."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# What a spreadsheet takes for the start of a formula, in full width too; and the apostrophe, so that it can be undone.
FORMULA_STARTS = tuple("=+-@\t\r\n'＝＋－＠")

Write = Callable[[Iterable[Mapping]], None]


def spreadsheet_safe(cell: object) -> object:
    """The cell; a text that begins like a formula, or with an apostrophe, has an apostrophe put before it.

    To undo it, take one apostrophe from the start of the cells that begin with one.
    """
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


@contextmanager
def delimited(path: Path, columns: Iterable[str], delimiter: str = ",") -> Iterator[Write]:
    """Writes rows to delimited text in UTF-8, each cell `spreadsheet_safe`, the header first."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        yield lambda rows: writer.writerows([spreadsheet_safe(row[name]) for name in columns] for row in rows)
