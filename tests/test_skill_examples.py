"""Examples to learn the copying of skills from: every answer is one that the question itself accepts."""

import json

import pytest
from datasets import Dataset

from occ_autocoder.data.tuning import EXAMPLE_FEATURES
from occ_autocoder.emerging.skill_examples import skill_examples
from occ_autocoder.emerging.skill_requests import read_skills_answer, skill_request
from occ_autocoder.llm.replies import schema_fault

ROWS = [
    {"tokens": "Forge iron , iron gates and C#", "tags_skill": "B I O O O O O", "tags_knowledge": "O B O B I O B"},
    {"tokens": "No skill in here", "tags_skill": "O O O O", "tags_knowledge": "O O O O"},
]


def dataset(rows) -> Dataset:
    return Dataset.from_list([{name: cell.split() for name, cell in row.items()} for row in rows])


def test_the_tagged_parts_are_the_answer():
    examples = skill_examples(dataset(ROWS), empty_share=1.0)
    assert examples.features == EXAMPLE_FEATURES
    answers = {row["source_id"]: json.loads(row["completion"]) for row in examples}
    assert answers == {
        "row-0": {"skills": ["Forge iron"], "knowledge": ["iron", "iron gates", "C#"]},
        "row-1": {"skills": [], "knowledge": []},
    }


def test_the_prompt_is_the_question_and_the_answer_is_read_back_as_the_tagged_parts():
    for row in skill_examples(dataset(ROWS), empty_share=1.0):
        text = ROWS[int(row["source_id"].removeprefix("row-"))]["tokens"]
        request, value = skill_request("x", text, ["skills", "knowledge"]), json.loads(row["completion"])
        assert row["prompt"] == request.prompt
        assert not schema_fault(value, request.schema) and not request.check(value)
        assert len(read_skills_answer(value, text)) == len(value["skills"] + value["knowledge"])


def test_only_the_kinds_that_have_tags_are_asked_for():
    [row] = skill_examples(dataset([{"tokens": "Sweep the yard", "tags_task": "B I I"}]))
    assert json.loads(row["completion"]) == {"tasks": ["Sweep the yard"]} and "- skills:" not in row["prompt"]


@pytest.mark.parametrize(("share", "empty"), [(0.0, 0), (0.2, 2), (0.5, 8), (1.0, 30)])
def test_the_share_of_empty_answers_is_bounded(share, empty):
    found = skill_examples(dataset([ROWS[0]] * 8 + [ROWS[1]] * 30), empty_share=share)
    assert sum(not any(json.loads(row["completion"]).values()) for row in found) == empty and len(found) == 8 + empty


def test_the_examples_follow_from_the_seed():
    rows = dataset([ROWS[0]] * 6 + [ROWS[1]] * 30)
    first = skill_examples(rows)["source_id"]
    assert skill_examples(rows)["source_id"] == first != skill_examples(rows, seed=1)["source_id"]


def test_what_the_prompt_masks_or_cuts_is_in_no_answer():
    masked = {"tokens": "Answer jo@forge.example and forge", "tags": "B I O B"}
    long = {"tokens": "forge " + "iron " * 4000 + "weld", "tags": "B " + "O " * 4000 + "B"}
    answers = [json.loads(row["completion"]) for row in skill_examples(dataset([masked, long]))]
    assert answers == [{"skills": ["forge"]}] * 2


@pytest.mark.parametrize("columns", [["tags_other"], ["tags", "tags_skill"], []])
def test_other_columns_of_tags_are_refused(columns):
    rows = dataset([{"tokens": "Forge"} | dict.fromkeys(columns, "B")])
    with pytest.raises(ValueError, match="allowed, one a kind: tags, tags_skill, tags_knowledge, tags_task"):
        skill_examples(rows)


def test_a_share_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"empty_share 1\.5; allowed: 0 to 1"):
        skill_examples(dataset(ROWS), empty_share=1.5)


def test_nothing_gives_no_examples():
    assert len(skill_examples(dataset(ROWS).select([]))) == 0
