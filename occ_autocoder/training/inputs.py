"""Examples -> the model's inputs: tokens or, with a frozen encoder, embeddings computed once; and n-grams."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm.auto import tqdm

from occ_autocoder.model.features_occupation import collate, record_features
from occ_autocoder.model.text_occupation import FORMS

from .embeddings import cached_embeddings
from .examples import Example

NGRAMS = ("title_ngram_ids", "title_ngram_values", "text_ngram_ids", "text_ngram_values")
TOKENS = ("input_ids", "title_input_ids")


@dataclass(frozen=True)
class Features:
    """The features of examples, in their order; with a frozen encoder `embeddings` [n, 2, d] in place of the tokens."""

    rows: list[dict]
    labels: torch.Tensor
    forms: torch.Tensor
    embeddings: torch.Tensor | None
    pad_token_id: int

    def batch(self, indices: torch.Tensor) -> dict[str, torch.Tensor]:
        """The model's inputs for the examples at `indices`."""
        batch = collate([self.rows[place] for place in indices.tolist()], self.pad_token_id)
        return batch if self.embeddings is None else batch | {"embeddings": self.embeddings[indices]}


def featurize(examples: Sequence[Example], model, tokenizer, cache: Path | None, spelling=None) -> Features:
    """The features of examples; with a `cache` folder the encoder is frozen and its embeddings are computed now.

    `spelling` mends the words of titles, as in coding; what a model is trained on is taken as it stands.
    """
    rows = [
        record_features(item.job_title, item.job_duties, tokenizer, model.config, spelling)
        for item in tqdm(examples, desc="tokenizing", disable=len(examples) < 1000)
    ]
    forms = torch.tensor([row["form"] for row in rows], dtype=torch.long)
    labels = torch.tensor([item.label for item in examples], dtype=torch.long)
    pad_token_id = tokenizer.pad_token_id or 0
    embeddings = None if cache is None else record_embeddings(model, rows, forms, cache, pad_token_id)
    kept = {"form", *NGRAMS, *(TOKENS if embeddings is None else ())}
    return Features([compact(row, kept) for row in rows], labels, forms, embeddings, pad_token_id)


def compact(row: dict, kept: set[str]) -> dict:
    """The features that are `kept`, as small tensors: as lists of numbers they take ten times the memory."""
    types = {name: torch.float32 if name.endswith("values") else torch.int32 for name in kept}
    return {name: torch.tensor(row[name], dtype=types[name]) for name in row if name in kept}


def record_embeddings(model, rows: Sequence[dict], forms: torch.Tensor, cache: Path, pad_token_id: int) -> torch.Tensor:
    """[n, 2, d] as `model.embed` gives them: text and title, the title's 0 where a record has none."""
    tokens = [row["input_ids"] for row in rows] + [row["title_input_ids"] for row in rows]
    embeddings = cached_embeddings(model, tokens, cache, pad_token_id)
    text, title = embeddings[: len(rows)], embeddings[len(rows) :]
    title = title * (forms != FORMS.index("duties")).unsqueeze(-1)
    return torch.stack([text, title], dim=1)
