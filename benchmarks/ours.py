"""Our model on a benchmark: trained as a user trains it, saved, loaded and measured."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas
import torch
from datasets import Dataset
from transformers import AutoTokenizer

from occ_autocoder.data.records import RECORD_FEATURES
from occ_autocoder.model.modeling_occupation import OccupationForSequenceClassification
from occ_autocoder.training.arguments import TrainingArguments
from occ_autocoder.training.examples import Example
from occ_autocoder.training.inputs import featurize
from occ_autocoder.training.train import train

from .measures import measure
from .records import Benchmark

BATCH = 64
UNTRAINED_ENCODER = {"contrastive_epochs": 0}


def run_ours(benchmark: Benchmark, settings: Mapping, seed: int, output: Path, cache: Path, keep: bool = False) -> dict:
    """The result of our model with one seed: `fit_seconds`, `arguments` and `forms`.

    Args:
        settings: fields of `TrainingArguments` in place of the bundled encoder, frozen, and the defaults.
        output: folder of the trained model; removed afterwards unless `keep`.
    """
    arguments = training_arguments(settings, seed)
    parts = {split: as_records(benchmark.splits[split], split) for split in ("train", "validation")}
    start = time.perf_counter()
    train(benchmark.taxonomy, parts["train"], arguments, output, validation=parts["validation"], cache=cache)
    seconds = time.perf_counter() - start
    model = OccupationForSequenceClassification.from_pretrained(output).eval()
    codes = [model.config.id2label[label] for label in range(model.config.num_labels)]
    predict = predictor(model, AutoTokenizer.from_pretrained(output), cache)
    forms = measure(predict, benchmark.splits["test"], benchmark.taxonomy, codes, probabilities=True)
    size = (output / "model.safetensors").stat().st_size / 1e6
    if not keep:
        shutil.rmtree(output)
    return {"fit_seconds": seconds, "megabytes": size, "settings": dict(settings), "forms": forms}


def training_arguments(settings: Mapping, seed: int) -> TrainingArguments:
    """The arguments of a run; ValueError for a name that is none of theirs."""
    unknown = sorted(set(settings) - set(TrainingArguments.names()))
    if unknown:
        raise ValueError(f"no setting {', '.join(unknown)}; allowed: {', '.join(TrainingArguments.names())}")
    return TrainingArguments(**{"encoder": "bundled", "mode": "frozen", "seed": seed, **settings})


def parse_settings(pairs: Sequence[str]) -> dict:
    """ "name=value" as a dict; a value that is JSON (a number, true, {...}) is read as such. ValueError: no "="."""
    settings = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise ValueError(f"{pair!r}: a setting is given as name=value")
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    return settings


def as_records(frame: pandas.DataFrame, split: str) -> Dataset:
    """Rows with job_title, job_duties and code as a dataset of records."""
    columns = {name: frame[name].tolist() for name in ("job_title", "job_duties", "code")}
    ids = [f"{split}-{place}" for place in range(len(frame))]
    return Dataset.from_dict(columns | {"id": ids, "source": [""] * len(frame)}).cast(RECORD_FEATURES)


def predictor(model: OccupationForSequenceClassification, tokenizer, cache: Path | None = None):
    """titles, duties -> probabilities [n, C] of the model, in batches; embeddings come from the `cache` folder."""

    @torch.no_grad()
    def predict(job_titles: Sequence[str], job_duties: Sequence[str]) -> np.ndarray:
        pairs = zip(job_titles, job_duties, strict=True)
        features = featurize([Example(*pair, 0, "") for pair in pairs], model, tokenizer, cache, model.spelling())
        parts = torch.arange(len(job_titles)).split(BATCH)
        return np.concatenate([model(**features.batch(part)).logits.double().softmax(-1).numpy() for part in parts])

    return predict
