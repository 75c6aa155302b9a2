"""How much a record looks like work that no code names, from the evidence for the codes that there are."""

from collections.abc import Mapping

import torch

from .head_occupation import EVIDENCE

HEADS = ("semantic_head", "lexical_head")
SIMILARITIES = tuple(name for name in EVIDENCE if name not in HEADS)
HEAD_PLACES = [list(EVIDENCE).index(name) for name in HEADS]
SIMILARITY_PLACES = [list(EVIDENCE).index(name) for name in SIMILARITIES]
FEATURES = (
    "confidence",
    "margin",
    "entropy",
    "energy",
    "agreement",
    *(f"{name}_{kind}" for kind in ("largest", "lead", "of_best") for name in SIMILARITIES),
    *(f"{name}_{kind}" for kind in ("confidence", "entropy", "of_best") for name in HEADS),
)


def novelty_features(evidence: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Evidence [B, C, K] for C codes, two or more, and its weighted sum [B, C] -> [B, F], in the order of `FEATURES`.

    `confidence` and `entropy` (nats) of the softmax, the `margin` of the two best logits, the `energy` (Liu et al.
    2020), and the share of the evidence that is largest for the best code. Of each similarity the largest, how far it
    is above the second, and that of the best code; of each head its confidence, its entropy and what it gives that.
    """
    best = logits.argmax(1)
    log_probabilities = logits.log_softmax(-1)
    two = log_probabilities.topk(2).values
    columns = [
        two[:, 0],
        two[:, 0] - two[:, 1],
        entropy(log_probabilities),
        logits.logsumexp(-1),
        (evidence.argmax(1) == best[:, None]).to(logits.dtype).mean(1),
    ]
    largest = evidence[..., SIMILARITY_PLACES].topk(2, dim=1).values
    of_best = evidence[torch.arange(len(best)), best]
    columns += [*largest[:, 0].T, *(largest[:, 0] - largest[:, 1]).T, *of_best[:, SIMILARITY_PLACES].T]
    columns += [
        *evidence[..., HEAD_PLACES].amax(1).T,
        *(entropy(evidence[..., head]) for head in HEAD_PLACES),
        *of_best[:, HEAD_PLACES].T,
    ]
    return torch.stack(columns, dim=1)


def entropy(log_probabilities: torch.Tensor) -> torch.Tensor:
    """[B, C] -> [B], in nats."""
    return -(log_probabilities.exp() * log_probabilities).sum(-1)


def novelty_score(features: torch.Tensor, fitted: Mapping) -> torch.Tensor:
    """Features [B, F] -> [B], 0 to 1, by the logistic regression of `fitted`: its `weights` [F] and `bias`."""
    weights = torch.tensor(fitted["weights"], dtype=features.dtype, device=features.device)
    return torch.sigmoid(features @ weights + fitted["bias"])
