"""A run of requests against a server that fails in 13 ways, is down or busy, or while the run is killed.

python -m benchmarks.llm_faults
"""

import argparse
import json
import os
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from subprocess import PIPE, Popen

from occ_autocoder.files import write_text
from occ_autocoder.llm.endpoint import Endpoint
from occ_autocoder.llm.faults import EndpointDown
from occ_autocoder.llm.generator import generate
from occ_autocoder.llm.journal import DEAD_LETTERS, JOURNAL, read_entries
from occ_autocoder.llm.request import Answer, Request
from occ_autocoder.markdown import count, markdown_table, percent

from .faulty_llm import faulty_request, truth

ROOT = Path(__file__).parents[1]
READY = "running"
HOPELESS = 500  # of so many records one, in the run that is killed, is one that no reply is right for
WORKERS = 512  # against a busy server
COLUMNS = ("run", "records", "accepted", "dead letters", "wrong", "requests a record", "seconds", "remarks")


@dataclass(frozen=True)
class Client:
    """How the server is asked: calls at a time, seconds for a reply, calls a minute.

    Each `hopeless`-th record is one that no reply is right for; 0 for none.
    """

    concurrency: int = 64
    timeout: float = 1.0
    per_minute: float | None = None
    hopeless: int = 0

    def run(self, url: str, folder: Path, records: int, **options) -> list[Answer]:
        """The answers about so many records."""
        requests = [self.request(number) for number in range(records)]
        settings = {"concurrency": self.concurrency, "timeout": self.timeout, "requests_per_minute": self.per_minute}
        return generate(requests, Endpoint("faulty-1", base_url=url, **settings), folder, **options)

    def request(self, number: int) -> Request:
        """The question about a record."""
        asked = faulty_request(f"record {number}")
        hopeless = self.hopeless and number % self.hopeless == 0
        return replace(asked, check=lambda value: "no code is right") if hopeless else asked


@contextmanager
def served(share: float, seed: int = 0, log: Path | None = None, rate: float | None = None) -> Iterator[str]:
    """The base URL of the faulty server in a process of its own."""
    options = {"--faults": share, "--seed": seed, "--hang": 1.2, "--log": log, "--rate": rate}
    given = [str(part) for name, value in options.items() if value is not None for part in (name, value)]
    with Popen([sys.executable, "-m", "benchmarks.audited_llm", *given], stdout=PIPE, text=True, cwd=ROOT) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def told(url: str, path: str, body: object = None) -> dict:
    """What the server says at a path."""
    data = json.dumps(body).encode()
    with urllib.request.urlopen(url.removesuffix("/v1") + path, data=data, timeout=60) as reply:
        return json.loads(reply.read())


def read_log(log: Path) -> list[tuple[float, str, str]]:
    """The calls that a server wrote down: when, about which record, which fault."""
    return [tuple(json.loads(line)) for line in log.read_text(encoding="utf-8").splitlines()]


def outcome(name: str, answers: Sequence[Answer], calls: int, seconds: float, remarks: str = "") -> tuple:
    """A row of the table."""
    accepted = [answer for answer in answers if answer.value is not None]
    wrong = sum(answer.value != truth(answer.id) for answer in accepted)
    dead = len(answers) - len(accepted)
    numbers = map(count, (len(answers), len(accepted), dead, wrong))
    return name, *numbers, f"{calls / len(answers):.2f}", f"{seconds:.0f}", remarks


def faults(share: float, records: int, client: Client) -> tuple:
    """A run at a share of faults."""
    with served(share) as url, tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        answers = client.run(url, Path(folder), records)
        seconds = time.monotonic() - start
        calls = sum(told(url, "/counts")["calls"].values())
    return outcome(f"{percent(share)} faults", answers, calls, seconds)


def outage(records: int, client: Client) -> tuple:
    """Every call fails until the run ends by itself; then the server is well again and the run goes on."""
    with served(1.0) as url, tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        try:
            client.run(url, Path(folder), records)
            raise AssertionError("a run against a server that is down ended well")
        except EndpointDown:
            stopped = time.monotonic() - start
        during = sum(told(url, "/counts")["calls"].values())
        told(url, "/share", 0.0)
        answers = client.run(url, Path(folder), records)
        calls = sum(told(url, "/counts")["calls"].values())
    remarks = f"stopped after {stopped:.1f} s and {count(during)} calls"
    return outcome("100 % faults, then none", answers, calls, time.monotonic() - start, remarks)


def busy(records: int, rate: float, client: Client) -> tuple:
    """A run against a server that takes `rate` calls a second and tells the others when to come back."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "calls.jsonl")
        with served(0.0, log=log, rate=rate) as url:
            start = time.monotonic()
            answers = client.run(url, Path(folder), records)
            seconds = time.monotonic() - start
        calls = read_log(log)
    first, last = ({record: at for at, record, _ in part} for part in (reversed(calls), calls))
    slowest = max(last[record] - first[record] for record in first)
    remarks = f"{len(calls) / (calls[-1][0] - calls[0][0]):.1f} calls a second; at best {records / rate:.0f} s; "
    remarks += f"{percent(Counter(kind for *_, kind in calls)['over_rate'] / len(calls))} of the calls refused; "
    remarks += f"longest from a record's first call to its last {slowest:.0f} s"
    name = f"{rate:g} calls a second, {'known' if client.per_minute else 'not known'}, {client.concurrency} workers"
    return outcome(name, answers, len(calls), seconds, remarks)


@dataclass(frozen=True)
class Killed:
    """A run that was killed `hits` times, and took so many seconds from its first call to its last.

    Of its calls, `repeated` are those whose end it had not written down, `again` those about what it had accepted
    already, and `paid_twice` those that the server answered well though it had done so before.
    """

    answers: list[Answer]
    dead_letters: list[str]
    calls: int
    repeated: int
    again: int
    paid_twice: int
    seconds: float
    hits: int

    @property
    def found(self) -> tuple:
        """What must not depend on the kills."""
        return [(answer.id, answer.value) for answer in self.answers], self.dead_letters


def killed(number: int, share: float, records: int, client: Client, seconds: float, seed: int = 0) -> Killed:
    """A run in a process of its own that is killed so often, at moments drawn from the `seconds` that it takes."""
    sys.path.insert(0, str(ROOT / "tests"))
    from killer import run_with_kills

    with tempfile.TemporaryDirectory() as temporary:
        folder, log = Path(temporary, "run"), Path(temporary, "calls.jsonl")
        with served(share, seed, log) as url:
            given = (url, folder, records, client.concurrency, client.timeout, client.hopeless)
            command = [sys.executable, "-m", "benchmarks.llm_faults", "--child", *map(str, given)]
            moments = {"kills": number, "seed": seed, "duration": 0.9 * seconds, "timeout": 900.0}
            hits = run_with_kills(command, ready=READY, env={**os.environ, "PYTHONPATH": str(ROOT)}, **moments)
        calls = read_log(log)
        answers = [Answer(*answer) for answer in json.loads((folder / "answers.json").read_text())]
        letters = [json.loads(line)["id"] for line in (folder / DEAD_LETTERS).read_text().splitlines()]
        entries = read_entries(folder / JOURNAL)
    ended = sum(entry["event"] == "end" for entry in entries)
    good = Counter(record for _, record, kind in calls if kind == "good")
    paid_twice = sum(good[answer.id] - 1 for answer in answers if answer.value is not None)
    return Killed(
        answers, letters, len(calls), len(calls) - ended, again(entries), paid_twice, calls[-1][0] - calls[0][0], hits
    )


def again(entries: Iterable[Mapping]) -> int:
    """The calls of a journal about what had been accepted before."""
    accepted, found = set(), 0
    for entry in entries:
        if entry["event"] == "call":
            found += entry["id"] in accepted
        elif entry["event"] == "end" and not entry["fault"]:
            accepted.add(entry["id"])
    return found


def kills(number: int, share: float, records: int, client: Client) -> tuple:
    """A run that is killed beside one that is not: the same answers, and the calls that were paid twice."""
    whole = killed(0, share, records, client, 1.0)
    run = killed(number, share, records, client, whole.seconds)
    same = "the same" if run.found == whole.found else "OTHER"
    most = run.hits * client.concurrency
    remarks = f"{same} answers and dead letters; {count(run.repeated)} calls repeated, at most {count(most)} were in "
    remarks += f"flight; {count(run.paid_twice)} answers paid twice; {count(run.again)} asked again"
    return outcome(f"{run.hits} kills, {percent(share)} faults", run.answers, run.calls, run.seconds, remarks)


def child(url: str, folder: str, records: str, concurrency: str, timeout: str, hopeless: str) -> None:
    """The run that is killed."""
    client = Client(int(concurrency), float(timeout), hopeless=int(hopeless))
    print(READY, flush=True)
    answers = client.run(url, Path(folder), int(records))
    write_text(Path(folder, "answers.json"), json.dumps([astuple(answer) for answer in answers]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all, and print a table."""
    asked = parser().parse_args(arguments)
    if asked.child:
        return child(*asked.child)
    client = Client(asked.concurrency, asked.timeout)
    runs = [lambda share=share: faults(share, asked.records, client) for share in (0.3, 0.6)]
    runs += [lambda: outage(asked.records, client)]
    runs += [lambda: kills(asked.kills, 0.3, asked.records, replace(client, hopeless=HOPELESS))]
    for known in (60 * asked.rate, None):
        crowd = Client(WORKERS, timeout=10.0, per_minute=known)
        runs += [lambda crowd=crowd: busy(asked.busy_records, asked.rate, crowd)]
    rows = []
    for run in runs:
        rows.append(run())
        print(rows[-1], flush=True)
    write_text(asked.output, f"# Faults of a language model\n\n{markdown_table(COLUMNS, rows)}\n")
    print(asked.output.read_text(encoding="utf-8"))


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    found = argparse.ArgumentParser(description="Ask a faulty server about many records, and count what came of it.")
    found.add_argument("--records", type=int, default=20_000, help="of each run")
    found.add_argument("--kills", type=int, default=20, help="of the run that is killed")
    found.add_argument("--concurrency", type=int, default=64, help="calls at a time")
    found.add_argument("--timeout", type=float, default=1.0, help="seconds for a reply")
    found.add_argument("--rate", type=float, default=50.0, help="calls a second that a busy server takes")
    found.add_argument("--busy-records", type=int, default=5000, help="of the runs against a busy server")
    found.add_argument("--output", type=Path, default=Path("build/benchmarks/llm_faults.md"), help="file of the table")
    found.add_argument("--child", nargs=6, help=argparse.SUPPRESS)
    return found


if __name__ == "__main__":
    main()
