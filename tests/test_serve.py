"""A real OpenAI-compatible server, `transformers serve` with a small trained Gemma, asked through the generator."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread

import pytest

pytest.importorskip("openai")
pytest.importorskip("uvicorn")

from tiny_gemma import CODES, SCHEMA, question, trained_gemma

from occ_autocoder.llm.endpoint import Endpoint
from occ_autocoder.llm.generator import generate
from occ_autocoder.llm.local import LocalModel
from occ_autocoder.llm.request import Request

START = 90  # seconds that the server may take
VALUES = {title: {"code": code, "sure": True} for title, code in CODES.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    """The address of `transformers serve`."""
    home = tmp_path_factory.mktemp("home")
    (home / "hub").mkdir()  # without it /v1/models answers 500
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = Path(sys.executable).with_name("transformers")
    options = ["--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [command, "serve", str(trained_gemma()), *options],
            env={**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process, home / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    """Return once the server answers."""
    for _ in range(START * 5):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
    pytest.fail(f"no server after {START} s: {log.read_text()}")


class Gate(BaseHTTPRequestHandler):
    """Passes calls on to the server, after it has failed the first of them in one of the ways that servers fail in."""

    def __init__(self, state: dict, *args):
        self.state = state
        super().__init__(*args)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.state["lock"]:
            self.state["bodies"].append(body)
            fault = self.state["faults"].pop(0) if self.state["faults"] else None
        if fault == "hang up":
            self.close_connection = True
        elif fault:
            self.send_response(fault)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.pass_on(body)

    def pass_on(self, body: bytes) -> None:
        """The server's own answer, piece by piece."""
        request = urllib.request.Request(self.state["to"] + self.path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.headers["Content-Type"])
            self.end_headers()
            while piece := reply.read1():
                self.wfile.write(piece)

    def log_message(self, *args) -> None:
        """Say nothing."""


@contextmanager
def gate(server: str, faults=()) -> Iterator[tuple[str, list[bytes]]]:
    """The address of a `Gate` before the server, and the bodies that come to it."""
    state = {"to": server, "faults": list(faults), "bodies": [], "lock": Lock()}
    own = ThreadingHTTPServer(("127.0.0.1", 0), partial(Gate, state))
    Thread(target=own.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{own.server_port}/v1", state["bodies"]
    finally:
        own.shutdown()
        own.server_close()


def endpoint(url: str, **settings) -> Endpoint:
    return Endpoint(str(trained_gemma()), base_url=url, concurrency=2, temperature=0.0, timeout=60, **settings)


def requests(titles=tuple(CODES), **settings) -> list[Request]:
    return [Request(title, question(title), SCHEMA, **settings) for title in titles]


@pytest.mark.parametrize("stream", [False, True])
def test_the_server_answers_as_the_model_does_in_this_process(server, tmp_path, stream):
    answers = generate(requests(), endpoint(f"{server}/v1", stream=stream), tmp_path, max_tokens=40)
    assert {item.id: item.value for item in answers} == VALUES
    local = generate(requests(), LocalModel(str(trained_gemma())), tmp_path / "local", max_tokens=40)
    assert [item.value for item in local] == [item.value for item in answers]


def test_what_is_answered_is_never_asked_again(server, tmp_path):
    with gate(server) as (url, bodies):
        for expected in (3, 8, 8):
            titles = [*CODES][: 3 if expected == 3 else None]
            answers = generate(requests(titles), endpoint(url), tmp_path, max_tokens=40)
            assert {item.id: item.value for item in answers} == {title: VALUES[title] for title in titles}
            assert len(bodies) == expected


@pytest.mark.parametrize("stream", [False, True])
def test_calls_that_fail_on_the_way_are_repeated(server, tmp_path, stream):
    faults = [503, "hang up", 429, 500]
    with gate(server, faults) as (url, bodies):
        answers = generate(requests(), endpoint(url, stream=stream), tmp_path, max_tokens=40)
        assert {item.id: item.value for item in answers} == VALUES
        assert len(bodies) == len(CODES) + len(faults)


def test_a_reply_that_is_refused_is_asked_again_with_the_fault_and_given_up_in_the_end(server, tmp_path):
    (request,) = requests(["nurse"], check=lambda value: "the code is of another record")
    with gate(server) as (url, bodies):
        (found,) = generate([request], endpoint(url), tmp_path, attempts=2, max_tokens=40)
    assert found.value is None and "2 calls" in found.reason
    said = ["the code is of another record" in body.decode() for body in bodies]
    assert said == [False, True]
    assert '"nurse"' in (tmp_path / "dead_letters.jsonl").read_text()
