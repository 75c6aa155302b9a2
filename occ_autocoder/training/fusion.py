"""The weights of the evidence, fitted on records that neither the head nor the memory has seen.

Stacking (Wolpert 1992, "Stacked generalization"): a few weights for each of the three forms, by maximum likelihood, so
that the confidences are calibrated in the same step.
"""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from occ_autocoder.model.text_occupation import FORMS

# How strongly the weights are held to what was known before: this much, in nats, for a weight e times as large.
PENALTY = 0.3
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


def fit_fusion(model, batches: Callable, forms: torch.Tensor, labels: torch.Tensor, seed: int = 0) -> dict[str, int]:
    """Set `model.fusion.weight` for each form that has held-out examples; how many each had.

    Args:
        batches: indices -> the model's inputs.
        forms, labels: [n], of the held-out examples.
    """
    generator = torch.Generator().manual_seed(seed)
    counts = {}
    for place, form in enumerate(FORMS):
        indices = (forms == place).nonzero().squeeze(-1)
        indices = indices[torch.randperm(len(indices), generator=generator)[:MAX_RECORDS]].sort().values
        counts[form] = len(indices)
        if len(indices):
            evidence = evidence_of(model, batches, indices)
            weight = fitted(evidence, labels[indices], model.fusion.prior()[place])
            model.fusion.weight.data[place] = weight.to(model.fusion.weight)
    return counts


def fitted(evidence: torch.Tensor, labels: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    """The likeliest weights [K], none below 0, for labels [n] and evidence [n, C, K], held to the prior.

    A weight w is exp(u) times its prior; the penalty is on u, so that doubling costs what halving does.
    """
    change = torch.zeros_like(prior, requires_grad=True)
    optimizer = torch.optim.LBFGS([change], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(evidence @ (prior * change.exp()), labels, reduction="sum")
        loss = (loss + PENALTY * change.square().sum() / 2) / len(labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return (prior * change.exp()).detach()
