"""Rewordings that are none: empty ones, those that repeat a text, those that drifted from what their source means."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from datasets import Dataset

from occ_autocoder.taxonomy import Taxonomy

from .diversity import shingles
from .encoder import Encode
from .leakage import JACCARD, TEXTS, Fault
from .retrieval import known_texts, known_titles

KNOWN = {"job_title": known_titles, "job_duties": known_texts}
PART = 4096


def empty_texts(rewordings: Dataset) -> list[Fault | None]:
    """A fault for each rewording without a word."""
    return [None if any(shingles(row[field]) for field in TEXTS) else Fault("empty") for row in rewordings]


def repeats(rewordings: Dataset, dataset: Dataset) -> list[Fault | None]:
    """A fault for each rewording that has half of its three-word runs in common with its source or with one before it.

    `rewordings` are of one field each, those of a field of a source (a record of `dataset`) beside each other.
    """
    sources, faults = records_by_id(dataset), []
    for (source, field), group in groupby(rewordings, key=lambda row: (row["source_id"], field_of(row))):
        known = [("repeats its source", set(shingles(sources[source][field])))]
        for row in group:
            own = set(shingles(row[field]))
            reason = next((reason for reason, other in known if jaccard(own, other) >= JACCARD), None)
            faults.append(Fault(reason) if reason else None)
            known.append(("repeats another rewording", own))
    return faults


def drifted(
    rewordings: Dataset,
    dataset: Dataset,
    taxonomy: Taxonomy,
    encode: Encode,
    min_similarity: Mapping[str, float],
) -> list[Fault | None]:
    """A fault for each rewording too far from its source, or nearer to another code than its own and its source's.

    Each code stands where the mean of the vectors of its texts is: those of the taxonomy and those in `dataset`.
    """
    sources, faults = records_by_id(dataset), {}
    for field in TEXTS:
        rows = [row for row, text in enumerate(rewordings[field]) if text]
        if not rows:
            continue
        part = rewordings.select(rows)
        before = [sources[id][field] for id in part["source_id"]]
        texts = known_by_code(dataset, taxonomy, field)
        vectors = encoded([*before, *part[field], *(text for known in texts.values() for text in known)], encode)
        pairs = np.stack([vectors[text] for text in before]), np.stack([vectors[text] for text in part[field]])
        cosines = np.einsum("nd,nd->n", *pairs)
        origins, ends = (nearest_codes(side, texts, vectors) for side in pairs)
        judged = zip(rows, part["code"], cosines, origins, ends, strict=True)
        faults |= {row: drift_of(code, *found, min_similarity[field]) for row, code, *found in judged}
    return [faults[row] for row in range(len(rewordings))]


def drift_of(code: str, cosine: float, origin: str, end: str, least: float) -> Fault | None:
    """The fault of a rewording of `code`, whose source is nearest to the code `origin`, and itself to `end`."""
    if cosine < least:
        return Fault("drift: far from its source", f"{cosine:.2f}")
    return Fault("drift: nearer to another code", end) if end not in (code, origin) else None


def known_by_code(dataset: Dataset, taxonomy: Taxonomy, field: str) -> dict[str, list[str]]:
    """Leaf -> the texts of this field that are known of it, in the taxonomy and in the records."""
    found = {leaf.code: KNOWN[field](leaf) for leaf in taxonomy.leaves}
    for code, text in zip(dataset["code"], dataset[field], strict=True):
        if text:
            found[code].append(text)
    return found


def encoded(texts: Sequence[str], encode: Encode) -> dict[str, np.ndarray]:
    """Text -> its vector [d]; each text is encoded once."""
    distinct = list(dict.fromkeys(texts))
    return dict(zip(distinct, encode(distinct), strict=True))


def nearest_codes(
    queries: np.ndarray, texts: Mapping[str, Sequence[str]], vectors: Mapping[str, np.ndarray]
) -> list[str]:
    """For each query [n, d] the code whose texts' mean vector has the largest cosine to it."""
    codes = list(texts)
    means = np.stack([np.mean([vectors[text] for text in texts[code]], axis=0) for code in codes])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    places = [(queries[start : start + PART] @ means.T).argmax(axis=1) for start in range(0, len(queries), PART)]
    return [codes[place] for place in np.concatenate(places)]


def records_by_id(dataset: Dataset) -> dict[str, dict]:
    """Id -> record."""
    return {row["id"]: row for row in dataset}


def field_of(row: Mapping) -> str:
    """The field that a rewording is of."""
    return next(field for field in TEXTS if row[field])


def jaccard(a: set, b: set) -> float:
    """What two sets have in common, over what they have together."""
    return len(a & b) / len(a | b)
