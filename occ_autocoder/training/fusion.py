"""The weights of the evidence and the temperatures, fitted on records that neither the head nor the memory has seen.

Stacking (Wolpert 1992, "Stacked generalization"): a few weights for each of the three forms, by maximum likelihood.
Then a temperature and a doubt for each, so that the confidence in the best code is how often it is right; and the
weights of the novelty score.
"""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from occ_autocoder.evaluation.calibration import fit_confidence, fit_temperature
from occ_autocoder.model.text_occupation import FORMS

from .novelty import novelty_weights

# How strongly the weights are held to what was known before: this much, in nats, for a weight e times as large.
PENALTY = 0.3
TEMPERATURE_PENALTY = 10.0
LARGEST_CHANGE = 8.0
MAX_RECORDS = 4000


@torch.no_grad()
def evidence_of(model, batches: Callable, indices: torch.Tensor) -> torch.Tensor:
    """Evidence [n, C, K] of examples; `batches(indices)` gives the model's inputs."""
    model.eval()
    return torch.cat([part_evidence(model, batches(part)) for part in indices.split(64)])


def part_evidence(model, batch: dict) -> torch.Tensor:
    """Evidence [n, C, K] of one batch of the model's inputs."""
    batch = {name: value.to(model.device) for name, value in batch.items() if name != "labels"}
    return model(**batch, output_evidence=True).evidence.cpu()


def fit_fusion(
    model, batches: Callable, forms: torch.Tensor, labels: torch.Tensor, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Set weights, temperature, doubt and novelty score of each form that has held-out examples.

    Returns how many records each form had, its temperature and its doubt.

    Args:
        batches: indices -> the model's inputs.
        forms, labels: [n], of the held-out examples.
    """
    generator = torch.Generator().manual_seed(seed)
    about, model.config.novelty = {}, dict.fromkeys(FORMS)
    for place, form in enumerate(FORMS):
        indices = (forms == place).nonzero().squeeze(-1)
        indices = indices[torch.randperm(len(indices), generator=generator)[:MAX_RECORDS]].sort().values
        about[form] = {"records": len(indices), "temperature": 1.0, "doubt": 0.0}
        if len(indices):
            evidence, prior = evidence_of(model, batches, indices), model.fusion.prior()[place]
            weight = fitted(evidence, labels[indices], prior)
            model.fusion.weight.data[place] = weight.to(model.fusion.weight)
            temperature, doubt = fit_confidence(
                (evidence @ weight).numpy(), labels[indices].numpy(), penalty=TEMPERATURE_PENALTY
            )
            excess = cross_fitted_temperature(evidence, labels[indices], prior)
            about[form] |= {"temperature": temperature * excess, "doubt": doubt}
            model.config.novelty[form] = novelty_weights(evidence, labels[indices], weight)
    model.config.softmax_temperature = {form: values["temperature"] for form, values in about.items()}
    model.config.doubt = {form: values["doubt"] for form, values in about.items()}
    return about


def cross_fitted_temperature(evidence: torch.Tensor, labels: torch.Tensor, prior: torch.Tensor) -> float:
    """How much too sure of other records the weights are that are fitted on these, [n, C, K]: what to divide by.

    Found on the logits of each half of the records by the weights fitted on the other half. Its logarithm is twice that
    of the temperature wanted: the excess is 0 on the fitted records themselves, and falls as one over their number.
    """
    halves = torch.arange(len(labels)) % 2 == 0
    logits = torch.empty(evidence.shape[:2])
    for half in (halves, ~halves):
        weight = fitted(evidence[~half], labels[~half], prior) if (~half).any() else prior
        logits[half] = evidence[half] @ weight
    return fit_temperature(logits.numpy(), labels.numpy(), penalty=TEMPERATURE_PENALTY) ** 0.5


def fitted(evidence: torch.Tensor, labels: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    """The likeliest weights [K], none below 0, for labels [n] and evidence [n, C, K], held to the prior.

    A weight w is exp(u) times its prior; the penalty is on u, so that doubling costs what halving does.
    """
    change = torch.zeros_like(prior, requires_grad=True)
    optimizer = torch.optim.LBFGS([change], max_iter=100, line_search_fn="strong_wolfe")

    def weight() -> torch.Tensor:
        return prior * change.clamp(-LARGEST_CHANGE, LARGEST_CHANGE).exp()  # a step of the search may overflow

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(evidence @ weight(), labels, reduction="sum")
        loss = (loss + PENALTY * change.square().sum() / 2) / len(labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return weight().detach()
