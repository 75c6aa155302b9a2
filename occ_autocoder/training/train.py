"""From a taxonomy and records to a trained, saved model: the steps in their order."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from datasets import Dataset

from occ_autocoder.data.encoder import CACHE
from occ_autocoder.data.splits import split_records
from occ_autocoder.model.modeling_occupation import OccupationForSequenceClassification
from occ_autocoder.model.remember_occupation import embed_memory, remember
from occ_autocoder.taxonomy import Taxonomy

from .arguments import TrainingArguments
from .embeddings import cached_embeddings
from .examples import (
    Example,
    KnownTexts,
    known_texts,
    label_codes,
    limit_pairs,
    record_examples,
    taxonomy_examples,
    taxonomy_texts,
)
from .fusion import fit_fusion
from .initial import freeze, merge_adapters, new_model
from .inputs import Features, featurize
from .loop import Data, Progress, fit
from .losses import build_loss

SETTINGS = "training.json"
CHECKPOINTS, ENCODER = "checkpoints", "encoder"


def train(
    taxonomy: Taxonomy,
    records: Dataset,
    arguments: TrainingArguments,
    output: str | Path,
    validation: Dataset | None = None,
    cache: str | Path = CACHE,
) -> OccupationForSequenceClassification:
    """Train a model and save it in `output`: weights, tokenizer, code, and the resolved settings (`training.json`).

    A run that was killed goes on from its last checkpoint in `output` when it is started again as it was.

    Args:
        records: with the columns of `data.records.RECORD_FEATURES`. The taxonomy's own texts train too.
        validation: held-out records, for early stopping and the evidence's weights; a share of `records` where None.
            Without any the weights stay those that public data gave.
        cache: folder of the embeddings of frozen encoders, by content.
    Raises:
        ValueError: a record with a code that is no label of the taxonomy; settings that need validation without any.
        TrainingError, CheckpointError: see `loop.fit`.
    """
    output, codes = Path(output), label_codes(taxonomy)
    accelerator = new_accelerator(arguments, output)
    texts = taxonomy_texts(taxonomy, codes)
    own, held = labelled_examples(records, validation, codes, arguments)
    examples = [*own, *taxonomy_examples(texts, codes)]
    model, tokenizer = new_model(taxonomy, codes, with_encoder(texts, own, arguments, output))
    model.to(accelerator.device)
    with accelerator.main_process_first():  # the others find the embeddings in the cache
        known = known_texts(texts, own, arguments.memory_texts, arguments.seed)
        folder = Path(cache) if arguments.mode == "frozen" else None
        embed = folder and partial(cached_embeddings, model, folder=folder, pad_token_id=tokenizer.pad_token_id or 0)
        remember(model, tokenizer, known.titles, known.definitions, embed)
        features, held_features = (featurize(part, model, tokenizer, folder) for part in (examples, held))
    freeze(model, arguments)
    counts = torch.bincount(features.labels, minlength=len(codes))
    loss = build_loss(arguments.loss, counts=counts, **arguments.loss_options)
    run = fingerprint(arguments, taxonomy, examples, held)
    data = (as_data(features, examples), as_data(held_features, held))
    progress = fit(model, *data, loss, arguments, accelerator, output / CHECKPOINTS, run)
    merge_adapters(model, arguments)
    if arguments.mode != "frozen":
        embed_memory(model, tokenizer.pad_token_id or 0)
    fitted = fit_fusion(model, held_features.batch, held_features.forms, held_features.labels, arguments.seed)
    if accelerator.is_main_process:
        save(output, model, tokenizer, arguments, run, progress, fitted)
    accelerator.end_training()
    return model.eval()


def with_encoder(
    texts: KnownTexts, own: Sequence[Example], arguments: TrainingArguments, output: Path
) -> TrainingArguments:
    """The arguments with the encoder that contrastive training left in `output`, where that is asked for."""
    if not arguments.contrastive_epochs:
        return arguments
    from .contrastive import contrastive_encoder

    folder = contrastive_encoder(texts, own, arguments, output / ENCODER)
    return dataclasses.replace(arguments, encoder=str(folder), encoder_revision=None) if folder else arguments


def new_accelerator(arguments: TrainingArguments, output: Path) -> Accelerator:
    """Accelerate for this run, with its tracker where one is asked for."""
    tracker = None if arguments.report_to == "none" else arguments.report_to
    accelerator = Accelerator(mixed_precision=arguments.mixed_precision, log_with=tracker, project_dir=str(output))
    if tracker:
        accelerator.init_trackers("occ_autocoder", config=dataclasses.asdict(arguments))
    return accelerator


def labelled_examples(
    records: Dataset, validation: Dataset | None, codes: Sequence[str], arguments: TrainingArguments
) -> tuple[list[Example], list[Example]]:
    """The examples of the training records and of the held-out ones."""
    label2id = {code: label for label, code in enumerate(codes)}
    if validation is None:
        parts = split_records(records, validation=arguments.validation_share, test=0.0, seed=arguments.seed)
        records, validation = parts["train"], parts["validation"]
    for name, part in (("training", records), ("validation", validation)):
        check_codes(part, label2id, name)
    parts = (record_examples(part, label2id) for part in (records, validation))
    own, held = (limit_pairs(part, arguments.pairs, arguments.seed) for part in parts)
    if not held and (arguments.patience or arguments.loss == "cdb"):
        raise ValueError("no validation records; allowed without them: patience=0 and another loss than cdb")
    return own, held


def check_codes(records: Dataset, label2id: Mapping[str, int], name: str) -> None:
    """ValueError, with the first record and its code, unless every record has a code that is a label."""
    for record in records:
        if record["code"] not in label2id:
            count = len(label2id)
            raise ValueError(f"{name} record {record['id']}: code {record['code']!r}; allowed: one of {count} labels")


def as_data(features: Features, examples: Sequence[Example]) -> Data:
    """Features as the loop takes them."""
    return Data(features.batch, features.labels, [example.origin for example in examples])


def fingerprint(
    arguments: TrainingArguments, taxonomy: Taxonomy, examples: Sequence[Example], held: Sequence[Example]
) -> dict[str, str]:
    """What has to be the same for a run to go on: settings, taxonomy and data, SHA-256 (hex) of the last two."""
    digests = {
        name: hashlib.sha256("\n".join(map(repr, part)).encode()).hexdigest()
        for name, part in (("train", examples), ("validation", held))
    }
    settings = json.dumps(dataclasses.asdict(arguments), sort_keys=True)
    return {"settings": settings, "taxonomy": taxonomy.fingerprint, **digests}


def save(output: Path, model, tokenizer, arguments, run: Mapping, progress: Progress, fitted: Mapping) -> None:
    """Write the model, its tokenizer, and how it came about."""
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    about = {
        "arguments": dataclasses.asdict(arguments),
        "run": run,
        "best_epoch": progress.best_epoch,
        "history": progress.history,
        "fusion_fitted_on": fitted,
        "torch_threads": torch.get_num_threads(),
    }
    (output / SETTINGS).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
