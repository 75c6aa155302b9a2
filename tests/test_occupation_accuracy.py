"""The `evaluate` metric: its folder alone is enough, offline and without the package, and its values are right."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

import occ_autocoder
from occ_autocoder.evaluation.levels import level_table

METRIC = Path(occ_autocoder.__file__).parent / "evaluation" / "occupation_accuracy"

# Runs every case in a process where the package cannot be imported, however it is installed. Without transformers,
# which the metric needs as little, `evaluate` is imported in a third of the time.
SCRIPT = """
import importlib.abc, json, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("occ_autocoder", "transformers"):
            raise ImportError("the metric must not need the package")

sys.meta_path.insert(0, Refuse())
try:
    import occ_autocoder
except ImportError:
    pass
else:
    sys.exit("the package can be imported: nothing is shown here")
import evaluate

metric = evaluate.load(sys.argv[1])

def outcome(case):
    try:
        return metric.compute(**case)
    except ValueError as error:
        return str(error)

answers = {name: outcome(case) for name, case in json.load(open(sys.argv[2])).items()}
metric.add(prediction="11", reference="11")
metric.add(prediction=None, reference="11")
metric.add_batch(predictions=[["12", "11"], []], references=["11", "12"])
answers["added"] = metric.compute()
assert not [name for name in sys.modules if name.split(".")[0] == "occ_autocoder"]
json.dump(answers, open(sys.argv[3], "w"))
"""

# X00 lies directly under X and skips level 2.
PARENTS = {"1": "", "11": "1", "111": "11", "112": "11", "2": None, "21": "2", "211": "21", "X": "", "X00": "X"}
LEVELS = {"1": 1, "11": 2, "111": 3, "112": 3, "2": 1, "21": 2, "211": 3, "X": 1, "X00": 3}
TREE = {"parents": PARENTS, "levels": LEVELS}
CODES = ["111", "112", "211", "X00"]


def random_tree_case(seed: int = 0) -> dict:
    chance = random.Random(seed)
    references = chance.choices(CODES, k=200)
    predictions = [chance.sample(CODES, 4) if chance.random() < 0.5 else [code, *CODES] for code in references]
    return {"predictions": predictions, "references": references, **TREE}


CASES = {
    "card": {
        "predictions": [["2513", "2512"], ["2512"]],
        "references": ["2512", "2512"],
        "parents": {"2": "", "25": "2", "251": "25", "2512": "251", "2513": "251"},
        "levels": {"2": 1, "25": 2, "251": 3, "2512": 4, "2513": 4},
        "top_k": [1, 3],
        "supports": {"2512": 140, "2513": 6},
    },
    "skips": {"predictions": ["X00", "111", "X00"], "references": ["X00", "X00", "112"], **TREE},
    "coarse prediction": {"predictions": ["11", "1", "X"], "references": ["111", "111", "X00"], **TREE},
    "coarse reference": {"predictions": ["111", "211"], "references": ["11", "211"], **TREE},
    "uncoded": {"predictions": [[], "", None, ["999"], ["111"]], "references": ["111"] * 5, **TREE},
    "without a tree": {"predictions": ["999", None, "111"], "references": ["111"] * 3},
    "top": {"predictions": [["112", "111", "211"], ["112", "211"]], "references": ["111"] * 2, "top_k": [1, 2]},
    "bands": {
        "predictions": ["111", "112", "211", "111", "X00"],
        "references": ["111", "112", "111", "211", "X00"],
        "supports": {"111": 100, "112": 10, "211": 9},
    },
    "random": random_tree_case(),
    "no records": {"predictions": [], "references": []},
    "empty reference": {"predictions": ["111", "111"], "references": ["111", ""]},
    "unknown reference": {"predictions": ["111", "111"], "references": ["111", "999"], **TREE},
    "circle": {
        "predictions": ["a"],
        "references": ["a"],
        "parents": {"a": "b", "b": "a"},
        "levels": {"a": 2, "b": 1},
    },
    "half a tree": {"predictions": ["111"], "references": ["111"], "levels": LEVELS},
    "falling bands": {"predictions": ["1"], "references": ["1"], "supports": {}, "bands": [0, 9, 3]},
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict:
    root = tmp_path_factory.mktemp("alone")
    folder = shutil.copytree(METRIC, root / "occupation_accuracy")
    cases, out = root / "cases.json", root / "answers.json"
    cases.write_text(json.dumps(CASES), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHON"))}
    settings = kept | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(root / "home"), "USE_TORCH": "0"}
    command = [sys.executable, "-c", SCRIPT, str(folder), str(cases), str(out)]
    run = subprocess.run(command, cwd=root, env=settings, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(out.read_text(encoding="utf-8"))


def test_the_example_of_the_card_gives_what_the_card_says(answers):
    assert answers["card"] == pytest.approx(
        {
            "accuracy": 0.5,
            "coded": 1.0,
            "accuracy_level_1": 1.0,
            "accuracy_level_2": 1.0,
            "accuracy_level_3": 1.0,
            "accuracy_level_4": 0.5,
            "top_1_accuracy": 0.5,
            "top_3_accuracy": 1.0,
            "macro_recall": 0.5,
            "macro_f1": 2 / 3,
            "accuracy_support_100_up": 0.5,
        }
    )
    card = (METRIC / "README.md").read_text(encoding="utf-8")
    assert all(f"'{name}': {value}" in card for name, value in answers["card"].items())


def levels_of(scores: dict) -> list[float]:
    return [value for name, value in scores.items() if name.startswith("accuracy_level_")]


def test_a_code_that_skips_a_level_counts_there_under_its_next_coarser_group(answers):
    assert levels_of(answers["skips"]) == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_a_coarse_prediction_is_right_down_to_its_own_level(answers):
    # 11 for 111 is right at levels 1 and 2, 1 for 111 at 1, X for X00 at 1 and, as X00 stands under X there, at 2.
    assert levels_of(answers["coarse prediction"]) == pytest.approx([3 / 3, 2 / 3, 0 / 3])


def test_a_coarse_reference_is_left_out_below_its_level(answers):
    assert levels_of(answers["coarse reference"]) == pytest.approx([2 / 2, 2 / 2, 1 / 1])
    assert answers["coarse reference"]["accuracy"] == 1 / 2


def test_records_left_uncoded_or_with_codes_that_do_not_exist_are_wrong_and_counted(answers):
    scores = answers["uncoded"]
    assert scores["accuracy"] == scores["coded"] == scores["top_5_accuracy"] == pytest.approx(1 / 5)
    assert levels_of(scores) == pytest.approx([1 / 5, 1 / 5, 1 / 5])
    # Without a classification nobody knows that 999 does not exist.
    assert answers["without a tree"]["coded"] == pytest.approx(2 / 3)


def test_top_k_looks_no_further_than_k(answers):
    assert (answers["top"]["top_1_accuracy"], answers["top"]["top_2_accuracy"]) == (0.0, 1 / 2)


def test_bands_by_the_training_records_of_the_right_code(answers):
    bands = {name: value for name, value in answers["bands"].items() if "support" in name}
    # 111: right, wrong; 112: right; 211: wrong; X00 (no training record): right.
    expected = {"accuracy_support_0_9": 1 / 2, "accuracy_support_10_99": 1.0, "accuracy_support_100_up": 1 / 2}
    assert bands == pytest.approx(expected)


def test_records_can_be_added_one_by_one_and_in_batches(answers):
    assert answers["added"]["accuracy"] == pytest.approx(1 / 4)
    assert answers["added"]["top_3_accuracy"] == pytest.approx(2 / 4)


def test_scikit_learn_and_the_level_table_agree(answers):
    case, scores = CASES["random"], answers["random"]
    first, references = [codes[0] for codes in case["predictions"]], case["references"]
    assert scores["macro_recall"] == pytest.approx(recall_score(references, first, average="macro"))
    assert scores["macro_f1"] == pytest.approx(f1_score(references, first, average="macro"))
    certain = np.eye(4)[[CODES.index(code) for code in first]]
    ancestors = {1: [0, 0, 1, 2], 2: [0, 0, 1, -1], 3: [0, 1, 2, 3]}
    rows = level_table(certain, np.array([CODES.index(code) for code in references]), ancestors)
    assert levels_of(scores) == pytest.approx([row["accuracy"] for row in rows])


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no records", "no records: `references` is empty"),
        ("empty reference", "references[1] is empty: every record needs its right code"),
        ("unknown reference", "references[1] is '999', which is not in `levels`"),
        ("circle", "`parents` runs in a circle at code 'a'"),
        ("half a tree", "`parents` and `levels` go together: give both or neither"),
        ("falling bands", "`bands` are lower bounds that begin with 0 and rise, not [0, 9, 3]"),
    ],
)
def test_bad_input_is_named(answers, case, message):
    assert answers[case] == message
