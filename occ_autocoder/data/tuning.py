"""Records -> prompts with their completions, to fine-tune a language model on: rewordings, and the choice of a code."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

import numpy as np
from datasets import Dataset, Features, Value

from occ_autocoder.llm.replies import schema_fault
from occ_autocoder.llm.request import Request
from occ_autocoder.taxonomy import Taxonomy

from .diversity import shingles
from .drift import encoded, jaccard
from .encoder import Encode
from .leakage import JACCARD, TEXTS
from .paraphrase_requests import paraphrase_request
from .retrieval import Candidate, Retriever
from .selection import NONE, shown

MIN_SIMILARITY = {"job_title": 0.7, "job_duties": 0.6}
PAIR_COLUMNS = ("original", "reworded", "field", "code")
EXAMPLE_FEATURES = Features({name: Value("string") for name in ("prompt", "completion", "source_id")})
LIKENESS = 0.5  # relevance of a wrong candidate that has all groups above it in common with the right one

Ask = Callable[[Mapping[str, str], Sequence[Candidate], Taxonomy], Request]
Rewordings = tuple[str, str, str, str, list[str]]


def paraphrase_pairs(
    dataset: Dataset,
    taxonomy: Taxonomy,
    encode: Encode | None = None,
    *,
    rewordings: int = 2,
    min_similarity: Mapping[str, float] = MIN_SIMILARITY,
    seed: int = 0,
) -> Dataset:
    """Prompts for rewordings, with at most `rewordings` of them as completion (`EXAMPLE_FEATURES`).

    Where the dataset has the columns `original`, `reworded`, `field` ("job_title" or "job_duties") and `code`, they are
    the pairs. Else records of one code are paired, titles and duties apart, whose texts are close (`min_similarity`)
    and no near-duplicates, the closest first: not quite rewordings, so that given pairs teach better. A text without
    such a partner gives no prompt. Personal data is masked.

    Args:
        dataset: with these columns, or with those of `data.records.RECORD_FEATURES`.
        encode: texts -> unit vectors [n, d]; not needed for given pairs.
        seed: of the order of the examples.
    Raises:
        UnknownCodeError: a code that the taxonomy lacks.
        ValueError: a column that lacks, another field, records without `encode`.
    """
    if "original" in dataset.column_names:
        found = given_pairs(dataset, rewordings)
    elif encode is None:
        raise ValueError("records without encode; allowed: encode, or the columns " + ", ".join(PAIR_COLUMNS))
    else:
        found = close_pairs(dataset, encode, rewordings, min_similarity)
    return as_examples((paraphrase_example(item, taxonomy) for item in found), seed)


def selection_examples(
    dataset: Dataset,
    taxonomy: Taxonomy,
    retriever: Retriever,
    selection_request: Ask,
    *,
    top_k: int = 5,
    none_share: float = 0.15,
    seed: int = 0,
) -> Dataset:
    """The question which candidate is right for a record, with the right answer as completion (`EXAMPLE_FEATURES`).

    The candidates are the `top_k` that are retrieved; the last makes place for the record's code where that is not
    among them. For a share of the records, drawn by `seed`, the code is taken out: "none" is right. The candidates'
    order is drawn too, so that it says nothing. The relevance of a wrong one is half the share of the groups above it
    that are above the right one too.

    Args:
        dataset: with the columns of `data.records.RECORD_FEATURES`; codes are among `retriever.codes`.
        selection_request: as `data.selection.selection_request`.
    Raises:
        ValueError: a code that is not retrieved, or an answer that the request itself would not accept.
    """
    check_codes(dataset, retriever.codes)
    retrieved = retriever.retrieve(*(list(dataset[name]) for name in TEXTS), top_k=top_k + 1)
    examples = []
    for record, found in zip(dataset, retrieved, strict=True):
        generator = generator_of(record["id"], seed)
        without = [candidate for candidate in found if candidate.code != record["code"]]
        absent = generator.random() < none_share
        right = next((item for item in found if item.code == record["code"]), Candidate(record["code"], 0.0))
        chosen = without[:top_k] if absent else [right, *without[: top_k - 1]]
        shuffled = [chosen[place] for place in generator.permutation(len(chosen))]
        request = selection_request(record, shuffled, taxonomy)
        answer = selection_answer(record["code"], [candidate.code for candidate in shuffled], taxonomy)
        examples.append({"prompt": request.prompt, "completion": accepted(answer, request), "source_id": record["id"]})
    return as_examples(examples, seed)


def selection_answer(code: str, candidates: Sequence[str], taxonomy: Taxonomy) -> dict:
    """The answer about a record whose right code is `code`."""
    present = code in candidates
    reason = f"The work is that of {taxonomy[code].title}." if present else "No candidate is right for this work."
    relevance = [1.0 if candidate == code else likeness(code, candidate, taxonomy) for candidate in candidates]
    return {"relevance": relevance, "code": code if present else NONE, "reason": reason}


def likeness(code: str, other: str, taxonomy: Taxonomy) -> float:
    """Half the share of the groups above a code that are above the other too; two decimals."""
    above, others = ({item.code for item in taxonomy.ancestors(item)} for item in (code, other))
    return round(LIKENESS * len(above & others) / len(above), 2) if above else 0.0


def accepted(answer: Mapping, request: Request) -> str:
    """The answer as the JSON that the request's schema asks for; ValueError where the request would refuse it."""
    value = {name: answer[name] for name in request.schema["properties"] if name in answer}
    if fault := schema_fault(value, request.schema) or request.check(value):
        raise ValueError(f"request {request.id}: {fault}")
    return json.dumps(value, ensure_ascii=False)


def paraphrase_example(item: Rewordings, taxonomy: Taxonomy) -> dict:
    """A prompt for as many rewordings as there are, and these."""
    source, field, code, text, reworded = item
    request = paraphrase_request(source, field, text, code, taxonomy, len(reworded))
    return {"prompt": request.prompt, "completion": accepted({"rewordings": reworded}, request), "source_id": source}


def given_pairs(dataset: Dataset, rewordings: int) -> Iterator[Rewordings]:
    """The pairs of the columns `PAIR_COLUMNS`, those of one original together, as many as make a prompt."""
    if missing := set(PAIR_COLUMNS) - set(dataset.column_names):
        raise ValueError(f"no column {', '.join(sorted(missing))}; allowed: {', '.join(PAIR_COLUMNS)}")
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    for place, row in enumerate(dataset):
        if row["field"] not in TEXTS:
            raise ValueError(f"row {place}, column field: {row['field']!r}; allowed: {', '.join(TEXTS)}")
        original, reworded = texts = [shown(row[name]) for name in PAIR_COLUMNS[:2]]
        if not all(texts):
            raise ValueError(f"row {place}, column {PAIR_COLUMNS[texts.index('')]}: empty; allowed: a text")
        found.setdefault((row["field"], row["code"], original), {}).setdefault(reworded, place)
    for (field, code, original), places in found.items():
        for start in range(0, len(places), rewordings):
            part = list(places)[start : start + rewordings]
            yield f"row-{places[part[0]]}", field, code, original, part


def close_pairs(
    dataset: Dataset, encode: Encode, rewordings: int, min_similarity: Mapping[str, float]
) -> Iterator[Rewordings]:
    """Each text of a code with those that say nearly the same in other words."""
    for field in TEXTS:
        by_code: dict[str, dict[str, str]] = {}
        for row in dataset:
            if text := shown(row[field]):
                known = by_code.setdefault(row["code"], {})
                known[text] = min(row["id"], known.get(text, row["id"]))
        vectors = encoded([text for texts in by_code.values() for text in texts], encode)
        for code, texts in by_code.items():
            for text, partners in partners_of(sorted(texts), vectors, min_similarity[field], rewordings):
                yield texts[text], field, code, text, partners


def partners_of(
    texts: Sequence[str], vectors: Mapping[str, np.ndarray], least: float, count: int
) -> Iterator[tuple[str, list[str]]]:
    """Each text that has partners, with at most `count` of them: the closest, no two near-duplicates of each other."""
    matrix = np.stack([vectors[text] for text in texts])
    for text, vector in zip(texts, matrix, strict=True):
        cosines = matrix @ vector
        near = [place for place in np.argsort(-cosines, kind="stable") if cosines[place] >= least]
        chosen = [text]
        for place in near:
            if len(chosen) <= count and all(differ(texts[place], other) for other in chosen):
                chosen.append(texts[place])
        if chosen[1:]:
            yield text, chosen[1:]


def differ(a: str, b: str) -> bool:
    """Whether two texts are no near-duplicates."""
    return jaccard(set(shingles(a)), set(shingles(b))) < JACCARD


def check_codes(dataset: Dataset, codes: Sequence[str]) -> None:
    """ValueError for a record whose code is not among those that are retrieved."""
    for record in dataset.select_columns(["id", "code"]):
        if record["code"] not in codes:
            raise ValueError(f"record {record['id']}: code {record['code']!r}; allowed: one of {len(codes)} codes")


def as_examples(examples: Iterable[Mapping], seed: int) -> Dataset:
    """The examples, in an order drawn by `seed` that does not depend on the order in which they come."""
    ordered = sorted(
        examples,
        key=lambda item: sha256(
            f"{seed}\0{item['source_id']}\0{item['prompt']}\0{item['completion']}".encode()
        ).digest(),
    )
    return Dataset.from_dict({name: [item[name] for item in ordered] for name in EXAMPLE_FEATURES}, EXAMPLE_FEATURES)


def generator_of(id: str, seed: int) -> np.random.Generator:
    """A random generator of the record's own, so that its draws do not depend on the other records."""
    return np.random.default_rng(int.from_bytes(sha256(f"{seed}\0{id}".encode()).digest()[:8], "big"))
