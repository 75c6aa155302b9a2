"""Records and vacancies -> what is seen of each: its best codes, how new it looks, where it lies among the others."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, Features, Value
from datasets import List as ListOf

from occ_autocoder.data.records import Record, Rejected
from occ_autocoder.model.explain_occupation import known_text
from occ_autocoder.model.text_occupation import normalize, read_title

from .coding import Coding, code_rows, probe

OBSERVED_FEATURES = Features(
    {
        **{name: Value("string") for name in ("id", "job_title", "job_duties", "date", "employer", "place", "title")},
        "row": Value("int64"),
        "codes": ListOf(Value("string")),
        "confidences": ListOf(Value("float64")),
        "novelty": Value("float64"),
        "similarity": Value("float64"),
    }
)


@dataclass(frozen=True)
class Observed:
    """`records` (n rows of `OBSERVED_FEATURES`), `embeddings` [n, 2, d] of text and title, and the rows set aside.

    `title` of a record is its job title as the model reads it.
    """

    records: Dataset
    embeddings: np.ndarray
    rejected: list[Rejected]


def observe(pipeline, rows: Iterable[Record | Rejected], *, top_k: int = 5, batch_size: int = 32) -> Observed:
    """Code every row with its novelty and embeddings, all held in memory. ValueError where no record is left."""
    probe(pipeline, top_k, None, batch_size)
    found, embeddings, rejected = [], [], []
    for row in code_rows(pipeline, rows, top_k=top_k, batch_size=batch_size, return_novelty=True):
        if isinstance(row, Coding):
            found.append(observed(row))
            embeddings.append(row.observation["embeddings"].float().numpy())
        else:
            rejected.append(row)
    if not found:
        first = f"; row {rejected[0].row}: {rejected[0].reason}" if rejected else ""
        raise ValueError(f"no record to look at, {len(rejected):,} were rejected{first}")
    return Observed(Dataset.from_list(found, features=OBSERVED_FEATURES), np.stack(embeddings), rejected)


def observed(coding: Coding) -> dict:
    """One row of `OBSERVED_FEATURES`."""
    record = coding.record
    return {
        **{name: getattr(record, name) for name in ("id", "row", "job_title", "job_duties")},
        **{name: getattr(record, name, "") for name in ("date", "employer", "place")},
        "title": read_title(normalize(record.job_title)),
        "codes": [item["code"] for item in coding.occupations],
        "confidences": [item["confidence"] for item in coding.occupations],
        **{name: coding.observation[name] for name in ("novelty", "similarity")},
    }


def known_titles(pipeline) -> list[str]:
    """The titles that the model knows, as it reads them, in the order of its codes."""
    memory = pipeline.model.titles
    return [known_text(memory, pipeline.tokenizer, place) for place in range(len(memory.labels))]
