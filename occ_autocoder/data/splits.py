"""Splits of records: train, validation and test, with no text in two of them."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from datasets import Dataset, DatasetDict

from occ_autocoder.model.text_occupation import normalize

SPLITS = ("train", "validation", "test")
TENTHS = {0: "test", 1: "validation"}
OTHER_FIELD = {"job_title": "job_duties", "job_duties": "job_title"}


def hash_split(key: str) -> str:
    """The split of `key`, whatever else is in the data: a tenth each is "test" and "validation", the rest "train".

    The first eight hexadecimal digits of the SHA-1 of the key in UTF-8, modulo 10: 0 is test, 1 validation.
    """
    return TENTHS.get(int(hashlib.sha1(key.encode()).hexdigest()[:8], 16) % 10, "train")


def split_records(
    dataset: Dataset, *, key: str = "job_title", seed: int = 0, validation: float = 0.1, test: float = 0.1
) -> DatasetDict:
    """The rows of `dataset` as train, validation and test, stratified by `code`, each in its order of before.

    Rows of one text, the normalised and casefolded column `key` (where that is empty, the other text), stay together.
    `validation` and `test` are the shares of each code's distinct texts that leave train, on average over the codes
    where the texts are few. Every code keeps a text in train: a code with a single one is in train only. The same rows
    in another order are split the same way.
    Raises ValueError for shares that are negative or leave nothing to train.
    """
    if validation < 0 or test < 0 or validation + test >= 1:
        raise ValueError(f"validation={validation}, test={test}; allowed: shares from 0 that sum to less than 1")
    texts = _texts(dataset, key)
    split_of = _split_of_texts(texts, dataset["code"], seed, {"test": test, "validation": validation})
    rows = {split: [row for row, text in enumerate(texts) if split_of.get(text, "train") == split] for split in SPLITS}
    return DatasetDict({split: dataset.select(rows[split]) for split in SPLITS})


def _texts(dataset: Dataset, key: str) -> list[str]:
    """What tells each row's text from another's: `key`, or the other of title and duties where it is empty."""
    other = OTHER_FIELD.get(key, key)
    instead = dataset[other if other in dataset.column_names else key]
    pairs = zip(dataset[key], instead, strict=True)
    return [(normalize(text) or normalize(second)).casefold() for text, second in pairs]


def _split_of_texts(
    texts: Sequence[str], codes: Iterable[str], seed: int, shares: Mapping[str, float]
) -> dict[str, str]:
    """Text -> split, for the texts that leave train."""
    codes_of: dict[str, Counter[str]] = defaultdict(Counter)
    for text, code in zip(texts, codes, strict=True):
        codes_of[text][code] += 1
    left_in_train = Counter(code for counts in codes_of.values() for code in counts)
    split_of: dict[str, str] = {}
    for code, members in sorted(_strata(codes_of).items()):
        wanted = [split for split in shares for _ in range(_quota(len(members), shares[split], seed, split, code))]
        for text in sorted(members, key=lambda text: _uniform(seed, text)):
            if wanted and all(left_in_train[code] > 1 for code in codes_of[text]):
                split_of[text] = wanted.pop(0)
                left_in_train.subtract(codes_of[text].keys())
    return split_of


def _strata(codes_of: Mapping[str, Counter[str]]) -> dict[str, list[str]]:
    """Code -> the texts of which it is the most frequent code, the smallest of several."""
    strata = defaultdict(list)
    for text, counts in codes_of.items():
        strata[min(counts, key=lambda code: (-counts[code], code))].append(text)
    return strata


def _quota(texts: int, share: float, *seeds: object) -> int:
    """`share` of `texts`, rounded up or down at random so that small codes give their share on average."""
    return int(texts * share + _uniform(*seeds))


def _uniform(*seeds: object) -> float:
    """A number from 0 up to 1 that follows from `seeds`."""
    return int(hashlib.sha1("\0".join(map(str, seeds)).encode()).hexdigest()[:8], 16) / 2**32
