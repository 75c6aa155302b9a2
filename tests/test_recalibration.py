"""Confidences fitted to a new source: what was spoiled is mended, what is right stays, and the model is saved so."""

import json

import pytest
import torch
from commands import fail, succeed
from datasets import Dataset
from tiny import tiny_records

import occ_autocoder
from occ_autocoder.data.records import RECORD_FEATURES
from occ_autocoder.model.head_occupation import EVIDENCE, Fusion
from occ_autocoder.training.recalibration import cross_validated, fit_scale, fit_weights, recalibrate

FORM = "title"


def records(copies: int = 3) -> Dataset:
    """Titles of the tiny records, one in three with another record's code."""
    rows = [{**row, "job_duties": "", "id": f"{row['id']}-{n}"} for n in range(copies) for row in tiny_records()]
    for place in range(0, len(rows), 3):
        rows[place]["code"] = rows[(place + 11) % len(rows)]["code"]
    return Dataset.from_list(rows, features=RECORD_FEATURES)


@pytest.fixture
def coder(model_folder):
    return occ_autocoder.load(model_folder)


def test_a_model_that_is_far_too_sure_is_mended_and_keeps_its_codes(coder):
    coder.model.config.softmax_temperature = 0.1
    titles = [row["job_title"] for row in tiny_records()]
    before = [codes[0] for codes in coder(titles)]
    rows = {row["form"]: row for row in recalibrate(coder, records())}
    after = [codes[0] for codes in coder(titles)]
    assert [code["label"] for code in after] == [code["label"] for code in before]
    assert sum(code["score"] for code in after) < sum(code["score"] for code in before)
    row = rows[FORM]
    assert row["records"] == 108 and row["doubt"] > 0.2
    assert row["after"]["log_loss"] < row["before"]["log_loss"] / 2
    assert row["after"]["accuracy"] == row["before"]["accuracy"]
    assert coder.model.config.softmax_temperature[FORM] == row["temperature"]
    assert coder.model.config.softmax_temperature["duties"] == 0.1 and rows["duties"]["after"] is None


def simulated(temperature: float, doubt: float = 0.0, size: int = 1500):
    """Evidence and labels that follow the weights, but for a share, and the weights beside a temperature of another."""
    torch.manual_seed(0)
    weight = Fusion.prior()[0]
    evidence = torch.rand(size, 12, len(EVIDENCE))
    labels = torch.multinomial((evidence @ weight).softmax(-1), 1).squeeze(-1)
    labels = torch.where(torch.rand(size) < doubt, torch.randint(12, (size,)), labels)
    return evidence, labels, (weight, temperature, 0.0)


@pytest.mark.parametrize("fit", [fit_scale, fit_weights])
def test_on_other_records_the_calibration_error_is_near_that_of_the_truth(fit):
    found = cross_validated(*simulated(0.2), fit, seed=0)
    assert found["before"]["ece"] > 0.1 and found["after"]["ece"] < 0.04
    assert found["after"]["log_loss"] < found["before"]["log_loss"] - 0.2


def test_temperature_and_doubt_are_found_again():
    evidence, labels, known = simulated(1.0, doubt=0.2, size=6000)
    weight, temperature, doubt = fit_scale(evidence, labels, known)
    assert weight is known[0] and temperature == pytest.approx(1.0, abs=0.15) and doubt == pytest.approx(0.2, abs=0.06)
    assert fit_scale(*simulated(1.0))[2] < 0.05


def test_the_weights_can_be_fitted_too(coder):
    coder.model.fusion.weight.data[1] = 0.1
    row = next(row for row in recalibrate(coder, records(), weights=True) if row["form"] == FORM)
    assert row["after"]["log_loss"] < row["before"]["log_loss"]
    assert not (coder.model.fusion.weight.data[1] == 0.1).any() and (coder.model.fusion.weight.data[1] > 0).all()


def test_too_few_records_and_unknown_codes_are_refused(coder):
    with pytest.raises(ValueError, match=r"too few records \(title_and_duties 0, title 36, duties 0\); allowed: 50"):
        recalibrate(coder, records(1))
    unknown = Dataset.from_list([{**tiny_records()[0], "code": "99"}], features=RECORD_FEATURES)
    with pytest.raises(ValueError, match="code '99'; allowed: one of 6 labels"):
        recalibrate(coder, unknown)


def test_the_command_saves_a_model_that_loads(model_folder, tmp_path):
    source = tmp_path / "records.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in [*records(), {"id": "x", "job_title": "y"}]))
    output = succeed("recalibrate", source, "--model", model_folder, "--output", tmp_path / "model")
    assert "108 records, 1 rejected" in output and "too few" in output
    rows = json.loads((tmp_path / "model" / "recalibration.json").read_text())
    found = occ_autocoder.load(tmp_path / "model").model.config.softmax_temperature
    assert found[FORM] == next(row["temperature"] for row in rows if row["form"] == FORM)
    source.write_text(json.dumps(records()[0]) + "\n")
    assert "too few records" in fail("recalibrate", source, "--model", model_folder, "--output", tmp_path / "none")
