"""RNN, LSTM, fine-tuned BERT and fastText-style n-grams: neural coders, trained by the loop that trains our model."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from accelerate import Accelerator
from transformers import AutoTokenizer

from occ_autocoder.data.encoder import encoder_source
from occ_autocoder.data.records import record_texts
from occ_autocoder.model.features_occupation import pad
from occ_autocoder.model.ngrams_occupation import text_ngrams
from occ_autocoder.training.arguments import TrainingArguments
from occ_autocoder.training.examples import Example
from occ_autocoder.training.loop import Data, fit
from occ_autocoder.training.losses import build_loss

from .networks import Bert, FastText, Network, Recurrent
from .texts import example_texts

BATCH = 64


@dataclass(frozen=True)
class Kind:
    """How a network is made, from the encoder's folder, the number of codes and of n-grams, and its usual settings."""

    build: Callable[[str, int, int], Network]
    settings: dict = field(default_factory=dict)
    ngrams: bool = False


KINDS = {
    "rnn": Kind(
        lambda source, classes, buckets: Recurrent(source, classes, "rnn"), {"epochs": 6, "learning_rate": 1e-3}
    ),
    "lstm": Kind(
        lambda source, classes, buckets: Recurrent(source, classes, "lstm"), {"epochs": 6, "learning_rate": 2e-3}
    ),
    "bert": Kind(
        lambda source, classes, buckets: Bert(source, classes),
        {"epochs": 2, "batch_size": 32, "encoder_learning_rate": 1e-4},
    ),
    "fasttext": Kind(
        lambda source, classes, buckets: FastText(classes, buckets), {"epochs": 10, "learning_rate": 5e-3}, ngrams=True
    ),
}


class NeuralCoder:
    """One of `KINDS` on record texts: title and duties joined by a blank.

    Args:
        kind: rnn, lstm, bert or fasttext.
        encoder: a folder, a Hub id, or "bundled": its tokenizer and word vectors for rnn and lstm, all of it for bert.
        max_length: tokens of a text.
        buckets: hash buckets of the n-grams of fasttext.
        max_examples: of the training, drawn at random; None for all. Fine-tuning is slow without a GPU.
        settings: fields of `TrainingArguments` in place of the kind's own, as epochs or loss.
    """

    def __init__(
        self,
        kind: str,
        encoder: str = "bundled",
        seed: int = 0,
        max_length: int = 64,
        buckets: int = 2**16,
        max_examples: int | None = None,
        **settings,
    ):
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}; allowed: {', '.join(KINDS)}")
        self.kind, self.source = KINDS[kind], encoder_source(encoder)
        self.max_length, self.buckets, self.max_examples = max_length, buckets, max_examples
        usual = {"weight_decay": 0.01, "checkpoint_steps": 0, "batch_size": 128, "encoder": encoder, "seed": seed}
        self.arguments = TrainingArguments(**{**usual, **self.kind.settings, **settings})

    def fit(self, examples: Sequence[Example], classes: int) -> "NeuralCoder":
        """Train on the texts of the examples; `classes` is the number of codes. Always to the last epoch."""
        if self.max_examples is not None and len(examples) > self.max_examples:
            examples = random.Random(self.arguments.seed).sample(examples, self.max_examples)
        texts, labels = example_texts(examples)
        torch.manual_seed(self.arguments.seed)
        self.tokenizer = AutoTokenizer.from_pretrained(self.source)
        self.model = self.kind.build(self.source, classes, self.buckets)
        self.seen = torch.zeros(classes, dtype=torch.bool)
        self.seen[labels] = True
        rows, given = self.encoded(texts), torch.tensor(labels)
        loss = build_loss(
            self.arguments.loss, counts=torch.bincount(given, minlength=classes), **self.arguments.loss_options
        )
        data = Data(
            lambda part: self.batch([rows[place] for place in part.tolist()]), given, [e.origin for e in examples]
        )
        nothing = Data(data.batches, torch.empty(0, dtype=torch.long), [])
        fit(self.model, data, nothing, loss, self.arguments, Accelerator(cpu=True))
        return self

    def encoded(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""
        if self.kind.ngrams:
            return [[place % self.buckets for place in text_ngrams("", text, self.buckets)[0]] for text in texts]
        return self.tokenizer(list(texts), truncation=True, max_length=self.max_length)["input_ids"]

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Rows of ids as tensors [B, L], padded on the right, with their mask."""
        padding = self.tokenizer.pad_token_id or 0
        return {"input_ids": pad(rows, padding), "attention_mask": pad([[1] * len(row) for row in rows], 0)}

    @torch.no_grad()
    def predict_proba(self, job_titles: Sequence[str], job_duties: Sequence[str]) -> np.ndarray:
        """Probabilities [n, C]; 0 for a code never seen."""
        self.model.eval()
        rows = self.encoded(record_texts(job_titles, job_duties))
        found = np.zeros((len(rows), len(self.seen)))
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            logits = self.model(**self.batch([rows[place] for place in places])).logits
            found[places] = logits.masked_fill(~self.seen, float("-inf")).double().softmax(-1).numpy()
        return found
