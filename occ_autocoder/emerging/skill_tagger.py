"""A token classifier of skills and knowledge: any encoder of transformers, one B, I or O a layer and word.

Layers may overlap: a skill may name what has to be known. Each has three of the classifier's outputs, so that the model
is a plain `AutoModelForTokenClassification`, which loads everywhere.
"""

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from torch.nn import functional as F
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

from occ_autocoder.data.encoder import encoder_source
from occ_autocoder.data.tagged import ALLOWED, BEGIN, INSIDE, OUTSIDE, TAGS, TOKENS, tag_columns
from occ_autocoder.evaluation.spans import BOTH, span_scores

TAG = {name: place for place, name in enumerate(ALLOWED)}
IGNORED = -100


@dataclass(frozen=True)
class TaggerArguments:
    """The settings of `train_tagger`; ValueError, naming the setting, for values that make no sense."""

    encoder: str = field(default="bundled", metadata={"help": "bundled, a folder, or an id on the Hub"})
    encoder_revision: str | None = field(default=None, metadata={"help": "branch, tag or commit of the encoder"})
    epochs: int = field(default=6, metadata={"help": "passes over the texts; the best by the held-out ones is kept"})
    learning_rate: float = field(default=2e-4, metadata={"help": "the largest; it rises, and falls to 0"})
    weight_decay: float = field(default=0.01, metadata={"help": "of AdamW"})
    warmup: float = field(default=0.1, metadata={"help": "share of the steps with a rising learning rate"})
    batch_size: int = field(default=32, metadata={"help": "texts that go through the model at a time"})
    max_length: int = field(default=128, metadata={"help": "tokens of a text; what is longer is cut in training"})
    mixed_precision: str = field(default="no", metadata={"help": "no, bf16 or fp16"})
    seed: int = field(default=0, metadata={"help": "of every random act"})

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: a whole number from 1")
        if self.max_length < 8:
            raise ValueError(f"max_length is {self.max_length}; allowed: a whole number from 8")
        if self.learning_rate <= 0 or self.weight_decay < 0 or not 0 <= self.warmup < 1:
            given = f"learning_rate is {self.learning_rate}, weight_decay {self.weight_decay}, warmup {self.warmup}"
            raise ValueError(f"{given}; allowed: above 0, from 0, from 0 to below 1")
        if self.mixed_precision not in ("no", "bf16", "fp16"):
            raise ValueError(f"mixed_precision is {self.mixed_precision!r}; allowed: no, bf16, fp16")


def train_tagger(train: Dataset, validation: Dataset, arguments: TaggerArguments, folder: str | Path) -> dict:
    """Train a tagger and save it in `folder`, which appears when it is whole; what its `training.json` says.

    That is: the settings, the layers, how many texts, and of each epoch the F1 of spans on the held-out texts
    (strict; of all layers together), by which the best epoch is kept.

    Args:
        train, validation: as `data.tagged.read_tagged` gives them, with the same columns of tags.
    Raises: ValueError for other columns in `validation`, or a folder that is there already.
    """
    folder = Path(folder)
    columns = tag_columns(train)
    if tag_columns(validation) != columns:
        raise ValueError(f"validation has the tags {tag_columns(validation)}; allowed: those of training, {columns}")
    if folder.exists():
        raise ValueError(f"{folder}: there already; allowed: a new folder")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    set_seed(arguments.seed)
    model, tokenizer = new_tagger(columns, arguments)
    parts = [with_labels(part, columns, tokenizer, arguments.max_length) for part in (train, validation)]
    trainer = new_trainer(model, tokenizer, *parts, [layer_of(name) for name in columns], arguments, unfinished)
    trainer.train()
    history = [entry for entry in trainer.state.log_history if "eval_f1" in entry]
    about = {
        "arguments": asdict(arguments),
        "layers": [layer_of(name) for name in columns],
        "texts": {"train": len(train), "validation": len(validation)},
        "history": [{"epoch": entry["epoch"], "loss": entry["eval_loss"], "f1": entry["eval_f1"]} for entry in history],
    }
    shutil.rmtree(unfinished)
    model.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    (unfinished / "training.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    unfinished.rename(folder)
    return about


def layer_of(column: str) -> str:
    """The kind of the spans that a column tags: "knowledge" of tags_knowledge, "skill" of tags."""
    return column.removeprefix(f"{TAGS}_") if column != TAGS else "skill"


def new_tagger(columns: Sequence[str], arguments: TaggerArguments):
    """The encoder with a new classifier, and its tokenizer."""
    source, names = encoder_source(arguments.encoder), [f"{tag}-{layer_of(name)}" for name in columns for tag in TAG]
    known = {"revision": arguments.encoder_revision, "trust_remote_code": False}
    loader, level = logging.getLogger("transformers.modeling_utils"), logging.ERROR
    before, _ = loader.level, loader.setLevel(level)  # that the classifier is new is no news
    try:
        model = AutoModelForTokenClassification.from_pretrained(
            source,
            num_labels=len(names),
            id2label=dict(enumerate(names)),
            label2id={name: place for place, name in enumerate(names)},
            **known,
        )
    finally:
        loader.setLevel(before)
    return model, AutoTokenizer.from_pretrained(source, **known)


def with_labels(dataset: Dataset, columns: Sequence[str], tokenizer, max_length: int) -> Dataset:
    """The texts as the model's inputs, with `labels` [T, layers]: the tag at each word's first token, else ignored."""

    def labelled(row: dict) -> dict:
        found = tokenizer(row[TOKENS], is_split_into_words=True, truncation=True, max_length=max_length)
        words = found.word_ids()
        tags = [[TAG[tag] for tag in row[name]] for name in columns]
        first = [word is not None and word != before for word, before in zip(words, [None, *words])]
        labels = [
            [layer[word] for layer in tags] if is_first else [IGNORED] * len(columns)
            for word, is_first in zip(words, first)
        ]
        return {"input_ids": found["input_ids"], "attention_mask": found["attention_mask"], "labels": labels}

    return dataset.map(labelled, remove_columns=dataset.column_names)


def new_trainer(model, tokenizer, train, validation, layers, arguments: TaggerArguments, folder: Path) -> Trainer:
    """The library's trainer with our loss, batches and measure."""
    options = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        weight_decay=arguments.weight_decay,
        warmup_steps=arguments.warmup,
        per_device_train_batch_size=arguments.batch_size,
        per_device_eval_batch_size=arguments.batch_size,
        train_sampling_strategy="group_by_length",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_only_model=True,
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="f1",
        logging_strategy="no",
        report_to="none",
        use_cpu=not torch.accelerator.is_available(),
        bf16=arguments.mixed_precision == "bf16",
        fp16=arguments.mixed_precision == "fp16",
        seed=arguments.seed,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
    )
    trainer = Trainer(
        model=model,
        args=options,
        train_dataset=train,
        eval_dataset=validation,
        data_collator=lambda rows: padded(rows, tokenizer.pad_token_id or 0),
        compute_loss_func=layer_loss,
        compute_metrics=lambda prediction: {"f1": strict_f1(prediction.predictions, prediction.label_ids, layers)},
        preprocess_logits_for_metrics=lambda logits, labels: by_layer(logits).float().softmax(-1),
    )
    for shown in (ProgressCallback, PrinterCallback):  # the second stands in where bars are off
        trainer.remove_callback(shown)
    return trainer


def padded(rows: Sequence[dict], pad_token_id: int) -> dict[str, torch.Tensor]:
    """The rows as one batch."""
    longest = max(len(row["input_ids"]) for row in rows)
    blank = [IGNORED] * len(rows[0]["labels"][0])
    filling = {"input_ids": pad_token_id, "attention_mask": 0, "labels": blank}
    return {
        name: torch.tensor([row[name] + [value] * (longest - len(row["input_ids"])) for row in rows])
        for name, value in filling.items()
    }


def by_layer(logits: torch.Tensor) -> torch.Tensor:
    """Logits [B, T, 3 * layers] -> [B, T, layers, 3], in the order of `TAG`."""
    return logits.unflatten(-1, (-1, len(TAG)))


def layer_loss(outputs, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
    """The mean cross entropy of the tags of every layer; labels [B, T, layers]."""
    return F.cross_entropy(by_layer(outputs.logits).flatten(0, 2).float(), labels.flatten(), ignore_index=IGNORED)


def strict_f1(scores: np.ndarray, labels: np.ndarray, layers: Sequence[str]) -> float:
    """The F1 of the spans of all layers, from probabilities [n, T, layers, 3] and labels [n, T, layers]."""
    kept = labels[..., 0] != IGNORED
    gold = [spans_of(row[own], layers) for row, own in zip(labels, kept, strict=True)]
    found = [spans_of(best_tags(row[own]), layers) for row, own in zip(scores, kept, strict=True)]
    return span_scores(gold, found)["strict"][BOTH]["f1"]


def best_tags(scores: np.ndarray) -> np.ndarray:
    """Probabilities [words, layers, 3] -> the likeliest tags [words, layers] in which each I comes after a B or an I.

    By dynamic programming (Viterbi 1967): the likeliest tag of each word alone breaks spans into pieces.
    """
    if not len(scores):
        return np.zeros(scores.shape[:2], dtype=int)
    logs = np.log(np.clip(scores, 1e-9, 1))
    total, before = logs[0].copy(), []
    total[:, TAG[INSIDE]] = -np.inf
    for own in logs[1:]:
        steps = np.repeat(total[:, :, None], len(TAG), axis=2)
        steps[:, TAG[OUTSIDE], TAG[INSIDE]] = -np.inf
        before.append(steps.argmax(1))
        total = steps.max(1) + own
    tags = [total.argmax(-1)]
    for places in reversed(before):
        tags.append(np.take_along_axis(places, tags[-1][:, None], 1)[:, 0])
    return np.stack(tags[::-1])


def spans_of(tags: np.ndarray, layers: Sequence[str]) -> list[tuple[str, int, int]]:
    """(layer, first word, word after the last) of the spans that tags [words, layers] tell; an I after O begins one."""
    found = []
    for place, layer in enumerate(layers):
        start = None
        for word, tag in enumerate([*tags[:, place].tolist(), TAG[OUTSIDE]]):
            if start is not None and tag != TAG[INSIDE]:
                found.append((layer, start, word))
                start = None
            if tag == TAG[BEGIN] or (tag == TAG[INSIDE] and start is None):
                start = word
    return found
