"""Replies: what is asked for is accepted, and whatever else a language model says is refused in milliseconds."""

import json
import random
import time
import tracemalloc
from collections.abc import Iterator

import pytest

pytest.importorskip("jsonschema")

from occ_autocoder.data.retrieval import Candidate
from occ_autocoder.data.selection import selection_request
from occ_autocoder.llm.replies import LONGEST, BadReply, Truncated, parse_reply
from occ_autocoder.llm.request import Completion, Request
from occ_autocoder.taxonomy import load_isco08

CODES = ("2221", "5120", "8322", "8331", "2341")
REASONS = (
    "Gives medicine to patients on a ward.",
    'The title says "bus driver"; the duties agree.',
    "Kocht für 200 Gäste – jeden Tag.",
    "運転手として働く",
    "A brace } or ] or , in a text is a text, as is \\n.",
)
RECORD = {"id": "r1", "job_title": "staff nurse", "job_duties": "gives medicine"}
REPLIES = 5000
SLOWEST, LARGEST = 0.05, 50_000_000  # seconds of a reply, bytes


@pytest.fixture(scope="module")
def request_() -> Request:
    return selection_request(RECORD, [Candidate(code, 0.5) for code in CODES], load_isco08())


def good_values() -> list[dict]:
    """Fifty answers that are right in every way."""
    draw = random.Random(0)
    values = []
    for number in range(50):
        code = draw.choice((*CODES, "none"))
        relevance = [round(draw.random() * 0.8, draw.choice((1, 3, 15))) for _ in CODES]
        if code != "none":
            relevance[CODES.index(code)] = draw.choice((0.9, 1, 1.0))
        values.append({"relevance": relevance, "code": code, "reason": REASONS[number % len(REASONS)]})
    return values


def written(value: dict, number: int) -> str:
    """The answer as models write it: compact, indented, in a fence, with blanks around, escaped or not."""
    text = json.dumps(value, ensure_ascii=number % 2 == 0, indent=(None, 2)[number % 3 == 0])
    return (text, f"```json\n{text}\n```", f"\n  {text}\n", f"```json\n{text}```\n")[number % 4]


def cut(value: dict) -> Iterator[str]:
    """The answer without its end, at every character."""
    text = json.dumps(value)
    return (text[:end] for end in range(len(text)))


def spoiled(value: dict) -> Iterator[str]:
    """The answer with something that must be refused, whatever the rest says."""
    text = json.dumps(value)
    first = json.dumps(value["relevance"][0])
    yield f"{text}\n{text}"
    yield f"{text} That is my answer."
    yield f"Here it is: {text}"
    yield f"```\n{text}\n```"
    yield f"```json\n{text}\n```\n```json\n{text}\n```"
    yield f"[{text}]"
    yield json.dumps(text)
    yield f"\ufeff{text}"
    yield text.replace('"code"', '"code": "8331", "code"', 1)
    yield text.replace('"reason"', '"reason": "", "reason"', 1)
    for number in ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "-0.1", "1.5", "true", "null", '"1"', "[0.5]"):
        yield text.replace(f"[{first}", f"[{number}", 1)
    yield json.dumps(value | {"relevance": value["relevance"][:-1]})
    yield json.dumps(value | {"relevance": [*value["relevance"], 0.0]})
    for code in ("2222", "22210", "", " 2221", "２２２１", "222l", "None", 2221, None, ["2221"], {"code": "2221"}):
        yield json.dumps(value | {"code": code})
    for reason in ("x" * 401, 7, None, "a\u0000b", "a\u001bb", "a\ud800b", "a\u0085b"):
        yield json.dumps(value | {"reason": reason})
    yield json.dumps({name: value[name] for name in ("code", "reason")})
    yield json.dumps(value | {"confidence": 1.0})
    yield text.replace('"', "'")
    yield text[:-1] + ",}"
    yield text[:-1] + ", // no comment\n}"
    yield "[" * 100_000
    yield '{"a":' * 100_000 + "1" + "}" * 100_000
    yield "{" + ",".join(f'"k{number}": 1' for number in range(20_000)) + "}"
    yield text[:-1] + ', "pad": "' + "x" * LONGEST + '"}'
    yield '"' * 90_000
    yield '{"a": "' + "\\" * 90_000
    yield ""
    yield "   "
    yield "none"
    yield "I cannot help with that."


def completion(text: str, reason: str = "stop") -> Completion:
    return Completion(text, reason)


def test_five_thousand_replies_are_judged_right_and_none_takes_long(request_):
    values = good_values()
    good = [written(value, number) for number, value in enumerate(values)]
    bad = [text for value in values for text in spoiled(value)]
    ends = [text for value in values for text in cut(value)]
    bad += random.Random(0).sample(ends, REPLIES - len(good) - len(bad))
    assert len(good) + len(bad) == REPLIES and len(bad) > 4000
    slowest = 0.0
    for text in good + bad:
        start = time.process_time()
        try:
            accepted = parse_reply(completion(text), request_)
        except BadReply:
            accepted = None
        slowest = max(slowest, time.process_time() - start)
        assert (accepted is not None) == (text in good[:50]), text[:200]
    assert slowest <= SLOWEST
    assert [parse_reply(completion(text), request_) for text in good] == values


def test_no_reply_takes_much_memory(request_):
    tracemalloc.start()
    for text in spoiled(good_values()[0]):
        with pytest.raises(BadReply):
            parse_reply(completion(text), request_)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < LARGEST


def test_every_answer_that_is_cut_is_refused(request_):
    for text in cut(good_values()[0]):
        with pytest.raises(BadReply):
            parse_reply(completion(text), request_)


def test_the_finish_reason_is_checked_before_the_text(request_):
    text = json.dumps(good_values()[0])
    with pytest.raises(Truncated):
        parse_reply(completion(text, "length"), request_)
    for reason in ("content_filter", "tool_calls", "", "x" * 10_000):
        with pytest.raises(BadReply, match="allowed: 'stop'") as refused:
            parse_reply(completion(text, reason), request_)
        assert len(str(refused.value)) < 400


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_an_empty_reply_is_refused_for_a_text_too(text):
    with pytest.raises(BadReply, match="empty"):
        parse_reply(completion(text), Request("r", "Reword it."))


def test_a_text_is_stripped_and_checked():
    request = Request("r", "Reword it.", check=lambda text: "too short" if len(text) < 5 else "")
    assert parse_reply(completion("  drives a bus \n"), request) == "drives a bus"
    for text, fault in (("bus", "too short"), ("drives \x07 a bus", "control characters")):
        with pytest.raises(BadReply, match=fault):
            parse_reply(completion(text), request)


def test_a_fault_that_a_model_is_told_is_short_and_says_where(request_):
    value = good_values()[0] | {"reason": "x" * 5000}
    with pytest.raises(BadReply, match=r"\$\.reason") as refused:
        parse_reply(completion(json.dumps(value)), request_)
    assert len(str(refused.value)) < 400
