"""An endpoint: what is sent, to whom and when, and what each way of failing means to the run."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

pytest.importorskip("openai")

from occ_autocoder.llm.endpoint import Endpoint
from occ_autocoder.llm.faults import EndpointRefused, Fault
from occ_autocoder.llm.generator import generate
from occ_autocoder.llm.pace import retry_after
from occ_autocoder.llm.request import Request

KEY = "sk-canary-4711"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
GOOD = {"choices": [{"message": {"content": '{"n": 1}'}, "finish_reason": "stop"}], "model": "m-1"}
USED = {**GOOD, "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


class Handler(BaseHTTPRequestHandler):
    """Answers what the test's function makes of the body: (status, headers, reply)."""

    protocol_version = "HTTP/1.1"

    def __init__(self, answer, seen, *args):
        self.reply, self.seen = answer, seen
        super().__init__(*args)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(
            {"body": body, "key": self.headers["Authorization"], "path": self.path, "at": time.monotonic()}
        )
        status, headers, reply = self.reply(body)
        content = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        """Say nothing."""


@contextmanager
def serving(answer) -> Iterator[tuple[str, list[dict]]]:
    """The base URL of a server, and what it has seen."""
    seen: list[dict] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, answer, seen))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        server.shutdown()
        server.server_close()


def always(status: int, reply, **headers):
    return lambda body: (status, {name.replace("_", "-"): value for name, value in headers.items()}, reply)


def ask(url: str, number: int = 1, schema=SCHEMA, **settings) -> list:
    """The completions of so many requests, all at once."""

    async def run():
        async with Endpoint("m", base_url=url, **settings) as endpoint:
            calls = [endpoint.complete([Request(f"r{place}", f"count {place}", schema)], 50) for place in range(number)]
            return [found for (found,) in await asyncio.gather(*calls)]

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("occ_autocoder.llm.pace.FIRST_WAIT", 0.001)


def test_a_call_holds_the_prompt_the_schema_and_the_settings_and_the_reply_is_read():
    with serving(always(200, USED)) as (url, seen):
        (found,) = ask(url, temperature=0.5, seed=3)
    assert (found.text, found.finish_reason, found.model) == ('{"n": 1}', "stop", "m-1")
    assert (found.prompt_tokens, found.completion_tokens) == (7, 3)
    body = seen[0]["body"]
    assert body["messages"] == [{"role": "user", "content": "count 0"}] and body["max_tokens"] == 50
    assert (body["model"], body["temperature"], body["seed"]) == ("m", 0.5, 3)
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert seen[0]["path"] == "/v1/chat/completions" and seen[0]["key"] == f"Bearer {KEY}"


def test_tokens_that_a_server_does_not_count_are_estimated():
    with serving(always(200, GOOD)) as (url, _):
        (found,) = ask(url)
    assert found.prompt_tokens == len("count 0") // 4 + 1 and found.completion_tokens == len('{"n": 1}') // 4 + 1


def test_a_schema_that_the_server_refuses_is_left_out_from_then_on(caplog):
    def no_schemas(body):
        return (400, {}, {"error": {"message": "no response_format"}}) if "response_format" in body else (200, {}, GOOD)

    async def twice(url):
        async with Endpoint("m", base_url=url) as endpoint:
            return [await endpoint.complete([Request("r", "count", SCHEMA)], 50) for _ in range(2)]

    with serving(no_schemas) as (url, seen), caplog.at_level(logging.WARNING):
        assert [found.text for (found,) in asyncio.run(twice(url))] == ['{"n": 1}'] * 2
    assert ["response_format" in call["body"] for call in seen] == [True, False, False]
    assert "takes no JSON schema" in caplog.text


def test_a_request_that_the_server_refuses_is_given_up_and_the_others_go_on(tmp_path):
    def picky(body):
        bad = "count 1" in body["messages"][0]["content"]
        return (400, {}, {"error": {"message": "unsafe text"}}) if bad else (200, {}, GOOD)

    with serving(picky) as (url, seen):
        requests = [Request(f"r{place}", f"count {place}", SCHEMA) for place in range(3)]
        answers = generate(requests, Endpoint("m", base_url=url, concurrency=1), tmp_path)
    assert [answer.value for answer in answers] == [{"n": 1}, None, {"n": 1}]
    assert "unsafe text" in answers[1].reason and len(seen) == 4  # once with, once without the schema


@pytest.mark.parametrize(
    ("status", "allowed"), [(401, "a valid key"), (403, "a key with access"), (404, "an address and a model")]
)
def test_a_wrong_key_address_or_model_ends_the_run_at_once(tmp_path, status, allowed):
    requests = [Request(f"r{place}", "count") for place in range(50)]
    leaky, message = {"error": {"message": f"bad key {KEY}"}}, f"HTTP {status} for m; allowed: {allowed}"
    with serving(always(status, leaky)) as (url, seen), pytest.raises(EndpointRefused, match=message) as refused:
        generate(requests, Endpoint("m", base_url=url), tmp_path)
    assert len(seen) <= 16 and KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (always(500, {}), "HTTP 500"),
        (always(200, b"<html>log in</html>", Content_Type="text/html"), "no chat completion"),
        (always(200, {"choices": []}), "no choice"),
        (always(200, {"error": "none"}), "no choice"),
        (always(200, b""), "no chat completion"),
    ],
)
def test_a_call_without_a_completion_is_a_fault(reply, message):
    with serving(reply) as (url, _), pytest.raises(Fault, match=message) as fault:
        ask(url)
    assert not fault.value.final and fault.value.counted and not fault.value.paid


def test_a_busy_server_says_when_to_come_back_and_it_is_no_attempt():
    with serving(always(429, {}, Retry_After="7")) as (url, _), pytest.raises(Fault) as fault:
        ask(url)
    assert fault.value.retry_after == 7 and not fault.value.counted


def test_retry_after_is_a_number_or_a_date_and_has_a_limit():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 27 < retry_after(later) <= 30
    assert retry_after("0.25") == 0.25 and retry_after("86400") == 120
    assert [retry_after(header) for header in (None, "", "soon", "-5", "nan")] == [0] * 5


def test_a_reply_that_does_not_come_in_time_may_have_been_paid():
    def slow(body):
        time.sleep(1.0)
        return 200, {}, GOOD

    with serving(slow) as (url, _), pytest.raises(Fault, match=r"no reply within 0\.3 s") as fault:
        ask(url, timeout=0.3)
    assert fault.value.paid


def test_no_more_calls_at_a_time_than_allowed_and_no_more_a_minute(tmp_path):
    at_once, most = [0], [0]

    def counting(body):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.02)
        at_once[0] -= 1
        return 200, {}, GOOD

    requests = [Request(f"r{place}", f"count {place}", SCHEMA) for place in range(12)]
    with serving(counting) as (url, _):
        generate(requests, Endpoint("m", base_url=url, concurrency=3), tmp_path / "three")
    assert most[0] == 3
    with serving(always(200, GOOD)) as (url, seen):
        generate(requests, Endpoint("m", base_url=url, requests_per_minute=1200), tmp_path / "rate")
    assert seen[-1]["at"] - seen[0]["at"] >= 9 * 60 / 1200  # of 11 gaps; the first call also waits for a connection


def test_the_key_is_in_no_file_message_or_log(tmp_path, caplog):
    leaky = {"choices": [{"message": {"content": f"your key is {KEY}"}, "finish_reason": KEY}], "model": KEY}
    replies = iter([(200, {}, leaky), (400, {}, {"error": {"message": KEY, "code": KEY}})] * 4)
    with serving(lambda body: next(replies)) as (url, _), caplog.at_level(logging.DEBUG, logger="occ_autocoder"):
        (answer,) = generate([Request("r", "count", SCHEMA)], Endpoint("m", base_url=url), tmp_path, attempts=2)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 2 and answer.value is None
    for text in (
        *(path.read_text() for path in files),
        answer.reason,
        answer.generator,
        caplog.text,
        repr(Endpoint("m")),
    ):
        assert KEY not in text


def test_openai_needs_a_key_and_a_server_of_ones_own_none(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="OPENAI_API_KEY is not set"):
        Endpoint()
    with serving(always(200, GOOD)) as (url, _):
        assert ask(url)[0].text == '{"n": 1}'
    monkeypatch.setenv("OPENAI_API_KEY", "a\nb")
    with pytest.raises(ValueError, match="characters that no key has"):
        Endpoint()


@pytest.mark.parametrize(
    "url", ["http://me:secret@host/v1", "ftp://host", "host/v1", "http://", "http://h/v1?key=secret"]
)
def test_a_url_that_cannot_be_used_is_refused_without_being_repeated(url):
    with pytest.raises(ValueError, match="the base URL cannot be used") as refused:
        Endpoint(base_url=url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("settings", [{"concurrency": 0}, {"timeout": 0}, {"requests_per_minute": 0}])
def test_numbers_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match="allowed: a concurrency from 1"):
        Endpoint(**settings)
