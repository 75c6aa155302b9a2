"""Two models on the same records: numbers worked by hand, limits that fail when they should, and the command."""

import json

import numpy as np
import pytest
from commands import fail, run
from tiny import tiny_records, tiny_taxonomy

import occ_autocoder
from occ_autocoder.evaluation.comparison import Choices, Limits, compare_choices, paired

TAXONOMY = tiny_taxonomy()
REFERENCES = ["2221"] * 10 + ["2341"] * 10 + ["8331"] * 20


def choices(codes, confidence=None):
    return Choices(codes, np.ones(len(codes)) if confidence is None else np.array(confidence))


def compared(after, before=REFERENCES, golden=None, references=REFERENCES, **limits):
    return compare_choices(choices(before), choices(after), references, TAXONOMY, golden, Limits(**limits))


def passed(found):
    return {row["check"]: row["passed"] for row in found["checks"]}


def test_paired_shares_by_hand():
    before = np.array([True] * 6 + [False] * 4)
    after = np.array([True] * 3 + [False] * 3 + [True] + [False] * 3)
    found = paired(before, after)
    assert (found["lost"], found["won"], found["difference"]) == (3, 1, -0.2)
    assert found["p_value"] == pytest.approx(2 * (1 + 4) / 16)  # two sides of 4 fair coins with at most 1 head
    half = 1.959964 * ((0.4 - 0.04) / 10) ** 0.5
    assert (found["low"], found["high"]) == pytest.approx((-0.2 - half, -0.2 + half))
    assert found["kept"] == 0.5 and found["fixed"] == 0.25


def test_the_same_model_changes_nothing_and_may_be_released():
    found = compared(REFERENCES)
    assert found["changed"] == 0 and found["accuracy"]["p_value"] == 1 and all(passed(found).values())
    assert [row["changed"] for row in found["levels"]] == [0.0] * len(TAXONOMY.levels)


def test_a_change_within_a_group_shows_at_the_lower_level_alone():
    found = compared(["2221"] * 10 + ["2341"] * 10 + ["8322"] * 20)
    assert {row["level"]: row["changed"] for row in found["levels"]}[1] == 0.0
    assert found["changed"] == 0.5 and not passed(found)["accuracy lost"]
    assert passed(found)["largest shift of a group"]


def test_totals_that_move_are_refused():
    after = ["8331"] * 10 + REFERENCES[10:]
    found = compared(after, accuracy_loss=1, group_accuracy_loss=1, significance=0)
    rows = {row["group"]: row for row in found["groups"]}
    assert (rows["2"]["before"], rows["2"]["after"], rows["8"]["shift"]) == (20, 10, 0.25)
    assert not passed(found)["largest shift of a group"]
    assert all(
        passed(
            compared(
                after, accuracy_loss=1, group_accuracy_loss=1, significance=0, group_shift=0.25, calibration_error=1
            )
        ).values()
    )


def test_a_small_loss_is_refused_where_it_is_significant():
    before = REFERENCES * 10
    after = [*before]
    after[:9] = ["2341"] * 9  # 9 of 400 lost, none won: p = 2 / 2 ** 9
    lost = compared(after, before, references=before, accuracy_loss=0.05)
    assert not passed(lost)["accuracy lost"]
    after[:9] = before[:9]
    after[:2] = ["2341"] * 2
    assert passed(compared(after, before, references=before, accuracy_loss=0.05))["accuracy lost"]


def test_a_group_that_suffers_is_refused_though_the_whole_gains():
    references = ["2221"] * 40 + ["8331"] * 60
    before = ["2221"] * 40 + ["8322"] * 60
    after = ["2341"] * 10 + ["2221"] * 30 + ["8331"] * 60
    found = compared(after, before, references=references)
    assert found["accuracy"]["difference"] == 0.5 and passed(found)["accuracy lost"]
    assert not passed(found)["accuracy lost in a group"]


def test_golden_records_must_be_right():
    golden = [True] * 2 + [False] * 38
    found = compared(["2341", *REFERENCES[1:]], golden=golden, accuracy_loss=1)
    assert found["golden_broken"] == [0] and not passed(found)["golden records that are wrong"]
    assert passed(compared(["2341", *REFERENCES[1:]], golden=golden, golden_broken=1))["golden records that are wrong"]
    with pytest.raises(ValueError, match="golden record 1: no code"):
        compared(REFERENCES, golden=golden, references=["", *REFERENCES[1:]])


def test_without_codes_only_changes_are_told():
    found = compared(REFERENCES, references=[""] * 40)
    assert found["accuracy"] is None and found["calibration_error"] == [None, None]
    assert list(passed(found)) == ["largest shift of a group"]


@pytest.fixture
def files(tmp_path, model_folder):
    """Records, golden ones, a model, and one that was spoiled."""
    rows = [*tiny_records(), {"id": "empty", "job_title": " "}, {"id": "no code", "job_title": "cook", "code": "77"}]
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "golden.jsonl").write_text("".join(json.dumps(row) + "\n" for row in tiny_records()[:3]))
    spoiled = occ_autocoder.load(model_folder)
    spoiled.model.fusion.weight.data.neg_()
    spoiled.save_pretrained(tmp_path / "spoiled")
    return tmp_path


def test_the_command_lets_the_same_model_pass_and_a_spoiled_one_not(files, model_folder):
    data = [files / "records.jsonl", "--golden", files / "golden.jsonl", "--limit", "calibration_error=1"]
    data += ["--no-behaviour"]
    same = run("compare", model_folder, model_folder, *data, "--output", files / "same")
    assert same.exit_code == 0, same.output
    assert "40 records, 1 rejected" in same.stdout and "empty" in (files / "same" / "rejected.csv").read_text()
    assert len((files / "same" / "changes.csv").read_text().splitlines()) == 1
    worse = run("compare", model_folder, files / "spoiled", *data, "--output", files / "worse")
    assert worse.exit_code == 1, worse.output
    report = (files / "worse" / "comparison.md").read_text()
    assert "must **not** be released" in report and "| golden records that are wrong | 3 | 0 | no |" in report
    found = json.loads((files / "worse" / "comparison.json").read_text())
    assert found["accuracy"]["records"] == 39 and found["golden_broken"] == [37, 38, 39]
    assert len((files / "worse" / "changes.csv").read_text().splitlines()) == round(found["changed"] * 40) + 1


def test_the_command_says_what_is_allowed(files, model_folder):
    asked = ["compare", model_folder, model_folder, files / "records.jsonl", "--output", files / "out"]
    assert "no limit speed; allowed: accuracy_loss, " in fail(*asked, "--limit", "speed=1")
    assert "allowed: numbers from 0" in fail(*asked, "--limit", "accuracy_loss=-1")
    assert "allowed: numbers" in fail(*asked, "--limit", "accuracy_loss=x")
    (files / "golden.jsonl").write_text(json.dumps({"job_title": "cook", "code": "77"}) + "\n")
    assert "row 1: code '77'; allowed: one that the second model gives" in fail(
        *asked, "--golden", files / "golden.jsonl"
    )


def test_the_command_holds_the_second_model_to_the_limits_of_behaviour(files, model_folder):
    asked = ["compare", model_folder, model_folder, files / "records.jsonl", "--output", files / "out"]
    run(*asked)
    checks = {row["check"]: row for row in json.loads((files / "out" / "comparison.json").read_text())["checks"]}
    assert checks["flips: case"]["passed"] and checks["flips: punctuation"]["found"] == 0.0
    assert checks["accuracy lost: one typo"]["limit"] == 0.06
