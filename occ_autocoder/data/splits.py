"""Splits of records: train, validation and test, with no text and no near-duplicate in two of them."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, DatasetDict
from datasketch import MinHashLSH

from occ_autocoder.model.text_occupation import normalize

from .diversity import PERMUTATIONS, minhashes

SPLITS = ("train", "validation", "test")
TENTHS = {0: "test", 1: "validation"}
OTHER_FIELD = {"job_title": "job_duties", "job_duties": "job_title"}


def hash_split(key: str) -> str:
    """The split of `key`, whatever else is in the data: a tenth each is "test" and "validation", the rest "train".

    The first eight hexadecimal digits of the SHA-1 of the key in UTF-8, modulo 10: 0 is test, 1 validation.
    """
    return TENTHS.get(int(hashlib.sha1(key.encode()).hexdigest()[:8], 16) % 10, "train")


@dataclass(frozen=True)
class SplitReport:
    """What a split did: `counts` is code -> split -> records, the codes in their order.

    `groups` are the sets of two records or more that had to stay together, `largest_group` the records of the largest.
    `near_duplicates` are the sets of different texts that are near-duplicates of each other.
    """

    counts: dict[str, dict[str, int]]
    groups: int
    largest_group: int
    near_duplicates: int

    @property
    def singletons(self) -> list[str]:
        """The codes with one record, which is in train."""
        return [code for code, numbers in self.counts.items() if sum(numbers.values()) == 1]

    @property
    def train_only(self) -> list[str]:
        """The codes that are in train alone, singletons among them: their texts are few, or all of one group."""
        return [code for code, numbers in self.counts.items() if sum(numbers.values()) == numbers["train"]]


def split_records(
    dataset: Dataset, *, key: str = "job_title", seed: int = 0, validation: float = 0.1, test: float = 0.1
) -> DatasetDict:
    """The rows of `dataset` as train, validation and test, stratified by `code`, each in its order of before.

    Rows of one text, the normalised and casefolded column `key` (where that is empty, the other text), stay together.
    So do near-duplicates, whose titles and duties have about half of their three-word runs in common: see
    `near_duplicate_groups`. `validation` and `test` are the shares of each code's distinct texts that leave train, on
    average over the codes where the texts are few. Every code keeps a text in train: a code with a single one, or whose
    texts all stay together, is in train only. The same rows in another order are split the same way.
    Raises ValueError for shares that are negative or leave nothing to train.
    """
    return split_and_report(dataset, key=key, seed=seed, validation=validation, test=test)[0]


def split_and_report(
    dataset: Dataset, *, key: str = "job_title", seed: int = 0, validation: float = 0.1, test: float = 0.1
) -> tuple[DatasetDict, SplitReport]:
    """What `split_records` returns, and a report of it."""
    if validation < 0 or test < 0 or validation + test >= 1:
        raise ValueError(f"validation={validation}, test={test}; allowed: shares from 0 that sum to less than 1")
    texts, wholes, codes = _texts(dataset, key), _wholes(dataset, key), list(dataset["code"])
    near = _near(wholes)
    groups = _groups(texts, near)
    split_of = _split_of_groups(groups, texts, codes, seed, {"test": test, "validation": validation})
    places = [split_of.get(group, "train") for group in groups]
    rows = {split: [row for row, its in enumerate(places) if its == split] for split in SPLITS}
    sizes, unlike = Counter(groups), Counter(dict(zip(wholes, near)).values())
    report = SplitReport(
        counts=_counts(codes, places),
        groups=sum(size > 1 for size in sizes.values()),
        largest_group=max(sizes.values(), default=0),
        near_duplicates=sum(texts > 1 for texts in unlike.values()),
    )
    return DatasetDict({split: dataset.select(rows[split]) for split in SPLITS}), report


def _counts(codes: Sequence[str], places: Sequence[str]) -> dict[str, dict[str, int]]:
    """Code -> split -> records."""
    counts = {code: dict.fromkeys(SPLITS, 0) for code in sorted(set(codes))}
    for code, split in zip(codes, places, strict=True):
        counts[code][split] += 1
    return counts


def near_duplicate_groups(texts: Sequence[str], threshold: float = 0.5, seed: int = 0) -> list[int]:
    """Each text's group, as the place of one of its texts: those joined by a chain of near-duplicates.

    The pairs are those of `diversity.near_duplicates`, which lists them all; here a text is compared with no other of
    its group, so that a thousand reworded copies cost a thousand comparisons, not half a million.
    """
    hashes = minhashes(texts, seed)
    values = np.array([found.hashvalues for found in hashes]).reshape(-1, PERMUTATIONS)
    parents = list(range(len(texts)))
    for bucket in _buckets(values, threshold):
        _join_near(bucket, values, threshold, parents)
    return [_root(parents, place) for place in range(len(texts))]


def _buckets(values: np.ndarray, threshold: float) -> Iterator[list[int]]:
    """The places of texts whose hashes [n, 128] are equal in a band of them, for each band: what may be near."""
    for start, end in MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS).hashranges:
        found: dict[bytes, list[int]] = defaultdict(list)
        for place, row in enumerate(values[:, start:end]):
            found[row.tobytes()].append(place)
        yield from (bucket for bucket in found.values() if len(bucket) > 1)


def _join_near(bucket: Sequence[int], values: np.ndarray, threshold: float, parents: list[int]) -> None:
    """Join those of the bucket that are near each other."""
    groups: list[list[int]] = []
    for place in bucket:
        near = [group for group in groups if _is_near(place, group, values, threshold, parents)]
        for group in near:
            _join(parents, place, group[0])
        if near:
            near[0].append(place)
            near[0].extend(other for group in near[1:] for other in group)
            groups = [group for group in groups if not any(group is other for other in near[1:])]
        else:
            groups.append([place])


def _is_near(place: int, group: Sequence[int], values: np.ndarray, threshold: float, parents: list[int]) -> bool:
    """Whether the text is in the group already, or near one of it."""
    if _root(parents, place) == _root(parents, group[0]):
        return True
    return bool(((values[group] == values[place]).mean(axis=1) >= threshold).any())


def _root(parents: list[int], place: int) -> int:
    """What stands for the set that `place` is in."""
    while parents[place] != place:
        parents[place] = place = parents[parents[place]]
    return place


def _join(parents: list[int], place: int, other: int) -> None:
    """Make one set of the two."""
    parents[_root(parents, place)] = _root(parents, other)


def _texts(dataset: Dataset, key: str) -> list[str]:
    """What tells each row's text from another's: `key`, or the other of title and duties where it is empty."""
    other = OTHER_FIELD.get(key, key)
    instead = dataset[other if other in dataset.column_names else key]
    pairs = zip(dataset[key], instead, strict=True)
    return [(normalize(text) or normalize(second)).casefold() for text, second in pairs]


def _wholes(dataset: Dataset, key: str) -> list[str]:
    """Title and duties of each row as one text; `key` where there is neither."""
    names = [name for name in OTHER_FIELD if name in dataset.column_names] or [key]
    return [" ".join(map(normalize, fields)).strip().casefold() for fields in zip(*(dataset[name] for name in names))]


def _near(wholes: Sequence[str]) -> list[int]:
    """Each text's group of near-duplicates, equal texts looked at once."""
    texts = sorted(set(wholes))
    groups = dict(zip(texts, near_duplicate_groups(texts), strict=True))
    return [groups[whole] for whole in wholes]


def _groups(texts: Sequence[str], near: Sequence[int]) -> list[str]:
    """The group of each row, named by its first text in the alphabet: rows of one text, and near-duplicates."""
    places = {text: place for place, text in enumerate(sorted(set(texts)))}
    parents, owners = list(range(len(places))), {}
    for text, group in zip(texts, near, strict=True):
        _join(parents, places[text], owners.setdefault(group, places[text]))
    names: dict[int, str] = {}
    for text, place in places.items():
        names.setdefault(_root(parents, place), text)
    return [names[_root(parents, places[text])] for text in texts]


def _split_of_groups(
    groups: Sequence[str], texts: Sequence[str], codes: Sequence[str], seed: int, shares: Mapping[str, float]
) -> dict[str, str]:
    """Group -> split, for the groups that leave train."""
    codes_of: dict[str, Counter[str]] = defaultdict(Counter)
    texts_of: dict[str, set[str]] = defaultdict(set)
    for group, text, code in zip(groups, texts, codes, strict=True):
        codes_of[group][code] += 1
        texts_of[group].add(text)
    left_in_train = Counter(code for counts in codes_of.values() for code in counts)
    split_of: dict[str, str] = {}
    for code, members in sorted(_strata(codes_of).items()):
        count = sum(len(texts_of[group]) for group in members)
        room = {split: count * share for split, share in shares.items()}
        # A group that is larger than the room left goes in by chance, so that small codes give their share on average.
        chance = {split: _uniform(seed, split, code) for split in shares}
        for group in sorted(members, key=lambda group: _uniform(seed, group)):
            size = len(texts_of[group])
            split = next((split for split in shares if room[split] >= size * (1 - chance[split])), None)
            if split and all(left_in_train[code] > 1 for code in codes_of[group]):
                split_of[group] = split
                room[split] -= size
                left_in_train.subtract(codes_of[group].keys())
    return split_of


def _strata(codes_of: Mapping[str, Counter[str]]) -> dict[str, list[str]]:
    """Code -> the groups of which it is the most frequent code, the smallest of several."""
    strata = defaultdict(list)
    for text, counts in codes_of.items():
        strata[min(counts, key=lambda code: (-counts[code], code))].append(text)
    return strata


def _uniform(*seeds: object) -> float:
    """A number from 0 up to 1 that follows from `seeds`."""
    return int(hashlib.sha1("\0".join(map(str, seeds)).encode()).hexdigest()[:8], 16) / 2**32
