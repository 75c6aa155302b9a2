"""What follows from reviews: codes by majority, pairs and labels for tuning, and reviewers who stand out."""

import json

import numpy as np
import pytest
from datasets import Dataset
from test_reviews import review
from tiny import tiny_taxonomy

from occ_autocoder.data.selection import NONE
from occ_autocoder.feedback.preferences import (
    Judgement,
    accept_labels,
    flagged,
    judgements,
    preference_pairs,
    reviewer_table,
)
from occ_autocoder.feedback.reviews import Shown

TAXONOMY = tiny_taxonomy()
CODES = ["0110", "2221", "2341", "5120", "8322", "8331"]
SHOWN = (Shown("2341", 0.6), Shown("5120", 0.3))


def correct(code="2221", reviewer="ann", **changes):
    return review(code=code, reviewer=reviewer, shown=SHOWN, **changes)


def accept(reviewer="ann", **changes):
    return review(action="accept", code="2341", reviewer=reviewer, shown=SHOWN, **changes)


def reject(reviewer="ann", **changes):
    return review(action="reject", code="", reviewer=reviewer, shown=SHOWN, **changes)


def new(reviewer="ann", **changes):
    return review(action="new_occupation", code="", reason="new work", reviewer=reviewer, shown=SHOWN, **changes)


def judged(*reviews, without=()):
    found, silent = judgements(reviews, without)
    return [(item.code, item.shown, item.accepted) for item in found] + silent


@pytest.mark.parametrize(
    ("reviews", "expected"),
    [
        ([correct()], ("2221", "2341", False)),
        ([accept()], ("2341", "2341", True)),
        ([reject()], ("", "2341", False)),
        ([new()], ("", "2341", False)),
        ([accept(), correct()], ("2221", "2341", False)),  # the same person thought again
        ([correct(), correct(reviewer="bob"), accept("eve")], ("2221", "2341", False)),
        ([accept(), reject("bob"), accept("eve")], ("2341", "2341", True)),
        ([correct(), accept("bob")], "r1"),
        ([accept(), reject("bob")], "r1"),
        ([review(action="new_occupation", code="", reason="new work", shown=())], "r1"),
    ],
)
def test_the_reviews_of_a_record_come_to_its_code_or_to_nothing(reviews, expected):
    assert judged(*reviews) == [expected]


def test_reviewers_can_be_left_out():
    assert judged(correct(), accept("eve"), without=["eve"]) == [("2221", "2341", False)]
    assert judged(accept("eve"), without=["eve"]) == []
    assert judgements([correct()])[0] == [Judgement("r1", "ward nurse", "", "2221", "2341", False)]


def answers(text):
    return json.loads(text)["code"]


@pytest.mark.parametrize(
    ("given", "chosen", "rejected"),
    [(correct(), "2221", "2341"), (accept(), "2341", "5120"), (new(), NONE, "2341"), (correct("5120"), "5120", "2341")],
)
def test_pairs_have_the_preferred_answer_to_the_question_of_cleaning(given, chosen, rejected):
    [pair] = preference_pairs([given], TAXONOMY)
    assert (answers(pair["chosen"]), answers(pair["rejected"])) == (chosen, rejected)
    assert "ward nurse" in pair["prompt"] and pair["source_id"] == "r1"
    assert all(code == NONE or code in pair["prompt"] for code in (chosen, rejected))


def test_a_rejection_and_a_review_without_codes_give_no_pair():
    merged = review(action="merge", code="2221", shown=())
    assert len(preference_pairs([reject(), merged], TAXONOMY)) == 0


def test_labels_say_of_the_first_code_and_of_the_given_one_whether_they_are_right():
    def labels(given):
        return {answers(row["completion"]): row["label"] for row in accept_labels([given], TAXONOMY)}

    assert labels(correct()) == {"2341": False, "2221": True}
    assert labels(accept()) == {"2341": True}
    assert labels(reject()) == labels(new()) == {"2341": False}


def test_the_order_depends_on_the_seed_alone():
    reviews = [correct(id=f"r{number}") for number in range(20)]
    one = preference_pairs(reviews, TAXONOMY, seed=1)
    assert one.to_list() == preference_pairs(reviews[::-1], TAXONOMY, seed=1).to_list()
    assert one["source_id"] != preference_pairs(reviews, TAXONOMY, seed=2)["source_id"]


def simulated(mistakes: dict[str, float], size: int = 200, doubly: float = 0.0, confidence: float = 0.95):
    """Reviews of records whose first code is right; each reviewer errs with a probability of their own."""
    generator, reviews = np.random.default_rng(0), []
    shown = (Shown("2341", confidence), Shown("5120", 0.03))
    for reviewer, share in mistakes.items():
        for number in range(size):
            id = f"{number}" if number < doubly * size else f"{reviewer}-{number}"
            wrong = generator.random() < share
            action, code = ("correct", generator.choice(CODES[3:])) if wrong else ("accept", "2341")
            reviews.append(review(id=id, action=action, code=str(code), reviewer=reviewer, shown=shown))
    return reviews


def test_a_reviewer_who_overturns_sure_codes_far_more_than_the_rest_is_flagged_with_figures():
    rows = reviewer_table(simulated({"ann": 0.1, "bob": 0.1, "cho": 0.1, "eve": 0.5}))
    by_name = {row["reviewer"]: row for row in rows}
    assert flagged(rows) == ["eve"] and by_name["eve"]["flagged"] == "agreement, overturned"
    assert by_name["eve"]["reviews"] == by_name["eve"]["sure"] == 200
    assert by_name["eve"]["overturned"] == pytest.approx(0.5, abs=0.1)
    assert by_name["eve"]["agreement"] == pytest.approx(0.5 * 0.95 / (0.95**2 + 0.03**2), abs=0.1)
    assert by_name["ann"]["compared"] == 0 and by_name["ann"]["disagreed"] is None


def test_a_reviewer_who_disagrees_with_the_others_is_flagged():
    rows = reviewer_table(simulated({"ann": 0.1, "bob": 0.1, "cho": 0.1, "eve": 0.5}, doubly=1.0))
    eve = rows[-1]
    assert flagged(rows) == ["eve"] and eve["flagged"] == "agreement, disagreed, overturned"
    assert eve["compared"] == 600 and eve["disagreed"] > 0.4


def test_a_reviewer_who_says_improbable_codes_is_flagged_where_the_model_is_not_sure():
    rows = reviewer_table(simulated({"ann": 0.6, "bob": 0.6, "eve": 0.9}, confidence=0.4))
    assert [row["flagged"] for row in rows] == ["", "", "agreement"] and rows[-1]["sure"] == 0
    harder = simulated({"ann": 0.1, "bob": 0.1}) + simulated({"eve": 0.5}, confidence=0.5)
    assert flagged(reviewer_table(harder)) == [], "hard records are not the reviewer's fault"


@pytest.mark.parametrize("doubly", [0.0, 1.0])
def test_equal_reviewers_are_not_flagged(doubly):
    assert flagged(reviewer_table(simulated(dict.fromkeys("abcdefgh", 0.1), doubly=doubly))) == []


def test_one_reviewer_alone_and_few_reviews_flag_nobody():
    assert flagged(reviewer_table(simulated({"eve": 0.9}))) == []
    assert flagged(reviewer_table(simulated({"ann": 0.0, "eve": 1.0}, size=3))) == []


TRAIN = {"nurse": ("8331", "2221"), "cook": ("2341", "5120"), "teacher": ("5120", "2341")}
HELD_OUT = {"ward nurse": ("8331", "2221"), "canteen cook": ("2341", "5120"), "class teacher": ("5120", "2341")}


def tuning(**changes):
    from tiny_gemma import trained_gemma

    from occ_autocoder.llm.arguments import AdapterArguments

    small = {"epochs": 20, "batch_size": 3, "learning_rate": 5e-3, "lora_rank": 8, "lora_dropout": 0.0}
    small |= {"max_length": 100, "checkpoint_steps": 10, "logging_steps": 1}
    return AdapterArguments(model=str(trained_gemma()), **{**small, **changes})


def pairs(codes) -> Dataset:
    from tiny_gemma import answer, question

    rows = [(question(title), answer(right), answer(wrong)) for title, (right, wrong) in codes.items()]
    return Dataset.from_list([dict(zip(("prompt", "chosen", "rejected"), row)) for row in rows])


def unpaired(data: Dataset) -> Dataset:
    """Each answer with whether it is preferred."""
    rows = [
        {"prompt": row["prompt"], "completion": row[name], "label": name == "chosen"}
        for row in data
        for name in ("chosen", "rejected")
    ]
    return Dataset.from_list(rows)


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_tuning_raises_the_share_of_preferred_answers_on_held_out_pairs(tmp_path, method):
    pytest.importorskip("trl")
    from tiny_gemma import question, trained_gemma

    from occ_autocoder.feedback.llm_preferences import tune_on_preferences
    from occ_autocoder.llm.local import LocalModel
    from occ_autocoder.llm.request import Request

    train = pairs(TRAIN) if method == "dpo" else unpaired(pairs(TRAIN))
    about = tune_on_preferences(train, tuning(), tmp_path, method=method, validation=pairs(HELD_OUT))
    before, after = about["preferred"]
    assert before == 0.0 and after >= 2 / 3
    assert about == json.loads((tmp_path / "training.json").read_text()) and about["method"] == method
    assert f"- {method}" in (tmp_path / "README.md").read_text()
    local = LocalModel(str(trained_gemma()), adapter=str(tmp_path))
    reply = next(iter(local.complete([Request("nurse", question("nurse"))], 40)))
    assert reply.text != '{"code": "2221", "sure": true}'


def test_tuning_goes_on_from_an_adapter_and_is_held_to_it(tmp_path):
    pytest.importorskip("trl")
    from tiny_gemma import answer, question

    from occ_autocoder.feedback.llm_preferences import tune_on_preferences
    from occ_autocoder.llm.adapter import finetune

    rows = [{"prompt": question(title), "completion": answer(right)} for title, (right, _) in TRAIN.items()]
    finetune(Dataset.from_list(rows), tuning(epochs=30, learning_rate=1e-2), tmp_path / "sft")
    about = tune_on_preferences(
        pairs(TRAIN), tuning(epochs=1), tmp_path / "dpo", adapter=tmp_path / "sft", validation=pairs(TRAIN)
    )
    assert about["preferred"] == [1.0, 1.0]
    assert about["history"][0]["loss"] == pytest.approx(np.log(2), abs=1e-4), "it is not held to the adapter"
    names = {path.name for path in (tmp_path / "dpo").iterdir()}
    assert "adapter_model.safetensors" in names and "ref" not in names


def test_tuning_refuses_what_it_cannot_train_on(tmp_path):
    pytest.importorskip("trl")
    from occ_autocoder.feedback.llm_preferences import tune_on_preferences

    with pytest.raises(ValueError, match="method is 'ppo'; allowed: dpo, kto"):
        tune_on_preferences(pairs(TRAIN), tuning(), tmp_path, method="ppo")
    with pytest.raises(ValueError, match="no column completion, label; allowed: prompt, completion, label"):
        tune_on_preferences(pairs(TRAIN), tuning(), tmp_path, method="kto")
    empty = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": " "}])
    with pytest.raises(ValueError, match="row 0, column rejected: empty; allowed: a text"):
        tune_on_preferences(empty, tuning(), tmp_path)
    with pytest.raises(ValueError, match="none of 3 examples has at most max_length=5 tokens"):
        tune_on_preferences(pairs(TRAIN), tuning(max_length=5), tmp_path)


@pytest.mark.parametrize("tuned_before", [False, True])
def test_tuning_that_was_killed_goes_on_to_the_same_adapter(tmp_path, monkeypatch, tuned_before):
    pytest.importorskip("trl")
    from safetensors.torch import load_file
    from tiny_gemma import answer, question
    from trl import DPOTrainer

    from occ_autocoder.feedback.llm_preferences import tune_on_preferences
    from occ_autocoder.llm.adapter import finetune

    adapter, step, done, last = None, DPOTrainer.training_step, [], 7
    if tuned_before:
        adapter = tmp_path / "sft"
        rows = [{"prompt": question(title), "completion": answer(right)} for title, (_, right) in TRAIN.items()]
        finetune(Dataset.from_list(rows), tuning(epochs=2), adapter)

    def counted(self, *arguments, **options):
        done.append(self.state.global_step)
        if len(done) == last:
            raise InterruptedError
        return step(self, *arguments, **options)

    def tune(name):
        return tune_on_preferences(pairs(TRAIN), tuning(epochs=8, checkpoint_steps=5), tmp_path / name, adapter=adapter)

    monkeypatch.setattr(DPOTrainer, "training_step", counted)
    with pytest.raises(InterruptedError):
        tune("killed")
    done.clear()
    assert tune("killed")["history"] and done == [5, 6, 7]
    last = 0
    tune("whole")
    killed, whole = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("killed", "whole"))
    assert killed.keys() == whole.keys() and all((killed[name] == whole[name]).all() for name in whole)
