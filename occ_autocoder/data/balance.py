# ruff: noqa
"""Rare codes copied, frequent codes thinned out, so that a coder does not learn the frequent ones alone."""

from collections import Counter

import numpy as np
from datasets import Dataset, concatenate_datasets

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
    """The training records with rare codes copied ("over"), frequent ones thinned out ("under") or both; and those left out.

    Random over- and undersampling (He and Garcia 2009, "Learning from Imbalanced Data", section 3.1.1). The copies
    follow the records, each with an id of its own and the id of its record in `copy_of`, which is "" in a record. No
    record is copied a second time before all of its code were copied once. The same rows in another order give the
    same records.

    Args:
        min_records: how many records a code is to have at least, as far as `max_copies` allows; for "over" and "both".
        max_records: how many it is to have at most; for "under" and "both".
        max_copies: how often one record may be copied.
    Raises:
        ValueError: numbers that the strategy does not take or lacks; a DatasetDict, a split that is not train, or records
            that were balanced before; a code that is empty; an id that a copy would take.
    """
    check_numbers(strategy, min_records, max_records, max_copies)
    check_train(dataset)
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
