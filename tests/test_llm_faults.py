"""A run against a faulty server: every record ends, no wrong answer gets through, and little is paid twice."""

import json

import pytest

pytest.importorskip("openai")
pytest.importorskip("filelock")

from benchmarks.faulty_llm import KINDS, truth
from benchmarks.llm_faults import Client, killed, served, told
from occ_autocoder.llm.faults import EndpointDown

FAST = Client(concurrency=64, timeout=0.6)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr("occ_autocoder.llm.pace.FIRST_WAIT", 0.05)


def test_with_three_calls_in_ten_at_fault_every_record_is_answered_right_or_given_up(tmp_path):
    with served(0.3) as url:
        answers = FAST.run(url, tmp_path, 3000)
        counts = told(url, "/counts")
    assert [answer.id for answer in answers] == [f"record {number}" for number in range(3000)]
    accepted = [answer for answer in answers if answer.value is not None]
    assert all(answer.value == truth(answer.id) for answer in accepted)
    letters = [json.loads(line)["id"] for line in (tmp_path / "dead_letters.jsonl").read_text().splitlines()]
    assert letters == [answer.id for answer in answers if answer.value is None] and len(letters) <= 3
    assert sum(counts["calls"].values()) <= 1.5 * 3000
    assert all(counts["kinds"][kind] > 40 for kind in KINDS) and set(counts["kinds"]) == {*KINDS, "good"}


def test_twenty_kills_change_no_answer_and_repeat_only_calls_in_flight():
    client = Client(concurrency=16, timeout=0.6)
    whole = killed(0, 0.3, 1500, client, 1.0)
    found = killed(20, 0.3, 1500, client, whole.seconds)
    assert found.answers == whole.answers and found.hits >= 15
    assert sum(answer.value == truth(answer.id) for answer in found.answers) >= 1499
    assert 0 < found.repeated <= found.hits * client.concurrency


def test_a_server_that_is_down_ends_the_run_which_is_finished_when_it_is_well(tmp_path):
    with served(1.0) as url:
        with pytest.raises(EndpointDown):
            FAST.run(url, tmp_path, 300, patience=2.0)
        assert not (tmp_path / "dead_letters.jsonl").read_text()
        told(url, "/share", 0.0)
        answers = FAST.run(url, tmp_path, 300)
    assert [answer.value for answer in answers] == [truth(answer.id) for answer in answers]
