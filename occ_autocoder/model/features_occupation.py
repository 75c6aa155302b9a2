"""Record -> what the model takes: tokens of the text and of the title, n-grams, and which fields there are."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from .ngrams_occupation import text_ngrams, title_ngrams
from .text_occupation import FORMS, MAX_CHARACTERS, form_of, normalize, read_title, render

TEXT_FIELDS = ("job_title", "job_duties")


def record_features(
    job_title: str, job_duties: str, tokenizer, config, spelling: Callable[[str], str] | None = None
) -> dict:
    """The features of one record as lists, and `truncated`: whether a part of it did not fit.

    The title stands first in the text, so that it is the duties that are cut. `spelling` mends the title's words.

    Raises:
        ValueError: when both fields are empty after normalisation.
    """
    truncated = max(len(job_title), len(job_duties)) > MAX_CHARACTERS
    job_title, job_duties = read_title(normalize(job_title)), normalize(job_duties).casefold()
    job_title = spelling(job_title) if spelling else job_title
    form = form_of(job_title, job_duties)
    text_ids, cut = tokenize(render(job_title, job_duties), tokenizer, config)
    title_ids, _ = tokenize(render(job_title) if job_title else "", tokenizer, config)
    title_ngram_ids, title_ngram_values = title_ngrams(job_title, config.ngram_buckets)
    text_ngram_ids, text_ngram_values = text_ngrams(job_title, job_duties, config.ngram_buckets)
    return {
        "input_ids": text_ids,
        "title_input_ids": title_ids,
        "title_ngram_ids": title_ngram_ids,
        "title_ngram_values": title_ngram_values,
        "text_ngram_ids": text_ngram_ids,
        "text_ngram_values": text_ngram_values,
        "form": FORMS.index(form),
        "truncated": truncated or cut,
    }


def tokenize(text: str, tokenizer, config) -> tuple[list[int], bool]:
    """Token ids, special tokens about them, and whether the end was cut. No text becomes a special token."""
    encoded = tokenizer(
        config.query_prefix + text, truncation=True, max_length=config.max_seq_length, split_special_tokens=True
    )
    return encoded["input_ids"], bool(encoded.encodings[0].overflowing)


def collate(features: Sequence[Mapping], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Features of several records (lists or tensors) as tensors, padded on the right; `truncated` stays behind."""
    batch = {"form": torch.tensor([int(item["form"]) for item in features])}
    for name in features[0]:
        rows = [item[name] for item in features]
        if name.endswith("input_ids"):
            batch[name] = pad(rows, pad_token_id)
            batch[name.replace("input_ids", "attention_mask")] = pad([[1] * len(row) for row in rows], 0)
        elif name.endswith("ngram_ids"):
            batch[name] = pad(rows, 0)
        elif name.endswith("ngram_values"):
            batch[name] = pad(rows, 0, torch.float32)
    return batch


def pad(rows: Sequence, value: int, dtype: torch.dtype = torch.long) -> torch.Tensor:
    """Lists or vectors of different lengths as one tensor [rows, longest], at least one wide."""
    vectors = [torch.as_tensor(row, dtype=dtype) for row in rows]
    padded = pad_sequence(vectors, batch_first=True, padding_value=value)
    return padded if padded.shape[1] else padded.new_full((len(rows), 1), value)
