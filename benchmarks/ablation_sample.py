"""A long-tailed sample of ESCO's occupations, and the synthetic and reworded records for its rare codes."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas
from datasets import Dataset

from occ_autocoder.data.encoder import Encode
from occ_autocoder.data.leakage import apart, filter_records, protected_meanings, protected_texts
from occ_autocoder.data.records import RECORD_FEATURES
from occ_autocoder.data.splits import split_records
from occ_autocoder.taxonomy import Taxonomy

from .ours import as_records
from .records import Benchmark

# Share of the unit groups -> the least and the most real records of each.
TAIL = ((0.25, 0, 0), (0.25, 1, 2), (0.30, 3, 9), (0.20, 60, 60))
RARE = 10  # real records below which a code gets synthetic and reworded ones
WRITTEN = 12  # synthetic records a rare code
LABELS = 2  # titles of an occupation in the test
Reword = Callable[[Dataset, int], Dataset]


@dataclass(frozen=True)
class Sample:
    """Real records to train and validate on, and rows to test on, of occupations that are in neither."""

    taxonomy: Taxonomy
    train: Dataset
    validation: Dataset
    test: pandas.DataFrame

    @property
    def rare(self) -> set[str]:
        """The codes with fewer than `RARE` records in train."""
        support = Counter(self.train["code"])
        return {item.code for item in self.taxonomy.leaves if support[item.code] < RARE}


def long_tailed(benchmark: Benchmark, seed: int) -> Sample:
    """A sample in which the seed draws which codes are rare, and which records are left to them.

    The test has the occupations of the benchmark's test and validation splits; validation is a tenth of what is left.
    """
    table = benchmark.splits["train"].sample(frac=1, random_state=seed)
    sizes = tail_sizes(sorted(set(table["code"])), seed)
    left = table[table.groupby("code").cumcount() < table["code"].map(sizes)].sort_index().reset_index(drop=True)
    parts = split_records(as_records(left, "real"), key="job_duties", validation=0.1, test=0.0, seed=seed)
    held = pandas.concat([benchmark.splits["test"], benchmark.splits["validation"]])
    test = held[held.groupby(["code", "job_duties"]).cumcount() < LABELS].reset_index(drop=True)
    return Sample(benchmark.taxonomy, parts["train"], parts["validation"], test)


def tail_sizes(codes: Sequence[str], seed: int) -> dict[str, int]:
    """Code -> how many real records it keeps at most, drawn as `TAIL` has it."""
    generator = random.Random(seed)
    shares, *bounds = zip(*TAIL, strict=True)
    kinds = generator.choices(list(zip(*bounds, strict=True)), shares, k=len(codes))
    return {code: generator.randint(*kind) for code, kind in zip(codes, kinds, strict=True)}


def parts_of(
    sample: Sample, synthetic: Dataset, reword: Reword, encode: Encode | None, seed: int
) -> tuple[dict[str, Dataset], dict[str, Counter]]:
    """The records of each part, and why others of it were set aside; synthetic and reworded ones are of rare codes.

    None is near a row of the test (same title, near-duplicate, cosine of 0.90).
    """
    protected = as_records(sample.test, "test")
    written = first_of_each(of_codes(synthetic, sample.rare), WRITTEN)
    passing = {"known": sample.train, "protected": protected, "encode": encode}
    written, written_aside = filter_records(written, sample.taxonomy, seed=seed, **passing)
    near_test = [partial(protected_texts, protected=protected)]
    near_test += [partial(protected_meanings, protected=protected, encode=encode)]
    reworded, reworded_aside = apart(reword(of_codes(sample.train, sample.rare), seed), near_test)
    parts = {"real": sample.train, "synthetic": written, "paraphrased": reworded}
    asides = {"synthetic": written_aside, "paraphrased": reworded_aside}
    return parts, {name: Counter(part["reason"]) for name, part in asides.items()}


def of_codes(records: Dataset, codes: set[str]) -> Dataset:
    """The records with one of the codes."""
    return records.select([row for row, code in enumerate(records["code"]) if code in codes])


def first_of_each(records: Dataset, count: int) -> Dataset:
    """The first `count` records of each code, with `RECORD_FEATURES`."""
    place = pandas.Series(list(records["code"]), dtype=str)
    rows = np.flatnonzero(place.groupby(place).cumcount() < count)
    return records.select(rows).select_columns(list(RECORD_FEATURES))
