"""What a benchmark measures on: a taxonomy, and records in three splits that never share a key."""

import hashlib
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas

from occ_autocoder.taxonomy import Occupation, Taxonomy

SPLITS = ("train", "validation", "test")
COLUMNS = ["job_title", "job_duties", "code"]


@dataclass(frozen=True)
class Benchmark:
    """`splits` maps train, validation and test to frames with the columns job_title, job_duties, code.

    The taxonomy has no title and no sentence that belongs to the validation or the test part.
    """

    name: str
    taxonomy: Taxonomy
    splits: dict[str, pandas.DataFrame]


def split_of(key: str) -> str:
    """train, validation or test: SHA-1 of the key, first eight hex digits, modulo 10 (0 test, 1 validation)."""
    digit = int(hashlib.sha1(key.encode("utf-8")).hexdigest()[:8], 16) % 10
    return {0: "test", 1: "validation"}.get(digit, "train")


def read_table(data: Path, name: str) -> pandas.DataFrame:
    """One table of the data folder, every cell as text."""
    return pandas.read_csv(data / f"{name}.csv.gz", dtype=str, keep_default_na=False)


def frames(rows: Iterable[tuple[str, str, str, str]]) -> dict[str, pandas.DataFrame]:
    """Rows (split, job_title, job_duties, code) as one frame a split, without doubled rows."""
    table = pandas.DataFrame(list(rows), columns=["split", *COLUMNS])
    parts = {split: table[table["split"] == split][COLUMNS].drop_duplicates() for split in SPLITS}
    return {split: part.reset_index(drop=True) for split, part in parts.items()}


def drop_examples(taxonomy: Taxonomy, keep) -> Taxonomy:
    """The taxonomy with only those example titles for which `keep(title)` holds."""
    kept = [replace(item, examples=tuple(filter(keep, item.examples))) for item in taxonomy]
    return Taxonomy(kept, taxonomy.scheme, taxonomy.version)


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text, in order."""
    parts = re.split(r"(?<=[.!?])\s+(?=[A-Z])|\n+", text)
    return [" ".join(part.split()) for part in parts if len(part.split()) > 3]


def duties_of(pool: Sequence[str], count: int, generator: random.Random) -> str:
    """`count` sentences of the pool in a random order (all of it where it has fewer), as one text."""
    return " ".join(generator.sample(list(pool), min(count, len(pool))))


def with_definitions(taxonomy: Taxonomy, definitions: dict[str, str]) -> Taxonomy:
    """The taxonomy with other definitions for the codes in `definitions`."""

    def changed(item: Occupation) -> Occupation:
        return replace(item, definition=definitions.get(item.code, item.definition))

    return Taxonomy(map(changed, taxonomy), taxonomy.scheme, taxonomy.version)
