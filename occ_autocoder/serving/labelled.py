"""Labelled records -> the probabilities of every code beside the right one: what an evaluation is computed from."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from occ_autocoder.data.records import Record, Rejected
from occ_autocoder.model.features_occupation import collate, record_features
from occ_autocoder.taxonomy import Occupation, Taxonomy, UnknownCodeError

from .coding import Coding, code_rows, probe

# A record's answer has every code here: few are held at a time.
WINDOW = 128


@dataclass(frozen=True)
class Judged:
    """Probabilities [n, C] of the `codes` (C), each record's right place among them (`labels`, n), and the rejected."""

    codes: list[str]
    probabilities: np.ndarray
    labels: np.ndarray
    rejected: list[Rejected]


def model_taxonomy(config) -> Taxonomy:
    """The classification that a model codes to: its codes, titles, parents and levels."""
    occupations = [
        Occupation(code, item["title"], item["level"], item["parent"]) for code, item in config.occupations.items()
    ]
    return Taxonomy(occupations, config.scheme, config.scheme_version)


def judge(pipeline, rows: Iterable[Record | Rejected], *, level: int | None = None, batch_size: int = 32) -> Judged:
    """Code labelled records with every code's probability, at `level` or, where None, that of the model's labels.

    A record coded below `level` counts as its ancestor there. One without a code, or with one that the model cannot
    give, is rejected. Raises ValueError for a level that the model lacks, or where no record is left.
    """
    probe(pipeline, None, level, batch_size)
    codes = list(pipeline.model.config.id2label.values()) if level is None else pipeline.groups_at(level)[0]
    places = {code: place for place, code in enumerate(codes)}
    checked = targeted(rows, model_taxonomy(pipeline.model.config), places)
    probabilities, labels, rejected = [], [], []
    for row in code_rows(pipeline, checked, top_k=None, level=level, batch_size=batch_size, window=WINDOW):
        if isinstance(row, Coding):
            probabilities.append(dense(row.occupations, places))
            labels.append(places[row.record.code])
        else:
            rejected.append(row)
    if not labels:
        first = f"; row {rejected[0].row}: {rejected[0].reason}" if rejected else ""
        raise ValueError(f"no record to evaluate, {len(rejected):,} were rejected{first}")
    return Judged(codes, np.stack(probabilities), np.array(labels), rejected)


def targeted(
    rows: Iterable[Record | Rejected], taxonomy: Taxonomy, codes: Iterable[str]
) -> Iterator[Record | Rejected]:
    """The rows, each record's code replaced by the nearest of `codes` on its path, itself first."""
    for row in rows:
        if isinstance(row, Rejected):
            yield row
            continue
        code, fault = target(row.code, taxonomy, codes)
        yield Rejected(row.row, row.id, "code", fault) if fault else Record(**{**vars(row), "code": code})


def target(code: str, taxonomy: Taxonomy, codes: Iterable[str]) -> tuple[str, str]:
    """The code to judge a record by, and what is wrong with it ("" if nothing)."""
    if not code:
        return "", "no code; allowed: one on every row"
    try:
        path = taxonomy.path(code)
    except UnknownCodeError as error:
        return "", str(error)
    found = next((item.code for item in reversed(path) if item.code in codes), "")
    return found, "" if found else f"code {code!r} is a group above the codes that are given; allowed: one of those"


def dense(occupations: Sequence[dict], places: dict[str, int]) -> np.ndarray:
    """One record's probabilities [C], in the order of the codes."""
    row = np.zeros(len(places))
    for item in occupations:
        row[places[item["code"]]] = item["confidence"]
    return row


def predict_probabilities(
    pipeline, job_titles: Sequence[str], job_duties: Sequence[str], batch_size: int = 32
) -> np.ndarray:
    """Probabilities [n, C] of the model's labels for records, in their order; ValueError for an empty record."""
    model, tokenizer = pipeline.model.eval(), pipeline.tokenizer
    order = sorted(range(len(job_titles)), key=lambda place: len(job_titles[place]) + len(job_duties[place]))
    found = np.zeros((len(order), model.config.num_labels))
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        rows = [
            record_features(job_titles[place], job_duties[place], tokenizer, model.config, model.spelling())
            for place in places
        ]
        batch = {name: value.to(model.device) for name, value in collate(rows, tokenizer.pad_token_id or 0).items()}
        with torch.no_grad():
            found[places] = model(**batch).logits.double().softmax(-1).cpu().numpy()
    return found
