"""Why a record has no sure code: it lies between known codes, says too little, is no job, or is work of a new kind.

A low confidence alone is no novelty: most records that have one are written badly, not new.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from datasets import Dataset

CODED, AMBIGUOUS, VAGUE, OUT_OF_SCOPE, NOVEL = STATUSES = "coded", "ambiguous", "vague", "out of scope", "novel"
LEAST = 50
AGREEMENT = 2.0  # weight of the code that explains a group best
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True)
class Limits:
    """Where the statuses begin; ValueError for a share that is none.

    Args:
        confidence: a record whose best code has more is coded.
        novelty: a candidate with at least so much is novel, and
        quantile: with more than this share of the source's coded records have, where there are 50: a source that is
            written in another way than the training records looks new as a whole.
        similarity: one whose nearest known text is below is about no work, cosine.
        known: one with a smaller share of known words is in another language; of four words or more.
        words: one with fewer different words is vague, where each of them stands in `common` known titles.
        common: how many titles make a word a common one.
    """

    confidence: float = 0.5
    novelty: float = 0.5
    quantile: float = 0.95
    similarity: float = 0.25
    known: float = 0.5
    words: int = 3
    common: int = 20

    def __post_init__(self):
        for name in ("confidence", "novelty", "quantile", "similarity", "known"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: 0 to 1")


def detect(
    records: Dataset,
    parents: Mapping[str, str | None],
    title_words: Mapping[str, int],
    other_words: frozenset[str] = frozenset(),
    limits: Limits = Limits(),
) -> Dataset:
    """The records with `status`, one of `STATUSES`, and `reason`, a sentence; candidates are those not "coded".

    Args:
        records: with `job_title`, `job_duties`, `codes` and `confidences` (the best first), `novelty` (0 to 1 or None)
            and `similarity` (cosine to the nearest known text).
        parents: code -> its parent, None at the top.
        title_words: the words of known titles -> how many have it; `other_words`: those of other known texts.
    """
    limits = replace(limits, novelty=novelty_limit(records, limits))
    return records.map(
        lambda record: dict(zip(("status", "reason"), judged(record, parents, title_words, other_words, limits)))
    )


def novelty_limit(records: Dataset, limits: Limits) -> float:
    """From which novelty a candidate of these records is novel."""
    rows = zip(records["confidences"], records["novelty"], strict=True)
    coded = [novelty for found, novelty in rows if novelty is not None and found[0] > limits.confidence]
    return max(limits.novelty, float(np.quantile(coded, limits.quantile))) if len(coded) >= LEAST else limits.novelty


def group_novelty(
    novelties: Sequence[float], codes: Sequence[Sequence[str]], confidences: Sequence[Sequence[float]]
) -> float:
    """How much n records that belong together look like work that no code names, 0 to 1.

    The mean of their log-odds of novelty, less twice the mean confidence of the code that explains them best: texts of
    one known code agree on it, those of an unknown one are spread over its neighbours.

    Args:
        codes, confidences: the best of each record, as `OBSERVED_FEATURES` has them.
    """
    explained: dict[str, float] = {}
    for own, scores in zip(codes, confidences, strict=True):
        for code, score in zip(own, scores, strict=True):
            explained[code] = explained.get(code, 0.0) + score / len(codes)
    clipped = np.clip(novelties, 1e-6, 1 - 1e-6)
    odds = float(np.mean(np.log(clipped / (1 - clipped)))) - AGREEMENT * max(explained.values())
    return 1 / (1 + math.exp(-odds))


def judged(
    record: Mapping,
    parents: Mapping[str, str | None],
    title_words: Mapping[str, int],
    other_words: frozenset[str],
    limits: Limits,
) -> tuple[str, str]:
    """(status, reason) of one record."""
    code, confidence = record["codes"][0], record["confidences"][0]
    if confidence > limits.confidence:
        return CODED, f"{code} with a confidence of {confidence:.2f}"
    words = {word.lower() for word in _WORD.findall(f"{record['job_title']} {record['job_duties']}")}
    known = [word for word in words if word in title_words or word in other_words]
    if len(words) > limits.words and len(known) < limits.known * len(words):
        return OUT_OF_SCOPE, f"{len(words) - len(known)} of {len(words)} words stand in no known text"
    if record["similarity"] < limits.similarity:
        return OUT_OF_SCOPE, f"the nearest known text has a cosine of {record['similarity']:.2f}"
    if len(words) < limits.words and all(title_words.get(word, 0) >= limits.common for word in words):
        return VAGUE, "few words, which stand in many titles"
    if record["novelty"] is not None and record["novelty"] >= limits.novelty:
        return NOVEL, f"novelty {record['novelty']:.2f}"
    return AMBIGUOUS, between(record["codes"], record["confidences"], parents)


def between(codes: list[str], confidences: list[float], parents: Mapping[str, str | None]) -> str:
    """Which codes a record lies between: those of one group where that has most of the confidence, else two."""
    groups: dict[str | None, list[int]] = {}
    for place, code in enumerate(codes):
        groups.setdefault(parents.get(code), []).append(place)
    group, places = max(groups.items(), key=lambda item: sum(confidences[place] for place in item[1]))
    total = sum(confidences[place] for place in places)
    if group is not None and len(places) > 1 and total >= sum(confidences) / 2:
        return f"between {' and '.join(codes[place] for place in places)}, all of {group}"
    return f"between {' and '.join(codes[:2])}, of different groups"
