"""The metrics of labels and probabilities agree with cases worked by hand and with scikit-learn."""

import json
import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sklearn_metrics

from occ_autocoder.evaluation.calibration import expected_calibration_error
from occ_autocoder.evaluation.classes import support_bands
from occ_autocoder.evaluation.interval import wilson_interval
from occ_autocoder.evaluation.levels import level_table, taxonomy_levels
from occ_autocoder.evaluation.metrics import evaluate_probabilities, label_ranks, scalar_metrics
from occ_autocoder.taxonomy import Occupation, Taxonomy, UnknownCodeError

# X00 lies directly under X, as X1000 does in SSOC: it has no ancestor at level 2.
CODES = ["111", "112", "211", "X00"]
ANCESTORS = {1: [0, 0, 1, 2], 2: [0, 0, 1, -1], 3: [0, 1, 2, 3]}
LEVEL_CODES = {1: ["1", "2", "X"], 2: ["11", "21"], 3: CODES}
PROBABILITIES = np.array(
    [
        [0.6, 0.2, 0.1, 0.1],  # right
        [0.3, 0.4, 0.2, 0.1],  # the right code is second, in the right group
        [0.3, 0.3, 0.4, 0.0],  # third, as ties go to the first column; but the two codes of group 1 sum to 0.6
        [0.1, 0.1, 0.1, 0.7],  # right
        [0.5, 0.1, 0.1, 0.3],  # last, in the wrong group
    ]
)
LABELS = [0, 0, 1, 3, 2]


def evaluated(**options) -> dict:
    given = {"codes": CODES, "ancestors": ANCESTORS, "level_codes": LEVEL_CODES, "train_counts": [150, 9, 10, 0]}
    return evaluate_probabilities(PROBABILITIES, LABELS, **(given | options))


def of_level(rows: list[dict], level: int) -> dict:
    return next(row for row in rows if row["level"] == level)


def random_case(n: int = 400, codes: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, codes - 2, n)  # two codes never occur
    probabilities = generator.dirichlet(np.full(codes, 0.3), n)
    probabilities[np.arange(n), labels] += generator.uniform(0, 1, n)
    return probabilities / probabilities.sum(axis=1, keepdims=True), labels


def test_headline_numbers_by_hand():
    results = evaluated(top_k=(1, 2, 3))
    expected = {
        "records": 5,
        "codes": 4,
        "codes_seen": 4,
        "accuracy": 2 / 5,
        "top_1_accuracy": 2 / 5,
        "top_2_accuracy": 3 / 5,
        "top_3_accuracy": 4 / 5,
        "macro_recall": (1 / 2 + 0 + 0 + 1) / 4,
        "log_loss": -(math.log(0.6) + 2 * math.log(0.3) + math.log(0.7) + math.log(0.1)) / 5,
        "brier": (0.22 + 0.70 + 0.74 + 0.12 + 1.16) / 5,
        "mean_confidence": (0.6 + 0.4 + 0.4 + 0.7 + 0.5) / 5,
        # In bins of their own: 0.4 twice and wrong, 0.5 and wrong, 0.6 and right, 0.7 and right.
        "ece": (2 * 0.4 + 0.5 + 0.4 + 0.3) / 5,
        # Right, right, wrong, then two wrong ones of equal confidence.
        "aurc": (0 + 0 + 1 / 3 + 2 / 4 + 3 / 5) / 5,
    }
    assert {name: results[name] for name in expected} == pytest.approx(expected)


def test_scikit_learn_agrees():
    probabilities, labels = random_case()
    codes = [str(i) for i in range(12)]
    results = evaluate_probabilities(probabilities, labels, codes=codes, ancestors={1: range(12)}, top_k=(1, 4))
    predicted, seen, every = probabilities.argmax(axis=1), np.unique(labels), range(12)
    scores = {
        "accuracy": sklearn_metrics.accuracy_score(labels, predicted),
        "top_4_accuracy": sklearn_metrics.top_k_accuracy_score(labels, probabilities, k=4, labels=every),
        "macro_recall": sklearn_metrics.recall_score(labels, predicted, labels=seen, average="macro"),
        "macro_f1": sklearn_metrics.f1_score(labels, predicted, labels=seen, average="macro"),
        "log_loss": sklearn_metrics.log_loss(labels, probabilities, labels=every),
        "brier": ((probabilities - np.eye(12)[labels]) ** 2).sum(axis=1).mean(),
    }
    assert {name: results[name] for name in scores} == pytest.approx(scores)
    confidence, correct = probabilities.max(axis=1), predicted == labels
    equal_mass = expected_calibration_error(confidence, correct, equal_mass=True)
    assert results["ece_equal_mass"] == equal_mass != results["ece"] == expected_calibration_error(confidence, correct)
    columns = sklearn_metrics.precision_recall_fscore_support(labels, predicted, labels=every, zero_division=np.nan)
    for row, *expected in zip(results["classes"], *columns, strict=True):
        values = [np.nan if row[name] is None else row[name] for name in ("precision", "recall", "f1", "support")]
        assert values == pytest.approx(expected, nan_ok=True)


def test_a_probability_of_zero_for_the_right_code_stays_finite():
    probabilities = np.array([[0.0, 1.0], [0.0, 1.0]])
    results = evaluate_probabilities(probabilities, [0, 1], codes=["a", "b"], ancestors={1: [0, 1]})
    assert results["log_loss"] == pytest.approx(-math.log(2.0**-52) / 2)


def test_ranks_give_ties_to_the_lower_column_as_argmax_does():
    assert label_ranks(np.full((3, 3), 1 / 3), np.array([0, 1, 2])).tolist() == [0, 1, 2]
    probabilities, labels = random_case(seed=3)
    rounded = probabilities.round(1)  # many ties
    assert ((label_ranks(rounded, labels) == 0) == (rounded.argmax(axis=1) == labels)).all()


def test_levels_sum_probabilities_and_keep_codes_that_skip_a_level():
    rows = evaluated()["levels"]
    assert [row["level"] for row in rows] == [1, 2, 3]
    # The third record is right at levels 1 and 2 by its sum, though not by its most probable code.
    assert [row["accuracy"] for row in rows] == pytest.approx([4 / 5, 4 / 5, 2 / 5])
    assert [row["accuracy_of_top_code"] for row in rows] == pytest.approx([3 / 5, 3 / 5, 2 / 5])
    # X00 stands under X at level 2: three groups there, and all five records are judged.
    assert [(row["groups"], row["records"]) for row in rows] == [(3, 5), (3, 5), (4, 5)]
    assert of_level(rows, 2)["macro_recall"] == pytest.approx((3 / 3 + 0 + 1) / 3)
    # Summed confidences 0.8, 0.7, 0.6, 0.7, 0.6 with the last one wrong: 0.2 + 2 * 0.3 + |1 - 1.2| over 5.
    assert of_level(rows, 1)["ece"] == pytest.approx((0.2 + 2 * 0.3 + 0.2) / 5)


def test_a_code_that_is_itself_coarse_is_not_judged_below_its_level():
    ancestors = {1: [0, 0, 1], 2: [0, 1, -1]}  # the third code is a group of level 1
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.2, 0.1, 0.7]])
    rows = level_table(probabilities, np.array([0, 2, 1]), ancestors)
    assert (of_level(rows, 1)["records"], of_level(rows, 1)["accuracy"]) == (3, pytest.approx(2 / 3))
    assert (of_level(rows, 2)["records"], of_level(rows, 2)["accuracy"]) == (2, pytest.approx(1 / 2))
    (row,) = level_table(probabilities[1:2], np.array([2]), ancestors)  # nothing to judge at level 2
    assert row["accuracy"] == 1.0


def test_levels_agree_with_sums_made_one_by_one():
    probabilities, labels = random_case(n=60)
    groups = np.arange(12) % 4
    row = of_level(level_table(probabilities, labels, {1: groups, 2: range(12)}), 1)
    summed = [[sum(line[c] for c in range(12) if c % 4 == group) for group in range(4)] for line in probabilities]
    assert row["accuracy"] == pytest.approx(np.mean(np.argmax(summed, axis=1) == groups[labels]))


def test_groups_of_the_coarsest_level():
    one, two, x = evaluated()["groups"]
    assert [row["code"] for row in (one, two, x)] == ["1", "2", "X"]
    assert (one["support"], one["predicted"], one["recall"], one["precision"]) == (3, 4, 1.0, 3 / 4)
    assert (one["mean_confidence"], one["code_accuracy"]) == pytest.approx(((0.6 + 0.4 + 0.4 + 0.5) / 4, 1 / 4))
    assert (two["recall"], two["precision"], two["mean_confidence"], two["code_accuracy"]) == (0.0, None, None, None)
    assert (x["mean_confidence"], x["code_accuracy"]) == (pytest.approx(0.7), 1.0)


def test_taxonomy_levels_gives_the_arguments_of_the_evaluation():
    rows = [("1", 1, None), ("11", 2, "1"), ("111", 3, "11"), ("112", 3, "11"), ("2", 1, None), ("21", 2, "2")]
    rows += [("211", 3, "21"), ("X", 1, None), ("X00", 3, "X")]
    taxonomy = Taxonomy([Occupation(code, f"Title {code}", level, parent) for code, level, parent in rows], "test")
    assert taxonomy_levels(taxonomy, CODES) == (ANCESTORS, LEVEL_CODES)
    # Columns in another order, one of them a group: levels without a column are left out.
    assert taxonomy_levels(taxonomy, ["21", "1"]) == ({1: [1, 0], 2: [0, -1]}, {1: ["1", "2"], 2: ["21"]})
    with pytest.raises(UnknownCodeError, match="999"):
        taxonomy_levels(taxonomy, ["111", "999"])


def test_support_bands_by_hand():
    rows = evaluated(top_k=(1, 2))["support_bands"]
    # Training records of the right codes: 150, 150, 9, 0, 10.
    counts = [(row["band"], row["codes"], row["records"]) for row in rows]
    assert counts == [("0 to 9", 2, 2), ("10 to 99", 1, 1), ("100 or more", 1, 2)]
    assert [row["accuracy"] for row in rows] == [1 / 2, 0.0, 1 / 2]
    assert [row["top_2_accuracy"] for row in rows] == [1 / 2, 0.0, 1.0]
    assert [row["macro_recall"] for row in rows] == [1 / 2, 0.0, 1 / 2]
    assert (rows[0]["low"], rows[0]["high"]) == wilson_interval(1 / 2, 2)


def test_macro_recall_of_a_band_counts_every_code_once():
    ranks, labels = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 1])
    (row,) = support_bands(ranks, labels, [3, 1], bands=(0, 10))
    assert (row["band"], row["accuracy"], row["macro_recall"]) == ("0 to 9", 3 / 4, 1 / 2)
    with pytest.raises(ValueError, match=r"begin with 0 and rise, not \[10, 100\]"):
        support_bands(ranks, labels, [3, 1], bands=(10, 100))
    with pytest.raises(ValueError, match="rise"):
        support_bands(ranks, labels, [3, 1], bands=(0, 100, 10))


def test_classes_and_confusions_by_hand():
    results = evaluated()
    first, second, third, _ = results["classes"]
    counts, shares = (
        {"support": 2, "predicted": 2, "train_count": 150},
        dict.fromkeys(("recall", "precision", "f1"), 0.5),
    )
    assert first == {"code": "111", **counts, **shares}
    assert (second["recall"], second["f1"], third["precision"]) == (0.0, 0.0, 0.0)
    assert results["confusions"][0] == {"reference": "111", "predicted": "112", "records": 1, "share": 1 / 2}
    pairs = [(row["reference"], row["predicted"]) for row in results["confusions"]]
    assert pairs == [("111", "112"), ("112", "211"), ("211", "111")]


def test_the_most_frequent_confusion_comes_first():
    options = {"codes": ["a", "b", "c"], "ancestors": {1: [0, 1, 2]}}
    rows = evaluate_probabilities(np.eye(3)[[1, 2, 2, 0]], [0, 0, 0, 0], **options)["confusions"]
    assert rows[0] == {"reference": "a", "predicted": "c", "records": 2, "share": 2 / 4}


@pytest.mark.parametrize(("right", "n"), [(8, 10), (0, 5), (5, 5), (658, 1000)])
def test_interval_is_wilsons(right, n):
    expected = binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_interval_never_leaves_zero_to_one_and_holds_the_share():
    for n in range(1, 200):
        for right in {0, 1, n - 1, n}:
            low, high = wilson_interval(right / n, n)
            assert 0 <= low <= right / n <= high <= 1


def test_results_are_plain_json_and_scalars_are_flat():
    results = evaluated()
    assert json.loads(json.dumps(results, allow_nan=False)) == results
    scalars = scalar_metrics(results)
    assert scalars["accuracy_level_2"] == pytest.approx(4 / 5)
    assert scalars["accuracy"] == pytest.approx(2 / 5)
    assert all(type(value) is float for value in scalars.values())


def test_without_training_counts_and_level_codes_their_tables_are_empty():
    results = evaluated(train_counts=None, level_codes=None)
    assert (results["support_bands"], results["groups"]) == ([], [])
    assert "train_count" not in results["classes"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": PROBABILITIES * 0.9}, r"probabilities\[0\] is no distribution: it sums to 0.9000"),
        ({"probabilities": PROBABILITIES - [0.2, -0.2, 0, 0]}, r"probabilities\[3\] is no distribution"),
        ({"probabilities": np.where(PROBABILITIES == 0.7, np.nan, PROBABILITIES)}, r"probabilities\[3\] has a value"),
        ({"probabilities": PROBABILITIES[:4]}, r"not \(4, 4\) and \(5,\)"),
        ({"labels": [0, 0, 1, 4, 2]}, r"labels\[3\] is 4, outside 0..3"),
        ({"labels": [0, 0, -1, 3, 2]}, r"labels\[2\] is -1"),
        ({"labels": [0.0, 0, 1, 3, 2]}, "labels must be integers, not float64"),
        ({"probabilities": np.zeros((0, 4)), "labels": np.zeros(0, int)}, "no records"),
        ({"codes": CODES[:3]}, "codes has 3 entries for 4 columns"),
        ({"ancestors": {1: [0, 0, 1]}}, r"ancestors\[1\] has 3 entries for 4 columns"),
        ({"train_counts": [1]}, "train_counts has 1 entries"),
        ({"train_counts": [1, 2, -1, 3]}, "train_counts must be 0 or more, not -1"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {"probabilities": PROBABILITIES, "labels": LABELS, "codes": CODES, "ancestors": ANCESTORS}
    with pytest.raises(ValueError, match=message):
        evaluate_probabilities(**(given | change))
