"""Losses of logits [B, C] and labels [B]: cross entropy, CDB, and those it is compared with.

`loss(logits, labels, weights=None)` is a scalar: the mean over the rows, sum(w * l) / sum(w), with w the weights of the
rows (all 1 when not given). A class weight is part of l, so easy rows make the loss small. With
`normalize_by_weights=True` it is part of w as well, which divides by the class weights of the batch: the scale of the
loss then stays that of cross entropy. The authors of CDB do the first on CIFAR and the second on ImageNet-LT.

All is computed in float32. A class without train records counts as one record wherever a count or a prior is used.
"""

import inspect
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

EPSILON = 0.01


class ClassificationLoss(nn.Module):
    """The mean over the rows of class weight times row loss; a subclass says what the row loss is.

    `class_weights` [C] is a buffer: constant for the gradient, moved with the module, kept in `state_dict()`.
    """

    class_weights: Tensor

    def __init__(self, counts: Tensor, class_weights: Tensor | None = None, normalize_by_weights: bool = False):
        super().__init__()
        given = torch.ones(len(_checked_counts(counts))) if class_weights is None else class_weights
        self.register_buffer("class_weights", given.float())
        self.normalize_by_weights = normalize_by_weights

    def row_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits [B, C] and labels [B] -> cross entropy of every row [B], before the class weights."""
        return -_log_probabilities(logits, labels)

    def forward(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """The loss, a scalar with a gradient for `logits` alone; 0 when every weight in the batch is 0.

        Raises ValueError for an empty batch, shapes that do not fit, a label outside 0..C-1 or a negative weight.
        """
        _check_batch(logits, labels, weights, classes=len(self.class_weights))
        row_weights = torch.ones_like(labels, dtype=torch.float32) if weights is None else weights.detach().float()
        total_weights = row_weights * self.class_weights[labels]
        total = (total_weights * self.row_losses(logits.float(), labels)).sum()
        divisor = (total_weights if self.normalize_by_weights else row_weights).sum()
        return total / divisor.clamp_min(torch.finfo(torch.float32).tiny)

    def update(self, class_accuracies: Tensor, class_counts: Tensor) -> None:
        """Called after every validation: the accuracy of every class [C] and its number of validation records [C].

        Nothing happens here: only a loss that follows the validation overrides it.
        """


class CDBLoss(ClassificationLoss):
    """Class-wise difficulty-balanced cross entropy (Sinha, Ohashi and Nakamura, ACCV 2020): see `cdb_weights`.

    The weights are all 1 until the first `update`, and those of the last validation from then on. With hundreds of
    classes a few records each, `shrinkage` and `quantile`, which the paper lacks, keep the dynamic tau below 2.
    """

    def __init__(
        self,
        counts: Tensor,
        tau: float | Literal["dynamic"] = "dynamic",
        minimum_weight: float = 0.0,
        shrinkage: float = 0.0,
        normalize_by_weights: bool = False,
        quantile: float = 0.0,
    ):
        super().__init__(counts, normalize_by_weights=normalize_by_weights)
        self.tau = tau if tau == "dynamic" else _at_least_zero("tau", tau, or_else="'dynamic'")
        self.minimum_weight = _at_least_zero("minimum_weight", minimum_weight)
        self.shrinkage = _at_least_zero("shrinkage", shrinkage)
        if not 0 <= quantile < 0.5:
            raise ValueError(f"quantile is {quantile}: allowed is 0 to below 0.5")
        self.quantile = quantile

    def update(self, class_accuracies: Tensor, class_counts: Tensor) -> None:
        """Take the weights of the classes from a validation; ValueError as in `smoothed_accuracies`."""
        if len(class_accuracies) != len(self.class_weights):
            raise ValueError(f"{len(class_accuracies)} class accuracies for {len(self.class_weights)} classes")
        accuracies = smoothed_accuracies(class_accuracies, class_counts, self.shrinkage)
        measured = accuracies[class_counts.cpu() > 0]
        tau = dynamic_tau(measured, self.quantile) if self.tau == "dynamic" else self.tau
        self.class_weights.copy_(cdb_weights(accuracies, tau, self.minimum_weight))


def cdb_weights(accuracies: Tensor, tau: float | Literal["dynamic"] = "dynamic", minimum_weight: float = 0.0) -> Tensor:
    """Accuracies [C] -> weights [C] with mean 1: (1 - accuracy) ** tau, no less than `minimum_weight`, over their mean.

    Without a minimum a class that is all right weighs 0, and learns no more until it errs again, as in the paper. When
    every weight is 0 there is nothing to balance, and all are 1.
    """
    exponent = dynamic_tau(accuracies) if tau == "dynamic" else float(tau)
    weights = ((1 - accuracies.double()) ** exponent).clamp_min(minimum_weight)
    return weights / weights.mean() if weights.any() else torch.ones_like(weights)


def dynamic_tau(accuracies: Tensor, quantile: float = 0.0) -> float:
    """2 * sigmoid(max / (min + 0.01) - 1), the paper's form: about 1 when the classes are alike, under 2 always.

    One class with accuracy 0 is enough for 2, so of hundreds of classes take the `quantile` and 1 - `quantile`
    quantiles as min and max, or smooth the accuracies first; where many classes are at 0, both.
    """
    least, most = accuracies.double().quantile(accuracies.new_tensor([quantile, 1 - quantile]).double())
    bias = most / (least + EPSILON) - 1
    return float(2 * torch.sigmoid(bias))


def smoothed_accuracies(accuracies: Tensor, counts: Tensor, shrinkage: float = 0.0) -> Tensor:
    """(right + m * mean) / (count + m) for every class [C]: m = `shrinkage` records of mean accuracy are added to each.

    The mean is over the classes that have validation records. A class that has none gets the mean, whatever its
    accuracy says (NaN is fine). ValueError: no class has records, or an accuracy outside 0..1.
    """
    accuracies, counts = accuracies.detach().cpu().double(), _checked_counts(counts)
    if accuracies.shape != counts.shape:
        raise ValueError(f"accuracies have the shape {tuple(accuracies.shape)} and counts {tuple(counts.shape)}")
    seen = counts > 0
    if not seen.any():
        raise ValueError("no class has validation records: difficulty cannot be measured")
    wrong = (seen & ~((accuracies >= 0) & (accuracies <= 1))).nonzero()
    if len(wrong):
        raise ValueError(f"class {int(wrong[0])} has accuracy {float(accuracies[wrong[0]])}: allowed is 0 to 1")
    mean = accuracies[seen].mean()
    accuracies = torch.where(seen, accuracies, mean)
    pull = shrinkage / (counts + shrinkage) if shrinkage else torch.zeros_like(counts)
    return (accuracies + pull * (mean - accuracies)).clamp(0, 1)


class FocalLoss(ClassificationLoss):
    """-(1 - p) ** gamma * log p of the right class (Lin et al. 2017); gamma 0 is cross entropy."""

    def __init__(self, counts: Tensor, gamma: float = 2.0):
        super().__init__(counts)
        self.gamma = _at_least_zero("gamma", gamma)

    def row_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_probabilities = _log_probabilities(logits, labels)
        # At p = 1 and gamma < 1 the power has an infinite slope: below the minimum the slope is 0.
        error = (1 - log_probabilities.exp()).clamp_min(1e-12)
        return -(error**self.gamma) * log_probabilities


class AdjustedLoss(ClassificationLoss):
    """Cross entropy of logits + `adjustment` [C]: train with it, predict from the plain logits."""

    adjustment: Tensor

    def __init__(self, counts: Tensor, adjustment: Tensor):
        super().__init__(counts)
        self.register_buffer("adjustment", adjustment.float())

    def row_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        return super().row_losses(logits + self.adjustment, labels)


def cross_entropy(counts: Tensor) -> ClassificationLoss:
    """Every record the same."""
    return ClassificationLoss(counts)


def class_balanced(counts: Tensor, beta: float = 0.999, normalize_by_weights: bool = False) -> ClassificationLoss:
    """Class weights (1 - beta) / (1 - beta ** count) with mean 1 (Cui et al. 2019); beta 0 is cross entropy."""
    if not 0 <= beta < 1:
        raise ValueError(f"beta is {beta}: allowed is 0 to below 1")
    weights = (1 - beta) / (1 - beta ** _at_least_one(counts))
    return ClassificationLoss(counts, weights / weights.mean(), normalize_by_weights)


def balanced_softmax(counts: Tensor) -> AdjustedLoss:
    """Logits + log count (Ren et al. 2020)."""
    return AdjustedLoss(counts, _at_least_one(counts).log())


def logit_adjustment(counts: Tensor, tau: float = 1.0) -> AdjustedLoss:
    """Logits + tau * log prior, prior = count / sum of counts (Menon et al. 2021)."""
    counts = _at_least_one(counts)
    return AdjustedLoss(counts, tau * (counts / counts.sum()).log())


LOSSES: dict[str, Callable[..., ClassificationLoss]] = {
    "cross_entropy": cross_entropy,
    "cdb": CDBLoss,
    "focal": FocalLoss,
    "class_balanced": class_balanced,
    "balanced_softmax": balanced_softmax,
    "logit_adjustment": logit_adjustment,
}


def build_loss(name: str, *, counts: Tensor, **options: float | str | bool) -> ClassificationLoss:
    """The loss called `name` in `LOSSES`; `counts` [C] are the train records of every class, `options` its arguments.

    ValueError for an unknown name or option, with those that are allowed.
    """
    if name not in LOSSES:
        raise ValueError(f"no loss is called {name!r}: allowed are {', '.join(LOSSES)}")
    allowed = [option for option in inspect.signature(LOSSES[name]).parameters if option != "counts"]
    unknown = [option for option in options if option not in allowed]
    if unknown:
        raise ValueError(f"loss {name!r} has no option {unknown[0]!r}: allowed are {', '.join(allowed) or 'none'}")
    return LOSSES[name](counts, **options)


def _log_probabilities(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.log_softmax(dim=-1).gather(1, labels.long()[:, None])[:, 0]


def _checked_counts(counts: Tensor) -> Tensor:
    """Counts [C] in float64 on the CPU."""
    counts = torch.as_tensor(counts).detach().cpu().double()
    if counts.ndim != 1 or not len(counts) or not ((counts >= 0) & counts.isfinite()).all():
        raise ValueError("counts must be one number of records, 0 or more, for every class")
    return counts


def _at_least_one(counts: Tensor) -> Tensor:
    return _checked_counts(counts).clamp_min(1)


def _at_least_zero(name: str, value: float, or_else: str = "") -> float:
    if isinstance(value, int | float) and 0 <= value < float("inf"):
        return float(value)
    raise ValueError(f"{name} is {value!r}: allowed is a number, 0 or more{or_else and f', or {or_else}'}")


def _check_batch(logits: Tensor, labels: Tensor, weights: Tensor | None, classes: int) -> None:
    if labels.ndim != 1 or logits.shape != (len(labels), classes) or not len(labels):
        given = f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)}"
        raise ValueError(f"{given}: allowed are [B, {classes}] and [B], B 1 or more")
    outside = ((labels < 0) | (labels >= classes)).nonzero()
    if len(outside):
        row = int(outside[0])
        raise ValueError(f"row {row} of the batch has label {int(labels[row])}: allowed is 0 to {classes - 1}")
    if weights is not None and (weights.shape != labels.shape or (weights < 0).any()):
        raise ValueError(f"weights {tuple(weights.shape)}: allowed is one, 0 or more, for each of {len(labels)} rows")
