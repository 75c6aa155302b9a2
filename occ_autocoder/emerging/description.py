"""What a group of records is, without a language model: from its keywords, its central texts and the nearest codes."""

import re

from occ_autocoder.data.drift import jaccard
from occ_autocoder.taxonomy import Taxonomy

from .judgement import EXISTING, NEW, NO_OCCUPATION, VARIANT, Group, Judgement
from .spans import sentences
from .titles import core_of

LOOSE = 0.3  # mean cosine of two texts, below which a group is no one occupation
KNOWN = 0.5  # novelty, below which a group is what its nearest code is
NEAR = 0.75  # mean cosine to the nearest code, from which a group that is novel varies it
NAMES, TASKS, LONGEST = 3, 6, 160
ALIKE = 0.6  # of the words of two sentences
_BRACKETS = re.compile(r"[(\[][^)\]]*[)\]]")
_WORD = re.compile(r"[^\W\d_]{3,}")


def draft_judgement(
    group: Group, taxonomy: Taxonomy, *, cohesion: float, similarity: float, novelty: float
) -> Judgement:
    """A draft of the entry, and a verdict by three numbers; what a language model says is to be preferred.

    Args:
        cohesion: mean cosine of two of the group's texts.
        similarity: mean cosine of its texts to the nearest code.
        novelty: of the group, 0 to 1; see `detection.group_novelty`.
    """
    verdict, reason = verdict_of(cohesion, similarity, novelty)
    if verdict == NO_OCCUPATION:
        return Judgement(verdict, "", "", "", (), reason)
    nearest = group.codes[0] if group.codes else ""
    code = nearest if verdict in (EXISTING, VARIANT) else ""
    title, *others = names_of(group)
    also = f", also called {' or '.join(others)}" if others else ""
    parts = [f"{title[:1].upper()}{title[1:]}: work found in {group.size} texts{also}."]
    parts += [f"Frequent in them and rare elsewhere: {', '.join(group.keywords)}."] if group.keywords else []
    parts += [f"The nearest code is {nearest}, {taxonomy[nearest].title}."] if nearest else []
    return Judgement(verdict, code, title, " ".join(parts), tasks_of(group), reason)


def verdict_of(cohesion: float, similarity: float, novelty: float) -> tuple[str, str]:
    """The verdict, and the number that decided."""
    if cohesion < LOOSE:
        return NO_OCCUPATION, f"its texts are unlike each other, with a mean cosine of {cohesion:.2f}"
    if novelty < KNOWN:
        return EXISTING, f"its texts look like those of known codes, with a novelty of {novelty:.2f}"
    if similarity >= NEAR:
        return VARIANT, f"novel, but near the nearest code, with a cosine of {similarity:.2f}"
    return NEW, f"novel ({novelty:.2f}), and far from the nearest code, with a cosine of {similarity:.2f}"


def names_of(group: Group) -> list[str]:
    """The titles that are most like all the others, by the words that they share; the keywords where there is no title.

    They are in small letters, without what stands in brackets and without the grade; of equals those with the most
    keywords come first, and a title that says more than one before it is left out.
    """
    titles = [core_of(_BRACKETS.sub(" ", title.lower())) for title, _ in group.texts]
    words = [frozenset(title.split()) for title in titles if title]
    likeness = {
        title: sum(jaccard(own, other) for other in words)
        for title, own in ((title, frozenset(title.split())) for title in dict.fromkeys(titles) if title)
    }
    names: list[str] = []
    wanted = keyword_words(group)
    for title in sorted(likeness, key=lambda title: (-likeness[title], -sum(word in wanted for word in title.split()))):
        if not any({*title.split()} >= {*name.split()} for name in names):
            names.append(title)
    return names[:NAMES] or [" ".join(group.keywords[:NAMES])]


def keyword_words(group: Group) -> set[str]:
    """The words of its keywords."""
    return {word for keyword in group.keywords for word in _WORD.findall(keyword.lower())}


def tasks_of(group: Group) -> tuple[str, ...]:
    """Sentences about the work that have the most of the keywords, no two alike."""
    parts = [duties[slice(*piece)].strip(" -*.;") for _, duties in group.texts for piece in sentences(duties)]
    wanted = keyword_words(group)
    scored = {
        sentence: len(wanted & {*_WORD.findall(sentence.lower())})
        for sentence in parts
        if len(sentence.split()) >= 3 and len(sentence) <= LONGEST
    }
    found: dict[str, set[str]] = {}
    for sentence in sorted(scored, key=lambda text: -scored[text]):
        words = {*_WORD.findall(sentence.lower())}
        if words and len(found) < TASKS and all(jaccard(words, other) < ALIKE for other in found.values()):
            found[sentence] = words
    return tuple(found)
