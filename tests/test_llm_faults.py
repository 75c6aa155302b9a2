"""A run against a faulty server: every record ends, no wrong answer gets through, and little is paid twice."""

import json
from collections import Counter

import pytest

pytest.importorskip("openai")
pytest.importorskip("filelock")

from benchmarks.faulty_llm import KINDS, chat_completion, truth
from benchmarks.llm_faults import Client, killed, read_log, served, told
from occ_autocoder.llm.faults import EndpointDown

FAST = Client(concurrency=64, timeout=0.6)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr("occ_autocoder.llm.pace.FIRST_WAIT", 0.05)


def test_with_three_calls_in_ten_at_fault_every_record_is_answered_right_or_given_up(tmp_path):
    log = tmp_path / "calls.jsonl"
    with served(0.3, log=log) as url:
        answers = FAST.run(url, tmp_path, 3000)
        counts = told(url, "/counts")
    assert [answer.id for answer in answers] == [f"record {number}" for number in range(3000)]
    accepted = [answer for answer in answers if answer.value is not None]
    assert all(answer.value == truth(answer.id) for answer in accepted)
    letters = [json.loads(line)["id"] for line in (tmp_path / "dead_letters.jsonl").read_text().splitlines()]
    assert letters == [answer.id for answer in answers if answer.value is None] and len(letters) <= 3
    calls = read_log(log)
    assert len(calls) == sum(counts["calls"].values()) <= 1.5 * 3000
    assert Counter(kind for *_, kind in calls) == counts["kinds"]
    assert all(counts["kinds"][kind] > 40 for kind in KINDS) and set(counts["kinds"]) == {*KINDS, "good"}


def test_the_replies_that_must_not_be_accepted_would_be_without_a_strict_parser():
    wrong = [
        kind
        for kind in ("foreign_code", "duplicate_keys", "nan")
        if json.loads(chat_completion(kind, "record 1")["choices"][0]["message"]["content"]) != truth("record 1")
    ]
    assert wrong == ["foreign_code", "nan"]


def test_twenty_kills_change_no_answer_and_repeat_only_calls_in_flight():
    client = Client(concurrency=16, timeout=0.6, hopeless=100)
    whole = killed(0, 0.3, 1500, client, 1.0)
    run = killed(20, 0.3, 1500, client, whole.seconds)
    assert run.found == whole.found and run.hits >= 15
    assert run.dead_letters == [f"record {number}" for number in range(0, 1500, 100)]
    accepted = [answer for answer in run.answers if answer.value is not None]
    assert len(accepted) == 1485 and all(answer.value == truth(answer.id) for answer in accepted)
    assert 0 < run.repeated <= run.hits * client.concurrency
    assert run.again == 0 and run.paid_twice <= run.hits * client.concurrency


def test_a_server_that_is_down_ends_the_run_which_is_finished_when_it_is_well(tmp_path):
    with served(1.0) as url:
        with pytest.raises(EndpointDown):
            FAST.run(url, tmp_path, 300, patience=2.0)
        assert not (tmp_path / "dead_letters.jsonl").read_text()
        told(url, "/share", 0.0)
        answers = FAST.run(url, tmp_path, 300)
    assert [answer.value for answer in answers] == [truth(answer.id) for answer in answers]


@pytest.mark.parametrize("known", [True, False])
def test_a_busy_server_is_not_overrun_where_its_rate_is_known_and_answers_all_where_it_is_not(tmp_path, known):
    rate, records, log = 100, 400, tmp_path / "calls.jsonl"
    crowd = Client(256, timeout=5.0, per_minute=60 * rate if known else None)
    with served(0.0, log=log, rate=rate) as url:
        answers = crowd.run(url, tmp_path, records)
    assert [answer.value for answer in answers] == [truth(answer.id) for answer in answers]
    calls = read_log(log)
    seconds = calls[-1][0] - calls[0][0]
    assert Counter(kind for *_, kind in calls)["good"] == records
    if known:
        assert len(calls) <= 1.05 * rate * seconds + 1 and seconds <= 1.3 * records / rate + 5
