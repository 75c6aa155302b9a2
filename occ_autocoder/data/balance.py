"""Rare codes copied, frequent codes thinned out, so that a coder does not learn the frequent ones alone."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from datasets import Dataset, DatasetDict, concatenate_datasets

from occ_autocoder.extras import require

from .copies import copy_id

require("data")
from imblearn.under_sampling import RandomUnderSampler  # noqa: E402

NUMBERS = {"over": ("min_records",), "under": ("max_records",), "both": ("min_records", "max_records")}
MAX_COPIES = 5
COPY_OF = "copy_of"


def balance_records(
    dataset: Dataset,
    *,
    strategy: str = "both",
    min_records: int | None = None,
    max_records: int | None = None,
    max_copies: int = MAX_COPIES,
    seed: int = 0,
) -> tuple[Dataset, Dataset]:
    """The training records with rare codes copied ("over"), frequent ones thinned out ("under"), or both.

    Random over- and undersampling (He and Garcia 2009, "Learning from Imbalanced Data", section 3.1.1). The copies
    follow the records, each with an id of its own and the id of its record in `copy_of`, which is "" in a record. No
    record is copied a second time before all of its code were copied once. Records that are left out come back
    beside. The same rows in another order give the same records.

    Args:
        min_records: how many records a code is to have at least, as far as `max_copies` allows; for "over" and "both".
        max_records: how many it is to have at most; for "under" and "both".
        max_copies: how often one record may be copied.
    Raises:
        ValueError: numbers that the strategy does not take or lacks; a DatasetDict, a split that is not train, or
            records that were balanced before; a code that is empty; an id that is missing, that two records share,
            or that a copy would take.
    """
    check_numbers(strategy, min_records, max_records, max_copies)
    check_train(dataset)
    check_ids(dataset["id"])
    codes, ids = np.array(dataset["code"], dtype=object), list(dataset["id"])
    support = Counter(codes)
    if support[""] or support[None]:
        raise ValueError(f"{support[''] + support[None]} records without a code; allowed: a code in every one")
    order = np.array(sorted(range(len(ids)), key=lambda row: (codes[row], ids[row])), dtype=int)
    kept = thinned(order, codes, {} if max_records is None else too_many(support, max_records), seed)
    copied = [] if min_records is None else copies(order, codes, wanted_copies(support, min_records, max_copies), seed)
    left_out = sorted({*range(len(ids))} - {*kept})
    balanced = concatenate_datasets([with_origin(dataset, kept), copies_of(dataset, copied)])
    return balanced, dataset.select(left_out)


def class_counts(before: Dataset, after: Dataset) -> list[dict]:
    """How many records each code of either has: rows of `code`, `before` and `after`, the most frequent before first.

    A code that one of the two lacks has 0 there.
    """
    old, new = Counter(before["code"]), Counter(after["code"])
    codes = sorted({*old, *new}, key=lambda code: (-old[code], -new[code], code))
    return [{"code": code, "before": old[code], "after": new[code]} for code in codes]


def check_numbers(strategy: str, min_records: int | None, max_records: int | None, max_copies: int) -> None:
    """ValueError for an unknown strategy, and for numbers that it lacks or does not take."""
    if strategy not in NUMBERS:
        raise ValueError(f"strategy={strategy!r}; allowed: {', '.join(NUMBERS)}")
    given = {"min_records": min_records, "max_records": max_records}
    if {name for name, number in given.items() if number is not None} != {*NUMBERS[strategy]}:
        raise ValueError(f"{given} with strategy={strategy!r}; allowed: {' and '.join(NUMBERS[strategy])}")
    least, most = min_records or 1, max_records if max_records is not None else float("inf")
    if not 1 <= least <= most or max_copies < 1:
        raise ValueError(f"{given}, max_copies={max_copies}; allowed: from 1, min_records at most max_records")


def check_train(dataset: Dataset) -> None:
    """ValueError for what is not the training part, or was balanced before."""
    if isinstance(dataset, DatasetDict):
        raise ValueError("several splits; allowed: the training records alone")
    if dataset.split is not None and str(dataset.split) != "train":
        raise ValueError(f"the records of {dataset.split}; allowed: the training records")
    if missing := {"id", "code"} - {*dataset.column_names}:
        raise ValueError(f"no column {min(missing)}; allowed: records with id and code")
    if COPY_OF in dataset.column_names:
        raise ValueError(f"column {COPY_OF}: the records were balanced before; allowed: records without it")


def check_ids(ids: Iterable[str | None]) -> None:
    """ValueError for an id that is missing or that two records share: which of them a copy is of could not be told."""
    for id_, number in Counter(ids).items():
        if not id_ or number > 1:
            raise ValueError(f"id {id_!r} in {number} records; allowed: an id in every record, each in one alone")


def too_many(support: Mapping[str, int], max_records: int) -> dict[str, int]:
    """Code -> the records that it is to have; only codes that have more."""
    return {code: max_records for code, number in support.items() if number > max_records}


def wanted_copies(support: Mapping[str, int], min_records: int, max_copies: int) -> dict[str, int]:
    """Code -> the copies that it is to have; only codes that need some."""
    missing = {code: min_records - number for code, number in support.items()}
    return {code: min(number, max_copies * support[code]) for code, number in missing.items() if number > 0}


def thinned(order: np.ndarray, codes: np.ndarray, numbers: Mapping[str, int], seed: int) -> list[int]:
    """The rows that stay, in their own order: of the codes in `numbers` so many, drawn at random, of the others all."""
    others = [row for row in order if codes[row] not in numbers]
    return sorted([*others, *draw(order, codes, numbers, seed)])


def copies(order: np.ndarray, codes: np.ndarray, numbers: Mapping[str, int], seed: int) -> list[int]:
    """The rows to copy, some several times: all of a code as often as that goes, then some that are drawn."""
    support = Counter(codes)
    rounds = {code: number // support[code] for code, number in numbers.items()}
    rest = {code: number % support[code] for code, number in numbers.items() if number % support[code]}
    whole = [row for row in order for _ in range(rounds.get(codes[row], 0))]
    return sorted([*whole, *draw(order, codes, rest, seed)])


def draw(order: np.ndarray, codes: np.ndarray, numbers: Mapping[str, int], seed: int) -> list[int]:
    """So many rows of each code in `numbers`, at random and none twice."""
    rows = [row for row in order if codes[row] in numbers]
    if not rows:
        return []
    beside = ("", -1)  # a class of one row: the sampler refuses a single class
    sampler = RandomUnderSampler(sampling_strategy={**numbers, beside[0]: 1}, random_state=seed)
    drawn, _ = sampler.fit_resample(np.array([*rows, beside[1]])[:, np.newaxis], [*codes[rows], beside[0]])
    return [int(row) for row in drawn[:, 0] if row != beside[1]]


def with_origin(dataset: Dataset, rows: Sequence[int]) -> Dataset:
    """The rows, with an empty `copy_of`."""
    return dataset.select(rows).add_column(COPY_OF, [""] * len(rows))


def copies_of(dataset: Dataset, rows: Sequence[int]) -> Dataset:
    """A copy of each row, with the id of its record and a number; ValueError for an id that another record has."""
    originals, number = list(dataset["id"]), Counter()
    taken, ids = {*originals}, []
    for row in rows:
        number[row] += 1
        ids.append(copy_id(originals[row], number[row]))
        if ids[-1] in taken:
            raise ValueError(f"id {ids[-1]!r} is that of a record; allowed: ids that no copy would take")
    copied = dataset.select(rows).add_column(COPY_OF, [originals[row] for row in rows])
    columns = copied.column_names
    feature = dataset.features["id"]
    return copied.remove_columns("id").add_column("id", ids, feature=feature).select_columns(columns)
