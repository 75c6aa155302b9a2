"""Coding without a person: thresholds, coverage and accuracy worked by hand, and chosen on one split for another."""

import math
from itertools import permutations

import numpy as np
import pytest

from occ_autocoder.evaluation.coverage import (
    apply_threshold,
    aurc,
    choose_threshold,
    choose_thresholds,
    coverage_curve,
    coverage_table,
    thinned_curve,
)

CONFIDENCE = np.array([0.5, 0.9, 0.7, 0.8, 0.6])
CORRECT = np.array([False, True, False, True, True])


def random_case(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Confidences in steps of 0.05, so with many ties, and answers that are right that often."""
    generator = np.random.default_rng(seed)
    confidence = (generator.uniform(size=n) * 20).round() / 20
    return confidence, generator.uniform(size=n) < confidence


def test_curve_by_hand():
    curve = coverage_curve(CONFIDENCE, CORRECT)
    assert curve["threshold"].tolist() == [0.9, 0.8, 0.7, 0.6, 0.5]
    assert curve["coverage"] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert curve["accuracy"] == pytest.approx([1, 1, 2 / 3, 3 / 4, 3 / 5])


def test_records_of_equal_confidence_are_coded_together():
    curve = coverage_curve([0.9, 0.9, 0.9, 0.4], [1, 1, 0, 1])
    assert curve["threshold"].tolist() == [0.9, 0.4]
    assert curve["accuracy"] == pytest.approx([2 / 3, 3 / 4])
    assert choose_threshold([0.9, 0.9, 0.9], [1, 1, 0], 0.9) == math.inf


def test_the_lowest_threshold_that_reaches_the_target_is_chosen():
    # At 0.7 the accuracy is below 0.75, further down it is reached again.
    assert choose_threshold(CONFIDENCE, CORRECT, 0.75) == 0.6
    assert choose_threshold(CONFIDENCE, CORRECT, 0.9) == 0.8
    assert choose_threshold(CONFIDENCE, CORRECT, 0.6) == 0.5


def test_the_chosen_threshold_has_the_largest_coverage_of_all_that_reach_the_target():
    confidence, correct = random_case(0)
    for target, threshold in choose_thresholds(confidence, correct, (0.6, 0.8, 0.9)).items():
        every = [apply_threshold(confidence, correct, t) for t in np.unique(confidence)]
        best = max(point["coverage"] for point in every if point["accuracy"] >= target)
        assert apply_threshold(confidence, correct, threshold)["coverage"] == best


def test_a_threshold_is_chosen_on_one_split_and_applied_on_another():
    validation, test = (CONFIDENCE, CORRECT), (np.array([0.95, 0.8, 0.79, 0.2]), np.array([True, False, True, True]))
    thresholds = choose_thresholds(*validation, (0.9,))
    assert thresholds == {0.9: 0.8}
    chosen, own = coverage_table(*test, targets=(0.7, 0.9), thresholds=thresholds)[::-1]
    # On the test split the threshold codes two of four, one of them right: what was wanted is not reached, and shown.
    assert chosen == {"target": 0.9, "threshold": 0.8, "coverage": 0.5, "accuracy": 0.5, "chosen_on": "another split"}
    assert own == {"target": 0.7, "threshold": 0.2, "coverage": 1.0, "accuracy": 0.75, "chosen_on": "these records"}


def test_a_target_out_of_reach_codes_nothing():
    (row,) = coverage_table([0.9, 0.8], [False, False], targets=(0.9,))
    assert row == {"target": 0.9, "threshold": None, "coverage": 0.0, "accuracy": None, "chosen_on": "these records"}
    (row,) = coverage_table([0.9, 0.8], [True, True], targets=(), thresholds={0.9: math.inf})
    assert (row["threshold"], row["coverage"], row["accuracy"]) == (None, 0.0, None)


def test_area_under_the_risk_coverage_curve_by_hand():
    # In order of confidence: right, right, wrong, right, wrong.
    assert aurc(CONFIDENCE, CORRECT) == pytest.approx((0 + 0 + 1 / 3 + 1 / 4 + 2 / 5) / 5)
    assert aurc([0.1, 0.2], [True, True]) == 0
    assert aurc([0.1, 0.2], [False, False]) == 1


def test_area_with_ties_is_the_mean_over_every_order_of_the_tied():
    confidence, correct = np.array([0.9, 0.6, 0.6, 0.6, 0.3]), np.array([1, 1, 0, 0, 1])
    tied = (1, 2, 3)
    orders = [[0, *order, 4] for order in permutations(tied)]
    expected = np.mean([np.mean(1 - correct[order].cumsum() / np.arange(1, 6)) for order in orders])
    assert aurc(confidence, correct) == pytest.approx(expected)
    shuffled = [3, 4, 1, 0, 2]
    assert aurc(confidence[shuffled], correct[shuffled]) == pytest.approx(expected)


def test_the_thinned_curve_spans_the_coverage_and_keeps_true_points():
    generator = np.random.default_rng(1)
    confidence = generator.uniform(size=5000)
    correct = generator.uniform(size=5000) < confidence
    rows = thinned_curve(confidence, correct, points=50)
    assert len(rows) == 50
    assert rows[0]["coverage"] == pytest.approx(0.02)
    assert (rows[-1]["coverage"], rows[-1]["accuracy"]) == pytest.approx((1.0, correct.mean()))
    for row in rows:
        assert apply_threshold(confidence, correct, row["threshold"]) == pytest.approx(
            {"coverage": row["coverage"], "accuracy": row["accuracy"]}
        )
    assert len(thinned_curve(CONFIDENCE, CORRECT)) == 5
