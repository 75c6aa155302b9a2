"""Kill a command at random moments, start it again each time, and see it through to the end."""

import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

POLL = 0.002
TAIL = 4000


def run_with_kills(
    command: list[str],
    *,
    kills: int,
    seed: int,
    duration: float,
    env: dict[str, str] | None = None,
    ready: str | None = None,
    timeout: float = 120.0,
) -> int:
    """SIGKILL the process group of `command` up to `kills` times, restarting it, until it exits 0; the kills that hit.

    `duration` is how many seconds a whole run takes after its start-up. The moments of the kills are drawn evenly over
    it and add up over the restarts, so a command that resumes is hit everywhere in its work. Start-up ends when the
    command prints the text `ready` (without it: at once), and only then does the time of this start run.

    RuntimeError, with the end of the output: the command fails by itself, or one start takes over `timeout` seconds
    (per start; `kills` + 1 starts at the most). A kill that comes after the command has ended is not counted.
    """
    for hits, delay in enumerate([*_delays(kills, seed, duration), None]):
        with tempfile.TemporaryDirectory() as folder:
            returncode, output = _run_once(command, env, Path(folder, "output"), delay, ready, timeout)
        if returncode == 0:
            return hits
        if returncode != -signal.SIGKILL or delay is None:
            raise RuntimeError(f"{command} ended with {returncode} after {hits} kills:\n{output[-TAIL:]}")
    raise AssertionError("the last start ends or fails")


def _delays(kills: int, seed: int, duration: float) -> Iterator[float]:
    rng = random.Random(seed)
    moments = sorted(rng.uniform(0, duration) for _ in range(kills))
    return (later - earlier for earlier, later in zip([0.0, *moments], moments, strict=False))


def _run_once(
    command: list[str], env: dict[str, str] | None, log: Path, delay: float | None, ready: str | None, timeout: float
) -> tuple[int, str]:
    """Start `command`, kill it `delay` seconds after it is ready (None: never); its return code and its output."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    deadline = time.monotonic() + timeout
    try:
        if delay is None or not _wait(process, log, ready, deadline) or _ends_within(process, delay):
            process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{command} took over {timeout} s:\n{_text(log)[-TAIL:]}") from None
    finally:
        _kill_group(process)
    return process.returncode, _text(log)


def _wait(process: subprocess.Popen, log: Path, ready: str | None, deadline: float) -> bool:
    """Wait until the output holds `ready`; False when the process ends before."""
    while ready is not None and ready not in _text(log):
        if process.poll() is not None:
            return False
        if time.monotonic() > deadline:
            raise subprocess.TimeoutExpired(process.args, deadline)
        time.sleep(POLL)
    return True


def _ends_within(process: subprocess.Popen, seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill_group(process: subprocess.Popen) -> None:
    """Kill the process and its children, which may outlive it, and wait until none of them can write any more."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 5
    while _group_runs(process.pid) and time.monotonic() < deadline:
        time.sleep(POLL)


def _group_runs(group: int) -> bool:
    """Whether any process of the group still runs; one that is dead but not yet collected (a zombie) does not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(process_group) == group and state not in "ZX":
            return True
    return False


def _text(log: Path) -> str:
    return log.read_text(errors="replace")
