"""A model that learns from reviews: corrections stick, the rest stays, and only what the gate lets pass is released."""

import json

import pytest
import torch
from commands import fail, run
from datasets import Dataset
from test_reviews import review
from tiny import tiny_records

import occ_autocoder
from occ_autocoder.data.records import RECORD_FEATURES
from occ_autocoder.feedback.losses import ESTIMATORS
from occ_autocoder.feedback.reviews import Shown, append_review
from occ_autocoder.feedback.update import UpdateArguments, update_model

NEW = {"ferry steward": "5120", "tram conductor": "8331", "field surgeon": "2221", "sergeant": "0110"}
TITLES = [row["job_title"] for row in tiny_records()]


@pytest.fixture
def coder(model_folder):
    return occ_autocoder.load(model_folder)


@pytest.fixture
def replay():
    return Dataset.from_list(tiny_records(), features=RECORD_FEATURES)


def shown(coder, title: str) -> tuple[Shown, ...]:
    return tuple(Shown(code["label"], min(1.0, code["score"])) for code in coder(title, top_k=3))


def corrections(coder, codes=NEW, **changes):
    """A review of each title; its first code accepted where it is the right one."""
    reviews = []
    for title, code in codes.items():
        codes_shown = shown(coder, title)
        action = "accept" if codes_shown[0].code == code else "correct"
        reviews.append(review(id=title, job_title=title, shown=codes_shown, action=action, code=code, **changes))
    return reviews


def rejections(coder, titles):
    return [
        review(id=title, job_title=title, shown=shown(coder, title), action="reject", code="", reviewer="bob")
        for title in titles
    ]


def settings(**changes) -> UpdateArguments:
    return UpdateArguments(**{"epochs": 50, "learning_rate": 5e-3, "replay_batch_size": 32, **changes})


def codes_of(coder, titles) -> dict[str, str]:
    return {title: codes[0]["label"] for title, codes in zip(titles, coder(list(titles)))}


def score(coder, title: str, code: str) -> float:
    return next(item["score"] for item in coder(title, top_k=None) if item["label"] == code)


@pytest.mark.parametrize("remember", [True, False])
def test_corrections_stick_and_what_was_known_stays(coder, replay, tmp_path, remember):
    before = codes_of(coder, TITLES)
    reviews = corrections(coder)
    assert codes_of(coder, NEW) != NEW, "nothing to learn"
    about = update_model(coder, reviews, replay, settings(remember=remember), cache=tmp_path)
    assert codes_of(coder, NEW) == NEW and codes_of(coder, TITLES) == before
    assert sum(about["records"].values()) == 4 and about["replayed"] == 36 and about["arguments"]["epochs"] == 50
    assert about["losses"][-1] < about["losses"][0] and about["recalibration"] is None


def test_encoder_and_weights_of_the_evidence_stay_and_the_saved_model_says_the_same(coder, replay, tmp_path):
    fixed = {
        name: value.clone() for name, value in coder.model.state_dict().items() if name[:7] in ("encoder", "fusion.")
    }
    remembered = len(coder.model.titles.labels)
    update_model(coder, corrections(coder), replay, settings(epochs=1), cache=tmp_path / "cache")
    after = coder.model.state_dict()
    assert fixed and all(torch.equal(value, after[name]) for name, value in fixed.items())
    assert len(coder.model.titles.labels) == remembered + 4 and "conductor" in coder.model.config.title_words
    coder.save_pretrained(tmp_path / "model")
    again = occ_autocoder.load(tmp_path / "model")
    for one, other in zip(coder([*TITLES, *NEW]), again([*TITLES, *NEW])):
        assert [code["label"] for code in one] == [code["label"] for code in other]
        assert [code["score"] for code in one] == pytest.approx([code["score"] for code in other], abs=1e-4)


@pytest.mark.parametrize("judged", ["kto", "likelihood", "reinforce"])
def test_a_rejected_code_loses_where_the_right_one_is_not_known(coder, replay, tmp_path, judged):
    titles = ["ferry steward", "tram conductor"]
    rejected, accepted = rejections(coder, titles), corrections(coder, {"cook": "5120", "bus driver": "8331"})
    was = {item.id: score(coder, item.id, item.first) for item in rejected}
    about = update_model(coder, rejected + accepted, replay, settings(judged=judged), cache=tmp_path)
    assert about["records"] == {"rejected": 2, "accepted": 2}
    assert all(score(coder, item.id, item.first) < was[item.id] for item in rejected)
    assert codes_of(coder, ["cook", "bus driver"]) == {"cook": "5120", "bus driver": "8331"}


@pytest.mark.parametrize("given", list(ESTIMATORS))
def test_every_estimator_prefers_the_given_code_to_the_one_shown(coder, replay, tmp_path, given):
    reviews = corrections(coder)
    wrong = [item for item in reviews if item.action == "correct"]
    first = {item.id: score(coder, item.id, item.first) for item in wrong}
    update_model(coder, reviews, replay, settings(given=given, remember=False), cache=tmp_path)
    assert wrong and all(score(coder, item.id, item.first) < first[item.id] for item in wrong)


def test_the_divergence_holds_the_model_to_what_it_was(coder, replay, model_folder, tmp_path):
    def moved(**changes):
        other = occ_autocoder.load(model_folder)
        update_model(other, corrections(coder), replay, settings(remember=False, **changes), cache=tmp_path)
        return sum(abs(score(other, title, "5120") - score(coder, title, "5120")) for title in TITLES[::3])

    assert moved(kl_weight=30.0, replay_weight=0.0) < moved(kl_weight=0.0, replay_weight=0.0) / 2


def test_the_same_seed_gives_the_same_model(coder, replay, model_folder, tmp_path):
    other = occ_autocoder.load(model_folder)
    reviews = corrections(coder)
    for pipeline in (coder, other):
        update_model(pipeline, reviews, replay, settings(epochs=2, seed=7), cache=tmp_path)
    for one, again in zip(coder("tram conductor"), other("tram conductor"), strict=True):
        assert one["label"] == again["label"] and one["score"] == pytest.approx(again["score"], abs=1e-4)


def test_reviewers_can_be_left_out_and_confidences_fitted_anew(coder, replay, tmp_path):
    reviews = corrections(coder) + corrections(coder, {"cook": "0110"}, reviewer="eve")
    rows = [{**row, "id": f"{n}-{row['id']}", "job_duties": ""} for n in range(2) for row in tiny_records()]
    validation = Dataset.from_list(rows, features=RECORD_FEATURES)
    about = update_model(coder, reviews, replay, settings(), without=["eve"], validation=validation, cache=tmp_path)
    assert about["without"] == ["eve"] and codes_of(coder, ["cook"]) == {"cook": "5120"}
    title = next(row for row in about["recalibration"] if row["form"] == "title")
    assert title["records"] == 72 and coder.model.config.softmax_temperature["title"] == title["temperature"]


def test_what_cannot_be_learned_is_refused(coder, replay, tmp_path):
    with pytest.raises(ValueError, match="review of x: code '99'; allowed: one of 6 labels"):
        update_model(coder, [review(id="x", code="99")], replay, cache=tmp_path)
    with pytest.raises(ValueError, match="0 judgements and 36 replayed records; allowed: 1 or more of each"):
        update_model(coder, [], replay, cache=tmp_path)
    with pytest.raises(ValueError, match="1 judgements and 0 replayed"):
        update_model(coder, [review()], replay.select([]), cache=tmp_path)
    for change in ({"given": "ppo"}, {"epochs": 0}, {"kl_weight": -1.0}):
        with pytest.raises(ValueError, match=f"{next(iter(change))} is .*allowed"):
            UpdateArguments(**change)


@pytest.fixture
def files(tmp_path, coder):
    """Records, and what a command needs to update the tiny model: (reviews) -> arguments."""
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in tiny_records()))

    def arguments(reviews):
        for item in reviews:
            append_review(tmp_path / "reviews.jsonl", item)
        asked = [coder.model.name_or_path, tmp_path / "reviews.jsonl", "--replay", tmp_path / "records.jsonl"]
        small = ["--set", "epochs=30", "--set", "learning_rate=0.005", "--no-behaviour"]
        small += ["--limit", "calibration_error=1", "--limit", "group_shift=0.1", "--cache", tmp_path / "cache"]
        return ["update", *asked, "--output", tmp_path / "out", *small]

    return arguments


def test_the_command_releases_what_the_gate_lets_pass(files, coder, tmp_path):
    asked = files(corrections(coder))
    with (tmp_path / "reviews.jsonl").open("a") as file:
        file.write('{"torn')
    result = run(*asked, "--held-out", tmp_path / "records.jsonl")
    assert result.exit_code == 0, result.output
    assert "4 reviews, and a torn last line, left out" in result.stdout and "36 records, 0 rejected" in result.stdout
    assert codes_of(occ_autocoder.load(tmp_path / "out" / "model"), NEW) == NEW
    assert not (tmp_path / "out" / "candidate").exists()
    about = json.loads((tmp_path / "out" / "update.json").read_text())
    assert about["reviewers"][0]["reviewer"] == "ann" and about["without"] == []
    assert "there already; allowed: a folder without it" in fail(*asked)


def test_what_was_reviewed_is_not_held_out(files, coder, tmp_path):
    asked, row = files(corrections(coder)), {"id": "field surgeon", "job_title": "field  surgeon", "code": "2221"}
    (tmp_path / "held.jsonl").write_text("".join(json.dumps(own) + "\n" for own in [*tiny_records(), row]))
    message = "held.jsonl, row 37: field surgeon was reviewed; allowed: records that were not"
    assert message in fail(*asked, "--held-out", tmp_path / "held.jsonl")
    assert not (tmp_path / "out").exists()


def test_the_command_does_not_release_what_the_gate_refuses_or_never_saw(files, coder, tmp_path):
    wrong = dict.fromkeys(TITLES[6:], "0110")
    asked = files(corrections(coder, wrong))
    refused = run(*asked, "--set", "kl_weight=0", "--set", "replay_weight=0", "--held-out", tmp_path / "records.jsonl")
    assert refused.exit_code == 1, refused.output
    assert (tmp_path / "out" / "candidate").is_dir() and not (tmp_path / "out" / "model").exists()
    assert "must **not** be released" in (tmp_path / "out" / "comparison" / "comparison.md").read_text()
    unseen = run(*asked[:-1], tmp_path / "cache", "--output", tmp_path / "other")
    assert unseen.exit_code == 0 and "not released: no --held-out" in unseen.stdout
    assert not (tmp_path / "other" / "model").exists()


def test_the_command_leaves_a_flagged_reviewer_out_and_says_so(files, coder, tmp_path):
    sure = (Shown("5120", 0.97), Shown("8331", 0.02))
    reviews = []
    for reviewer, right in (("ann", 36), ("bob", 36), ("eve", 6)):
        for number in range(36):
            own = {"id": f"{reviewer}{number}", "job_title": f"cook {number}", "shown": sure, "reviewer": reviewer}
            answer = {"action": "accept", "code": "5120"} if number < right else {"action": "correct", "code": "0110"}
            reviews.append(review(**own, **answer))
    asked = files(reviews)
    assert run(*asked).exit_code == 0
    about = json.loads((tmp_path / "out" / "update.json").read_text())
    assert about["without"] == ["eve"] and about["records"] == {"accepted": 72}
    assert {row["reviewer"]: row["flagged"] for row in about["reviewers"]}["eve"] == "agreement, overturned"
    assert run(*asked, "--keep-flagged", "--output", tmp_path / "kept").exit_code == 0
    assert json.loads((tmp_path / "kept" / "update.json").read_text())["records"] == {"accepted": 78, "corrected": 30}


def test_the_benchmark_measures_what_it_says(encoder_folder, tmp_path):
    pytest.importorskip("sentence_transformers")
    from test_benchmarks import tiny_benchmark
    from tiny import tiny_arguments

    from benchmarks import feedback

    small = vars(tiny_arguments(encoder_folder))
    names = ("encoder", "epochs", "batch_size", "head_hidden_size", "ngram_buckets", "ngram_dim", "max_seq_length")
    asked = ["--data", "none", "--output", tmp_path, "--cache", tmp_path, "--reviews", 8, "--sizes", 3, 6]
    asked += [
        "--corrections",
        1,
        "--refit",
        0,
        "--update",
        "epochs=1",
        "--set",
        *(f"{name}={small[name]}" for name in names),
    ]
    world = feedback.World(tiny_benchmark(), feedback.parser().parse_args([str(item) for item in asked]), 0)
    found = feedback.run(world)
    assert [row["update"] for row in found["estimators"]] == ["none", *feedback.ESTIMATED]
    assert found["estimators"][0]["kept"] == 1.0 and found["estimators"][0]["p_value"] == 1.0
    assert [(row["order"], row["records"]) for row in found["curves"]] == [
        (order, size) for order in ("random", "active", "margin") for size in (3, 6)
    ]
    assert found["corrected"][0]["corrections"] == 1 and found["poisoned"][0]["reviews"] == "honest"
    text = feedback.tables([found, found])
    assert text.count("| none |") == 1 and "## Poisoned" in text
