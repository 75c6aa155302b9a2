"""The review file: what was acknowledged is there whatever happened since, and what makes no sense is refused."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from occ_autocoder.feedback.reviews import Review, Shown, append_review, read_reviews

WRITE = """
import sys
from itertools import count
from occ_autocoder.feedback.reviews import Review, Shown, append_review
for number in count():
    review = Review(f"{sys.argv[2]}-{number}", "nurse", "duty " * 200, "m1", (Shown("2221", 0.5),), "accept", "2221",
                    sys.argv[2], "2026-01-31T09:30:00+00:00", 4.0)
    append_review(sys.argv[1], review)
    print(review.id, flush=True)
    if number == int(sys.argv[3]):
        break
"""


def review(**changes) -> Review:
    own = {
        "id": "r1",
        "job_title": "ward nurse",
        "job_duties": "",
        "model_version": "m1",
        "shown": (Shown("2341", 0.6), Shown("2221", 0.3)),
        "action": "correct",
        "code": "2221",
        "reviewer": "ann",
        "time": "2026-01-31T09:30:00+00:00",
        "seconds": 12.5,
    }
    return Review(**{**own, **changes})


def start(path, name, last=-1):
    command = [sys.executable, "-c", WRITE, str(path), name, str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_what_is_written_is_read_in_its_order(tmp_path):
    given = [review(), review(id="r2", reason="Größe, 護士\nzweite Zeile"), review(id="r3", mode="blind", shown=())]
    assert [append_review(tmp_path / "new" / "reviews.jsonl", item) for item in given] == ["", "", ""]
    assert read_reviews(tmp_path / "new" / "reviews.jsonl") == (given, "")


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path):
    path, acknowledged = tmp_path / "reviews.jsonl", []
    for turn in range(3):
        process = start(path, f"w{turn}")
        acknowledged += [process.stdout.readline().strip() for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += process.stdout.read().split()
        process.wait()
    found, _ = read_reviews(path)
    assert len(acknowledged) >= 60 and {*acknowledged} <= {item.id for item in found}
    assert len({item.id for item in found}) == len(found)


def test_writers_take_turns(tmp_path):
    path = tmp_path / "reviews.jsonl"
    processes = [start(path, name, 19) for name in ("a", "b")]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: append_review(path, review(id=f"t-{number}")), range(20)))
    assert [process.wait() for process in processes] == [0, 0]
    found, torn = read_reviews(path)
    assert torn == "" and len({item.id for item in found}) == len(found) == 60
    assert [item.id for item in found if item.reviewer == "a"] == [f"a-{number}" for number in range(20)]


def test_a_torn_last_line_is_told_set_aside_and_harms_no_other(tmp_path):
    path = tmp_path / "reviews.jsonl"
    append_review(path, review())
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:70_000] * 1 + b'{"id": "half\xc3')
    assert read_reviews(path) == ([review()] * 2, '{"id": "half�')
    assert append_review(path, review(id="r2")) == '{"id": "half�'
    assert read_reviews(path) == ([review(), review(), review(id="r2")], "")
    assert (tmp_path / "reviews.jsonl.torn").read_bytes() == b'{"id": "half\xc3\n'


def test_a_file_that_is_but_a_torn_line_longer_than_a_part_is_mended(tmp_path):
    path = tmp_path / "reviews.jsonl"
    path.write_bytes(b"x" * 200_000)
    assert len(append_review(path, review())) == 200_000
    assert read_reviews(path) == ([review()], "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "like"}, "column action: 'like'; allowed: accept, correct, merge, new_occupation, reject"),
        ({"mode": "open"}, "column mode: 'open'; allowed: assisted, blind"),
        ({"reviewer": " "}, "column reviewer: empty; allowed: a text"),
        ({"job_title": ""}, "column job_title: empty, as job_duties is; allowed: text in at least one"),
        ({"time": "2026-01-31T09:30:00"}, "column time: '2026-01-31T09:30:00'; allowed: as 2026-01-31T09:30:00.00:00"),
        ({"seconds": -1}, "column seconds: -1; allowed: a number from 0 to 1,000,000"),
        ({"job_title": "\u200b "}, "column job_title: empty"),
        ({"seconds": float("nan")}, "column seconds: nan"),
        ({"seconds": 10**400}, "column seconds: 10"),
        ({"seconds": True}, "column seconds: True"),
        ({"code": 2221}, "column code: int; allowed: text"),
        ({"code": ""}, "column code: empty with correct; allowed: the right code"),
        ({"code": "2341"}, "column code: '2341' with correct, the first shown; allowed: another code, or accept"),
        ({"action": "accept"}, "column code: '2221' with accept; allowed: '2341', the first shown"),
        ({"action": "reject"}, "column code: '2221' with reject; allowed: none"),
        ({"action": "reject", "code": "", "shown": ()}, "column shown: empty, and the action is reject"),
        ({"action": "new_occupation", "code": ""}, "column reason: empty with new_occupation; allowed: what the work"),
        ({"shown": (Shown("2341", 1.5),)}, "column shown: confidence 1.5; allowed: from 0 to 1"),
        ({"shown": (Shown("2341", 0.5),) * 2}, r"column shown: \['2341', '2341'\]; allowed: codes, each once"),
    ],
)
def test_values_without_sense_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        review(**change)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "row 2: no JSON; allowed"),
        ("[]", "row 2, column shown: missing or unknown"),
        (json.dumps({**asdict(review()), "colour": 1}), "row 2, column colour: missing or unknown; allowed: id, "),
        (json.dumps({**asdict(review()), "shown": ["2341"]}), "row 2, column shown: another form; allowed: a list of"),
        (json.dumps({**asdict(review()), "seconds": "4"}), "row 2, column seconds: '4'; allowed: a number from 0"),
        (json.dumps({**asdict(review()), "code": "9999"}), "row 2, column code: '9999'; allowed: one of 2 codes"),
    ],
)
def test_reading_names_file_row_and_column(tmp_path, line, message):
    path = tmp_path / "reviews.jsonl"
    append_review(path, review())
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=rf"reviews\.jsonl, {message}"):
        read_reviews(path, ["2221", "2341"])


def test_a_rejection_needs_no_code_among_the_allowed(tmp_path):
    rejected = replace(review(), action="reject", code="")
    append_review(tmp_path / "reviews.jsonl", rejected)
    assert read_reviews(tmp_path / "reviews.jsonl", ["2221"]) == ([rejected], "")
