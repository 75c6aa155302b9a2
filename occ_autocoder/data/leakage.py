"""Records that must not train, each with its reason: copies, test texts, personal data, a code that is not found."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from datasets import Dataset, Value
from datasketch import MinHashLSH

from occ_autocoder.model.text_occupation import normalize
from occ_autocoder.taxonomy import Taxonomy

from .diversity import PERMUTATIONS, minhashes, near_duplicates
from .privacy import mask_personal
from .records import record_texts

if TYPE_CHECKING:
    from .encoder import Encode
    from .retrieval import Retriever

TEXTS = ("job_title", "job_duties")
JACCARD, COSINE, FIRST = 0.5, 0.90, 5
SHORTEST_CODE = 3  # "2" is a number in most texts, and not the major group
TOKEN = re.compile(r"\w+(?:[-.]\w+)*")
PART = 256
PROTECTED = {"job_duties": "duties of a protected record", "job_title": "title of a protected record"}
WITHIN, ACROSS = "near-duplicate within the code", "text of another code"


@dataclass(frozen=True)
class Fault:
    """Why a record is set aside: a `reason` that can be counted, and the `evidence` (another record's id, a score)."""

    reason: str
    evidence: str = ""


Find = Callable[[Dataset], Sequence[Fault | None]]


def filter_records(
    records: Dataset,
    taxonomy: Taxonomy,
    *,
    known: Dataset | None = None,
    protected: Dataset | None = None,
    encode: "Encode | None" = None,
    retriever: "Retriever | None" = None,
    fields: Sequence[str] = ("job_title",),
    seed: int = 0,
) -> tuple[Dataset, Dataset]:
    """The records that pass, and those that do not with their `reason` and `evidence`, each in its order of before.

    The filters run one after another, and each sees what the ones before it left: a field that is empty; the official
    title of an occupation; a code of the taxonomy, or personal data, in the text; a text of `protected` (its title or
    duties, a near-duplicate, or with `encode` a cosine of 0.90 or more); a near-duplicate (see `duplicates`); with
    `retriever` a code that is not among the first five that it finds for the record ("round trip").

    Args:
        records, known, protected: with the columns of `data.records.RECORD_FEATURES`. `known` are the records that are
            there already, and are not judged; `protected` those that a model is tested on.
        encode: texts -> unit vectors [n, d].
        fields: those that no record may leave empty.
    Raises:
        ValueError: the retriever does not know a record's code.
    """
    filters: list[Find] = [
        partial(empty_fields, fields=fields),
        partial(official_titles, taxonomy=taxonomy),
        partial(codes_in_text, taxonomy=taxonomy),
        personal_data,
    ]
    if protected is not None and len(protected):
        filters += [
            partial(protected_texts, protected=protected, seed=seed),
            partial(protected_meanings, protected=protected, encode=encode),
        ]
    filters += [partial(duplicates, known=known, seed=seed), partial(round_trip, retriever=retriever)]
    return apart(records, filters)


def apart(records: Dataset, filters: Sequence[Find]) -> tuple[Dataset, Dataset]:
    """The records that every filter lets pass, and those that one of them does not, in their order of before."""
    standing, found = list(range(len(records))), {}
    for find in filters:
        faults = find(records.select(standing))
        found |= {row: fault for row, fault in zip(standing, faults, strict=True) if fault}
        standing = [row for row in standing if row not in found]
    rows = sorted(found)
    return records.select(standing), with_faults(records.select(rows), [found[row] for row in rows])


def with_faults(records: Dataset, faults: Sequence[Fault]) -> Dataset:
    """The records with the columns `reason` and `evidence`."""
    for name in ("reason", "evidence"):
        values = [getattr(fault, name) for fault in faults]
        records = records.add_column(name, values, feature=Value("string"))
    return records


def empty_fields(records: Dataset, fields: Sequence[str]) -> list[Fault | None]:
    """A fault for each record with an empty field."""
    empty = ([name for name in fields if not normalize(record[name])] for record in records)
    return [Fault(f"no {names[0]}") if names else None for names in empty]


def official_titles(records: Dataset, taxonomy: Taxonomy) -> list[Fault | None]:
    """A fault for each record that is titled as an occupation of the taxonomy is: nobody's own words."""
    codes = {key(occupation.title): occupation.code for occupation in taxonomy}
    found = (codes.get(key(title)) for title in records["job_title"])
    return [Fault("official title", code) if code else None for code in found]


def codes_in_text(records: Dataset, taxonomy: Taxonomy) -> list[Fault | None]:
    """A fault for each record that says a code of the taxonomy: the answer must not be in the question."""
    codes = {code for code in taxonomy.codes if len(code) >= SHORTEST_CODE}
    found = ([token for token in TOKEN.findall(text) if token in codes] for text in whole_texts(records))
    return [Fault("code in the text", tokens[0]) if tokens else None for tokens in found]


def personal_data(records: Dataset) -> list[Fault | None]:
    """A fault for each record in which `mask_personal` finds something; its kinds are the evidence, not the text."""
    found = ([kind for kind, count in mask_personal(text)[1].items() if count] for text in whole_texts(records))
    return [Fault("personal data", ", ".join(kinds)) if kinds else None for kinds in found]


def protected_texts(records: Dataset, protected: Dataset, seed: int = 0) -> list[Fault | None]:
    """A fault for each record with the title or the duties of a protected one, or whose text is nearly the same."""
    ids = list(protected["id"])
    near = near_texts(whole_texts(records), whole_texts(protected), seed)
    faults = [Fault("near-duplicate of a protected record", ids[places[0]]) if places else None for places in near]
    for name, reason in PROTECTED.items():
        owners = dict(zip(map(key, protected[name]), ids, strict=True)) | {"": None}
        found = (owners.get(key(text)) for text in records[name])
        faults = [Fault(reason, owner) if owner else fault for owner, fault in zip(found, faults, strict=True)]
    return faults


def protected_meanings(records: Dataset, protected: Dataset, encode: "Encode | None") -> list[Fault | None]:
    """A fault for each record whose title, or whole text, has a cosine of 0.90 with one that is protected."""
    if encode is None or not len(records):
        return [None] * len(records)
    parts = [(list(records["job_title"]), protected["job_title"]), (whole_texts(records), whole_texts(protected))]
    best = np.max([nearest_cosines(own, others, encode) for own, others in parts], axis=0)
    return [Fault("cosine to a protected record", f"{cosine:.2f}") if cosine >= COSINE else None for cosine in best]


def nearest_cosines(texts: Sequence[str], others: Sequence[str], encode: "Encode") -> np.ndarray:
    """[n], each text's largest cosine to one of the others; -1 for an empty text, and where all others are empty."""
    known = list(dict.fromkeys(filter(None, others)))
    best, rows = np.full(len(texts), -1.0), [row for row, text in enumerate(texts) if text]
    if known and rows:
        corpus, queries = encode(known), encode([texts[row] for row in rows])
        parts = [(queries[start : start + PART] @ corpus.T).max(axis=1) for start in range(0, len(rows), PART)]
        best[rows] = np.concatenate(parts)
    return best


def duplicates(records: Dataset, known: Dataset | None = None, seed: int = 0) -> list[Fault | None]:
    """A fault for each near-duplicate (half of the three-word runs of title and duties in common).

    Within a code the first record passes and those like it do not. Where the codes differ none passes: such a text
    does not tell the one code from the other. Against `known` records, which are not judged, no copy passes.
    """
    texts, codes, ids = whole_texts(records), list(records["code"]), list(records["id"])
    faults = [None] * len(records) if known is None else known_copies(records, known, seed)
    for first, second in near_duplicates(texts, JACCARD, seed):
        if codes[first] != codes[second]:
            for row, other in ((first, second), (second, first)):
                faults[row] = faults[row] or Fault(ACROSS, ids[other])
        elif faults[first] is None:
            faults[second] = faults[second] or Fault(WITHIN, ids[first])
    return faults


def known_copies(records: Dataset, known: Dataset, seed: int = 0) -> list[Fault | None]:
    """A fault for each record whose text nearly is a known record's: of its own code, or of another."""
    owners: dict[str, int] = {}
    for row, text in enumerate(whole_texts(known)):
        owners.setdefault(text, row)
    places, codes, ids = list(owners.values()), list(known["code"]), list(known["id"])
    faults: list[Fault | None] = []
    for code, near in zip(records["code"], near_texts(whole_texts(records), list(owners), seed), strict=True):
        rows = [places[place] for place in near]
        others = [row for row in rows if codes[row] != code]
        if others:
            faults.append(Fault(ACROSS, ids[others[0]]))
        else:
            faults.append(Fault(WITHIN, ids[rows[0]]) if rows else None)
    return faults


def near_texts(texts: Sequence[str], others: Sequence[str], seed: int = 0) -> list[list[int]]:
    """For each text the places of the others with half of its three-word runs or more, as `near_duplicates` has it."""
    index, hashes = MinHashLSH(threshold=JACCARD, num_perm=PERMUTATIONS), minhashes(others, seed)
    for place, value in enumerate(hashes):
        index.insert(place, value)
    found = []
    for value in minhashes(texts, seed):
        found.append(sorted(place for place in index.query(value) if hashes[place].jaccard(value) >= JACCARD))
    return found


def round_trip(records: Dataset, retriever: "Retriever | None") -> list[Fault | None]:
    """A fault for each record whose code is not among the first five that are retrieved for it."""
    if retriever is None:
        return [None] * len(records)
    if unknown := sorted(set(records["code"]) - set(retriever.codes)):
        raise ValueError(f"code {unknown[0]}: not retrieved; allowed: one of {len(retriever.codes)} codes")
    found = retriever.retrieve(*(list(records[name]) for name in TEXTS), top_k=FIRST)
    faults: list[Fault | None] = []
    for code, candidates in zip(records["code"], found, strict=True):
        codes = [candidate.code for candidate in candidates]
        faults.append(None if code in codes else Fault("round trip", codes[0]))
    return faults


def key(text: str) -> str:
    """The text as it is compared: normalised, whatever the case."""
    return normalize(text).casefold()


def whole_texts(records: Dataset) -> list[str]:
    """Title and duties of each record as one text."""
    return record_texts(records["job_title"], records["job_duties"])
