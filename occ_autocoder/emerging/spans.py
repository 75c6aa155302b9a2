"""Spans of a text: what kind each is, where it stands, and in which sentence."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_BREAK = re.compile(r"(?<=[.;!?])\s+|[\n•·▪●]\s*")  # no \s* in front: it reads a run of blanks over and over
Piece = tuple[int, int]  # start and end of a word or sentence in its text


@dataclass(frozen=True)
class Span:
    """A verbatim part `text` of a longer text, from its character `start` up to `end`; its `kind` as "skill"."""

    kind: str
    text: str
    start: int
    end: int
    confidence: float = 1.0


def find_spans(text: str, parts: Sequence[tuple[str, str]]) -> list[Span]:
    """The (kind, part) pairs as spans, each at the first place that no span of its kind has yet; in the text's order.

    Whole words come first: "Java" is not found in "JavaScript" where it stands alone as well. A part that is not in the
    text, letter for letter, or stands in it fewer times than it is named, is left out.
    """
    found: list[Span] = []
    for kind, part in parts:
        taken = [span for span in found if span.kind == kind]
        free = [
            start
            for start in starts(text, part)
            if not any(start < span.end and span.start < start + len(part) for span in taken)
        ]
        if free:
            start = next((start for start in free if is_whole(text, start, start + len(part))), free[0])
            found.append(Span(kind, part, start, start + len(part)))
    return sorted(found, key=lambda span: (span.start, span.end, span.kind))


def starts(text: str, part: str) -> Iterator[int]:
    """Every place where the part begins, none of an empty one."""
    start = text.find(part) if part else -1
    while start >= 0:
        yield start
        start = text.find(part, start + 1)


def is_whole(text: str, start: int, end: int) -> bool:
    """Whether no word goes on over either end."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (before.isalnum() and text[start].isalnum()) and not (after.isalnum() and text[end - 1].isalnum())


def sentences(text: str) -> Iterator[Piece]:
    """The places of a text's sentences, lines and items of a list."""
    start = 0
    for match in _BREAK.finditer(text):
        yield start, match.start()
        start = match.end()
    yield start, len(text)


def sentences_at(text: str, spans: Sequence[Span]) -> list[str]:
    """The sentence of the text that each span stands in, "" for one that goes over its end."""
    pieces = list(sentences(text))
    starts = [start for start, _ in pieces]
    own = [pieces[bisect_right(starts, span.start) - 1] for span in spans]
    return [
        text[start:stop].strip() if span.end <= stop else "" for span, (start, stop) in zip(spans, own, strict=True)
    ]
