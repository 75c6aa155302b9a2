"""The encoder before the heads: titles and texts of one code are brought together, those of other codes apart.

In-batch negatives (MultipleNegativesRankingLoss; Henderson et al. 2017), by sentence-transformers' own trainer.
"""

import hashlib
import json
import logging
import math
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate import PartialState
from datasets import Dataset, DatasetDict

from occ_autocoder.data.encoder import encoder_source
from occ_autocoder.extras import require
from occ_autocoder.model.text_occupation import normalize, read_title, render

from .arguments import TrainingArguments
from .examples import Example, KnownTexts

require("train")
from sentence_transformers import (  # noqa: E402
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import DefaultBatchSampler  # noqa: E402
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss  # noqa: E402
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer  # noqa: E402
from transformers import PrinterCallback, ProgressCallback  # noqa: E402

logger = logging.getLogger(__name__)
ABOUT = "contrastive.json"
LENGTH = 64  # tokens of a text
WORDS = 60  # of a text about the work, before it is cut to tokens
TEXT_PAIRS = 3  # pairs of two texts about the work, a code


class Pair(NamedTuple):
    """Two texts of one code."""

    anchor: str
    positive: str
    label: int


class SiblingBatches(DefaultBatchSampler):
    """Batches of pairs of different codes: no two of a code stand off each other.

    Each pass takes one pair of each code that has one left. Every other pass goes through the codes in the order of
    their labels, so that those of one group are in a batch: these are the hard ones.
    """

    def __iter__(self) -> Iterator[list[int]]:
        generator = random.Random(self.seed + self.epoch)
        batches = []
        for number, places in enumerate(self.passes(generator)):
            if number % 2:
                generator.shuffle(places)
            count, size = self.batches(places), len(places)
            batches += [places[size * part // count : size * (part + 1) // count] for part in range(count)]
        generator.shuffle(batches)
        yield from batches

    def batches(self, places: Sequence[int]) -> int:
        """How many batches a pass makes."""
        return math.ceil(len(places) / self.batch_size)

    def passes(self, generator: random.Random) -> list[list[int]]:
        """The places of the pairs of each pass, in the order of their labels."""
        labels = self.sampler["label"]
        found: dict[int, list[int]] = {}
        for place in generator.sample(range(len(labels)), len(labels)):
            found.setdefault(labels[place], []).append(place)
        rounds = max(map(len, found.values()))
        return [[found[label][turn] for label in sorted(found) if turn < len(found[label])] for turn in range(rounds)]

    def __len__(self) -> int:
        return sum(map(self.batches, self.passes(random.Random(0))))


def contrastive_encoder(
    taxonomy: KnownTexts, examples: Sequence[Example], arguments: TrainingArguments, folder: Path
) -> Path | None:
    """Train the encoder of `arguments` on pairs of texts of one code; the folder of it, None where no code has two.

    A folder that holds the encoder of the same pairs and settings is taken as it is.

    Args:
        taxonomy: the texts that the classification has of its codes.
        examples: of the training records.
    Raises: ValueError where several processes would have to train it.
    """
    pairs = text_pairs(taxonomy, examples, arguments)
    if not pairs:
        logger.warning("The encoder stays as it is: no code has two texts.")
        return None
    about = fingerprint(pairs, arguments)
    if (folder / ABOUT).exists() and json.loads((folder / ABOUT).read_text(encoding="utf-8")) == about:
        return folder
    if (processes := PartialState().num_processes) > 1:  # batches of different sizes cannot be shared out
        raise ValueError(f"{processes} processes; allowed: one, whose {folder} others find, or contrastive_epochs=0")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    for place in (folder, unfinished):
        shutil.rmtree(place, ignore_errors=True)
    model = new_encoder(arguments)
    train_pairs(model, pairs, arguments, unfinished)
    shutil.rmtree(unfinished, ignore_errors=True)
    model[0].auto_model.save_pretrained(unfinished)
    model.tokenizer.save_pretrained(unfinished)
    (unfinished / ABOUT).write_text(json.dumps(about), encoding="utf-8")
    unfinished.rename(folder)
    return folder


def fingerprint(pairs: Mapping[str, Sequence[Pair]], arguments: TrainingArguments) -> dict:
    """What has to be the same for an encoder to be taken as it is."""
    names = ("encoder", "encoder_revision", "pooling", "query_prefix", "seed")
    own = [name for name in arguments.names() if name in names or name.startswith("contrastive_")]
    digest = hashlib.sha256(repr(pairs).encode()).hexdigest()
    return {name: getattr(arguments, name) for name in own} | {"pairs": digest}


def text_pairs(
    taxonomy: KnownTexts, examples: Sequence[Example], arguments: TrainingArguments
) -> dict[str, list[Pair]]:
    """Pairs of different texts of one code: two `titles`, a title and a text about the work (`mixed`), two `texts`.

    At most `contrastive_titles` titles a code, so that the frequent ones do not rule. Kinds without any are left out.
    """
    generator = random.Random(arguments.seed)
    titles = by_label([*taxonomy.titles, *((item.job_title, item.label) for item in examples)])
    duties = by_label([*taxonomy.definitions, *((item.job_duties, item.label) for item in examples)])
    pairs: dict[str, list[tuple]] = {"titles": [], "mixed": [], "texts": []}
    for label, own in titles.items():
        about = duties.get(label, [])
        for title in generator.sample(own, min(len(own), arguments.contrastive_titles)):
            pairs["titles"].append((read(title), read(generator.choice(own)), label))
            pairs["mixed"] += [(read(title), read("", generator.choice(about)), label)] if about else []
        for _ in range(TEXT_PAIRS if len(about) > 1 else 0):
            pairs["texts"].append((*(read("", text) for text in generator.sample(about, 2)), label))
    prefix = arguments.query_prefix
    made = {
        kind: [Pair(prefix + one, prefix + other, label) for one, other, label in found if one != other]
        for kind, found in pairs.items()
    }
    return {kind: found for kind, found in made.items() if found}


def by_label(texts: Sequence[tuple[str, int]]) -> dict[int, list[str]]:
    """The different texts of each label, empty ones left out."""
    found: dict[int, dict[str, None]] = {}
    for text, label in texts:
        if text:
            found.setdefault(label, {})[text] = None
    return {label: list(own) for label, own in found.items()}


def read(job_title: str, job_duties: str = "") -> str:
    """A title, or a text about the work, as the model reads it."""
    duties = " ".join(normalize(job_duties).casefold().split()[:WORDS])
    return render(read_title(normalize(job_title)), duties)


def new_encoder(arguments: TrainingArguments) -> SentenceTransformer:
    """The pretrained encoder with the pooling that our model has."""
    known = {"revision": arguments.encoder_revision, "trust_remote_code": False}
    loading = {f"{part}_kwargs": known for part in ("model", "processor", "config")}
    body = Transformer(encoder_source(arguments.encoder), max_seq_length=LENGTH, **loading)
    pooling = Pooling(body.get_embedding_dimension(), pooling_mode=arguments.pooling)
    return SentenceTransformer(modules=[body, pooling, Normalize()])


def train_pairs(
    model: SentenceTransformer, pairs: Mapping[str, Sequence[Pair]], arguments: TrainingArguments, folder: Path
) -> None:
    """Train the encoder in place; a batch has pairs of one kind, so that short texts are not padded to long ones."""
    options = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=arguments.contrastive_epochs,
        per_device_train_batch_size=arguments.contrastive_batch_size,
        learning_rate=arguments.contrastive_learning_rate,
        warmup_steps=0.1,
        save_strategy="no",
        report_to="none",
        logging_strategy="no",
        batch_sampler=SiblingBatches,
        use_cpu=not torch.accelerator.is_available(),  # bf16 is refused on a CPU that was not asked for
        bf16=arguments.mixed_precision == "bf16",
        fp16=arguments.mixed_precision == "fp16",
        seed=arguments.seed,
        dataloader_pin_memory=False,
    )
    data = DatasetDict({kind: Dataset.from_list([pair._asdict() for pair in own]) for kind, own in pairs.items()})
    loss = MultipleNegativesRankingLoss(model)
    trainer = SentenceTransformerTrainer(model=model, args=options, train_dataset=data, loss=loss)
    for shown in (ProgressCallback, PrinterCallback):  # the second stands in where the library's bars are off
        trainer.remove_callback(shown)
    trainer.add_callback(Bar)
    trainer.train()


class Bar(ProgressCallback):
    """The bar alone: what is logged goes to no terminal."""

    def on_log(self, *args, **kwargs) -> None:
        """Nothing."""
