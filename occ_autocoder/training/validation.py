"""What the head makes of held-out examples: the metrics of an epoch, and how hard each class is."""

import torch
from torch.nn import functional as F

PART = 256


@torch.no_grad()
def validate(model, data, accelerator) -> tuple[dict[str, float], torch.Tensor]:
    """`accuracy`, `macro_recall` (over the classes that occur) and `loss` of the head's logits, and its choices [n].

    Every process sees every example, so the numbers are those of one process.
    """
    was_training = model.training
    model.eval()
    predictions, losses = [], []
    for indices in torch.arange(len(data.labels)).split(PART):
        batch = {name: value.to(accelerator.device) for name, value in data.batches(indices).items()}
        logits = model(**batch, head_only=True).logits.float().cpu()
        predictions.append(logits.argmax(-1))
        losses.append(F.cross_entropy(logits, data.labels[indices], reduction="none"))
    model.train(was_training)
    found = torch.cat(predictions)
    accuracies, counts = class_accuracies(found, data.labels, model.config.num_labels)
    metrics = {
        "accuracy": (found == data.labels).float().mean().item(),
        "macro_recall": accuracies[counts > 0].mean().item(),
        "loss": torch.cat(losses).mean().item(),
    }
    return metrics, found


def class_accuracies(predictions, labels, classes: int, device="cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Of each class, the share of its examples that are right (0 without any) and how many it has, both [C]."""
    counts = torch.bincount(labels, minlength=classes)
    right = torch.bincount(labels[predictions == labels], minlength=classes)
    return (right / counts.clamp(min=1)).to(device), counts.to(device)
