"""The journal of a run's folder: every call before it is sent and after it ended, on the disk before work goes on."""

import asyncio
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from threading import Lock

from filelock import FileLock, Timeout

from occ_autocoder.files import write_text

from .faults import RunLocked
from .request import Request

JOURNAL, DEAD_LETTERS, LOCK = "journal.jsonl", "dead_letters.jsonl", "journal.lock"


class Journal:
    """The journal of a folder, open for one run at a time; `entries` are those that were there.

    Entries are objects with an `event`: a "call" that is about to be sent, the "end" of one, an "outage" of the
    endpoint. A last line that a kill has torn is cut off: its call had not been acknowledged.

    Raises:
        RunLocked: another run has the folder.
        ValueError: a line, not the last, is damaged.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(folder / LOCK)
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            raise RunLocked(
                f"{folder}: another run is writing here; allowed: one at a time, or another folder"
            ) from None
        try:
            cut_torn_line(folder / JOURNAL)
            self.entries = read_entries(folder / JOURNAL)
            self.file = (folder / JOURNAL).open("ab")
        except BaseException:
            self.lock.release()
            raise
        sync_folder(folder)
        self.waiting: list[bytes] = []
        self.turn, self.writing = asyncio.Lock(), Lock()
        self.broken: OSError | None = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        with self.writing:
            self.file.close()
        self.lock.release()

    async def append(self, entries: Iterable[Mapping]) -> None:
        """Return when the entries are on the disk. Those that wait at the same time share one write and one sync."""
        batch = self.waiting
        batch += [json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in entries]
        async with self.turn:
            if self.broken:
                raise self.broken
            if batch is self.waiting:
                self.waiting = []
                await asyncio.to_thread(self.write, batch)

    def write(self, lines: Sequence[bytes]) -> None:
        """Write and sync the lines; after an error nothing is written any more, since what is there may be torn."""
        with self.writing:
            try:
                self.file.write(b"".join(lines))
                self.file.flush()
                os.fsync(self.file.fileno())
            except OSError as error:
                self.broken = error
                raise


def cut_torn_line(path: Path) -> None:
    """Let the file, where there is one, end with its last whole line."""
    if path.exists():
        with path.open("rb+") as file:
            file.truncate(sum(len(line) for line in file if line.endswith(b"\n")))


def read_entries(path: Path) -> list[dict]:
    """The entries of a journal, also while a run writes it; none where there is no file. A torn last line is left."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        whole = (line for line in file if line.endswith(b"\n"))
        return [read_entry(line, path, number) for number, line in enumerate(whole, start=1)]


def read_entry(line: bytes, path: Path, number: int) -> dict:
    """One line as an entry; ValueError that names file and line."""
    try:
        entry = json.loads(line)
        if entry["event"] in ("call", "end", "outage"):
            return entry
    except (ValueError, TypeError, KeyError):
        pass
    raise ValueError(f"{path}, line {number}: damaged; allowed: lines that a run wrote, or an empty folder")


def fingerprints(requests: Iterable[Request], model: str) -> dict[str, str]:
    """Id -> fingerprint; ValueError for an id that is given twice."""
    found: dict[str, str] = {}
    for request in requests:
        if request.id in found:
            raise ValueError(f"request {request.id!r}: the id is given twice; allowed: one request an id")
        found[request.id] = fingerprint(request, model)
    return found


def fingerprint(request: Request, model: str) -> str:
    """32 hexadecimal digits of what is asked (id, prompt, schema) and whom: what was changed is asked anew."""
    asked = json.dumps([request.id, request.prompt, request.schema, model])
    return sha256(asked.encode()).hexdigest()[:32]


def write_dead_letters(folder: Path, letters: Sequence[Mapping], ids: Iterable[str]) -> None:
    """Put the letters into the folder's `dead_letters.jsonl`, in place of those that were there for the `ids`."""
    path, asked = folder / DEAD_LETTERS, set(ids)
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    others = [letter for letter in map(json.loads, before) if letter["id"] not in asked]
    write_text(path, "".join(f"{json.dumps(letter)}\n" for letter in [*others, *letters]))
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last; where folders cannot be opened (Windows) they last by themselves."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
