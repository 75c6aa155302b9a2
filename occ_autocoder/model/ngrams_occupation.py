"""Text -> hashed n-grams: the lexical evidence beside the encoder's.

Only the standard library: this file travels with published weights.
"""

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import chain

CHARACTERS = (2, 5)
TEXT_CHARACTERS = (3, 5)
WORDS = (1, 2)
_WORD = re.compile(r"\w+")


def character_ngrams(text: str, low: int = CHARACTERS[0], high: int = CHARACTERS[1]) -> Iterator[str]:
    """The n-grams of `low` to `high` characters within each word, a blank standing at both of the word's ends."""
    for word in _WORD.findall(text):
        padded = f" {word} "
        for size in range(low, min(high, len(padded)) + 1):
            for start in range(len(padded) - size + 1):
                yield padded[start : start + size]


def word_ngrams(text: str, low: int = WORDS[0], high: int = WORDS[1]) -> Iterator[str]:
    """The runs of `low` to `high` words."""
    words = _WORD.findall(text)
    for size in range(low, high + 1):
        for start in range(len(words) - size + 1):
            yield " ".join(words[start : start + size])


def bucket(ngram: str, buckets: int) -> int:
    """The bucket 0..buckets-1 of an n-gram, the same on every machine (CRC-32 of its UTF-8)."""
    return zlib.crc32(ngram.encode("utf-8")) % buckets


def title_ngrams(job_title: str, buckets: int) -> tuple[list[int], list[float]]:
    """Buckets in 0..buckets-1 of a title's character n-grams, rising, and 1 + log(count) of each."""
    return _hashed(character_ngrams(job_title.casefold()), buckets, 0)


def text_ngrams(job_title: str, job_duties: str, buckets: int) -> tuple[list[int], list[float]]:
    """Buckets in buckets..2*buckets-1 of the whole record's word and character n-grams, rising, and 1 + log(count)."""
    text = f"{job_title} {job_duties}".casefold()
    words = (f"^{ngram}" for ngram in word_ngrams(text))  # else "cook" is the word and a part of "cookies"
    return _hashed(chain(words, character_ngrams(text, *TEXT_CHARACTERS)), buckets, buckets)


def _hashed(ngrams: Iterator[str], buckets: int, offset: int) -> tuple[list[int], list[float]]:
    counts = Counter(bucket(ngram, buckets) for ngram in ngrams)
    ids = sorted(counts)
    return [offset + number for number in ids], [1.0 + math.log(counts[number]) for number in ids]
