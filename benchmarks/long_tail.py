"""Long-tailed versions of a benchmark: the codes' training records fall off exponentially, the other splits stay."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from occ_autocoder.taxonomy import Taxonomy

from .records import Benchmark

BANDS = ("head", "middle", "tail")
# Imbalance factor -> records of the most frequent code: about the most with which the public data fill the profile.
LARGEST = {10: 50, 50: 100, 100: 100}


@dataclass(frozen=True)
class LongTail:
    """A benchmark whose train split is long-tailed; `wanted` maps its codes, most frequent first, to their records."""

    benchmark: Benchmark
    factor: float
    seed: int
    wanted: dict[str, int]

    @property
    def bands(self) -> dict[str, str]:
        """Code -> head, middle or tail: the thirds of the codes."""
        thirds = np.array_split(list(self.wanted), len(BANDS))
        return {str(code): band for band, codes in zip(BANDS, thirds, strict=True) for code in codes}

    def reached(self) -> dict[str, int]:
        """`codes`, their `records`, those of the `largest` and the `smallest`, and how many codes are `short`."""
        found = Counter(self.benchmark.splits["train"]["code"])
        short = sum(found[code] < number for code, number in self.wanted.items())
        numbers = {"records": found.total(), "largest": max(found.values()), "smallest": min(found.values())}
        return {"codes": len(self.wanted), **numbers, "short": short}


def long_tailed(benchmark: Benchmark, factor: float, largest: int, seed: int) -> LongTail:
    """The benchmark with an imbalance of `factor` between the most and the least frequent code of its train split.

    The seed draws which codes are frequent and which of their records are left. Codes without any are no part of it.
    """
    table = benchmark.splits["train"].sample(frac=1, random_state=seed)
    wanted = drawn(Counter(table["code"]), profile(table["code"].nunique(), factor, largest), seed)
    left = table[table.groupby("code").cumcount() < table["code"].map(wanted)].sort_index().reset_index(drop=True)
    thinned = replace(benchmark, splits=benchmark.splits | {"train": left})
    return LongTail(thinned, factor, seed, wanted)


def bare(benchmark: Benchmark) -> Benchmark:
    """The benchmark with nothing but codes and titles in its taxonomy: training is then as unbalanced as the records.

    Else every code trains with the taxonomy's texts too, however few records it has.
    """
    items = [replace(item, definition="", tasks=(), examples=()) for item in benchmark.taxonomy]
    taxonomy = Taxonomy(items, benchmark.taxonomy.scheme, benchmark.taxonomy.version)
    return replace(benchmark, name=f"{benchmark.name} bare", taxonomy=taxonomy)


def profile(codes: int, factor: float, largest: int) -> list[int]:
    """Records of each of so many codes, falling: largest * factor ** (-i / (codes - 1)), rounded (Cui et al. 2019).

    ValueError where the least frequent would have no whole record, or the factor is below 1.
    """
    if not 1 <= factor <= largest:
        raise ValueError(f"factor {factor} and largest {largest}; allowed: 1 <= factor <= largest")
    return [round(largest * factor ** (-place / max(1, codes - 1))) for place in range(codes)]


def drawn(available: Mapping[str, int], sizes: Sequence[int], seed: int) -> dict[str, int]:
    """Code -> size, the sizes in their falling order: each goes to a code drawn among those that have as many records.

    A random order of all codes would leave most frequent ones short: few have records enough. Where none is left that
    has, the one with the most gets it, and is short.
    """
    left = sorted(available)
    random.Random(seed).shuffle(left)
    found = {}
    for size in sizes:
        code = next((code for code in left if available[code] >= size), None) or max(left, key=available.__getitem__)
        found[code] = size
        left.remove(code)
    return found
