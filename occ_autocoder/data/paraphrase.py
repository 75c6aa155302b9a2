"""Records -> reworded records: titles and duties reworded apart by a language model, and only what kept its meaning."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from datasets import Dataset, Features, Value, concatenate_datasets

from occ_autocoder.llm.request import Answer, Generate, Request
from occ_autocoder.model.text_occupation import normalize
from occ_autocoder.taxonomy import Taxonomy

from .drift import drifted, empty_texts, field_of, repeats
from .encoder import Encode
from .leakage import TEXTS, Fault, apart, filter_records, with_faults
from .paraphrase_requests import paraphrase_request, paraphrase_version
from .records import RECORD_FEATURES

SOURCE = "paraphrase"
# By the bundled encoder 3 % of the pairs of titles of different codes (ISCO-08) are as near, and 0.2 % of duties.
MIN_SIMILARITY = {"job_title": 0.35, "job_duties": 0.5}
PARAPHRASE_FEATURES = Features(
    {
        **RECORD_FEATURES,
        **{name: Value("string") for name in ("generator", "prompt_version")},
        "seed": Value("int64"),
        "source_id": Value("string"),
    }
)


def paraphrase_records(
    dataset: Dataset,
    generate: Generate,
    encode: Encode,
    taxonomy: Taxonomy,
    *,
    rewordings: int = 2,
    min_similarity: Mapping[str, float] = MIN_SIMILARITY,
    protected: Dataset | None = None,
    seed: int = 0,
) -> tuple[Dataset, Dataset]:
    """At most `rewordings` new records of each record, with its code, and what was set aside.

    Title and duties are asked for apart. A rewording is set aside that is empty, repeats its source or another one, or
    drifted from what its source means: see `drift`. The n-th title that is left goes with the n-th duties; what is then
    left over is set aside, and so is a new record that `leakage.filter_records` does not let pass.

    Args:
        dataset: with the columns of `data.records.RECORD_FEATURES`; codes are leaves of `taxonomy`.
        encode: texts -> unit vectors [n, d].
        min_similarity: the least cosine of a rewording to its source, for "job_title" and "job_duties".
        protected: records that a model is tested on, which no new record may repeat.
    Returns:
        The new records (`PARAPHRASE_FEATURES`), each with the id of its source; and those set aside, with `reason` and
        `evidence`: a rewording has only its field, and a request without an answer is a row without texts.
    Raises:
        ValueError: a record's code is no leaf, or `rewordings` is below 1.
    """
    check_records(dataset, taxonomy, rewordings)
    orders = list(new_orders(dataset, taxonomy, rewordings, seed))
    answers = {answer.id: answer for answer in generate([request for _, _, request in orders])}
    answered = [(record, field, answers[request.id]) for record, field, request in orders]
    parts = as_dataset([row for item in answered for row in reworded_fields(*item, seed)])
    judge = partial(drifted, dataset=dataset, taxonomy=taxonomy, encode=encode, min_similarity=min_similarity)
    parts, poor = apart(parts, [empty_texts, partial(repeats, dataset=dataset), judge])
    whole, alone = joined(parts, dataset, seed)
    known = dataset.select_columns(list(RECORD_FEATURES))
    kept, alike = filter_records(whole, taxonomy, known=known, protected=protected, encode=encode, fields=(), seed=seed)
    return kept, concatenate_datasets([without_answer(answered, seed), poor, alone, alike])


def check_records(dataset: Dataset, taxonomy: Taxonomy, rewordings: int) -> None:
    """ValueError for a record whose code is no leaf, and for a number that is not allowed."""
    if rewordings < 1:
        raise ValueError(f"rewordings={rewordings}; allowed: a whole number from 1")
    leaves = {leaf.code for leaf in taxonomy.leaves}
    for id, code in zip(dataset["id"], dataset["code"], strict=True):
        if code not in leaves:
            raise ValueError(f"record {id}: code {code!r}; allowed: one of {len(leaves)} leaves of {taxonomy.scheme}")


def new_orders(dataset: Dataset, taxonomy: Taxonomy, rewordings: int, seed: int) -> Iterator[tuple[dict, str, Request]]:
    """(record, field, request) of every field that has a text."""
    for record in dataset:
        for field in TEXTS:
            if normalize(record[field]):
                id = f"{SOURCE}-{seed}-{record['id']}-{field}"
                text, code = record[field], record["code"]
                yield record, field, paraphrase_request(id, field, text, code, taxonomy, rewordings)


def reworded_fields(record: Mapping, field: str, answer: Answer, seed: int) -> Iterator[dict]:
    """A row for each rewording of a record's field: that field alone."""
    for place, text in enumerate(answer.value["rewordings"] if answer.value else ()):
        yield new_row(f"{answer.id}-{place:02}", record, answer.generator, seed, **{field: normalize(text)})


def without_answer(answered: Sequence[tuple[Mapping, str, Answer]], seed: int) -> Dataset:
    """A row without texts for each request that had no answer, with the answer's reason as evidence."""
    silent = [(record, answer) for record, _, answer in answered if answer.value is None]
    rows = [new_row(answer.id, record, answer.generator, seed) for record, answer in silent]
    return with_faults(as_dataset(rows), [Fault("no answer", answer.reason) for _, answer in silent])


def joined(parts: Dataset, dataset: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """New records of the rewordings: the n-th title with the n-th duties; and the rewordings that are left over."""
    lines: dict[str, dict[str, list[int]]] = {}
    for place, row in enumerate(parts):
        lines.setdefault(row["source_id"], {}).setdefault(field_of(row), []).append(place)
    rows, over = [], []
    for record in dataset:
        found = lines.get(record["id"], {})
        needed = [field for field in TEXTS if normalize(record[field])]
        whole = list(zip(*(found.get(field, []) for field in needed)))
        for number, places in enumerate(whole):
            texts = {field: parts[place][field] for field, place in zip(needed, places)}
            id = f"{SOURCE}-{seed}-{record['id']}-{number:02}"
            rows.append(new_row(id, record, parts[places[0]]["generator"], seed, **texts))
        over += [place for field in needed for place in found.get(field, [])[len(whole) :]]
    over.sort()
    return as_dataset(rows), with_faults(parts.select(over), [Fault("no counterpart")] * len(over))


def new_row(id: str, record: Mapping, generator: str, seed: int, **texts: str) -> dict:
    """A row of `PARAPHRASE_FEATURES` with these texts."""
    about = {"id": id, "code": record["code"], "source": SOURCE, "generator": generator, "source_id": record["id"]}
    made = {"prompt_version": paraphrase_version(), "seed": seed}
    return dict.fromkeys(PARAPHRASE_FEATURES, "") | about | made | texts


def as_dataset(rows: Sequence[Mapping]) -> Dataset:
    """The rows with `PARAPHRASE_FEATURES`."""
    return Dataset.from_dict({name: [row[name] for row in rows] for name in PARAPHRASE_FEATURES}, PARAPHRASE_FEATURES)
