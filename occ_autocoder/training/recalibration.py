"""A trained model on records from a new source: its temperatures, and if wanted its weights, on a few hundred labels.

Confidences that were right on the model's own validation records are not on records that people wrote otherwise.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from datasets import Dataset

from occ_autocoder.evaluation.calibration import expected_calibration_error, fit_temperature, softmax
from occ_autocoder.evaluation.metrics import log_loss
from occ_autocoder.model.text_occupation import FORMS, normalize

from .examples import Example
from .fusion import TEMPERATURE_PENALTY, cross_fitted_temperature, evidence_of, fitted
from .inputs import featurize
from .train import check_codes

LEAST = 50
FOLDS = 5
LEAST_WEIGHT = 1e-3

# Evidence [n, C, K], labels [n], the weights [K] and temperature so far -> the weights and temperature that fit.
Fit = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], tuple[torch.Tensor, float]]


def recalibrate(pipeline, records: Dataset, *, weights: bool = False, seed: int = 0) -> list[dict]:
    """Fit the model's temperatures to labelled records, in place: one row of the report for each form.

    A row has `form`, `records`, `temperature` before and after, and the calibration error, log-loss (nats) and accuracy
    `before` and `after`, on records that were not fitted on (cross-validation in five parts). A form with fewer than 50
    records stays as it is: its row has None there.

    Args:
        pipeline: an `OccupationClassificationPipeline`.
        records: with the columns of `RECORD_FEATURES`, each taken in its own form.
        weights: fit the weights of the evidence too, held to what they are; a few hundred records a form are needed.
        seed: of the parts.
    Raises: ValueError for a code that is no label of the model, or where no form has enough records.
    """
    model, config = pipeline.model, pipeline.model.config
    check_codes(records, config.label2id, "recalibration")
    features = featurize(own_examples(records, config.label2id), model, pipeline.tokenizer, cache=None)
    given = config.softmax_temperature
    temperatures = dict(given) if isinstance(given, dict) else dict.fromkeys(FORMS, given)
    fit = fit_weights if weights else fit_scale
    rows = []
    for place, form in enumerate(FORMS):
        indices = (features.forms == place).nonzero().squeeze(-1)
        row = {"form": form, "records": len(indices), "temperature_before": temperatures[form]}
        if len(indices) < LEAST:
            rows.append(row | {"temperature_after": None, "before": None, "after": None})
            continue
        evidence, labels = evidence_of(model, features.batch, indices), features.labels[indices]
        known = model.fusion.weight[place].detach().cpu(), temperatures[form]
        row |= cross_validated(evidence, labels, known, fit, seed)
        weight, temperatures[form] = fit(evidence, labels, *known)
        model.fusion.weight.data[place] = weight.to(model.fusion.weight)
        rows.append(row | {"temperature_after": temperatures[form]})
    if all(row["before"] is None for row in rows):
        counts = ", ".join(f"{row['form']} {row['records']}" for row in rows)
        raise ValueError(f"too few records ({counts}); allowed: {LEAST} or more with the same fields")
    config.softmax_temperature = temperatures
    return rows


def own_examples(records: Dataset, label2id: dict[str, int]) -> list[Example]:
    """Each record as one example, with the fields that it has."""
    return [
        Example(normalize(row["job_title"]), normalize(row["job_duties"]), label2id[row["code"]], f"record {row['id']}")
        for row in records
    ]


def fit_scale(
    evidence: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, float]:
    """The same weights with another temperature."""
    logits = (evidence @ weight / temperature).numpy()
    return weight, temperature * fit_temperature(logits, labels.numpy(), penalty=TEMPERATURE_PENALTY)


def fit_weights(
    evidence: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, float]:
    """Other weights, held to these, with the temperature that they need on other records."""
    prior = (weight / temperature).clamp_min(LEAST_WEIGHT)
    return fitted(evidence, labels, prior), cross_fitted_temperature(evidence, labels, prior)


def cross_validated(
    evidence: torch.Tensor, labels: torch.Tensor, known: tuple[torch.Tensor, float], fit: Fit, seed: int
) -> dict[str, dict[str, float]]:
    """`before`: the measures of what is known; `after`: those of fits on four of five parts, on the fifth."""
    part = np.random.default_rng(seed).permutation(np.arange(len(labels)) % FOLDS)
    logits = torch.empty(evidence.shape[:2])
    for fold in range(FOLDS):
        rest, own = torch.tensor(part != fold), torch.tensor(part == fold)
        weight, temperature = fit(evidence[rest], labels[rest], *known)
        logits[own] = evidence[own] @ weight / temperature
    weight, temperature = known
    return {"before": measures(evidence @ weight / temperature, labels), "after": measures(logits, labels)}


def measures(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """`ece`, `log_loss` (nats) and `accuracy` of logits [n, C]."""
    probabilities, labels = softmax(logits.numpy()), labels.numpy()
    right = probabilities.argmax(1) == labels
    error = expected_calibration_error(probabilities.max(1).clip(0, 1), right)
    return {"ece": error, "log_loss": log_loss(probabilities, labels), "accuracy": float(right.mean())}


def report_rows(rows: Sequence[dict]) -> list[list[object]]:
    """The rows as a table shows them: form, records, temperature, calibration error, log-loss and accuracy."""
    return [[row["form"].replace("_", " "), row["records"], *changes(row)] for row in rows]


def changes(row: dict) -> list[str]:
    """Before and after of each measure of a form's row."""
    if row["before"] is None:
        return ["too few", "", "", ""]
    measured = [(row["before"][name], row["after"][name]) for name in ("ece", "log_loss", "accuracy")]
    pairs = [(row["temperature_before"], row["temperature_after"]), *measured]
    return [f"{before:.3f} -> {after:.3f}" for before, after in pairs]
