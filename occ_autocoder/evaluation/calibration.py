"""Does a confidence of 0.8 mean right in 8 of 10 cases: temperature, calibration error, reliability."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize, minimize_scalar


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Logits [n, C] -> probabilities [n, C], float64, rows summing to 1. Raises ValueError unless `temperature` > 0."""
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def fit_temperature(
    logits: np.ndarray, labels: Sequence[int], *, bounds: tuple[float, float] = (0.05, 20.0), penalty: float = 0.0
) -> float:
    """The T that minimises the mean negative log-likelihood of softmax(logits / T) on held-out records.

    One scalar, so the ranking and the accuracy stay as they are (temperature scaling, Guo et al. 2017,
    "On Calibration of Modern Neural Networks"). The likelihood is convex in 1/T, so it has one minimum over log T.

    Args:
        logits: [n, C], finite.
        labels: [n], the index of the right class.
        bounds: smallest and largest T. Records that are all right (or all wrong) end near a bound.
        penalty: how strongly T is held to 1: this much, in nats over all records, for a T e times as large or small.
    Raises: ValueError for no records, other shapes, a label outside 0..C-1 or a logit that is not finite.
    """
    logits, labels = check_scores(logits, labels, "logits")
    shifted = logits - logits.max(axis=1, keepdims=True)
    own = shifted[np.arange(len(labels)), labels].mean()

    def loss(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        likelihood = np.log(np.exp(shifted * scale).sum(axis=1)).mean() - own * scale
        return likelihood + penalty * log_temperature**2 / 2 / len(labels)

    found = minimize_scalar(loss, bounds=tuple(map(math.log, bounds)), method="bounded", options={"xatol": 1e-6})
    return math.exp(found.x)


def doubtful(logits: np.ndarray, temperature: float, doubt: float) -> np.ndarray:
    """Probabilities [n, C]: softmax(logits / temperature), of which the share `doubt` is given to all codes alike."""
    return (1 - doubt) * softmax(logits, temperature) + doubt / np.shape(logits)[1]


def fit_confidence(logits: np.ndarray, labels: Sequence[int], *, penalty: float = 0.0) -> tuple[float, float]:
    """(temperature, doubt) under which the confidence in the best code is likeliest, given whether it was right.

    By the binary likelihood of the best code alone, since that is what its confidence says; that of all codes, which
    `fit_temperature` takes, is ruled by the records whose right code is far down. Two parameters (as in "Mix-n-Match",
    Zhang, Kailkhura and Han 2020): with hundreds of codes the best one is too sure at the top and too little below.

    Args:
        logits, labels: as in `fit_temperature`.
        penalty: how strongly both are held to 1 and 0: in nats over all records, as in `fit_temperature`, and this much
            for a doubt of 1.
    """
    logits, labels = check_scores(logits, labels, "logits")
    right = logits.argmax(axis=1) == labels
    shifted, classes = logits - logits.max(axis=1, keepdims=True), logits.shape[1]

    def loss(values: np.ndarray) -> float:
        log_temperature, doubt = values[0], 1 / (1 + math.exp(-values[1]))
        best = 1 / np.exp(shifted * math.exp(-log_temperature)).sum(axis=1)
        best = ((1 - doubt) * best + doubt / classes).clip(1e-9, 1 - 1e-9)
        likelihood = np.log(np.where(right, best, 1 - best)).mean()
        return -likelihood + penalty * (log_temperature**2 / 2 + doubt) / len(labels)

    found = minimize(loss, x0=[0.0, -4.0], method="Nelder-Mead", bounds=[(-3, 3), (-12, 0)], options={"xatol": 1e-3})
    return math.exp(found.x[0]), 1 / (1 + math.exp(-found.x[1]))


def check_scores(scores: np.ndarray, labels: Sequence[int], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Scores as float64 [n, C] and labels as int [n]; ValueError names what is wrong with them."""
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ValueError(f"{name} must be [n, C] and labels [n], not {scores.shape} and {labels.shape}")
    if len(labels) == 0:
        raise ValueError("no records to evaluate")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be integers, not {labels.dtype}")
    bad = np.flatnonzero((labels < 0) | (labels >= scores.shape[1]))
    if len(bad):
        raise ValueError(f"labels[{bad[0]}] is {labels[bad[0]]}, outside 0..{scores.shape[1] - 1}")
    bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(bad):
        raise ValueError(f"{name}[{bad[0]}] has a value that is not finite")
    return scores, labels


def bin_index(confidence: np.ndarray, bins: int, equal_mass: bool = False) -> np.ndarray:
    """The bin 0..bins-1 of every confidence [n]: equal width (low, high], or as many records in each."""
    if equal_mass:
        ranks = np.argsort(np.argsort(confidence, kind="stable"), kind="stable")
        return ranks * bins // len(confidence)
    inner_edges = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    return np.digitize(confidence, inner_edges, right=True)


def reliability_table(
    confidence: np.ndarray, correct: np.ndarray, bins: int = 15, *, equal_mass: bool = False
) -> list[dict]:
    """One row per non-empty bin: `low`, `high` (edges, or extremes), `records`, mean `confidence`, `accuracy`.

    Args:
        confidence: [n], from 0 to 1.
        correct: [n], whether that answer was right.
    Raises: ValueError for no records, different lengths or a confidence outside 0..1.
    """
    confidence, correct = check_confidence(confidence, correct)
    index = bin_index(confidence, bins, equal_mass)
    return [reliability_row(confidence[index == b], correct[index == b], b, bins, equal_mass) for b in np.unique(index)]


def reliability_row(confidence: np.ndarray, correct: np.ndarray, b: int, bins: int, equal_mass: bool) -> dict:
    """One bin of the reliability table."""
    low, high = (confidence.min(), confidence.max()) if equal_mass else (b / bins, (b + 1) / bins)
    return {
        "low": float(low),
        "high": float(high),
        "records": len(confidence),
        "confidence": float(confidence.mean()),
        "accuracy": float(correct.mean()),
    }


def check_confidence(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 [n]; ValueError for no records, different lengths or a confidence outside 0..1."""
    confidence, correct = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if confidence.ndim != 1 or confidence.shape != correct.shape:
        raise ValueError(f"confidence and correct must both be [n], not {confidence.shape} and {correct.shape}")
    if len(confidence) == 0:
        raise ValueError("no records to evaluate")
    # Sums of probabilities may pass 1 by a rounding error.
    if not (confidence.min() >= 0 and confidence.max() <= 1 + 1e-6):
        raise ValueError(f"confidence must lie in 0..1, not {confidence.min()}..{confidence.max()}")
    return confidence, correct


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, bins: int = 15, *, equal_mass: bool = False
) -> float:
    """ECE = sum over bins of n_b / n * |accuracy_b - mean confidence_b|, from 0 (best) to 1 (Guo et al. 2017).

    `equal_mass=True` puts as many records into each bin; shapes and errors as in `reliability_table`.
    """
    rows = reliability_table(confidence, correct, bins, equal_mass=equal_mass)
    total = sum(row["records"] for row in rows)
    return sum(row["records"] / total * abs(row["accuracy"] - row["confidence"]) for row in rows)
