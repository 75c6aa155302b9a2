"""The forms of personal data that `privacy` masks: patterns, and the check digits that decide on what they find.

Every pattern takes time linear in the text: what repeats is bounded, or is possessive and starts where no word goes on.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from occ_autocoder.extras import require

require("data")
import phonenumbers  # noqa: E402
from stdnum import iban, luhn  # noqa: E402
from stdnum.cn import ric  # noqa: E402
from stdnum.de import idnr  # noqa: E402
from stdnum.es import dni, nie  # noqa: E402
from stdnum.fr import nir  # noqa: E402
from stdnum.it import codicefiscale  # noqa: E402
from stdnum.my import nric as mykad  # noqa: E402

Span = tuple[int, int]


class Rule(NamedTuple):
    """What a pattern finds: its kind, "" for what is to stay, and a function that has the last word on a match."""

    kind: str
    pattern: re.Pattern
    accept: Callable[[re.Match], Span | None] = re.Match.span

    def spans(self, text: str) -> Iterator[Span]:
        """Where the accepted matches are, in order."""
        place = 0
        while match := self.pattern.search(text, place):
            span = self.accept(match)
            if span:
                yield span
            place = span[1] if span else match.start() + 1


def matching(kind: str, pattern: str, accept: Callable[[re.Match], Span | None] = re.Match.span) -> Rule:
    """A rule whose function decides on the match, and may take a part of it."""
    return Rule(kind, re.compile(pattern, re.IGNORECASE), accept)


def checked(kind: str, pattern: str, valid: Callable[[str], bool]) -> Rule:
    """A rule whose matches are to be valid."""
    return matching(kind, pattern, lambda match: match.span() if valid(match[0]) else None)


# Network names. Those of `WORDS_TOO` are words as well: a full stop without a blank after it makes no domain.
TOP_DOMAINS = re.compile("com|org|net|edu|gov|info|biz|sg|uk|fr|nl|ch|nz|jp|cn|hk|eu|br|za|kr|ru")
WORDS_TOO = re.compile("ai|app|at|au|be|co|de|dev|es|ie|in|io|is|it|ly|me|my|se|us")
SPELLED = re.compile(f"{TOP_DOMAINS.pattern}|de|es|my|au")
DOT_NET = ("ado", "asp", "entity", "json", "ml", "paint", "rx", "vb")

AT, DOT = "at|arroba|ät|chez", "dot|punto|punkt|point|ponto"
OPEN, CLOSE = r"\s?[(\[{<]\s?", r"\s?[)\]}>]\s?"
NAME = rf"(?<![\w.+%'-])[\w.+%-]++(?:(?:'|{OPEN}(?:{DOT}){CLOSE})[\w.+%-]++){{0,3}}+"
LABEL = r"[\w-]++"
REST = r"""[^\s<>"\0\1]*[^\s<>"\0\1.,;:!?)\]}']"""
PATH = re.compile(f"/{REST}")
SIGN = rf"(?:\s?@\s?|\[a\]|{OPEN}(?:@|{AT}){CLOSE})"
STOP = rf"(?:\.|{OPEN}(?:\.|{DOT}){CLOSE}|\s(?:{DOT})\s)"


def domain_span(match: re.Match) -> Span | None:
    """The span of a name that ends as those of the internet do, with its path; "VB.NET" and "Salesforce.com" stay."""
    *labels, last = match["host"].split(".")
    is_top, is_word = TOP_DOMAINS.fullmatch(last.casefold()), WORDS_TOO.fullmatch(last.casefold())
    if not (is_top or is_word) or last in ("NET", "Net") or (last == "net" and labels[-1].casefold() in DOT_NET):
        return None
    path = PATH.match(match.string, match.end())
    is_name = len(labels) == 1 and not path and (is_word or labels[0][0].isupper())
    return None if is_name else (match.start(), (path or match).end())


def spelled_span(match: re.Match) -> Span | None:
    """The span of "name at domain dot com" where it ends as names of the internet do, and no "at this point in"."""
    return match.span() if SPELLED.fullmatch(match["top"].casefold()) else None


def is_address(text: str) -> bool:
    """Whether this is an IP address, and no "std::" or section "1.2.3.4"."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return bool(re.search(r"\d" if ":" in text else r"\d\d", text))


def is_sg_nric(text: str) -> bool:
    """Whether the last letter of a Singapore NRIC or FIN is the check of its seven digits."""
    first, *digits, last = re.sub("[ -]", "", text).upper()
    total = sum(weight * int(digit) for weight, digit in zip((2, 7, 6, 5, 4, 3, 2), digits, strict=True))
    shift, letters = SG_SERIES[first]
    return letters[(total + shift) % 11] == last


SG_SERIES = {
    "S": (0, "JZIHGFEDCBA"),
    "T": (4, "JZIHGFEDCBA"),
    "F": (0, "XWUTRQPNMLK"),
    "G": (4, "XWUTRQPNMLK"),
    "M": (3, "XWUTRQPNJLK"),
}


def is_card(text: str) -> bool:
    """Whether the last digit is the check of the others by Luhn's rule."""
    return luhn.is_valid(re.sub("[ -]", "", text))


def iban_span(match: re.Match) -> Span | None:
    """The span of the IBAN that the match begins with: words after it may look like a part."""
    ends = [place.end() for place in re.finditer(r"\w+", match[0])]
    fits = next((end for end in reversed(ends) if end > 14 and iban.is_valid(match[0][:end])), None)
    return None if fits is None else (match.start(), match.start() + fits)


PAPERS = (
    "passport|pasaporte|passeport|reisepass|personalausweis|identity card|nric|ssn|social security|nino|"
    "national insurance|dni|aadhaar|mykad"
)
NUMBERED = r"(?: (?:no|nr|number|card))?\.?\s?[:#]?\s?"
PAPER = rf"\b(?:{PAPERS}){NUMBERED}(?P<id>(?=[\w-]{{0,12}}\d{{4}})[\w-]{{6,20}})(?![\w-])"

# Phone numbers without a country's code, as they are dialled there.
NATIONAL = {
    "SG": r"[3689]\d{7}",
    "MY": r"0[13-9]\d{7,9}",
    "US": r"1?[2-9]\d\d[2-9]\d{6}",
    "GB": r"0[1-3578]\d{8,9}",
    "AU": r"0[2-478]\d{8}",
    "IN": r"0?[1-9]\d{9}",
    "DE": r"0[1-9]\d{7,11}",
    "FR": r"0[1-9]\d{8}",
    "ES": r"[6-9]\d{8}",
    "CN": r"1[3-9]\d{9}|0\d{9,11}",
}
FIRST = r"(?:\(\+?\d{1,5}\)[ .-]{0,2}\d{1,15}|\+?\d{1,15}(?:/\d{1,15})?)"
NEXT = r"(?:[ .-]{1,3}\d{1,15}| ?\(\d{1,5}\)[ .-]?\d{1,15})"
PHONE = rf"(?<![\w+$€£¥])(?<!\d[.,:-]){FIRST}{NEXT}{{0,7}}(?!\w)"


def phone_span(match: re.Match) -> Span | None:
    """The longest phone number that the match begins with; only its first two groups may be single digits."""
    groups = [(place.end(), len(place[0])) for place in re.finditer(r"\d+", match[0])]
    single = next((place for place, (_, length) in enumerate(groups) if length == 1 and place > 1), len(groups))
    for end, _ in reversed(groups[:single]):
        follows = match.string[match.start() + end : match.start() + end + 2]
        if is_phone(match[0][:end]) and not re.match(r"[.,:-]\d", follows):
            return match.start(), match.start() + end
    return None


def is_phone(text: str) -> bool:
    """Whether this is a number with a country's code, or one as it is dialled in a country of `NATIONAL`."""
    digits = re.sub(r"\D", "", text)
    if "+" in text or re.match("00[1-9]", digits):
        return 8 <= len(digits.removeprefix("00")) <= 15
    return 7 <= len(digits) <= 13 and is_national(digits)


@lru_cache(maxsize=4096)
def is_national(digits: str) -> bool:
    """Whether a country of `NATIONAL` has given out such numbers."""
    regions = [region for region, form in NATIONAL.items() if re.fullmatch(form, digits)]
    return any(phonenumbers.is_valid_number(phonenumbers.parse(digits, region)) for region in regions)


MONEY = r"(?:[$€£¥₹]|\b(?:USD|SGD|EUR|GBP|MYR|RM|INR|CNY|RMB|CHF|AUD))"
UNITS = r"(?:[$€£¥₹%]|(?:USD|SGD|EUR|GBP|euros?|dollars?|million|k)\b)"
AMOUNT = r"\d{1,15}(?:[ ,.']\d{3}(?!\d)){0,6}(?:[.,]\d\d?(?!\d))?"
SCHEMES = r"\b(?:ISCO|SSOC|SOC|ESCO|ISIC|SSIC|NACE|codes|groups)"
NORMS = r"\b(?:ISO|IEC|DIN|EN|BS|ASTM)"
SOC_CODE = r"(?<![\w+-])\d\d-\d{4}(?:\.\d\d)?(?!\w|[ .-]\d)"
YEAR = r"\b(?:19|20)\d\d"

# In this order: what an earlier rule took is blank to the later ones.
RULES = (
    matching("URL", rf"(?<!\w)(?:(?:https?|ftp)://|www\.){REST}"),
    matching("EMAIL", rf"{NAME}{SIGN}{LABEL}(?:{STOP}{LABEL})+"),
    matching("EMAIL", rf"{NAME}\s(?:{AT})\s{LABEL}(?:\.{LABEL}){{0,4}}\s(?:{DOT})\s(?P<top>{LABEL})", spelled_span),
    matching("URL", rf"(?<![\w.@/-])(?P<host>{LABEL}(?:\.{LABEL})++)", domain_span),
    checked("ID", r"(?<![\w.])(?<!version )(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)", is_address),
    checked("ID", r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", is_address),
    checked("ID", r"\b[STFGM][ -]?\d{7}[ -]?[A-Z]\b", is_sg_nric),
    matching("ID", r"(?<![\w-])(?!000|666)\d{3}([- ])\d\d\1\d{4}(?![\w-])"),  # US social security
    matching("ID", r"\b(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]\b"),  # UK
    matching("ID", r"\b[A-Z]{2}\d\d(?: ?[A-Z0-9]){11,30}", iban_span),
    checked("ID", r"\b\d{8}-?[A-Z]\b", dni.is_valid),
    checked("ID", r"\b[XYZ]-?\d{7}-?[A-Z]\b", nie.is_valid),
    checked("ID", r"(?<![\w+])[12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d\b", nir.is_valid),
    checked("ID", r"\b[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]\b", codicefiscale.is_valid),
    checked("ID", r"\b\d{17}[\dX]\b", ric.is_valid),
    checked("ID", r"\b\d{6}-\d\d-\d{4}\b", mykad.is_valid),
    checked("ID", r"(?<![\w+])[1-9]\d ?\d{3} ?\d{3} ?\d{3}\b", idnr.is_valid),
    checked("ID", r"(?<![\w+-])[1-9](?:[ -]?\d){12,18}(?![\w-])", is_card),
    matching("ID", PAPER, lambda match: match.span("id")),
    matching("", rf"{MONEY}\s?{AMOUNT}"),
    matching("", rf"(?<![\w.,+]){AMOUNT}\s?{UNITS}"),
    matching("", r"(?<![\w.])(?:\d{4}([-./])\d\d?\1\d\d?|\d\d?([-./])\d\d?\2\d{4})(?!\w|[-./]\d)"),  # dates
    matching("", rf"{YEAR}(?:\s?[-/]\s?{YEAR})++(?!\w)"),
    matching("", rf"{SCHEMES}[-:\s]{{0,2}}(?:\d{{1,5}}(?:[-:.]\d{{1,5}})?(?:[ ,;/&-]{{1,3}}|\b)){{1,99}}+"),
    matching("", rf"{NORMS}[-:/\s]{{0,2}}\d{{1,5}}(?:[-:.]\d{{1,5}}){{0,3}}"),
    matching("", SOC_CODE),
    matching("PHONE", PHONE, phone_span),
    checked("ID", r"(?<!\w)\d{9,}+(?!\w)", lambda digits: not digits.endswith("000")),
)
