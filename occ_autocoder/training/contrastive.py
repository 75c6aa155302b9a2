"""The encoder before the heads: titles and texts of one code are brought together, those of other codes apart.

In-batch negatives (MultipleNegativesRankingLoss; Henderson et al. 2017), by sentence-transformers' own trainer.
"""

import hashlib
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset

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
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss  # noqa: E402
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer  # noqa: E402
from sentence_transformers.sentence_transformer.training_args import BatchSamplers  # noqa: E402

ABOUT = "contrastive.json"
LENGTH = 64  # tokens of a text
WORDS = 60  # of a text about the work, before it is cut to tokens
TEXT_PAIRS = 3  # pairs of two texts about the work, a code
Pair = tuple[str, str]


def contrastive_encoder(
    taxonomy: KnownTexts, examples: Sequence[Example], arguments: TrainingArguments, folder: Path
) -> Path:
    """Train the encoder of `arguments` on pairs of texts of one code; the folder of it, whole or not there.

    A folder that holds the encoder of the same pairs and settings is taken as it is.

    Args:
        taxonomy: the texts that the classification has of its codes.
        examples: of the training records.
    Raises: ValueError where no code has two texts.
    """
    pairs = text_pairs(taxonomy, examples, arguments)
    if not pairs:
        raise ValueError("no code has two texts; allowed: contrastive_epochs=0")
    about = fingerprint(pairs, arguments)
    if (folder / ABOUT).exists() and json.loads((folder / ABOUT).read_text(encoding="utf-8")) == about:
        return folder
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


def fingerprint(pairs: Sequence[Pair], arguments: TrainingArguments) -> dict:
    """What has to be the same for an encoder to be taken as it is."""
    names = ("encoder", "encoder_revision", "pooling", "query_prefix", "seed")
    own = [name for name in arguments.names() if name in names or name.startswith("contrastive_")]
    digest = hashlib.sha256(repr(list(pairs)).encode()).hexdigest()
    return {name: getattr(arguments, name) for name in own} | {"pairs": digest}


def text_pairs(taxonomy: KnownTexts, examples: Sequence[Example], arguments: TrainingArguments) -> list[Pair]:
    """(text, text) of one code each, in random order: a title with a text about the work, two titles, two texts.

    At most `contrastive_titles` titles a code, so that the frequent ones do not rule.
    """
    generator = random.Random(arguments.seed)
    titles = by_label([*taxonomy.titles, *((item.job_title, item.label) for item in examples)])
    duties = by_label([*taxonomy.definitions, *((item.job_duties, item.label) for item in examples)])
    pairs = []
    for label, own in titles.items():
        about = duties.get(label, [])
        for title in generator.sample(own, min(len(own), arguments.contrastive_titles)):
            pairs += [(read(title), read("", generator.choice(about)))] if about else []
            other = generator.choice(own)
            pairs += [(read(title), read(other))] if other != title else []
        for _ in range(TEXT_PAIRS if len(about) > 1 else 0):
            pairs.append(tuple(read("", text) for text in generator.sample(about, 2)))
    generator.shuffle(pairs)
    return [(arguments.query_prefix + one, arguments.query_prefix + other) for one, other in pairs if one != other]


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


def train_pairs(model: SentenceTransformer, pairs: Sequence[Pair], arguments: TrainingArguments, folder: Path) -> None:
    """Train the encoder in place."""
    options = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=arguments.contrastive_epochs,
        per_device_train_batch_size=arguments.contrastive_batch_size,
        learning_rate=arguments.contrastive_learning_rate,
        warmup_steps=0.1,
        save_strategy="no",
        report_to="none",
        logging_strategy="no",
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        seed=arguments.seed,
        dataloader_pin_memory=False,
    )
    data = Dataset.from_dict({"anchor": [one for one, _ in pairs], "positive": [other for _, other in pairs]})
    loss = MultipleNegativesRankingLoss(model)
    SentenceTransformerTrainer(model=model, args=options, train_dataset=data, loss=loss).train()
