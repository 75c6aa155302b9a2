"""A run of requests against a server that fails in 13 ways, or is down, or while the run is killed.

python -m benchmarks.llm_faults
"""

import argparse
import json
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

from occ_autocoder.files import write_text
from occ_autocoder.llm.endpoint import Endpoint
from occ_autocoder.llm.faults import EndpointDown
from occ_autocoder.llm.generator import generate
from occ_autocoder.llm.journal import JOURNAL, read_entries
from occ_autocoder.llm.request import Answer
from occ_autocoder.markdown import count, markdown_table, percent

from .faulty_llm import faulty_request, truth

ROOT = Path(__file__).parents[1]
READY = "running"
COLUMNS = ("run", "records", "accepted", "dead letters", "wrong", "requests a record", "seconds", "remarks")


@dataclass(frozen=True)
class Client:
    """How the server is asked: calls at a time, seconds for a reply."""

    concurrency: int = 64
    timeout: float = 1.0

    def run(self, url: str, folder: Path, records: int, **options) -> list[Answer]:
        """The answers about so many records."""
        requests = [faulty_request(f"record {number}") for number in range(records)]
        endpoint = Endpoint("faulty-1", base_url=url, concurrency=self.concurrency, timeout=self.timeout)
        return generate(requests, endpoint, folder, **options)


@contextmanager
def served(share: float, seed: int = 0) -> Iterator[str]:
    """The base URL of the faulty server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.faulty_llm", "--share", str(share), "--seed", str(seed)]
    command += ["--hang", "1.2"]
    with Popen(command, stdout=PIPE, text=True, cwd=ROOT) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def told(url: str, path: str, body: object = None) -> dict:
    """What the server says at a path."""
    data = json.dumps(body).encode()
    with urllib.request.urlopen(url.removesuffix("/v1") + path, data=data, timeout=60) as reply:
        return json.loads(reply.read())


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


@dataclass(frozen=True)
class Killed:
    """A run that was killed `hits` times, and the calls whose end it had not written down."""

    answers: list[Answer]
    calls: int
    repeated: int
    seconds: float
    hits: int


def killed(number: int, share: float, records: int, client: Client, seconds: float, seed: int = 0) -> Killed:
    """A run in a process of its own that is killed so often, at moments drawn from the `seconds` that it takes."""
    sys.path.insert(0, str(ROOT / "tests"))
    from killer import run_with_kills

    with served(share, seed) as url, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.llm_faults", "--child", url, folder, str(records)]
        command += ["--concurrency", str(client.concurrency), "--timeout", str(client.timeout)]
        env, start = {**os.environ, "PYTHONPATH": str(ROOT)}, time.monotonic()
        moments = {"kills": number, "seed": seed, "duration": 0.9 * seconds, "timeout": 900.0}
        hits = run_with_kills(command, ready=READY, env=env, **moments)
        took = time.monotonic() - start
        calls = sum(told(url, "/counts")["calls"].values())
        answers = [Answer(*answer) for answer in json.loads(Path(folder, "answers.json").read_text())]
        ended = sum(entry["event"] == "end" for entry in read_entries(Path(folder, JOURNAL)))
    return Killed(answers, calls, calls - ended, took, hits)


def kills(number: int, share: float, records: int, client: Client) -> tuple:
    """A run that is killed beside one that is not: the same answers, and the calls that were paid twice."""
    whole = killed(0, share, records, client, 1.0)
    found = killed(number, share, records, client, whole.seconds)
    same = "the same" if found.answers == whole.answers else "OTHER"
    most = found.hits * client.concurrency
    remarks = f"{same} answers; {count(found.repeated)} calls repeated, at most {count(most)} were in flight"
    return outcome(f"{found.hits} kills, {percent(share)} faults", found.answers, found.calls, found.seconds, remarks)


def child(url: str, folder: Path, records: int, client: Client) -> None:
    """The run that is killed."""
    print(READY, flush=True)
    answers = client.run(url, folder, records)
    rows = [[answer.id, answer.value, answer.reason, answer.generator] for answer in answers]
    write_text(folder / "answers.json", json.dumps(rows))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all, and print a table."""
    asked = parser().parse_args(arguments)
    client = Client(asked.concurrency, asked.timeout)
    if asked.child:
        url, folder, records = asked.child
        child(url, Path(folder), int(records), client)
        return
    runs = [lambda share=share: faults(share, asked.records, client) for share in (0.3, 0.6)]
    runs += [lambda: outage(asked.records, client), lambda: kills(asked.kills, 0.3, asked.records, client)]
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
    found.add_argument("--output", type=Path, default=Path("build/benchmarks/llm_faults.md"), help="file of the table")
    found.add_argument("--child", nargs=3, metavar=("URL", "FOLDER", "RECORDS"), help=argparse.SUPPRESS)
    return found


if __name__ == "__main__":
    main()
