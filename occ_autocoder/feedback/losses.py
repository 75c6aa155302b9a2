"""What a review is worth to a classifier: losses on its logits [B, C], each beside those of the model before.

`reference` are the logits of the model before the update, constants. For a softmax over codes the normaliser of DPO
cancels: what remains is a margin loss on two logits, which says nothing of the others, nor of any probability.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

UNKNOWN = -1


@dataclass(frozen=True)
class Answers:
    """Of a batch: the right `labels` [B], -1 where not known; the labels `shown` [B], -1 for none; those `accepted`."""

    labels: Tensor
    shown: Tensor
    accepted: Tensor

    def at(self, places: Tensor) -> "Answers":
        """Those at the places."""
        return Answers(self.labels[places], self.shown[places], self.accepted[places])

    def to(self, device: torch.device) -> "Answers":
        """The same on the device."""
        return Answers(self.labels.to(device), self.shown.to(device), self.accepted.to(device))


def kl_divergence(reference: Tensor, logits: Tensor) -> Tensor:
    """Mean over the rows of KL(model before || model), in nats: 0 where nothing has changed."""
    return F.kl_div(logits.log_softmax(-1), reference.log_softmax(-1), reduction="batchmean", log_target=True)


def correction_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of the right codes [B]: the proper loss where they were given."""
    return F.cross_entropy(logits, labels)


def dpo_loss(
    logits: Tensor,
    reference: Tensor,
    chosen: Tensor,
    rejected: Tensor,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log sigmoid(beta * (margin - margin before)) of the chosen code [B] over the rejected one [B].

    Direct preference optimisation (Rafailov et al. 2023), as it is for a softmax over codes.
    With `label_smoothing` e, (1 - e) times that and e times that of the swapped pair (conservative DPO).
    """
    margin = beta * (margins(logits, chosen, rejected) - margins(reference, chosen, rejected))
    return -((1 - label_smoothing) * F.logsigmoid(margin) + label_smoothing * F.logsigmoid(-margin)).mean()


def margins(logits: Tensor, chosen: Tensor, rejected: Tensor) -> Tensor:
    """The chosen codes' logits less the rejected ones', [B]."""
    return picked(logits, chosen) - picked(logits, rejected)


def picked(values: Tensor, labels: Tensor) -> Tensor:
    """Each row's value at its label, [B]."""
    return values.gather(1, labels.long()[:, None])[:, 0]


def reinforce_loss(
    logits: Tensor, reference: Tensor, actions: Tensor, rewards: Tensor, clip: float = 2.0, baseline: bool = True
) -> Tensor:
    """-w * (r - b) * log p of the codes shown, [B], with rewards [B] (Williams 1992; RLOO, Ahmadian et al. 2024).

    b is the mean reward of the other rows, w = p / p before, at most `clip` and constant: what the model has become
    answers for, not what it was.
    """
    now, before = picked(logits.log_softmax(-1), actions), picked(reference.log_softmax(-1), actions)
    weights = (now - before).exp().clamp(max=clip).detach()
    others = (rewards.sum() - rewards) / (len(rewards) - 1) if baseline and len(rewards) > 1 else 0.0
    return -(weights * (rewards - others) * now).mean()


def kto_loss(
    logits: Tensor,
    reference: Tensor,
    actions: Tensor,
    accepted: Tensor,
    beta: float = 0.1,
    accepted_weight: float = 1.0,
    rejected_weight: float = 1.0,
    kl: Tensor | None = None,
) -> Tensor:
    """1 - sigmoid(+-beta * (log p - log p before - kl)) of the codes shown (Ethayarajh et al. 2024).

    + where they were `accepted` [B], - where not. `kl` is what the model has moved in all, KL(model || model before),
    where None: a classifier has it exactly, a language model estimates it. It is constant.
    """
    now, before = logits.log_softmax(-1), reference.log_softmax(-1)
    if kl is None:
        kl = (now.exp() * (now - before)).sum(-1).mean()
    signs = torch.where(accepted, 1.0, -1.0)
    weights = torch.where(accepted, accepted_weight, rejected_weight)
    reward = picked(now, actions) - picked(before, actions) - kl.detach().clamp(min=0)
    return (weights * (1 - torch.sigmoid(signs * beta * reward))).mean()


def likelihood_loss(logits: Tensor, actions: Tensor, accepted: Tensor) -> Tensor:
    """-log p of the codes that were `accepted` [B], -log(1 - p) of those that were not: what the answers say, no more.

    The likelihood of a complementary label (Kim et al. 2019, "NLNL: Negative Learning for Noisy Labels").
    """
    own = picked(logits.log_softmax(-1), actions)
    others = logits.scatter(1, actions.long()[:, None], float("-inf")).logsumexp(-1) - logits.logsumexp(-1)
    return -torch.where(accepted, own, others).mean()


Estimator = Callable[[Tensor, Tensor, Answers], Tensor]

# What each takes of the answers: the right code; the right code against the one shown; or only whether the code shown
# was accepted.
ESTIMATORS: dict[str, Estimator] = {
    "cross_entropy": lambda logits, reference, own: correction_loss(logits, own.labels),
    "dpo": lambda logits, reference, own: dpo_loss(logits, reference, own.labels, own.shown),
    "kto": lambda logits, reference, own: kto_loss(logits, reference, own.shown, own.accepted),
    "likelihood": lambda logits, reference, own: likelihood_loss(logits, own.shown, own.accepted),
    "reinforce": lambda logits, reference, own: reinforce_loss(logits, reference, own.shown, own.accepted.float()),
}
NEEDS: dict[str, Callable[[Answers], Tensor]] = {
    "cross_entropy": lambda own: own.labels != UNKNOWN,
    "dpo": lambda own: (own.labels != UNKNOWN) & (own.shown != UNKNOWN) & ~own.accepted,
    **dict.fromkeys(("kto", "likelihood", "reinforce"), lambda own: own.shown != UNKNOWN),
}
