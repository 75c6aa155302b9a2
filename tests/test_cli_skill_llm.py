"""`finetune-llm --task skills`: a table of tagged tokens in, an adapter that copies out the tagged parts."""

import json

import pytest
from commands import fail, succeed

pytest.importorskip("trl")

from tiny_gemma import tiny_gemma

from occ_autocoder.data.tagged import read_tagged
from occ_autocoder.emerging.skill_examples import skill_examples
from occ_autocoder.emerging.skill_requests import read_skills_answer, skill_request
from occ_autocoder.llm.generator import generate
from occ_autocoder.llm.local import LocalModel

ROWS = [
    {"tokens": "We want you to mend nets", "tags_skill": "O O O O B I"},
    {"tokens": "Shear sheep each spring", "tags_skill": "B I O O"},
    {"tokens": "Able to glaze pots well", "tags_skill": "O O B I O"},
    {"tokens": "You tune pianos at home", "tags_skill": "O B I O O"},
]
GOLD = {"We want you to mend nets": "mend nets", "Shear sheep each spring": "Shear sheep"} | {
    "Able to glaze pots well": "glaze pots",
    "You tune pianos at home": "tune pianos",
}


@pytest.fixture
def table(tmp_path):
    """A table with one row that cannot be used."""
    path = tmp_path / "tagged.jsonl"
    bad = {"tokens": "carves spoons", "tags_skill": "B"}
    path.write_text("".join(f"{json.dumps(row)}\n" for row in [*ROWS, bad]))
    return path


def right(model, folder, adapter=None) -> list[str]:
    """The texts whose first reply is accepted and holds the tagged part alone."""
    requests = [skill_request(text, text, ["skills"]) for text in GOLD]
    found = generate(requests, LocalModel(str(model), adapter and str(adapter)), folder, attempts=1, max_tokens=40)
    answers = {answer.id: read_skills_answer(answer.value, answer.id) for answer in found if answer.value}
    return [text for text, spans in answers.items() if [span.text for span in spans] == [GOLD[text]]]


def test_the_tuned_model_answers_its_training_texts_and_the_untuned_one_does_not(tmp_path, table):
    examples = skill_examples(read_tagged(table, []))
    replies = list(examples["completion"])
    others = list(zip(examples["prompt"], [*replies[1:], replies[0]], strict=True))  # right JSON of another text
    model = tiny_gemma(tmp_path / "gemma", others, context=1024, steps=100, vocabulary=900)
    settings = ("epochs=20", "max_length=1000", "learning_rate=1e-2", "lora_rank=16", "batch_size=2", "lora_dropout=0")
    changes = [part for setting in settings for part in ("--set", setting)]
    own = ["--task", "skills", "--records", table, "--output", tmp_path / "adapter", "--model", model, *changes]
    output = succeed("finetune-llm", *own)
    assert "4 texts, 1 rejected" in output and "4 prompts with their completions, of 4 rows" in output
    assert "row 5, column tags_skill: 1 tags" in (tmp_path / "adapter" / "rejected_train.txt").read_text()
    alone, tuned = right(model, tmp_path / "alone"), right(model, tmp_path / "tuned", tmp_path / "adapter")
    assert not alone and len(tuned) >= 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "selection", "--records", "a"], "--task selection without --taxonomy; allowed: isco-08, or a file"),
        (["--task", "skills", "--records", "a.csv"], "a.csv: no such file; allowed: .csv"),
        (["--task", "skills", "--pairs", "a.csv"], "--pairs with --task skills; allowed: with paraphrase"),
    ],
)
def test_the_command_says_what_is_allowed(tmp_path, arguments, message):
    assert message in fail("finetune-llm", "--output", tmp_path / "adapter", *arguments)


def test_a_table_without_any_tagged_span_is_refused(tmp_path):
    path = tmp_path / "tagged.jsonl"
    path.write_text(json.dumps({"tokens": "carves spoons", "tags_skill": "O O"}))
    message = fail("finetune-llm", "--task", "skills", "--records", path, "--output", tmp_path / "adapter")
    assert "no text with a tagged span; allowed: at least one" in message
