"""When to call: not above a rate, later after a fault, and not at all once nothing comes back."""

import asyncio
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .faults import EndpointDown

LONGEST_WAIT = 120.0  # seconds that a server may ask us to wait
FIRST_WAIT, LONGEST_BACKOFF = 0.5, 20.0
FEWEST = 10  # requests that must have failed before the endpoint, and not they, is at fault


class Pace:
    """At most so many calls a minute, evenly spread; None for no limit."""

    def __init__(self, per_minute: float | None):
        self.gap = 60 / per_minute if per_minute else 0.0
        self.next = 0.0

    async def turn(self) -> None:
        """Return when the next call may begin."""
        now = time.monotonic()
        start = max(self.next, now)
        self.next = start + self.gap
        if start > now:
            await asyncio.sleep(start - now)


class Circuit:
    """Opens when the endpoint is down: for `patience` seconds no reply could be accepted, and most calls failed.

    Some of the faults must be the endpoint's own, and of ten different requests: a model that answers nonsense, and a
    request that no server survives, are not its fault. While replies are awaited that take longer than `patience`, it
    stays closed. A wait that the server asked for is added to `patience`.
    """

    def __init__(self, patience: float):
        self.patience = patience
        self.accepted()

    def accepted(self) -> None:
        """A reply was accepted: all is well."""
        self.since, self.calls, self.failed, self.asked_wait = time.monotonic(), 0, 0, 0.0
        self.failing: set[str] = set()
        self.last = ""

    def called(self, number: int) -> None:
        """So many requests were sent."""
        self.calls += number

    def add(self, entry: Mapping, wait: float = 0.0) -> None:
        """Count an "end" entry of the journal, and the seconds that the server asked for."""
        if not entry["fault"]:
            self.accepted()
            return
        self.failed += 1
        self.failing.add(entry["fingerprint"])
        self.asked_wait = max(self.asked_wait, wait)
        if entry["completion"] is None:
            self.last = entry["fault"]

    @property
    def open(self) -> bool:
        """Whether calling on is useless."""
        late = time.monotonic() - self.since >= self.patience + self.asked_wait
        return bool(late and self.last and len(self.failing) >= FEWEST and 2 * self.failed >= self.calls)

    async def watch(self) -> None:
        """Raise EndpointDown when the circuit opens; never return."""
        while not self.open:
            await asyncio.sleep(0.1)
        raise EndpointDown(self.message)

    @property
    def message(self) -> str:
        """What is told of it."""
        seconds = time.monotonic() - self.since
        return (
            f"nothing that can be used came back for {seconds:.0f} s; the last fault: {self.last}. Run again to go on"
        )


def backoff(calls: int, asked_wait: float, seed: str) -> float:
    """Seconds before a request is sent again after its `calls`-th fault: doubled each time, jitter drawn by `seed`.

    A half to the whole of 0.5, 1, 2, ... 20 s, or up to a tenth more than what the server asked for, if that is longer.
    """
    share = random.Random(f"{seed}-{calls}").random()
    own = min(FIRST_WAIT * 2 ** min(calls - 1, 16), LONGEST_BACKOFF)
    return max(own * (1 + share) / 2, asked_wait * (1 + share / 10))


def retry_after(header: str | None) -> float:
    """The seconds that a Retry-After header asks for, given as a number or as a date (RFC 9110, 10.2.3), at most 120.

    0 where there is no header, or none that can be read.
    """
    try:
        seconds = float(header or 0)
    except ValueError:
        seconds = seconds_until(header)
    return min(seconds, LONGEST_WAIT) if seconds > 0 else 0.0


def seconds_until(date: str) -> float:
    """The seconds from now to an HTTP date; 0 where it is none."""
    try:
        then = parsedate_to_datetime(date)
    except ValueError:
        return 0.0
    return (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
