# ruff: noqa
"""Personal data in texts, masked: e-mail and IP addresses, phone numbers, ids of persons, cards and accounts, URLs.

What has a form or a check digit is found. Names of persons and postal addresses have neither, and are not looked for.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from ipaddress import ip_address
from typing import NamedTuple

from datasets import Dataset
from phonenumbers import PhoneNumberMatcher
from stdnum import iban, luhn
from stdnum.cn import ric
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.my import nric as mykad

KINDS = ("EMAIL", "PHONE", "ID", "URL")
REGIONS = ("SG", "MY", "US", "GB", "AU", "IN", "DE", "FR", "ES", "CN")  # whose phone numbers need no country code

TOKEN = re.compile(f"<(?:{'|'.join(KINDS)})>")
BLANK, UNCASED = "\0", "\1"  # neither letters, digits nor spaces: what no pattern matches
INVISIBLE = {"Cc", "Cf", "Mn", "Me"}
LOOKALIKES = str.maketrans(
    "АВЕІЈКМНОРЅСТХаеіјорѕсхΑΒΕΖΗΙΚΜΝΟΡΤΥΧ‐‑‒–—―−。",
    "ABEIJKMHOPSCTXaeijopscxABEZHIKMNOPTYX-------.",
)

TOP_DOMAINS = {
    "com",
    "org",
    "net",
    "edu",
    "gov",
    "info",
    "biz",
    "sg",
    "uk",
    "fr",
    "nl",
    "ch",
    "nz",
    "jp",
    "cn",
    "hk",
    "eu",
    "us",
    "my",
    "dk",
    "br",
    "mx",
    "za",
    "kr",
    "ru",
} - {"my", "us"}
WORDS_TOO = {
    "io",
    "me",
    "ly",
    "co",
    "in",
    "it",
    "at",
    "is",
    "us",
    "my",
    "be",
    "de",
    "es",
    "se",
    "ie",
    "au",
    "ai",
    "app",
    "dev",
}  # domains only with more around them
DOT_NET = ("asp", "vb", "ado", "ml", "rx", "json", "entity", "paint")
AT, DOT = "at|arroba|ät|chez", "dot|punto|punkt|point|ponto"
OPEN, CLOSE = r"\s?[(\[{<]\s?", r"\s?[)\]}>]\s?"
NAME = r"(?<![\w.+%'-])[\w.+%-]++(?:'[\w.+%-]++)*+"
LABEL = r"[\w-]++"
REST = r"""[^\s<>"\0\1]*[^\s<>"\0\1.,;:!?)\]}']"""
PAPERS = (
    "passport|pasaporte|passeport|reisepass|personalausweis|identity card|nric|ssn|social security|nino|"
    "national insurance|dni|aadhaar|mykad"
)
MONEY = r"(?:[$€£¥₹]|\b(?:USD|SGD|EUR|GBP|MYR|RM|INR|CNY|RMB|CHF|AUD))"
AMOUNT = r"\d+(?:[ ,.']\d{3}(?!\d))*+(?:[.,]\d\d?(?!\d))?+"
SCHEMES = r"\b(?:ISCO|SSOC|SOC|ESCO|ISIC|SSIC|NACE|ISO|IEC|DIN|codes|groups)"
YEAR = r"\b(?:19|20)\d\d"

Span = tuple[int, int]


class Rule(NamedTuple):
    """What a pattern finds: its kind, "" for what is to stay, and a function that has the last word on a match."""

    kind: str
    pattern: re.Pattern
    accept: Callable[[re.Match], Span | None] = re.Match.span


def rule(kind: str, pattern: str, valid: Callable[[str], bool] | None = None) -> Rule:
    """A rule whose matches are to be `valid`."""
    compiled = re.compile(pattern, re.IGNORECASE)
    return Rule(kind, compiled, lambda match: match.span() if valid is None or valid(match[0]) else None)


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
        spans = list(matches(each, shadow))
        shadow = blanked(shadow, spans)
        found += [(start, end, each.kind) for start, end in spans if each.kind]
    return sorted((places[start], max(places[end], places[end - 1] + 1), kind) for start, end, kind in found)


def matches(each: Rule, shadow: str) -> Iterator[Span]:
    """Where the rule's accepted matches are."""
    place = 0
    while match := each.pattern.search(shadow, place):
        span = each.accept(match)
        if span:
            yield span
        place = span[1] if span else match.start() + 1


def blanked(shadow: str, spans: Sequence[Span]) -> str:
    """The text with the spans blank."""
    parts, place = [], 0
    for start, end in spans:
        parts += [shadow[place:start], BLANK * (end - start)]
        place = end
    return "".join([*parts, shadow[place:]])


def folded(text: str) -> tuple[str, Sequence[int]]:
    """The text in plain characters, without invisible ones, and each one's place in `text`; one place more at the end."""
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


def is_domain(match: re.Match) -> Span | None:
    """The span of a name that ends as those of the internet do; ".NET" has names of its own."""
    *labels, last = match["host"].casefold().split(".")
    dot_net = last == "net" and (labels[-1] in DOT_NET or match["host"].isupper())
    known = last in TOP_DOMAINS or (last in WORDS_TOO and (len(labels) > 1 or match["path"]))
    return match.span() if labels and known and not dot_net else None


def is_spelled_address(match: re.Match) -> Span | None:
    """The span of "name at domain dot com" where it ends as names of the internet do."""
    return match.span() if match["top"].casefold() in TOP_DOMAINS | WORDS_TOO else None


def is_address(text: str) -> bool:
    """Whether this is an IP address, and no "std::" or section "1.2.3.4"."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return bool(re.search(r"\d", text)) if ":" in text else bool(re.search(r"\d\d", text))


def is_nric(text: str) -> bool:
    """Whether the last letter of a Singapore NRIC or FIN is the check of its seven digits."""
    first, *digits, last = re.sub("[ -]", "", text).upper()
    offset = {"T": 4, "G": 4, "M": 3}.get(first, 0)
    total = offset + sum(weight * int(digit) for weight, digit in zip((2, 7, 6, 5, 4, 3, 2), digits, strict=True))
    letters = {"F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}.get(first, "JZIHGFEDCBA")
    return letters[total % 11] == last


def iban_span(match: re.Match) -> Span | None:
    """The span of the IBAN that the match begins with: words after it may look like a part."""
    ends = [place.end() for place in re.finditer(r"\w+", match[0])]
    fits = next((end for end in reversed(ends) if end > 14 and iban.is_valid(match[0][:end])), None)
    return None if fits is None else (match.start(), match.start() + fits)


@lru_cache(maxsize=4096)
def is_phone(text: str) -> bool:
    """Whether this is a phone number with its country's code, or as it is written in one of `REGIONS`."""
    if text.startswith(("+", "(+")) and 8 <= sum(map(str.isdigit, text)) <= 15:
        return True
    return any(PhoneNumberMatcher(text, region).has_next() for region in REGIONS)


# In this order: what an earlier rule took is blank to the later ones.
RULES = (
    rule("URL", rf"(?<!\w)(?:(?:https?|ftp)://|www\.){REST}"),
    rule(
        "EMAIL",
        rf"{NAME}(?:\s?@\s?|{OPEN}(?:@|{AT}){CLOSE}){LABEL}(?:(?:\.|{OPEN}(?:\.|{DOT}){CLOSE}|\s(?:{DOT})\s){LABEL})+",
    ),
    Rule(
        "EMAIL",
        re.compile(rf"{NAME}\s(?:{AT})\s{LABEL}(?:(?:\.|\s(?:{DOT})\s){LABEL})*?\s(?:{DOT})\s(?P<top>{LABEL})", re.I),
        is_spelled_address,
    ),
    Rule("URL", re.compile(rf"(?<![\w.@/-])(?P<host>{LABEL}(?:\.{LABEL})++)(?P<path>/{REST})?", re.I), is_domain),
    rule("ID", r"(?<![\w.])(?<!version )(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)", is_address),
    rule("ID", r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", is_address),
    rule("ID", r"\b[STFGM][ -]?\d{7}[ -]?[A-Z]\b", is_nric),
    rule("ID", r"(?<![\w-])(?!000|666)\d{3}([- ])\d\d\1\d{4}(?![\w-])"),
    rule("ID", r"\b(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]\b"),
    Rule("ID", re.compile(r"\b[A-Z]{2}\d\d(?: ?[A-Z0-9]){11,30}", re.I), iban_span),
    rule("ID", r"\b\d{8}-?[A-Z]\b", dni.is_valid),
    rule("ID", r"\b[XYZ]-?\d{7}-?[A-Z]\b", nie.is_valid),
    rule("ID", r"\b[12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d\b", nir.is_valid),
    rule("ID", r"\b[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]\b", codicefiscale.is_valid),
    rule("ID", r"\b\d{17}[\dX]\b", ric.is_valid),
    rule("ID", r"\b\d{6}-\d\d-\d{4}\b", mykad.is_valid),
    rule("ID", r"\b\d\d ?\d{3} ?\d{3} ?\d{3}\b", idnr.is_valid),
    rule("ID", r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])", luhn.is_valid),
    Rule(
        "ID",
        re.compile(
            rf"\b(?:{PAPERS})(?: (?:no|nr|number|card))?\.?\s?[:#]?\s?(?P<id>(?=[\w-]{{0,12}}\d{{4}})[\w-]{{6,20}})\b",
            re.I,
        ),
        partial(re.Match.span, **{}) if False else (lambda match: match.span("id")),
    ),
    rule("", rf"{MONEY}\s?{AMOUNT}"),
    rule("", rf"(?<![\w.,+]){AMOUNT}\s?(?:[$€£¥₹%]|(?:USD|SGD|EUR|GBP|euros?|dollars?|million|k)\b)"),
    rule("", r"(?<![\w.])(?:\d{4}([-./])\d\d?\1\d\d?|\d\d?([-./])\d\d?\2\d{4})(?![\w]|[-./]\d)"),
    rule("", rf"{YEAR}(?:\s?[-/]\s?{YEAR})+(?!\w)"),
    rule("", rf"{SCHEMES}[-:\s]{{0,2}}(?:\d{{1,5}}(?:[-:.]\d+)?(?:[ ,;/&-]{{1,3}}|\b))+"),
    rule("PHONE", r"(?<![\w+$€£¥])(?<!\d[.,/:-])\+?\(?\+?\d(?:(?:[ .()-]{0,3}|/)\d){5,16}(?!\w|[.,:/-]\d)", is_phone),
    rule("ID", r"(?<!\w)\d{9,}+(?!\w)", lambda digits: not digits.endswith("000")),
)
