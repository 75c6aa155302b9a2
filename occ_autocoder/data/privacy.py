"""Personal data in texts, masked: e-mail and IP addresses, phone numbers, ids of persons, cards and accounts, URLs.

What has a form or a check digit is found. Names of persons and postal addresses have neither, and are not looked for.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from datasets import Dataset

from .identifiers import RULES, Span

KINDS = ("EMAIL", "PHONE", "ID", "URL")

TOKEN = re.compile(f"<(?:{'|'.join(KINDS)})>")
BLANK, UNCASED = "\0", "\1"  # neither letters, digits nor spaces: what no pattern matches
INVISIBLE = {"Cc", "Cf", "Mn", "Me"}
LOOKALIKES = str.maketrans(
    "АВЕІЈКМНОРЅСТХаеіјорѕсхΑΒΕΖΗΙΚΜΝΟΡΤΥΧ‐‑‒–—―−。",
    "ABEIJKMHOPSCTXaeijopscxABEZHIKMNOPTYX-------.",
)


def mask_personal(text: str) -> tuple[str, dict[str, int]]:
    """The text with `<EMAIL>`, `<PHONE>`, `<ID>` and `<URL>` in place of personal data, and how many of each kind.

    An `<ID>` is the number of a person, a card, an account, an IP address, or any other number of nine digits or more
    that is no amount. Full-width and look-alike characters are read as what they look like; all that is not masked
    comes back as it was. Masking a masked text changes nothing. The time is linear in the length.
    """
    counts = dict.fromkeys(KINDS, 0)
    while spans := personal_spans(text):  # a mask may leave a number free that was a part of something
        for start, end, kind in reversed(spans):
            text = f"{text[:start]}<{kind}>{text[end:]}"
            counts[kind] += 1
    return text, counts


def mask_records(
    dataset: Dataset, columns: Sequence[str] = ("job_title", "job_duties")
) -> tuple[Dataset, dict[str, int]]:
    """The records with their `columns` masked by `mask_personal`, and how many of each kind there were; None stays.

    Raises:
        ValueError: the dataset lacks a column.
    """
    if missing := [name for name in columns if name not in dataset.column_names]:
        raise ValueError(f"no column {missing[0]}; allowed: {', '.join(dataset.column_names)}")
    names, counts, masked = dataset.column_names, dict.fromkeys(KINDS, 0), dataset
    for name in columns:
        found = [(None, {}) if text is None else mask_personal(text) for text in dataset[name]]
        texts = [text for text, _ in found]
        masked = masked.remove_columns(name).add_column(name, texts, feature=dataset.features[name])
        for kind in KINDS:
            counts[kind] += sum(own.get(kind, 0) for _, own in found)
    return masked.select_columns(names), counts


def personal_spans(text: str) -> list[tuple[int, int, str]]:
    """(start, end, kind) of what is personal, in order, none over another."""
    shadow, places = folded(text)
    shadow, found = blanked(shadow, [match.span() for match in TOKEN.finditer(shadow)]), []
    for each in RULES:
        spans = list(each.spans(shadow))
        shadow = blanked(shadow, spans)
        found += [(start, end, each.kind) for start, end in spans if each.kind]
    return sorted((places[start], max(places[end], places[end - 1] + 1), kind) for start, end, kind in found)


def blanked(shadow: str, spans: Sequence[Span]) -> str:
    """The text with the spans blank."""
    parts, place = [], 0
    for start, end in spans:
        parts += [shadow[place:start], BLANK * (end - start)]
        place = end
    return "".join([*parts, shadow[place:]])


def folded(text: str) -> tuple[str, Sequence[int]]:
    """The text in plain characters, without invisible ones, and the place of each in `text`; one more at the end."""
    if text.isascii():
        return text, range(len(text) + 1)
    parts = [folded_character(character) for character in text]
    places = [place for place, part in enumerate(parts) for _ in part]
    return "".join(parts), [*places, len(text)]


@lru_cache(maxsize=4096)
def folded_character(character: str) -> str:
    """The character as it is compared: ASCII digits, no look-alikes, a blank for each kind of space.

    Scripts without case are written without spaces too, so their letters must not count as a part of what is beside.
    """
    if character.isspace():
        return " "
    if unicodedata.category(character) in INVISIBLE:
        return ""
    number = unicodedata.decimal(character, None)
    plain = unicodedata.normalize("NFKC", character) if number is None else str(number)
    return "".join(UNCASED if unicodedata.category(one) == "Lo" else one for one in plain.translate(LOOKALIKES))
