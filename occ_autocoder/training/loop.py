"""The training loop, from top to bottom: steps over shuffled batches, validation, early stopping, exact resume.

What is random at a step depends on the seed and the step's number alone, so that a run that was killed goes on from its
last checkpoint to the same weights, bit for bit, as one that was not.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from tqdm.auto import tqdm

from .arguments import TrainingArguments
from .checkpoints import flatten_optimizer, load_latest, restore_optimizer, save_checkpoint
from .losses import ClassificationLoss
from .validation import class_accuracies, validate

Batches = Callable[[torch.Tensor], dict[str, torch.Tensor]]


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the step and the examples."""


@dataclass
class Progress:
    """Where a run stands: steps done, the best validation so far, and what each epoch's validation said."""

    step: int = 0
    best_metric: float = -math.inf
    best_epoch: int = -1
    stopped: bool = False
    history: list[dict] = field(default_factory=list)


@dataclass(frozen=True)
class Data:
    """Examples as the loop takes them: `batches(indices)` gives the model's inputs; `origins` names the rows."""

    batches: Batches
    labels: torch.Tensor
    origins: list[str]


def fit(
    model: torch.nn.Module,
    train: Data,
    validation: Data,
    loss: ClassificationLoss,
    arguments: TrainingArguments,
    accelerator: Accelerator,
    folder: Path | None = None,
    run: dict | None = None,
) -> Progress:
    """Train the weights of `model` that require a gradient; it ends with the last, or with `patience` the best.

    Args:
        folder: for the checkpoints; a run that finds one there, of the same `run` (its fingerprint), goes on from it.
    Raises:
        TrainingError: where a loss is not finite; the checkpoints stay as they are.
        CheckpointError: where the checkpoints in `folder` are another run's, or none can be read.
    """
    optimizer = torch.optim.AdamW(parameter_groups(model, arguments), fused=True)
    model, optimizer = accelerator.prepare(model, optimizer)
    loss.to(accelerator.device)
    names, best = trained(accelerator.unwrap_model(model)), {}
    progress = resume(folder, run, names, best, optimizer, loss) if folder else Progress()
    steps_an_epoch = math.ceil(len(train.labels) / arguments.batch_size)
    total = steps_an_epoch * arguments.epochs
    with tqdm(total=total, initial=progress.step, desc="training", disable=not accelerator.is_main_process) as bar:
        while progress.step < total and not progress.stopped:
            epoch, place = divmod(progress.step, steps_an_epoch)
            indices = epoch_order(len(train.labels), arguments.seed, epoch)[place * arguments.batch_size :]
            set_learning_rate(optimizer, progress.step / total, arguments.warmup)
            value = take_step(
                model, optimizer, loss, train, indices[: arguments.batch_size], arguments, accelerator, progress
            )
            progress.step += 1
            bar.update()
            if place + 1 == steps_an_epoch:
                end_epoch(model, validation, loss, arguments, accelerator, progress, best, names)
                bar.set_postfix(
                    {name: f"{number:.3f}" for name, number in progress.history[-1].items() if name != "epoch"}
                )
                accelerator.log({"loss": value, **progress.history[-1]}, step=progress.step)
            if folder and is_due(progress, place + 1 == steps_an_epoch, arguments) and accelerator.is_main_process:
                save(folder, run, names, best, optimizer, loss, progress)
    accelerator.wait_for_everyone()
    restore(names, best)
    return progress


def parameter_groups(model: torch.nn.Module, arguments: TrainingArguments) -> list[dict]:
    """The trained weights, those of the encoder and the head's apart; vectors and n-grams are not decayed."""
    settings = {
        True: (arguments.encoder_learning_rate, arguments.encoder_weight_decay),
        False: (arguments.learning_rate, arguments.weight_decay),
    }
    groups: dict[tuple[float, float], list] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            rate, decay = settings["encoder." in name]
            decayed = weight.ndim > 1 and "ngrams." not in name
            groups.setdefault((rate, decay if decayed else 0.0), []).append(weight)
    return [
        {"params": weights, "lr": rate, "base_lr": rate, "weight_decay": decay}
        for (rate, decay), weights in groups.items()
    ]


def epoch_order(count: int, seed: int, epoch: int) -> torch.Tensor:
    """The order of the examples in an epoch, the same whenever and wherever it is asked for."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def set_learning_rate(optimizer: torch.optim.Optimizer, done: float, warmup: float) -> None:
    """Linear up over the share `warmup` of the run, linear down to 0 over the rest; `done` is the share behind."""
    factor = min(1.0, (done + 1e-3) / warmup if warmup else 1.0, (1.0 - done) / max(1.0 - warmup, 1e-9))
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def take_step(
    model, optimizer, loss, train: Data, indices, arguments, accelerator: Accelerator, progress: Progress
) -> float:
    """One update from the examples at `indices`, shared among the processes; the mean loss of this process's share."""
    model.train()
    torch.manual_seed(
        arguments.seed * 1_000_003 + progress.step * accelerator.num_processes + accelerator.process_index
    )
    own = indices[accelerator.process_index :: accelerator.num_processes]
    parts = [part for part in own.chunk(arguments.gradient_accumulation) if len(part)]
    total = 0.0
    for number, part in enumerate(parts):
        batch = to_device(train.batches(part), accelerator.device)
        with accelerator.accumulate(model) if number + 1 == len(parts) else accelerator.no_sync(model):
            with accelerator.autocast():
                logits = model(**batch).head_logits
            labels = train.labels[part].to(accelerator.device)
            value = sum(loss(own_logits, labels) for own_logits in logits.unbind(1))
            check_finite(value, progress.step, part, train)
            # The mean over all processes' gradients is the mean over the batch, whatever each one's share.
            accelerator.backward(value * len(part) * accelerator.num_processes / len(indices))
        total += value.item() * len(part) / len(own)
    accelerator.clip_grad_norm_(model.parameters(), arguments.max_gradient_norm)
    optimizer.step()
    optimizer.zero_grad()
    return total


def check_finite(value: torch.Tensor, step: int, part: torch.Tensor, train: Data) -> None:
    """TrainingError, naming the step and the examples, for a loss that is not finite."""
    if not torch.isfinite(value):
        rows = ", ".join(train.origins[place] for place in part.tolist()[:10])
        more = f" and {len(part) - 10} more" if len(part) > 10 else ""
        raise TrainingError(
            f"the loss is {value.item()} at step {step}, examples of {rows}{more}; nothing was saved of it"
        )


def to_device(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """The batch on the device."""
    return {name: value.to(device) for name, value in batch.items()}


def end_epoch(
    model, validation: Data, loss, arguments, accelerator, progress: Progress, best: dict, names: dict
) -> None:
    """Validate, tell the loss how hard each class is; with `patience`, keep the best weights, or stop for want of any.

    Without it the last weights are the best: a few hundred held-out examples tell epochs apart by chance.
    """
    epoch = len(progress.history)
    if not len(validation.labels):
        progress.history.append({"epoch": epoch})
        return
    metrics, predictions = validate(accelerator.unwrap_model(model), validation, accelerator)
    loss.update(*class_accuracies(predictions, validation.labels, len(loss.class_weights), accelerator.device))
    progress.history.append({"epoch": epoch, **metrics})
    metric = metrics[arguments.early_stopping_metric] * (-1 if arguments.early_stopping_metric == "loss" else 1)
    if not arguments.patience:
        progress.best_metric, progress.best_epoch = metric, epoch
    elif metric > progress.best_metric:
        progress.best_metric, progress.best_epoch = metric, epoch
        best.update({name: weight.detach().clone() for name, weight in names.items()})
    else:
        progress.stopped = epoch - progress.best_epoch >= arguments.patience


def trained(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The weights that require a gradient, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def is_due(progress: Progress, epoch_ends: bool, arguments: TrainingArguments) -> bool:
    """Whether a checkpoint is to be written now: every so many steps, and after each validation."""
    return bool(arguments.checkpoint_steps) and (epoch_ends or progress.step % arguments.checkpoint_steps == 0)


def save(folder: Path, run, names: dict, best: dict, optimizer, loss, progress: Progress) -> None:
    """Write a checkpoint: weights, the best ones, the optimizer's state, the loss's, and where the run stands."""
    optimizer_tensors, optimizer_state = flatten_optimizer(optimizer.state_dict())
    tensors = {f"weight.{name}": weight for name, weight in names.items()}
    tensors |= {f"best.{name}": weight for name, weight in best.items()}
    tensors |= {f"loss.{name}": value for name, value in loss.state_dict().items()} | optimizer_tensors
    state = {
        "run": run,
        "progress": vars(progress) | {"best_metric": finite(progress.best_metric)},
        "optimizer": optimizer_state,
    }
    save_checkpoint(folder, progress.step, tensors, state)


def finite(metric: float) -> float | None:
    """None for minus infinity, which JSON lacks."""
    return metric if math.isfinite(metric) else None


def resume(folder: Path, run, names: dict, best: dict, optimizer, loss) -> Progress:
    """Go back to the latest checkpoint in `folder`, if there is one, and say where the run stands."""
    checkpoint = load_latest(folder, run)
    if checkpoint is None:
        return Progress()
    parts = {"weight": {}, "best": {}, "loss": {}}
    for name, value in checkpoint.tensors.items():
        kind, _, rest = name.partition(".")
        parts.get(kind, {})[rest] = value
    restore(names, parts["weight"])
    best.update({name: value.to(names[name].device) for name, value in parts["best"].items()})
    loss.load_state_dict(parts["loss"])
    restore_optimizer(optimizer, checkpoint.tensors, checkpoint.state["optimizer"])
    progress = Progress(**checkpoint.state["progress"])
    progress.best_metric = -math.inf if progress.best_metric is None else progress.best_metric
    return progress


@torch.no_grad()
def restore(names: dict[str, torch.nn.Parameter], values: dict[str, torch.Tensor]) -> None:
    """Copy the values into the weights of the same names; without values, nothing."""
    for name, value in values.items():
        names[name].copy_(value)
