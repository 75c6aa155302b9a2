"""Codes as deep as is safe: the pipeline's answer, the same as the planner's arithmetic, and the coded file."""

import csv
import json

import numpy as np
import pytest
from commands import fail, succeed
from tiny import tiny_records

import occ_autocoder
from occ_autocoder.evaluation.backoff import ambiguous, back_off, level_choices
from occ_autocoder.evaluation.levels import taxonomy_levels
from occ_autocoder.model.backoff_occupation import described, without_subject
from occ_autocoder.serving import model_taxonomy

THRESHOLDS = {1: 0.5, 2: 0.6, 3: 0.8}
RECORDS = [{"job_title": row["job_title"], "job_duties": row["job_duties"]} for row in tiny_records()]
RECORDS += [{"job_title": text} for text in ("driver", "worker of many kinds", "bus nurse", "teacher cook")]


@pytest.fixture(scope="module")
def unsure(model_folder, tmp_path_factory):
    """The folder of the tiny model, less sure than it is."""
    coder = occ_autocoder.load(model_folder)
    coder.model.config.softmax_temperature = 5.0
    coder.save_pretrained(folder := tmp_path_factory.mktemp("unsure"))
    return folder


@pytest.fixture(scope="module")
def coder(unsure):
    return occ_autocoder.load(unsure)


def test_the_pipeline_decides_as_the_planner_does(coder):
    config = coder.model.config
    codes = list(config.label2id)
    probabilities = np.array(
        [[{row["label"]: row["score"] for row in rows}[code] for code in codes] for rows in coder(RECORDS, top_k=None)]
    )
    ancestors, level_codes = taxonomy_levels(model_taxonomy(config), codes)
    safe = back_off(level_choices(probabilities, ancestors), THRESHOLDS)
    answers = coder(RECORDS, thresholds=THRESHOLDS, top_k=1)
    levels = [answer["safe"]["level"] if answer["safe"] else 0 for answer in answers]
    assert levels == safe.levels.tolist() and len({*levels}) > 2
    for answer, level, confidence in zip(answers, levels, safe.confidence, strict=True):
        if level:
            assert answer["safe"]["score"] == pytest.approx(confidence)
            assert answer["safe"]["label"] in level_codes[level] or level == max(level_codes)
            assert answer["safe"]["title"] == config.occupations[answer["safe"]["label"]]["title"]
    assert [answer["ambiguous"] for answer in answers] == ambiguous(probabilities).tolist()


def test_the_question_names_both_codes_and_what_is_done_in_each(coder):
    answers = [answer for answer in coder(RECORDS, thresholds=THRESHOLDS, top_k=2) if answer["ambiguous"]]
    assert answers
    for answer in answers:
        assert answer["question"].startswith("What is mainly done in the job? (a) ")
        assert all(code["title"] in answer["question"] for code in answer["occupations"])
        assert len(answer["question"].split()) < 70
    clear = [answer for answer in coder(RECORDS, thresholds=THRESHOLDS) if not answer["ambiguous"]]
    assert clear and {answer["question"] for answer in clear} == {""}


def test_of_two_texts_the_part_is_named_that_the_other_has_not():
    own, other = ["drives vehicles on public roads", "carries passengers by the bus load"], ["drives vehicles on roads"]
    assert described(own, other) == own[1] and described([], own) == ""
    assert described([" ".join(["word"] * 30)], []) == " ".join(["word"] * 18) + " …"


def test_thresholds_of_another_kind_are_refused(coder):
    with pytest.raises(ValueError, match="level is 9; allowed: 1, 2, 3"):
        coder("cook", thresholds={9: 0.5})
    with pytest.raises(ValueError, match="the threshold of level 1 is None; allowed: a number"):
        coder("cook", thresholds={1: None})


@pytest.fixture
def files(tmp_path):
    """Records and a plan for them."""
    source = tmp_path / "records.jsonl"
    source.write_text("".join(json.dumps({"id": str(n), **row}) + "\n" for n, row in enumerate(RECORDS)))
    thresholds = {str(level): value for level, value in THRESHOLDS.items()} | {"3": None}
    plan = {"scheme": "tiny", "scheme_version": "1", "rows": [{"level": "back-off", "threshold": thresholds}]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    return tmp_path


def test_a_file_is_coded_by_the_plan(files, unsure):
    asked = ["predict", files / "records.jsonl", files / "coded.csv", "--model", unsure]
    succeed(*asked, "--plan", files / "plan.json", "--top-k", "1")
    rows = list(csv.DictReader((files / "coded.csv").open(encoding="utf-8")))
    assert {row["decision"] for row in rows} == {"backed off", "person"}  # the plan has no threshold for the codes
    for row in rows:
        backed = row["decision"] == "backed off"
        assert (row["safe_code"] != "") == backed and (row["safe_level"] in ("1", "2")) == backed
        assert (row["question"] != "") == (row["ambiguous"] == "true")
    succeed(*asked[:2], files / "coded.jsonl", *asked[3:], "--plan", files / "plan.json")
    lines = [json.loads(line) for line in (files / "coded.jsonl").read_text().splitlines()]
    assert [line["decision"] for line in lines] == [row["decision"] for row in rows]


def test_what_is_no_plan_for_the_model_is_refused(files, model_folder):
    asked = ["predict", files / "records.jsonl", files / "coded.csv", "--model", model_folder, "--plan"]
    assert "no plan; allowed: the plan.json that `plan` wrote" in fail(*asked, files / "records.jsonl")
    text = (files / "plan.json").read_text().replace('"tiny"', '"isco-08"')
    (files / "plan.json").write_text(text)
    assert "a plan for isco-08 1; allowed: one for the model's tiny 1" in fail(*asked, files / "plan.json")


@pytest.mark.parametrize(
    ("text", "title", "expected"),
    [
        ("Actuary deals with risks", "Actuary", "deals with risks"),
        ("he / she creates wine lists", "Sommelier", "creates wine lists"),
        ("customs / immigration officer checks goods", "Customs/Immigration officer", "checks goods"),
        ("actuaryship is learnt", "Actuary", "actuaryship is learnt"),
        ("Actuary", "Actuary", "Actuary"),
        ("deals with risks", "", "deals with risks"),
    ],
)
def test_the_question_does_not_say_the_title_twice(text, title, expected):
    assert without_subject(text, title) == expected
