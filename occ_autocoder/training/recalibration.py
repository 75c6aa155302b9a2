"""A trained model on records from a new source: its temperatures, and if wanted its weights, on a few hundred labels.

Confidences that were right on the model's own validation records are not on records that people wrote otherwise.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from datasets import Dataset

from occ_autocoder.evaluation.calibration import doubtful, expected_calibration_error, fit_confidence
from occ_autocoder.evaluation.metrics import log_loss
from occ_autocoder.model.configuration_occupation import by_form
from occ_autocoder.model.text_occupation import FORMS, normalize

from .examples import Example
from .fusion import TEMPERATURE_PENALTY, cross_fitted_temperature, evidence_of, fitted
from .inputs import featurize
from .train import check_codes

LEAST = 50
FOLDS = 5
LEAST_WEIGHT = 1e-3

# The weights of the evidence [K], the temperature and the doubt.
Known = tuple[torch.Tensor, float, float]
# Evidence [n, C, K], labels [n] and what is known -> what fits.
Fit = Callable[[torch.Tensor, torch.Tensor, Known], Known]


def recalibrate(pipeline, records: Dataset, *, weights: bool = False, seed: int = 0) -> list[dict]:
    """Fit the model's temperatures and doubts to labelled records, in place: one row of the report for each form.

    A row has `form`, `records`, the `temperature` and `doubt` that it ends with, and the calibration error, log-loss
    (nats) and accuracy `before` and `after`, on records that were not fitted on (cross-validation in five parts). A
    form with fewer than 50 records stays as it is: its row has None there.

    Args:
        pipeline: an `OccupationClassificationPipeline`.
        records: with the columns of `RECORD_FEATURES`, each taken in its own form.
        weights: fit the weights of the evidence too, held to what they are; a few hundred records a form are needed.
        seed: of the parts.
    Raises: ValueError for a code that is no label of the model, or where no form has enough records.
    """
    model, config = pipeline.model, pipeline.model.config
    check_codes(records, config.label2id, "recalibration")
    features = featurize(own_examples(records, config.label2id), model, pipeline.tokenizer, None, model.spelling())
    temperatures, doubts = by_form(config.softmax_temperature), by_form(config.doubt)
    fit = fit_weights if weights else fit_scale
    rows = []
    for place, form in enumerate(FORMS):
        indices = (features.forms == place).nonzero().squeeze(-1)
        row = {"form": form, "records": len(indices), "temperature": temperatures[place], "doubt": doubts[place]}
        row |= {"before": None, "after": None}
        if len(indices) >= LEAST:
            evidence, labels = evidence_of(model, features.batch, indices), features.labels[indices]
            known = model.fusion.weight[place].detach().cpu(), temperatures[place], doubts[place]
            row |= cross_validated(evidence, labels, known, fit, seed)
            weight, temperatures[place], doubts[place] = fit(evidence, labels, known)
            model.fusion.weight.data[place] = weight.to(model.fusion.weight)
            row |= {"temperature": temperatures[place], "doubt": doubts[place]}
        rows.append(row)
    if all(row["before"] is None for row in rows):
        counts = ", ".join(f"{row['form']} {row['records']}" for row in rows)
        raise ValueError(f"too few records ({counts}); allowed: {LEAST} or more with the same fields")
    config.softmax_temperature = dict(zip(FORMS, temperatures, strict=True))
    config.doubt = dict(zip(FORMS, doubts, strict=True))
    return rows


def own_examples(records: Dataset, label2id: dict[str, int]) -> list[Example]:
    """Each record as one example, with the fields that it has."""
    return [
        Example(normalize(row["job_title"]), normalize(row["job_duties"]), label2id[row["code"]], f"record {row['id']}")
        for row in records
    ]


def fit_scale(evidence: torch.Tensor, labels: torch.Tensor, known: Known) -> Known:
    """The same weights with another temperature and doubt."""
    weight, temperature, _ = known
    logits = (evidence @ weight / temperature).numpy()
    scale, doubt = fit_confidence(logits, labels.numpy(), penalty=TEMPERATURE_PENALTY)
    return weight, temperature * scale, doubt


def fit_weights(evidence: torch.Tensor, labels: torch.Tensor, known: Known) -> Known:
    """Other weights, held to these, with the temperature that they need on other records, and the doubt."""
    prior = (known[0] / known[1]).clamp_min(LEAST_WEIGHT)
    excess = cross_fitted_temperature(evidence, labels, prior)
    weight, temperature, doubt = fit_scale(evidence, labels, (fitted(evidence, labels, prior), 1.0, 0.0))
    return weight, temperature * excess, doubt


def cross_validated(
    evidence: torch.Tensor, labels: torch.Tensor, known: Known, fit: Fit, seed: int
) -> dict[str, dict[str, float]]:
    """`before`: the measures of what is known; `after`: those of fits on four of five parts, on the fifth."""
    part = np.random.default_rng(seed).permutation(np.arange(len(labels)) % FOLDS)
    found = np.empty(evidence.shape[:2])
    for fold in range(FOLDS):
        rest, own = torch.tensor(part != fold), torch.tensor(part == fold)
        found[own] = probabilities(evidence[own], fit(evidence[rest], labels[rest], known))
    return {"before": measures(probabilities(evidence, known), labels), "after": measures(found, labels)}


def probabilities(evidence: torch.Tensor, known: Known) -> np.ndarray:
    """[n, C], from evidence [n, C, K]."""
    weight, temperature, doubt = known
    return doubtful((evidence @ weight).numpy(), temperature, doubt)


def measures(found: np.ndarray, labels: torch.Tensor) -> dict[str, float]:
    """`ece`, `log_loss` (nats) and `accuracy` of probabilities [n, C]."""
    labels = labels.numpy()
    right = found.argmax(1) == labels
    error = expected_calibration_error(found.max(1).clip(0, 1), right)
    return {"ece": error, "log_loss": log_loss(found, labels), "accuracy": float(right.mean())}


def report_rows(rows: Sequence[dict]) -> list[list[object]]:
    """The rows as a table shows them: form, records, temperature, doubt, calibration error, log-loss and accuracy."""
    return [[row["form"].replace("_", " "), row["records"], *changes(row)] for row in rows]


def changes(row: dict) -> list[str]:
    """The temperature and doubt of a form's row, and each measure before and after."""
    if row["before"] is None:
        return ["too few", *[""] * 4]
    measured = [f"{row['before'][name]:.3f} -> {row['after'][name]:.3f}" for name in ("ece", "log_loss", "accuracy")]
    return [f"{row['temperature']:.3f}", f"{row['doubt']:.3f}", *measured]
