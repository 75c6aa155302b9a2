"""Conformal sets hold the right code as often as promised, over all records or within each code."""

import math

import numpy as np
import pytest

from occ_autocoder.evaluation.calibration import softmax
from occ_autocoder.evaluation.conformal import (
    SOURCES,
    conformal_limits,
    conformal_sets,
    conformal_threshold,
    set_report,
)


def drawn_labels(probabilities: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """One label per row, drawn with that row's probabilities: the probabilities are calibrated by construction."""
    return (probabilities.cumsum(axis=1) > generator.uniform(size=(len(probabilities), 1))).argmax(axis=1)


def test_conformal_threshold_by_hand():
    own = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    probabilities = np.stack([own, 1 - own], axis=1)
    labels = np.zeros(9, int)
    # 9 scores 0.1 .. 0.9: ceil(10 * 0.9) = 9, the largest; ceil(10 * 0.8) = 8, the one before it.
    assert conformal_threshold(probabilities, labels, alpha=0.1) == pytest.approx(0.9)
    assert conformal_threshold(probabilities, labels, alpha=0.2) == pytest.approx(0.8)
    # 8 records cannot promise 90 %.
    assert conformal_threshold(probabilities[1:], labels[1:], alpha=0.1) == math.inf
    assert conformal_sets(probabilities, math.inf).all()
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1, not 1"):
        conformal_threshold(probabilities, labels, alpha=1)


def test_conformal_sets_hold_every_code_at_or_above_the_limit():
    sets = conformal_sets(np.array([[0.5, 0.3, 0.2], [0.9, 0.1, 0.0]]), limits=0.7)
    assert sets.tolist() == [[True, True, False], [True, False, False]]


def test_conformal_sets_hold_the_right_code_as_often_as_promised_even_when_miscalibrated():
    generator = np.random.default_rng(3)
    alpha, fitted, covered = 0.2, 99, []
    for _ in range(200):
        logits = 2 * generator.normal(size=(fitted + 200, 8))
        labels = drawn_labels(softmax(logits, 3.0), generator)
        probabilities = softmax(logits)  # far too sure
        limit = conformal_threshold(probabilities[:fitted], labels[:fitted], alpha)
        sets = conformal_sets(probabilities[fitted:], limit)
        covered.append(sets[np.arange(200), labels[fitted:]].mean())
    # The expectation is exactly 0.8 for 99 records; the mean of 200 rounds has a standard error of 0.004.
    assert np.mean(covered) == pytest.approx(1 - alpha, abs=0.015)


def skewed(size: int, seed: int):
    """Miscalibrated probabilities of 8 codes in 4 groups; the first code is frequent, the last two are rare."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(size, 8)) + np.array([2.0, 1, 1, 0, 0, 0, -2, -4])
    return softmax(2 * logits), drawn_labels(softmax(logits), generator)


GROUPS = [0, 0, 1, 1, 2, 2, 3, 3]


def test_within_each_code_the_promise_holds_where_over_all_it_does_not():
    alpha, (probabilities, labels), (others, truth) = 0.1, skewed(4000, 0), skewed(40_000, 1)
    over_all = conformal_sets(others, conformal_threshold(probabilities, labels, alpha))
    found = conformal_limits(probabilities, labels, GROUPS, alpha)
    within = conformal_sets(others, found.limits)
    assert set_report(over_all, truth)["coverage"] == pytest.approx(1 - alpha, abs=0.015)
    assert set_report(within, truth)["coverage"] == pytest.approx(1 - alpha, abs=0.015)
    own = [[sets[truth == label, label].mean() for label in range(6)] for sets in (over_all, within)]
    assert min(own[0]) < 0.8 and min(own[1]) > 0.85
    assert [SOURCES[place] for place in found.sources] == ["code"] * 7 + ["group"]


def test_few_records_borrow_from_the_group_and_then_from_all():
    probabilities = np.full((40, 4), 0.25)
    labels = np.array([0] * 25 + [1] * 13 + [2] * 2)
    found = conformal_limits(probabilities, labels, [0, 0, 1, 1], alpha=0.1, least=20)
    assert [SOURCES[place] for place in found.sources] == ["code", "group", "all", "all"]


def test_the_report_by_hand():
    sets = np.array([[True, False, False], [True, True, False], [False, False, False], [True, True, True]])
    found = set_report(sets, [0, 2, 1, 1])
    assert found == {"coverage": 0.5, "mean_size": 1.5, "median_size": 1.5, "single": 0.25, "empty": 0.25}


def test_groups_of_another_number_are_refused():
    with pytest.raises(ValueError, match="2 groups for 3 codes; allowed: one for each"):
        conformal_limits(np.full((1, 3), 1 / 3), [0], [0, 0])
