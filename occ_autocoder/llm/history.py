"""What became of each request so far, read from the journal's entries: the same when a run goes on as when it lived."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .request import Completion

BUSY = 10  # calls for each attempt that is allowed: some are for a server that was busy


@dataclass
class History:
    """The calls for one request that have ended.

    `attempts` are those that count; `truncated` is the largest limit of tokens that cut a reply; `complaint` the fault
    of the last reply, which the model is told; `fault` that of the last call, "" once a reply was accepted.
    """

    calls: int = 0
    attempts: int = 0
    truncated: int = 0
    final: bool = False
    complaint: str = ""
    fault: str = ""
    reply: Completion | None = None

    @property
    def accepted(self) -> bool:
        """Whether the last reply was accepted."""
        return self.calls > 0 and not self.fault

    def add(self, entry: Mapping) -> None:
        """Count an "end" entry."""
        self.calls += 1
        self.attempts += entry["counted"]
        self.final, self.fault = entry["final"], entry["fault"]
        if entry["completion"] is not None:
            self.reply = Completion(**entry["completion"])
            if self.reply.finish_reason == "length":
                self.truncated = max(self.truncated, entry["max_tokens"])
            else:
                self.complaint = self.fault

    def limit(self, max_tokens: int) -> int:
        """The limit of tokens for the next call: twice `max_tokens` once that has cut a reply."""
        return max_tokens * 2 if self.truncated >= max_tokens else max_tokens

    def given_up(self, attempts: int, max_tokens: int) -> str:
        """Why the request is not asked again; "" where it may be."""
        if self.final:
            return self.fault
        if self.truncated >= 2 * max_tokens:
            return f"the reply was cut off at {self.truncated:,} tokens"
        if self.attempts >= attempts or self.calls >= BUSY * attempts:
            return f"{self.calls} calls; the last: {self.fault}"
        return ""


def read_histories(entries: Iterable[Mapping]) -> defaultdict[str, History]:
    """Fingerprint -> history, empty for one that has none."""
    histories: defaultdict[str, History] = defaultdict(History)
    for entry in standing(entries):
        histories[entry["fingerprint"]].add(entry)
    return histories


def standing(entries: Iterable[Mapping]) -> list[Mapping]:
    """The "end" entries that count against a request.

    Those between the last reply that was accepted and an "outage" do not, and of those after the last such reply at
    all not the lost calls: nobody knows whether the endpoint worked.
    """
    found: list[Mapping] = []
    sure = 0
    for entry in entries:
        if entry["event"] == "outage":
            del found[sure:]
        elif entry["event"] == "end":
            found.append(entry)
            sure = sure if entry["fault"] else len(found)
    return [*found[:sure], *(entry for entry in found[sure:] if entry["completion"] is not None or entry["final"])]
