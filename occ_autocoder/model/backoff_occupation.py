"""How deep a code is safe for a record, whether it lies between two codes, and the question that would decide."""

import re
from collections.abc import Mapping, Sequence

import torch

from .explain_occupation import known_text

AMBIGUOUS = 0.5  # the second code at least so probable, as a share of the first
LONGEST = 18
_SENTENCE = re.compile(r"(?<=[.;])\s+")
_WORD = re.compile(r"\w{4,}")
_PRONOUN = re.compile(r"(?:he ?/ ?she|she ?/ ?he|he|she|they)\s+", re.I)


def safe_code(
    at_levels: Mapping[int, tuple[Sequence[str], torch.Tensor]], thresholds: Mapping[int, float]
) -> tuple[int, str, float] | None:
    """(level, code, score) of the deepest level whose most probable group has a score of at least the threshold.

    None where no level has: a person is to code the record. `at_levels` has the codes and scores [groups] of each level
    that has a threshold.
    """
    for level in sorted(thresholds, reverse=True):
        codes, scores = at_levels[level]
        best = int(scores.argmax())
        if float(scores[best].clamp(0, 1)) >= thresholds[level]:
            return level, codes[best], float(scores[best].clamp(0, 1))
    return None


def is_ambiguous(scores: torch.Tensor) -> bool:
    """Whether the second of the scores [C] is at least half of the first."""
    best = scores.topk(min(2, len(scores))).values.tolist()
    return len(best) == 2 and best[1] >= AMBIGUOUS * best[0]


def separating_question(model, tokenizer, label: int, other: int) -> str:
    """A question, short enough for the telephone, whose answer separates two labels.

    For each it names the code's title and, of what the model knows of its work, the part that shares the fewest words
    with what it knows of the other's.
    """
    texts = [own_texts(model, tokenizer, place) for place in (label, other)]
    titles = [title_of(model.config, place) for place in (label, other)]
    shown = [described(texts[own], texts[1 - own], titles[own]) for own in (0, 1)]
    parts = [f"{title}: {text}" if text else title for title, text in zip(titles, shown)]
    return f"What is mainly done in the job? (a) {parts[0]}; or (b) {parts[1]}?"


def title_of(config, label: int) -> str:
    """The title of a label."""
    code = config.id2label[label]
    return config.occupations.get(code, {}).get("title", code)


def own_texts(model, tokenizer, label: int) -> list[str]:
    """The sentences of the classification's own text about a label's work, which stands first in the memory."""
    places = (model.definitions.labels == label).nonzero().squeeze(-1)
    if not len(places):
        return []
    text = known_text(model.definitions, tokenizer, int(places[0]))
    sentences = [part.strip(" .;") for part in _SENTENCE.split(text)]
    return [part for part in sentences[1:] if part] or [part for part in sentences if part]


def described(own: Sequence[str], other: Sequence[str], title: str = "") -> str:
    """The sentence that shares the smallest part of its words with the others, without its subject, cut; "" of none."""
    against = {word for text in other for word in _WORD.findall(text.lower())}

    def shared(text: str) -> float:
        words = {*_WORD.findall(text.lower())}
        return len(words & against) / len(words) if words else 1.0

    words = without_subject(min(own, key=shared), title).split() if own else []
    return " ".join(words[:LONGEST]) + (" …" if len(words) > LONGEST else "")


def without_subject(text: str, title: str) -> str:
    """The sentence without the title that it begins with, or without "he / she"."""
    if match := _PRONOUN.match(text):
        return text[match.end() :]
    wanted = "".join(filter(str.isalnum, title.lower()))
    seen = ""
    for place, letter in enumerate(text):
        if wanted and seen == wanted and not letter.isalnum():
            return text[place:].strip() or text
        seen += letter.lower() if letter.isalnum() else ""
        if not wanted.startswith(seen):
            break
    return text
