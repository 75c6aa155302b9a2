"""How varied texts are: different n-grams, near-duplicates, and likeness within a group."""

import re
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from datasketch import MinHash, MinHashLSH

WORD = re.compile(r"\w+")
SHINGLE = 3
PERMUTATIONS = 128


def distinct_n(texts: Sequence[str], n: int = 2) -> float:
    """Different runs of `n` words over all runs of `n` words (Li et al. 2016, "A Diversity-Promoting Objective")."""
    runs = [run for text in texts for run in word_runs(text, n)]
    return len(set(runs)) / len(runs) if runs else 0.0


def word_runs(text: str, n: int) -> list[tuple[str, ...]]:
    """The runs of `n` words, in order."""
    words = WORD.findall(text.casefold())
    return [tuple(words[place : place + n]) for place in range(len(words) - n + 1)]


def near_duplicates(texts: Sequence[str], threshold: float = 0.5, seed: int = 0) -> list[tuple[int, int]]:
    """Pairs (i < j) of texts whose sets of three-word runs have about this Jaccard similarity or more.

    By MinHash with locality-sensitive hashing (Broder 1997), 128 permutations; a text of fewer than three words is
    the set of its words.
    """
    hashes = minhashes(texts, seed)
    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    pairs = []
    for place, found in enumerate(hashes):
        near = (other for other in index.query(found) if hashes[other].jaccard(found) >= threshold)
        pairs += [(other, place) for other in sorted(near)]
        index.insert(place, found)
    return pairs


def minhashes(texts: Iterable[str], seed: int = 0) -> list[MinHash]:
    """The MinHash of each text's three-word runs."""
    return MinHash.bulk(map(shingles, texts), num_perm=PERMUTATIONS, seed=seed + 1)


def shingles(text: str) -> list[bytes]:
    """The different three-word runs of a text, as bytes."""
    runs = word_runs(text, SHINGLE) or word_runs(text, 1)
    return [" ".join(run).encode() for run in dict.fromkeys(runs)]


def self_similarity(vectors: np.ndarray, groups: Sequence[Hashable]) -> float:
    """Mean cosine between two texts of a group, over the groups with at least two; unit vectors [n, d] of the texts."""
    places: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        places.setdefault(group, []).append(place)
    return float(np.mean([mean_cosine(vectors[rows]) for rows in places.values() if len(rows) > 1]))


def mean_cosine(vectors: np.ndarray) -> float:
    """The mean cosine of all pairs of unit vectors [n, d]."""
    count = len(vectors)
    return float((np.square(vectors.sum(axis=0)).sum() - count) / (count * (count - 1)))
