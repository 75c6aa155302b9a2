"""Delimited text as rows, read as a stream: CSV and TSV, and the lines that any text format is read from.

What is wrong with one row is told in its place (`Unreadable`), so that the caller may read on; what leaves the rest of
the file in doubt raises `SheetError`.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

ENCODING = "allowed: UTF-8 (in Excel: save as 'CSV UTF-8')"
QUOTES = 'allowed: cells between quotes, with "" for a quote inside'
MAX_LINE = 10_000_000
MAX_KEY = 40
MANY_LINES = 10


class SheetError(ValueError):
    """A file that cannot be read to its end; the message names the file and the line."""


class Unreadable(str):
    """A cell that is not what it shows, or a row that is not one; its text says why, without the content."""


Rows = Iterator[tuple[int, list[object] | Unreadable]]


class Lines:
    """The lines of a text file or a .gz of one, their ends kept, in constant memory.

    `taken` has the lines since `start_row`, and `fault` what is wrong in them ("" if nothing): bytes that are not
    UTF-8, NUL bytes, more than MAX_LINE characters. `ended` tells that the parser has asked for more than there is.
    Raises SheetError for UTF-16 and for a damaged file.
    """

    def __init__(self, path: Path, newline: str):
        self.path, self.number, self.ended = path, 0, False
        self._file = path.open("rb")
        packed = self._file.peek(2)[:2] == b"\x1f\x8b"
        self._raw = gzip.GzipFile(fileobj=self._file) if packed else self._file
        start = self._guarded(self._raw.peek, 4)[:4]
        if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in start:
            raise SheetError(f"{path}, line 1: the text is UTF-16 or binary; {ENCODING}")
        self._text = io.TextIOWrapper(self._raw, encoding="utf-8-sig", errors="surrogateescape", newline=newline)
        self.start_row()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_) -> None:
        self._text.close()
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._guarded(self._text.readline, MAX_LINE)
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        if len(line) == MAX_LINE and line[-1] not in "\r\n":
            line, fault = self._skip_rest(line), f"more than {MAX_LINE:,} characters; allowed: up to that"
        else:
            fault = _line_fault(line)
        self.fault = self.fault or (fault and f"line {self.number}: {fault}")
        self.taken.append(line)
        return line

    def start_row(self) -> None:
        self.taken: list[str] = []
        self.fault = ""

    def _skip_rest(self, line: str) -> str:
        """A line that opens or closes a quoted cell as the long one does, so that the next rows are read rightly."""
        quotes = line.count('"')
        while line and line[-1] not in "\r\n":
            line = self._guarded(self._text.readline, MAX_LINE)
            quotes += line.count('"')
        return '"\n' if quotes % 2 else "\n"

    def _guarded(self, read: Callable, size: int):
        try:
            return read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise SheetError(f"{self.path}, line {self.number + 1}: the file is damaged there ({error})") from error


def _line_fault(line: str) -> str:
    if "\x00" in line:
        return "a NUL byte; allowed: text"
    try:
        line.encode()
    except UnicodeEncodeError as error:
        return f"byte 0x{ord(line[error.start]) - 0xDC00:02x} is not UTF-8; {ENCODING}"
    return ""


def read_delimited(delimiter: str) -> Callable[[Path], Rows]:
    """A reader of files with that delimiter: their rows, the header first, as `open_sheet` describes them."""

    def read(path: Path) -> Rows:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
        width = 0
        with Lines(path, newline="") as lines:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            for number in count(1):
                lines.start_row()
                try:
                    cells = next(reader, None)
                except csv.Error as error:
                    cells = _malformed(lines, error)
                if cells is None:
                    return
                width = width or len(cells)
                yield number, _checked_row(cells, width, lines, delimiter)

    return read


def _malformed(lines: Lines, error: csv.Error) -> Unreadable:
    """The fault of one line; SheetError where a quote has joined lines: there is no telling where it should end."""
    first = lines.number - len(lines.taken) + 1
    if len(lines.taken) > 1 or lines.ended:
        raise SheetError(f"{lines.path}, line {first}: a quote that opens there is not closed ({error}); {QUOTES}")
    return Unreadable(f"line {first}: {error}; {QUOTES}")


def _checked_row(cells: list[str] | Unreadable, width: int, lines: Lines, delimiter: str) -> list[str] | Unreadable:
    """The cells, or what is wrong with them; SheetError where a quote has swallowed rows."""
    first = lines.number - len(lines.taken) + 1
    if len(lines.taken) > 1 and _are_rows(lines.taken, width, delimiter):
        span = f"lines {first} to {lines.number} look like rows that one quote has joined"
        raise SheetError(f"{lines.path}, line {first}: {span}; {QUOTES}")
    if isinstance(cells, Unreadable) or (not lines.fault and len(cells) in (0, width)):
        return cells
    return Unreadable(lines.fault or f"line {first}: {len(cells)} cells; allowed: {width}")


def _are_rows(lines: Sequence[str], width: int, delimiter: str) -> bool:
    """Whether each of a row's lines would be a row: ids or codes stand in one column twice, or the lines are many."""
    split = [line.rstrip("\r\n").split(delimiter) for line in lines]
    if width < 2 or any(len(cells) != width for cells in split):
        return False
    return len(lines) > MANY_LINES or any(sum(map(_is_key, column)) > 1 for column in zip(*split, strict=True))


def _is_key(cell: str) -> bool:
    """Whether the cell may be an id or a code: one short word with a digit."""
    return len(cell) <= MAX_KEY and len(cell.split()) == 1 and any(map(str.isdigit, cell))
