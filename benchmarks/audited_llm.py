"""The faulty server under audit: a log of every call that it gets, and a cap of their rate.

python -m benchmarks.audited_llm --port 0 --faults 0.3 --seed 1 --log calls.jsonl --rate 50
"""

import argparse
import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from .faulty_llm import CUT, KINDS, FaultyServer, response, serve

OVER_RATE = "over_rate"
SHORTEST_WAIT, LONGEST_WAIT = 0.05, 5.0  # seconds that a call over the rate is asked to wait


class AuditedServer(FaultyServer):
    """A `FaultyServer` that writes each call to `log` before it answers, and takes at most `rate` calls a second.

    A line of the log is [seconds of a monotonic clock, record, fault], the fault one of `KINDS`, "good" or `OVER_RATE`.
    A call over the rate is answered with 429 and a Retry-After of 0.05 to 5 s, drawn; it uses up none of the record's
    faults.
    """

    def __init__(self, share: float, seed: int, hang: float, log: Path | None, rate: float | None):
        super().__init__(share, seed, hang)
        self.rate, self.log = rate, log.open("a", buffering=1) if log else None
        self.taken: deque[float] = deque()
        self.waits = random.Random(f"waits {seed}")

    async def complete(self, record: str, max_tokens: int, writer: asyncio.StreamWriter) -> None:
        """Answer about a record, or fail, and write down which."""
        now = time.monotonic()
        if self.over_rate(now):
            self.note(now, record, OVER_RATE)
            wait = SHORTEST_WAIT * (LONGEST_WAIT / SHORTEST_WAIT) ** self.waits.random()
            writer.write(response("429 Too Many Requests", "{}", {"Retry-After": f"{wait:.2f}"}))
            return
        self.note(now, record, self.drawn(record, max_tokens))
        await super().complete(record, max_tokens, writer)

    def over_rate(self, now: float) -> bool:
        """Whether the second before has had its calls; else the call is one of them."""
        while self.taken and self.taken[0] <= now - 1:
            self.taken.popleft()
        if self.rate is not None and len(self.taken) >= self.rate:
            return True
        self.taken.append(now)
        return False

    def drawn(self, record: str, max_tokens: int) -> str:
        """The fault that the next call about a record meets, as `FaultyServer.complete` draws it."""
        draw = random.Random(f"{self.seed} {record} {self.calls[record]}")
        kinds = KINDS if max_tokens <= CUT else [kind for kind in KINDS if kind != "length"]
        return draw.choice(kinds) if draw.random() < self.share else "good"

    def note(self, now: float, record: str, kind: str) -> None:
        """Write a line of the log."""
        if self.log:
            self.log.write(json.dumps([now, record, kind]) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until killed; the first line of output is the port."""
    found = argparse.ArgumentParser(description="Serve chat completions, some of them faulty, and log every call.")
    found.add_argument("--port", type=int, default=0, help="else a free one, which is printed")
    found.add_argument("--faults", type=float, default=0.3, help="share of the calls that meet one")
    found.add_argument("--seed", type=int, default=0, help="of the faults")
    found.add_argument("--hang", type=float, default=2.0, help="seconds that a call hangs")
    found.add_argument("--log", type=Path, help="file to which each call is added")
    found.add_argument("--rate", type=float, help="most calls a second")
    asked = found.parse_args(arguments)
    asyncio.run(serve(AuditedServer(asked.faults, asked.seed, asked.hang, asked.log, asked.rate), asked.port))


if __name__ == "__main__":
    main()
