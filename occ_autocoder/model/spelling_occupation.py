"""Words of a title that no known text has, read as the known word that is one slip of a finger away.

Candidates by deletions, as in SymSpell (Garbe 2012): two words one slip apart have a deletion of a letter in common.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

SHORTEST = 5
_WORD = re.compile(r"[^\W\d_]+")


class Spelling:
    """Reads titles with the words of known titles.

    Args:
        counts: how often each word stands in known titles; these may stand in for an unknown one.
        others: further words that are known.
    """

    def __init__(self, counts: Mapping[str, int], others: Iterable[str] = ()):
        self.counts, self.known = counts, {*counts, *others}
        self.near: dict[str, list[str]] = {}
        for word in self.counts:
            if len(word) >= SHORTEST:
                for part in {word, *deletions(word)}:
                    self.near.setdefault(part, []).append(word)

    def __call__(self, title: str) -> str:
        """The title (in small letters) with its unknown words replaced, where a known one is near."""
        return _WORD.sub(lambda match: self.word(match[0]), title)

    def word(self, word: str) -> str:
        """The word, or the most frequent one in known titles that begins alike and is one slip away."""
        if len(word) < SHORTEST or word in self.known:
            return word
        found = {other for part in {word, *deletions(word)} for other in self.near.get(part, ())}
        found = [other for other in found if other[0] == word[0] and is_one_slip(word, other)]
        return max(found, key=lambda other: (self.counts[other], other), default=word)


def words(text: str) -> Iterator[str]:
    """The words of a text, in small letters."""
    return (match[0] for match in _WORD.finditer(text.casefold()))


def deletions(word: str) -> Iterator[str]:
    """The word without each of its letters."""
    return (word[:place] + word[place + 1 :] for place in range(len(word)))


def is_one_slip(one: str, other: str) -> bool:
    """Whether a letter more, less or another, or two letters swapped, make one word of the other."""
    if len(one) > len(other):
        one, other = other, one
    start = next((place for place, (a, b) in enumerate(zip(one, other)) if a != b), len(one))
    if len(one) < len(other):
        return one[start:] == other[start + 1 :]
    swapped = one[:start] + one[start : start + 2][::-1] + one[start + 2 :]
    return one[start + 1 :] == other[start + 1 :] or swapped == other
