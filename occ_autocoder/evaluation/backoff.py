"""The deepest code that is safe: 251 where 2512 is not; and which two codes a record lies between."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .coverage import choose_threshold
from .levels import group_probabilities, level_groups

PERSON = 0  # the level of a record that no group is safe for


@dataclass(frozen=True)
class LevelChoice:
    """The group with the largest summed probability at a level, of n records.

    `groups` [n] are its numbers, as `levels.level_groups` gives them, `confidence` [n] the sums. `own` [C] is the group
    of each code, and `judged` [C] whether a record of that code can be judged at the level.
    """

    groups: np.ndarray
    confidence: np.ndarray
    own: np.ndarray
    judged: np.ndarray

    def correct(self, labels: np.ndarray) -> np.ndarray:
        """[n], whether the group is that of the right code; False for a code that the level does not reach."""
        return (self.groups == self.own[labels]) & self.judged[labels]


@dataclass(frozen=True)
class Safe:
    """The deepest safe group of n records: its `levels` (`PERSON`: none), `groups` and `confidence`, each [n]."""

    levels: np.ndarray
    groups: np.ndarray
    confidence: np.ndarray


def level_choices(probabilities: np.ndarray, ancestors: Mapping[int, Sequence[int]]) -> dict[int, LevelChoice]:
    """level -> what is chosen there, the coarsest first; from probabilities [n, C] of the codes."""
    found = {}
    for level in sorted(ancestors):
        own, judged = level_groups(ancestors, level)
        summed, numbers = group_probabilities(probabilities, own)
        confidence = summed.max(axis=1).clip(0, 1)  # the rounding errors of a sum may carry it past 1
        found[level] = LevelChoice(numbers[summed.argmax(axis=1)], confidence, own, judged)
    return found


def back_off(choices: Mapping[int, LevelChoice], thresholds: Mapping[int, float]) -> Safe:
    """For each record the deepest level whose group has a confidence of at least the level's threshold.

    A level without a threshold is not used.
    """
    size = len(next(iter(choices.values())).groups)
    levels, groups, confidence = np.full(size, PERSON), np.full(size, -1), np.zeros(size)
    for level in sorted(thresholds, reverse=True):
        safe = (levels == PERSON) & (choices[level].confidence >= thresholds[level])
        levels[safe] = level
        groups[safe], confidence[safe] = choices[level].groups[safe], choices[level].confidence[safe]
    return Safe(levels, groups, confidence)


def safe_and_correct(choices: Mapping[int, LevelChoice], safe: Safe, labels: np.ndarray) -> np.ndarray:
    """[n], whether a record has a safe group and it is that of the right code."""
    right = np.zeros(len(labels), dtype=bool)
    for level, choice in choices.items():
        right |= (safe.levels == level) & choice.correct(labels)
    return right


def choose_back_off(choices: Mapping[int, LevelChoice], labels: np.ndarray, target: float) -> dict[int, float]:
    """level -> threshold, from the deepest up: at each level for the records that no deeper one is safe for.

    What is coded at a level is right there with the `target` accuracy or more, and so is what is coded on the whole, on
    these records. A level that does not reach it has infinity.
    """
    thresholds = {}
    rest = np.ones(len(labels), dtype=bool)
    for level in sorted(choices, reverse=True):
        choice = choices[level]
        enough = rest.any()
        correct = choice.correct(labels)
        threshold = choose_threshold(choice.confidence[rest], correct[rest], target) if enough else math.inf
        thresholds[level] = threshold
        rest &= choice.confidence < threshold
    return thresholds


def ambiguous(probabilities: np.ndarray, ratio: float = 0.5) -> np.ndarray:
    """[n], whether the second code is at least `ratio` times as probable as the first: a question could decide.

    A ratio, and not a margin: 0.45 to 0.40 lies between two codes, 0.06 to 0.01 does not, and is rather vague.
    """
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio is {ratio}; allowed: above 0, up to 1")
    best = np.sort(probabilities, axis=1)[:, -2:]
    return best[:, 0] >= ratio * best[:, 1] if best.shape[1] == 2 else np.zeros(len(probabilities), dtype=bool)
