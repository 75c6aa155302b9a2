"""Calibration: errors worked by hand, a temperature that is found again."""

import math

import numpy as np
import pytest
from scipy.special import softmax as scipy_softmax

from occ_autocoder.evaluation.calibration import (
    expected_calibration_error,
    fit_temperature,
    reliability_table,
    softmax,
)

CONFIDENCE = [0.95, 0.92, 0.91, 0.55, 0.52]
CORRECT = [True, True, False, True, False]


def drawn_labels(probabilities: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """One label per row, drawn with that row's probabilities: the probabilities are calibrated by construction."""
    return (probabilities.cumsum(axis=1) > generator.uniform(size=(len(probabilities), 1))).argmax(axis=1)


def test_calibration_error_by_hand():
    # 3/5 * |2/3 - (0.95 + 0.92 + 0.91) / 3| + 2/5 * |1/2 - (0.55 + 0.52) / 2|
    expected = 3 / 5 * abs(2 / 3 - 2.78 / 3) + 2 / 5 * abs(1 / 2 - 1.07 / 2)
    assert expected_calibration_error(CONFIDENCE, CORRECT, bins=10) == pytest.approx(expected)


def test_calibration_error_with_as_many_records_in_each_bin():
    confidence, correct = [0.9, 0.1, 0.8, 0.2], [1, 0, 0, 1]
    # (0.1, 0.2) with 1 of 2 right, (0.8, 0.9) with 1 of 2 right.
    expected = 1 / 2 * abs(1 / 2 - 0.15) + 1 / 2 * abs(1 / 2 - 0.85)
    assert expected_calibration_error(confidence, correct, bins=2, equal_mass=True) == pytest.approx(expected)
    rows = reliability_table(confidence, correct, bins=2, equal_mass=True)
    assert [(row["low"], row["high"], row["records"]) for row in rows] == [(0.1, 0.2, 2), (0.8, 0.9, 2)]


def test_reliability_table_by_hand():
    low, high = reliability_table(CONFIDENCE, CORRECT, bins=10)
    assert low == pytest.approx({"low": 0.5, "high": 0.6, "records": 2, "confidence": 0.535, "accuracy": 1 / 2})
    assert high == pytest.approx({"low": 0.9, "high": 1.0, "records": 3, "confidence": 2.78 / 3, "accuracy": 2 / 3})


def test_bins_are_open_below_and_closed_above():
    rows = reliability_table([0.0, 0.5, 0.51, 1.0], [1, 1, 0, 0], bins=2)
    assert [(row["low"], row["records"], row["accuracy"]) for row in rows] == [(0.0, 2, 1.0), (0.5, 2, 0.0)]


def test_perfect_calibration_has_no_error_and_blind_confidence_all_of_it():
    assert expected_calibration_error([1.0] * 4, [True] * 4) == 0
    assert expected_calibration_error([1.0] * 4, [False] * 4) == 1


@pytest.mark.parametrize(
    ("confidence", "correct", "message"),
    [
        ([0.5, 1.2], [1, 0], r"confidence must lie in 0..1, not 0.5..1.2"),
        ([0.5, -0.1], [1, 0], "confidence must lie in 0..1"),
        ([0.5, math.nan], [1, 0], "confidence must lie in 0..1"),
        ([0.5], [1, 0], r"must both be \[n\], not \(1,\) and \(2,\)"),
        ([], [], "no records"),
    ],
)
def test_bad_confidence_is_named(confidence, correct, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(confidence, correct)


def test_softmax_is_scipys_and_stands_large_logits():
    logits = np.random.default_rng(0).normal(size=(5, 7))
    assert softmax(logits, 2.5) == pytest.approx(scipy_softmax(logits / 2.5, axis=1))
    assert softmax(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]
    with pytest.raises(ValueError, match="temperature must be above 0, not 0"):
        softmax(logits, 0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found_again(temperature):
    generator = np.random.default_rng(1)
    logits = 4 * generator.normal(size=(8000, 20))
    labels = drawn_labels(softmax(logits, temperature), generator)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.04)


def test_the_fitted_temperature_has_the_least_log_loss_and_mends_calibration():
    generator = np.random.default_rng(2)
    logits = 3 * generator.normal(size=(2000, 10))
    labels = drawn_labels(softmax(logits, 2.0), generator)
    fitted = fit_temperature(logits, labels)

    def log_loss(temperature: float) -> float:
        return -np.log(softmax(logits, temperature)[np.arange(len(labels)), labels]).mean()

    def ece(temperature: float) -> float:
        probabilities = softmax(logits, temperature)
        return expected_calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)

    assert log_loss(fitted) <= min(log_loss(t) for t in np.linspace(0.5, 5, 200)) + 1e-9
    assert ece(fitted) < 0.03 < 0.1 < ece(1.0)


def test_temperature_ends_near_a_bound_when_every_record_is_right():
    logits = np.array([[2.0, 0.0], [0.0, 2.0]])
    assert fit_temperature(logits, [0, 1]) < 0.06
    assert fit_temperature(logits, [1, 0], bounds=(0.1, 8.0)) == pytest.approx(8.0, rel=0.01)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([[1.0, math.inf]], [0], r"logits\[0\] has a value that is not finite"),
        ([[1.0, 2.0]], [2], r"labels\[0\] is 2, outside 0..1"),
        ([1.0, 2.0], [0, 1], r"logits must be \[n, C\]"),
    ],
)
def test_bad_logits_are_named(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        fit_temperature(logits, labels)
