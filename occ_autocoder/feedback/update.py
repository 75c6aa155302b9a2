"""A trained model and reviews -> the model with what people said in its heads and its memory; the encoder stays.

Where the right code is known it goes in by cross entropy; where only a rejection is, by a loss for that; always beside
replayed records, and held to the model before by the Kullback-Leibler divergence on them.
"""

import copy
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from datasets import Dataset
from torch import Tensor

from occ_autocoder.data.encoder import CACHE
from occ_autocoder.model.remember_occupation import (
    DUTIES,
    TITLE,
    KnownText,
    cleaned,
    filled,
    joined,
    know_words,
    set_sizes,
    weigh_new_ngrams,
)
from occ_autocoder.model.text_occupation import read_title
from occ_autocoder.training.examples import Example, record_examples
from occ_autocoder.training.inputs import Features, featurize
from occ_autocoder.training.recalibration import recalibrate
from occ_autocoder.training.train import check_codes

from .losses import ESTIMATORS, NEEDS, UNKNOWN, Answers, correction_loss, kl_divergence
from .preferences import Judgement, judgements
from .reviews import Review


@dataclass(frozen=True)
class UpdateArguments:
    """The settings of `update_model`; ValueError, naming the setting and what is allowed, for values without sense."""

    given: str = field(default="cross_entropy", metadata={"help": "for records whose right code is known"})
    judged: str = field(default="likelihood", metadata={"help": "for rejected codes, beside accepted ones"})
    epochs: int = field(default=5, metadata={"help": "passes over the reviewed records"})
    batch_size: int = field(default=64, metadata={"help": "texts of reviewed records a step"})
    replay_records: int = field(default=10_000, metadata={"help": "replayed records, drawn at random, at most"})
    replay_batch_size: int = field(default=256, metadata={"help": "texts of replayed records a step"})
    learning_rate: float = field(default=2e-4, metadata={"help": "of the heads; it falls to 0"})
    judged_weight: float = field(default=1.0, metadata={"help": "of the loss `judged`"})
    replay_weight: float = field(default=1.0, metadata={"help": "of the cross entropy of replayed records"})
    kl_weight: float = field(default=1.0, metadata={"help": "of the divergence from the model before, on them"})
    remember: bool = field(default=True, metadata={"help": "put the texts whose code was given into the memory"})
    seed: int = field(default=0, metadata={"help": "of every random act"})

    def __post_init__(self):
        for name in ("given", "judged"):
            if getattr(self, name) not in ESTIMATORS:
                raise ValueError(f"{name} is {getattr(self, name)!r}; allowed: {', '.join(ESTIMATORS)}")
        for name in ("epochs", "batch_size", "replay_records", "replay_batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: a whole number from 1")
        for name in ("learning_rate", "judged_weight", "replay_weight", "kl_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: a number from 0")

    @classmethod
    def names(cls) -> list[str]:
        """The names of the settings."""
        return [item.name for item in fields(cls)]


def update_model(
    pipeline,
    reviews: Sequence[Review],
    replay: Dataset,
    arguments: UpdateArguments | None = None,
    *,
    without: Collection[str] = (),
    validation: Dataset | None = None,
    cache: str | Path = CACHE,
) -> dict:
    """Update a model in place; what was done: `arguments`, counts of records, `losses` (mean of each epoch).

    The weights of the evidence, temperatures and doubts stay, unless `validation` is given: the reviewed texts are in
    the memory now, where their own evidence looks better than any new record's, so that the reviews cannot tell what it
    is worth. With more texts in the memory other weights are right: fit them where there are records to do it with.

    Args:
        pipeline: an `OccupationClassificationPipeline`.
        replay: records with their codes, as those that the model was trained on (`RECORD_FEATURES`).
        without: reviewers whose reviews are left out.
        validation: records with codes, neither reviewed nor replayed, a few hundred of each form: see `recalibration`.
    Raises: ValueError for a code that is no label of the model, no replay, or reviews from which nothing follows.
    """
    arguments, (model, tokenizer) = arguments or UpdateArguments(), (pipeline.model, pipeline.tokenizer)
    label2id, folder = model.config.label2id, Path(cache)
    found, silent = judgements(reviews, without)
    check_judgements(found, label2id)
    check_codes(replay, label2id, "replay")
    if not found or not len(replay):
        raise ValueError(f"{len(found)} judgements and {len(replay)} replayed records; allowed: 1 or more of each")
    replay = replay.shuffle(arguments.seed).select(range(min(len(replay), arguments.replay_records)))
    if arguments.remember:
        remember_more(model, tokenizer, found)
    examples, answers = answered(found, label2id)
    parts = [featurize(part, model, tokenizer, folder) for part in (examples, record_examples(replay, label2id))]
    losses = train_heads(model, *parts, answers, arguments)
    kinds = Counter("accepted" if item.accepted else "corrected" if item.code else "rejected" for item in found)
    about = {"arguments": asdict(arguments), "records": dict(kinds), "silent": len(silent), "replayed": len(replay)}
    about |= {"without": sorted(without), "losses": losses}
    rows = recalibrate(pipeline, validation, weights=True, seed=arguments.seed) if validation else None
    return about | {"recalibration": rows}


def check_judgements(found: Sequence[Judgement], label2id: dict[str, int]) -> None:
    """ValueError for a right code that is no label of the model."""
    for item in found:
        if item.code and item.code not in label2id:
            raise ValueError(f"review of {item.id}: code {item.code!r}; allowed: one of {len(label2id)} labels")


def answered(found: Sequence[Judgement], label2id: dict[str, int]) -> tuple[list[Example], Answers]:
    """Each judged record in every template that its fields allow, with what was said of it."""
    examples, rows = [], []
    for item in found:
        values = {"id": item.id, "job_title": item.job_title, "job_duties": item.job_duties, "code": item.code}
        label = label2id.get(item.code, UNKNOWN)
        own = record_examples([values], {item.code: max(label, 0)})
        examples += own
        rows += [(label, label2id.get(item.shown, UNKNOWN), item.accepted)] * len(own)
    labels, shown, accepted = zip(*rows)
    return examples, Answers(torch.tensor(labels), torch.tensor(shown), torch.tensor(accepted))


def remember_more(model, tokenizer, found: Sequence[Judgement]) -> None:
    """Put titles and duties whose code is known into the memory, beside what is there."""
    label2id, known = model.config.label2id, [item for item in found if item.code]
    titles = cleaned([(item.job_title, label2id[item.code]) for item in known], read_title)
    duties = cleaned([(item.job_duties, label2id[item.code]) for item in known], str.casefold)
    know_words(model.config, titles, duties, Counter(model.config.title_words), {*model.config.text_words})
    weigh_new_ngrams(model, titles, duties)
    model.titles = extended(model, tokenizer, model.titles, titles, TITLE)
    model.definitions = extended(model, tokenizer, model.definitions, duties, DUTIES)
    set_sizes(model)


def extended(model, tokenizer, memory, texts: Sequence[KnownText], kind):
    """The memory with these texts."""
    return joined(model, memory, filled(model, tokenizer, texts, kind), tokenizer) if texts else memory


def train_heads(model, reviewed: Features, replay: Features, answers: Answers, arguments: UpdateArguments) -> list:
    """Train the heads on reviewed beside replayed texts; the mean loss of each epoch."""
    before, device = copy.deepcopy(model.head).eval(), model.device
    optimizer = torch.optim.AdamW(model.head.parameters(), lr=arguments.learning_rate, weight_decay=0.0, fused=True)
    torch.manual_seed(arguments.seed)
    steps = [torch.randperm(len(answers.labels)).split(arguments.batch_size) for _ in range(arguments.epochs)]
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=sum(map(len, steps)))
    losses = []
    model.head.train()
    for epoch in steps:
        total = 0.0
        for places in epoch:
            drawn = torch.randint(len(replay.labels), (arguments.replay_batch_size,))
            own, old = head_logits(model, before, reviewed.batch(places))
            loss = review_loss(own, old, answers.at(places), arguments)
            own, old = head_logits(model, before, replay.batch(drawn))
            loss = loss + replay_loss(own, old, replay.labels[drawn].to(device), arguments)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.head.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item() / len(epoch)
        losses.append(total)
    model.eval()
    return losses


def head_logits(model, before: torch.nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The logits [2, B, C] of the model's heads and of those before, for a batch of `Features`."""
    batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
    embeddings = batch["embeddings"]
    title = model.weigh(batch["title_ngram_ids"], batch["title_ngram_values"], embeddings)
    text = model.weigh(batch["text_ngram_ids"], batch["text_ngram_values"], embeddings)
    inputs = embeddings[:, 0], *(torch.cat(parts, dim=1) for parts in zip(title, text))
    with torch.no_grad():
        old = before(*inputs)
    return model.head(*inputs).transpose(0, 1), old.transpose(0, 1)


def review_loss(logits: Tensor, old: Tensor, answers: Answers, arguments: UpdateArguments) -> Tensor:
    """What the reviews of a batch say to both heads, [2, B, C]: by `given` where it can be, by `judged` of rejections.

    Rejections are judged beside accepted codes: alone they would only say what to avoid.
    """
    given = NEEDS[arguments.given](answers)
    rejected = ~given & (answers.labels == UNKNOWN) & NEEDS[arguments.judged](answers)
    judged = rejected | (answers.accepted & rejected.any())
    parts = (arguments.given, 1.0, given), (arguments.judged, arguments.judged_weight, judged)
    return sum(
        (weight * estimated(name, logits, old, answers, rows) for name, weight, rows in parts), logits.new_zeros(())
    )


def estimated(name: str, logits: Tensor, old: Tensor, answers: Answers, rows: Tensor) -> Tensor:
    """A loss over some rows of a batch, 0 without any, as its share of the whole batch."""
    if not rows.any():
        return logits.new_zeros(())
    places = rows.nonzero().squeeze(-1)
    own = answers.at(places).to(logits.device)
    losses = [ESTIMATORS[name](head[places], before[places], own) for head, before in zip(logits, old)]
    return sum(losses) * len(places) / len(rows)


def replay_loss(logits: Tensor, old: Tensor, labels: Tensor, arguments: UpdateArguments) -> Tensor:
    """What holds the heads, [2, B, C], to what they knew: the replayed codes, and the divergence from before."""
    known = sum(correction_loss(head, labels) for head in logits)
    moved = sum(kl_divergence(before, head) for head, before in zip(logits, old))
    return arguments.replay_weight * known + arguments.kl_weight * moved
