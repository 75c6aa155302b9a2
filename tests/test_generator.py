"""Requests to answers: every request ends as an answer or a dead letter, and what was paid is not paid again."""

import asyncio
import json
import os
import signal
import threading
from dataclasses import dataclass, field

import pytest

pytest.importorskip("jsonschema")
pytest.importorskip("filelock")

from occ_autocoder.llm.budget import Budget
from occ_autocoder.llm.faults import BudgetSpent, EndpointDown, EndpointRefused, Fault, RunLocked
from occ_autocoder.llm.generator import generate
from occ_autocoder.llm.request import Completion, Request

PROBE = "Reply with one word: ready"  # what a run asks to see whether the endpoint works
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


@dataclass
class Server:
    """A backend that answers from a script: prompt -> what each call for it brings, the last for all further calls."""

    script: dict[str, list] = field(default_factory=dict)
    name: str = "scripted"
    batch_size: int = 1
    concurrency: int = 4
    asked: list[str] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        pass

    async def complete(self, requests, max_tokens):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        return [self.reply(request, max_tokens) for request in requests]

    def reply(self, request, max_tokens):
        key = request.prompt.splitlines()[0]
        before = sum(prompt.splitlines()[0] == key for prompt in self.asked)
        self.asked.append(request.prompt)
        self.limits.append(max_tokens)
        script = self.script.get(key) or [completion("ready") if key == PROBE else good(key)]
        found = script[min(before, len(script) - 1)]
        if isinstance(found, Exception):
            raise found
        return found


class Local:
    """The same as a model in this process: no coroutine, and batches."""

    name, batch_size = "local", 4

    def __init__(self):
        self.server, self.batches, self.threads = Server(), [], set()

    def complete(self, requests, max_tokens):
        self.batches.append(len(requests))
        self.threads.add(threading.get_ident())
        return [self.server.reply(request, max_tokens) for request in requests]


def good(prompt: str) -> Completion:
    return completion(json.dumps({"n": int(prompt.split()[-1])}))


def completion(text: str | None, finish_reason: str = "stop") -> Completion:
    return Completion(text, finish_reason, 100, 10, "scripted-1")


def requests(count: int, check=lambda value: "") -> list[Request]:
    return [Request(f"r{number}", f"count to {number}", SCHEMA, check) for number in range(count)]


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    """A fault is waited for in milliseconds, unless a test is about the wait."""
    monkeypatch.setattr("occ_autocoder.llm.pace.FIRST_WAIT", 0.001)
    monkeypatch.setattr("occ_autocoder.llm.pace.LONGEST_BACKOFF", 0.01)


def values(answers):
    return [answer.value and answer.value["n"] for answer in answers]


def letters(folder):
    return [json.loads(line) for line in (folder / "dead_letters.jsonl").read_text().splitlines()]


def test_answers_come_in_the_order_of_the_requests_from_several_calls_at_once(tmp_path):
    server = Server()
    answers = generate(requests(40), server, tmp_path)
    assert [answer.id for answer in answers] == [f"r{number}" for number in range(40)]
    assert values(answers) == list(range(40)) and len(server.asked) == 40
    assert {answer.generator for answer in answers} == {"scripted-1"} and server.most_at_once == 4
    assert letters(tmp_path) == []


def test_a_bad_reply_is_asked_again_with_its_fault(tmp_path):
    server = Server({"count to 1": [completion('{"n": "one"}'), good("1")]})
    answers = generate(requests(3), server, tmp_path)
    assert values(answers) == [0, 1, 2] and len(server.asked) == 4
    (again,) = [prompt for prompt in server.asked if "was refused" in prompt]
    assert again.startswith("count to 1\n") and "$.n: 'one' is not of type 'integer'" in again


def test_a_request_without_a_good_reply_is_a_dead_letter_with_its_reason(tmp_path):
    server = Server({"count to 1": [completion("nonsense")]})
    answers = generate(requests(3), server, tmp_path, attempts=3)
    assert values(answers) == [0, None, 2] and len(server.asked) == 5
    assert "3 calls; the last: the reply is not one JSON object" in answers[1].reason
    assert letters(tmp_path) == [{"id": "r1", "reason": answers[1].reason, "reply": "nonsense"}]


def test_a_cut_reply_has_twice_the_tokens_once(tmp_path):
    cut = completion('{"n": ', "length")
    server = Server({"count to 0": [cut, good("0")], "count to 1": [cut]}, concurrency=1)
    answers = generate(requests(2), server, tmp_path, max_tokens=50)
    assert values(answers) == [0, None] and "cut off at 100 tokens" in answers[1].reason
    assert sorted(server.limits) == [50, 50, 100, 100]
    assert not any("was refused" in prompt for prompt in server.asked)


def test_a_busy_server_takes_no_attempts_and_a_final_fault_takes_one(tmp_path):
    busy = Fault("HTTP 429", counted=False)
    server = Server({"count to 0": [busy, busy, busy, good("0")], "count to 1": [Fault("HTTP 400", final=True)]})
    answers = generate(requests(2), server, tmp_path, attempts=1)
    assert values(answers) == [0, None] and answers[1].reason == "HTTP 400" and len(server.asked) == 5


def test_a_server_that_asks_for_a_wait_gets_it(tmp_path):
    server = Server({"count to 0": [Fault("HTTP 503", retry_after=0.4), good("0")]})
    loop_time = []

    async def timed(requests, max_tokens, complete=server.complete):
        loop_time.append(asyncio.get_running_loop().time())
        return await complete(requests, max_tokens)

    server.complete = timed
    generate(requests(1), server, tmp_path)
    assert 0.4 <= loop_time[1] - loop_time[0] < 0.8


def test_a_run_goes_on_where_it_stopped(tmp_path):
    class Killed(Exception):
        pass

    server = Server({"count to 7": [Killed()]}, concurrency=1)
    with pytest.raises(Killed):
        generate(requests(10), server, tmp_path)
    again = Server()
    assert values(generate(requests(10), again, tmp_path)) == list(range(10))
    assert {*again.asked} == {"count to 7", "count to 8", "count to 9"}
    third = Server()
    assert values(generate(requests(10), third, tmp_path)) == list(range(10)) and not third.asked


def test_what_was_given_up_stays_so_until_more_attempts_are_allowed(tmp_path):
    server = Server({"count to 0": [completion("no"), completion("no"), completion("no"), good("0")]})
    assert values(generate(requests(2), server, tmp_path, attempts=2)) == [None, 1]
    assert values(generate(requests(2), server, tmp_path, attempts=2)) == [None, 1] and len(server.asked) == 3
    assert values(generate(requests(2), server, tmp_path, attempts=5)) == [0, 1] and len(server.asked) == 5
    assert letters(tmp_path) == []


def test_a_changed_request_or_model_is_asked_anew_and_others_share_the_folder(tmp_path):
    first, other = Server(), Server(name="another")
    generate(requests(2), first, tmp_path)
    changed = [Request("r0", "count to 5", SCHEMA), *requests(2)[1:]]
    assert values(generate(changed, first, tmp_path)) == [5, 1] and len(first.asked) == 3
    assert values(generate(requests(2), other, tmp_path)) == [0, 1] and len(other.asked) == 2


def test_an_accepted_reply_is_judged_again_by_todays_check(tmp_path):
    server = Server()
    generate(requests(3), server, tmp_path)
    stricter = requests(3, check=lambda value: "two is not allowed" if value["n"] == 2 else "")
    answers = generate(stricter, server, tmp_path, attempts=2)
    assert values(answers) == [0, 1, None] and "two is not allowed" in answers[2].reason and len(server.asked) == 4


def test_a_check_that_breaks_is_no_bad_reply(tmp_path):
    def broken(value):
        raise ZeroDivisionError("the check itself")

    with pytest.raises(ZeroDivisionError):
        generate(requests(1, broken), Server(), tmp_path)


def test_the_budget_stops_a_run_that_can_go_on(tmp_path):
    server = Server()
    with pytest.raises(BudgetSpent, match="of 50 requests are left"):
        generate(requests(50), server, tmp_path, budget=Budget(tokens=1100))
    assert 10 <= len(server.asked) <= 10 + server.concurrency
    with pytest.raises(BudgetSpent):
        generate(requests(50), server, tmp_path, budget=Budget(tokens=1100))
    assert len(server.asked) <= 10 + server.concurrency
    money = Budget(money=1.0, prompt_price=10.0, completion_price=20.0)
    assert values(generate(requests(50), server, tmp_path, budget=money)) == list(range(50))


def test_an_outage_ends_the_run_and_uses_up_no_attempts(tmp_path):
    down = {key: [Fault("HTTP 500")] for key in [PROBE, *(f"count to {number}" for number in range(20))]}
    with pytest.raises(EndpointDown, match=r"the last fault: HTTP 500\. Run again"):
        generate(requests(20), Server(down), tmp_path, patience=0.3, attempts=2)
    assert not letters(tmp_path)
    server = Server()
    assert values(generate(requests(20), server, tmp_path, attempts=1)) == list(range(20)) and len(server.asked) == 20


def test_one_request_that_no_server_survives_is_no_outage(tmp_path):
    server = Server({"count to 3": [Fault("HTTP 500")]})
    answers = generate(requests(30), server, tmp_path, patience=0.05, attempts=4)
    assert values(answers) == [number if number != 3 else None for number in range(30)]
    assert "4 calls; the last: HTTP 500" in answers[3].reason


def test_an_outage_of_the_last_few_requests_uses_up_no_attempts(tmp_path):
    generate(requests(10), Server(), tmp_path)
    down = {key: [Fault("HTTP 503")] for key in [PROBE, *(f"count to {number}" for number in range(10, 15))]}
    for _ in range(2):
        with pytest.raises(EndpointDown, match=r"the last fault: HTTP 503\. Run again"):
            generate(requests(15), Server(down), tmp_path, attempts=3)
        assert not letters(tmp_path)
    assert values(generate(requests(15), Server(), tmp_path, attempts=1)) == list(range(15))


def test_a_run_that_is_killed_in_an_outage_has_used_up_no_attempts(tmp_path):
    class Killed(Exception):
        pass

    down = {f"count to {number}": [Fault("HTTP 503")] for number in range(20)} | {"count to 19": [Killed()]}
    with pytest.raises(Killed):
        generate(requests(20), Server(down, concurrency=1), tmp_path, attempts=2)
    assert values(generate(requests(20), Server(), tmp_path, attempts=2)) == list(range(20))


@pytest.mark.parametrize(("fault", "calls"), [(Fault("HTTP 500"), 4), (Fault("HTTP 400", final=True), 1)])
def test_a_request_that_fails_alone_is_given_up_once_the_endpoint_is_seen_to_work(tmp_path, fault, calls):
    server = Server({"count to 0": [fault]})
    for _ in range(2):
        (answer,) = generate(requests(1), server, tmp_path, attempts=3)
        assert answer.value is None and str(fault) in answer.reason and len(server.asked) == calls
    assert [letter["id"] for letter in letters(tmp_path)] == ["r0"]


@pytest.fixture
def interruptible():
    """Ctrl-C is heard, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("notebook", [False, True])
def test_a_run_that_is_interrupted_goes_on(tmp_path, notebook):
    class Interrupted(Server):
        def reply(self, request, max_tokens):
            if len(self.asked) == 5:
                os.kill(os.getpid(), signal.SIGINT)
            return super().reply(request, max_tokens)

    async def cell():
        return generate(requests(2000), Interrupted(), tmp_path)

    loop = asyncio.new_event_loop()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(cell()) if notebook else generate(requests(2000), Interrupted(), tmp_path)
    loop.close()
    ends = (tmp_path / "journal.jsonl").read_text().count('"event":"end"')
    server = Server()
    assert values(generate(requests(2000), server, tmp_path)) == list(range(2000))
    assert 4 <= ends < 2000 and len(server.asked) == 2000 - ends


def test_a_refusal_ends_the_run_at_once(tmp_path):
    refused = {f"count to {number}": [EndpointRefused("HTTP 401")] for number in range(20)}
    server = Server(refused)
    with pytest.raises(EndpointRefused):
        generate(requests(20), server, tmp_path)
    assert len(server.asked) <= server.concurrency


def test_two_runs_cannot_share_a_folder_at_once(tmp_path):
    class Nested(Server):
        async def complete(self, requests_, max_tokens):
            with pytest.raises(RunLocked):
                await asyncio.to_thread(generate, requests(1), Server(), tmp_path)
            return await super().complete(requests_, max_tokens)

    assert values(generate(requests(1), Nested(), tmp_path)) == [0]


def test_a_torn_last_line_is_cut_and_a_damaged_one_is_told(tmp_path):
    generate(requests(3), Server(), tmp_path)
    journal = tmp_path / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"event": "ca')
    server = Server()
    assert values(generate(requests(3), server, tmp_path)) == [0, 1, 2] and not server.asked
    assert journal.read_bytes() == whole
    journal.write_bytes(b"?" + whole)
    with pytest.raises(ValueError, match=r"journal\.jsonl, line 1: damaged"):
        generate(requests(3), server, tmp_path)


def test_every_call_is_written_down_before_it_is_sent(tmp_path):
    class Reading(Server):
        def reply(self, request, max_tokens):
            lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
            assert any(line["event"] == "call" and line["id"] == request.id for line in lines)
            return super().reply(request, max_tokens)

    generate(requests(8), Reading(), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines].count("end") == 8 and lines[-1]["completion"]["prompt_tokens"] == 100


def test_a_model_in_this_process_gets_batches_one_at_a_time_outside_the_loop(tmp_path):
    local = Local()
    assert values(generate(requests(10), local, tmp_path)) == list(range(10))
    assert local.batches == [4, 4, 2] and threading.get_ident() not in local.threads


def test_it_runs_within_a_running_loop_as_in_a_notebook(tmp_path):
    async def notebook():
        return generate(requests(5), Server(), tmp_path)

    assert values(asyncio.run(notebook())) == list(range(5))


@pytest.mark.parametrize("options", [{"attempts": 0}, {"max_tokens": 0}])
def test_numbers_out_of_range_are_refused(tmp_path, options):
    with pytest.raises(ValueError, match="allowed: whole numbers from 1"):
        generate(requests(1), Server(), tmp_path, **options)


def test_an_id_that_is_given_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="request 'r0': the id is given twice"):
        generate(requests(1) * 2, Server(), tmp_path)
