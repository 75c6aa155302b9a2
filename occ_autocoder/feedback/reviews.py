"""The review file: a line of JSON for each judgement of a person, only ever appended, on the disk before it counts."""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path

from filelock import FileLock

from occ_autocoder.llm.journal import sync_folder
from occ_autocoder.model.text_occupation import normalize

ACTIONS = ("accept", "correct", "merge", "new_occupation", "reject")
GIVE_CODE = ("accept", "correct", "merge")
MODES = ("assisted", "blind")
TEXTS = ("id", "job_title", "job_duties", "model_version", "action", "code", "reviewer", "time", "mode", "reason")
REQUIRED = ("id", "model_version", "reviewer")
LOCK, TORN = ".lock", ".torn"
LONGEST = 1_000_000  # seconds


@dataclass(frozen=True)
class Shown:
    """A code that the model gave for the record, and how sure it was, 0 to 1."""

    code: str
    confidence: float


@dataclass(frozen=True)
class Review:
    """What one person said of one record; ValueError, naming the column, for values that make no sense.

    `id`, `job_title`, `job_duties`: the record, or a proposed occupation, as it was judged. `model_version`: of the
    model whose codes are `shown`, in the order in which they stood. `action`: "accept", the first code shown is right;
    "correct", `code` is, another one; "merge", a proposed occupation is no new one but belongs to `code`;
    "new_occupation", no code names this work, and `reason` says what it is; "reject", the first code shown is wrong,
    and which is right is not said. `time` is ISO 8601 with its offset from UTC, `seconds` how long it took. `mode` is
    "blind" where the person coded without seeing what was `shown`, as a share should be: suggestions sway people.
    """

    id: str
    job_title: str
    job_duties: str
    model_version: str
    shown: tuple[Shown, ...]
    action: str
    code: str
    reviewer: str
    time: str
    seconds: float
    mode: str = "assisted"
    reason: str = ""

    def __post_init__(self):
        for column in TEXTS:
            if not isinstance(getattr(self, column), str):
                raise fault(column, type(getattr(self, column)).__name__, "text")
        for column in REQUIRED:
            if not getattr(self, column).strip():
                raise fault(column, "empty", "a text")
        for column, allowed in (("action", ACTIONS), ("mode", MODES)):
            if getattr(self, column) not in allowed:
                raise fault(column, repr(getattr(self, column)), ", ".join(allowed))
        if not normalize(f"{self.job_title} {self.job_duties}"):
            raise fault("job_title", "empty, as job_duties is", "text in at least one")
        if not has_offset(self.time):
            raise fault("time", repr(self.time), "as 2026-01-31T09:30:00+00:00")
        if not is_number(self.seconds, 0, LONGEST):
            raise fault("seconds", repr(self.seconds), f"a number from 0 to {LONGEST:,}")
        check_shown(self)
        check_code(self)

    @property
    def first(self) -> str:
        """The first code shown, "" for none."""
        return self.shown[0].code if self.shown else ""


def fault(column: str, found: str, allowed: str) -> ValueError:
    """The error for a value of a column."""
    return ValueError(f"column {column}: {found}; allowed: {allowed}")


def is_number(value: object, least: float, most: float) -> bool:
    """Whether it is a number within the bounds; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def has_offset(time: str) -> bool:
    """Whether it is a moment in ISO 8601, the same everywhere."""
    try:
        return datetime.fromisoformat(time).tzinfo is not None
    except ValueError:
        return False


def check_shown(review: Review) -> None:
    """ValueError unless what was shown are codes with confidences, each once, and there is what the action is about."""
    codes = [item.code for item in review.shown]
    if not all(isinstance(code, str) and code.strip() for code in codes) or len({*codes}) < len(codes):
        raise fault("shown", repr(codes), "codes, each once")
    if bad := [item.confidence for item in review.shown if not is_number(item.confidence, 0, 1)]:
        raise fault("shown", f"confidence {bad[0]!r}", "from 0 to 1")
    if review.action in ("accept", "reject") and not codes:
        raise fault("shown", f"empty, and the action is {review.action}", "the code that it is about")


def check_code(review: Review) -> None:
    """ValueError unless the code, and the reason, are what the action needs."""
    code, first = review.code, review.first
    if review.action not in GIVE_CODE and code:
        raise fault("code", f"{code!r} with {review.action}", "none")
    if review.action in GIVE_CODE and not code.strip():
        raise fault("code", f"empty with {review.action}", "the right code")
    if review.action == "accept" and code != first:
        raise fault("code", f"{code!r} with accept", f"{first!r}, the first shown; another one is a correction")
    if review.action == "correct" and code == first:
        raise fault("code", f"{code!r} with correct, the first shown", "another code, or accept")
    if review.action == "new_occupation" and not review.reason.strip():
        raise fault("reason", "empty with new_occupation", "what the work is")


def append_review(path: str | Path, review: Review) -> str:
    """Return when the review is on the disk, at the end of the file; processes and threads take turns.

    A last line that a kill or a full disk has torn was never acknowledged: it is moved to a file beside it (`.torn`).

    Returns: that torn line, "" for none.
    Raises: OSError, and the review does not count.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(review), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    with FileLock(f"{path}{LOCK}"), path.open("ab+") as file:
        torn = set_torn_line_aside(file, Path(f"{path}{TORN}"))
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
        sync_folder(path.parent)
    return torn.decode(errors="replace")


def set_torn_line_aside(file, aside: Path) -> bytes:
    """Let the open file end with its last whole line; what stood behind it goes to the file `aside` first."""
    whole, torn = last_line(file)
    if torn:
        with aside.open("ab") as other:
            other.write(torn + b"\n")
            other.flush()
            os.fsync(other.fileno())
        file.truncate(whole)
    return torn


def last_line(file, part: int = 1 << 16) -> tuple[int, bytes]:
    """Where the last whole line of an open file ends, and what stands behind it; only the end of the file is read."""
    end = file.seek(0, os.SEEK_END)
    tail, start = b"", end
    while start and b"\n" not in tail:
        start = max(0, start - part)
        file.seek(start)
        tail = file.read(end - start)
    whole = start + tail.rfind(b"\n") + 1
    return whole, tail[whole - start :]


def read_reviews(path: str | Path, codes: Collection[str] | None = None) -> tuple[list[Review], str]:
    """The reviews of a file in their order, also while others write it, and a torn last line ("" for none).

    Args:
        codes: those that are allowed as the right code; any where None.
    Raises: ValueError that names file, row, column and what is allowed.
    """
    lines = Path(path).read_bytes().split(b"\n")
    torn, allowed = lines.pop(), None if codes is None else {*codes}
    reviews = [read_review(line, f"{path}, row {row}", allowed) for row, line in enumerate(lines, start=1)]
    return reviews, torn.decode(errors="replace")


def read_review(line: bytes, where: str, codes: Collection[str] | None = None) -> Review:
    """One line of the file; ValueError that names the place `where` it stands."""
    try:
        values = json.loads(line)
    except ValueError:
        raise ValueError(f"{where}: no JSON; allowed: lines that `append_review` wrote") from None
    try:
        review = as_review(values)
        if codes is not None and review.code and review.code not in codes:
            raise fault("code", repr(review.code), f"one of {len(codes)} codes")
        return review
    except ValueError as error:
        raise ValueError(f"{where}, {error}") from None


def as_review(values: Mapping) -> Review:
    """An object of JSON as a review; ValueError that names the column."""
    names = [item.name for item in fields(Review)]
    if not isinstance(values, dict) or {*values} != {*names}:
        wrong = sorted({*values} ^ {*names}) if isinstance(values, dict) else ["shown"]
        raise fault(wrong[0], "missing or unknown", ", ".join(names))
    try:
        shown = tuple(Shown(**item) for item in values["shown"])
    except TypeError:
        raise fault("shown", "another form", "a list of objects with code and confidence") from None
    return Review(**{**values, "shown": shown})
