"""What no loss changes is computed once; each loss trains a copy of the untrained model on it."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas
import torch
from accelerate import Accelerator
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from occ_autocoder.model.modeling_occupation import OccupationForSequenceClassification
from occ_autocoder.model.remember_occupation import remember
from occ_autocoder.training.arguments import TrainingArguments
from occ_autocoder.training.embeddings import cached_embeddings
from occ_autocoder.training.examples import Example, known_texts, label_codes, taxonomy_examples, taxonomy_texts
from occ_autocoder.training.fusion import fit_fusion
from occ_autocoder.training.initial import freeze, new_model
from occ_autocoder.training.inputs import Features, featurize
from occ_autocoder.training.loop import Data, fit
from occ_autocoder.training.losses import build_loss
from occ_autocoder.training.train import as_data, labelled_examples

from .measures import test_forms
from .ours import as_records
from .records import Benchmark

PART = 64
# What a record is coded by: the trained heads alone, on which a loss acts, or the whole model.
VIEWS = {"heads": {"head_only": True}, "model": {}}


@dataclass(frozen=True)
class Prepared:
    """An untrained model, what it is trained and validated on, the features of each form of the test, and the codes."""

    model: OccupationForSequenceClassification
    tokenizer: PreTrainedTokenizerBase
    train: Data
    validation: Data
    held: Features
    test: dict[str, Features]
    codes: list[str]

    def examples(self) -> dict[str, int]:
        """Code -> the texts that it is trained with: its records' in up to three forms, and the taxonomy's."""
        return dict(zip(self.codes, self.counts().tolist(), strict=True))

    def counts(self) -> torch.Tensor:
        """The same [C], in the order of the codes."""
        return torch.bincount(self.train.labels, minlength=len(self.codes))


def prepare(benchmark: Benchmark, records: Dataset, arguments: TrainingArguments, folder: Path) -> Prepared:
    """The steps of `training.train.train` up to the loss, for training on these records with a frozen encoder.

    Args:
        folder: of the embeddings.
    """
    codes = label_codes(benchmark.taxonomy)
    texts = taxonomy_texts(benchmark.taxonomy, codes)
    validation = as_records(benchmark.splits["validation"], "validation")
    own, held = labelled_examples(records, validation, codes, arguments)
    examples = [*own, *taxonomy_examples(texts, codes)]
    model, tokenizer = new_model(benchmark.taxonomy, codes, arguments)
    known = known_texts(texts, own, arguments.memory_texts, arguments.seed)
    embed = partial(cached_embeddings, model, folder=folder, pad_token_id=tokenizer.pad_token_id or 0)
    remember(model, tokenizer, known.titles, known.definitions, embed)
    features, held_features = (featurize(part, model, tokenizer, folder) for part in (examples, held))
    freeze(model, arguments)
    test = {
        form: featurize(examples_of(rows, model.config.label2id), model, tokenizer, folder)
        for form, rows in test_forms(benchmark.splits["test"]).items()
        if len(rows)
    }
    return Prepared(
        model, tokenizer, as_data(features, examples), as_data(held_features, held), held_features, test, codes
    )


def examples_of(rows: pandas.DataFrame, label2id: Mapping[str, int]) -> list[Example]:
    """The rows as examples."""
    fields = zip(rows["job_title"], rows["job_duties"], rows["code"].map(label2id), strict=True)
    return [Example(*values, "") for values in fields]


def trained(
    prepared: Prepared, loss: str, options: Mapping, arguments: TrainingArguments
) -> OccupationForSequenceClassification:
    """The steps from the loss on: a copy of the model, its heads trained, the weights of its evidence fitted."""
    model, held = copy.deepcopy(prepared.model), prepared.held
    built = build_loss(loss, counts=prepared.counts(), **options)
    fit(model, prepared.train, prepared.validation, built, arguments, Accelerator())
    fit_fusion(model, held.batch, held.forms, held.labels, arguments.seed)
    return model.eval()


def views_of(model: OccupationForSequenceClassification, prepared: Prepared) -> dict[str, dict[str, dict]]:
    """view -> form -> code -> [rows coded right, rows] in the test."""
    return {
        view: {
            form: right_by_code(model, features, prepared.codes, options) for form, features in prepared.test.items()
        }
        for view, options in VIEWS.items()
    }


@torch.no_grad()
def right_by_code(
    model: OccupationForSequenceClassification, features: Features, codes: Sequence[str], options: Mapping
) -> dict[str, list[int]]:
    """Code -> [rows coded right, rows], of codes that have any; `options` are the model's."""
    parts = torch.arange(len(features.labels)).split(PART)
    answers = torch.cat([model(**features.batch(part), **options).logits.argmax(-1) for part in parts])
    rows = torch.bincount(features.labels, minlength=len(codes)).tolist()
    right = torch.bincount(features.labels[answers == features.labels], minlength=len(codes)).tolist()
    return {code: [hits, count] for code, hits, count in zip(codes, right, rows, strict=True) if count}
