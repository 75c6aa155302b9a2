"""The question-answer step about a text: which of its words, letter for letter, are skills, knowledge and tasks."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache, partial

from occ_autocoder.data.privacy import personal_spans
from occ_autocoder.llm.prompt import nonce, render_prompt
from occ_autocoder.llm.request import Request

from .spans import Span, find_spans

PROMPT = "extract_skills"
KINDS = {"skills": "skill", "knowledge": "knowledge", "tasks": "task"}  # in an answer -> `Span.kind`
LONGEST_TEXT, MOST_PARTS = 4000, 60
INVISIBLE = {"Cc", "Cf", "Cs"}


def skill_request(id: str, text: str, kinds: Sequence[str] = tuple(KINDS)) -> Request:
    """The question which parts of `text` are of the `kinds`, some of "skills", "knowledge" and "tasks".

    The text is shown as `shown_text` gives it, between two lines with a number that follows from it, so that no text
    can hold the line that would end it. An answer is a fault where a part is not in the shown text letter for letter:
    the fault names every such part.

    Raises: ValueError for no kind or another one.
    """
    if not kinds or set(kinds) - set(KINDS):
        raise ValueError(f"kinds {', '.join(kinds) or 'none'}; allowed: one or more of {', '.join(KINDS)}")
    ordered, shown = tuple(kind for kind in KINDS if kind in kinds), shown_text(text)
    prompt = render_prompt(PROMPT, text=shown, kinds=ordered, fence=f"=== text {nonce([shown])} ===")
    return Request(id, prompt, skill_schema(ordered), partial(skills_fault, shown=shown))


def read_skills_answer(value: Mapping, text: str) -> list[Span]:
    """An accepted answer as spans of the original `text`, in its order; kinds are "skill", "knowledge" and "task".

    `text[span.start : span.end] == span.text`: blanks, line breaks and invisible characters are those of the original.
    A part with a mask is left out, since the original has personal data there; so is one that the text holds fewer
    times than the answer (`find_spans`).
    """
    shown, places = shown_places(text)
    named = [(kind, part.strip()) for name, kind in KINDS.items() for part in value.get(name, ())]
    spans = []
    for span in find_spans(shown, named):
        own = places[span.start : span.end]
        if None not in own:
            spans.append(Span(span.kind, text[own[0] : own[-1] + 1], own[0], own[-1] + 1))
    return spans


def skills_fault(value: Mapping, shown: str) -> str:
    """What is wrong with an answer that fits the schema; "" for nothing."""
    parts = [part for name in KINDS for part in value.get(name, ())]
    if unknown := [part for part in dict.fromkeys(parts) if not part.strip() or part.strip() not in shown]:
        return f"not in the text letter for letter: {', '.join(map(repr, unknown))}; allowed: parts copied from it"
    return ""


@cache
def skill_schema(kinds: tuple[str, ...]) -> Mapping:
    """The JSON schema of an answer about these kinds, a list of texts for each."""
    part = {"type": "string", "minLength": 1}  # no maxLength: compiled for constrained decoding it takes seconds
    return {
        "type": "object",
        "properties": {kind: {"type": "array", "items": part, "maxItems": MOST_PARTS} for kind in kinds},
        "required": list(kinds),
        "additionalProperties": False,
    }


def shown_text(text: str) -> str:
    """A text as the prompt shows it: single blanks and line breaks, nothing invisible, masked, at most 4,000 long."""
    return shown_places(text)[0]


def shown_places(text: str) -> tuple[str, list[int | None]]:
    """The shown text, and the place in `text` of each of its characters; None for those of a mask."""
    shown, places, end = "", [], 0
    for word in re.finditer(r"\S+", text):
        own = [place for place in range(*word.span()) if unicodedata.category(text[place]) not in INVISIBLE]
        if own and places:
            shown += "\n" if "\n" in text[end : word.start()] else " "
            places.append(word.start() - 1)
        shown += "".join(text[place] for place in own)
        places += own
        end = word.end() if own else end
    while spans := personal_spans(shown):  # as in `mask_personal`: a mask may leave free what was a part of something
        for start, end, kind in reversed(spans):
            mask = f"<{kind}>"
            shown = shown[:start] + mask + shown[end:]
            places[start:end] = [None] * len(mask)
    cut = shown[:LONGEST_TEXT].rstrip()
    return cut, places[: len(cut)]
