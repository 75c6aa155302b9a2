"""Record -> text: normalisation, what of it is read, and the three templates; the same for training and for serving.

Only the standard library: this file travels with published weights.
"""

import re
import unicodedata

TEMPLATES = {
    "title_and_duties": "job_title={job_title} job_duties={job_duties}",
    "title": "job_title={job_title}",
    "duties": "job_duties={job_duties}",
}
FORMS = tuple(TEMPLATES)
MAX_CHARACTERS = 20_000

# Format characters (zero-width, bidirectional, tag), controls, surrogates, private use and unassigned code points.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def normalize(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Return `text` in NFKC, without invisible characters, with single spaces, cut at `max_characters`.

    Idempotent. The text is cut before the normalisation and after it, since NFKC can expand one character to eighteen.
    """
    text = unicodedata.normalize("NFKC", text[:max_characters])[:max_characters]
    visible = "".join(map(_visible, text))
    # Removing a character can bring two together that compose, so normalise once more.
    return " ".join(unicodedata.normalize("NFKC", visible).split())[:max_characters].strip()


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in _INVISIBLE_CATEGORIES else character


# What says nothing of the work: who is wanted, and punctuation but for that within words ("asp.net", "c++", "r&d").
_SEXES = re.compile(
    r"\(?\b(?:[dx]\s?[/|]\s?)?(?:m\s?[/|]\s?[fw]|[fw]\s?[/|]\s?m)(?:\s?[/|]\s?[dx])?\b\)?|\b(?:fe)?male\b"
)
_APOSTROPHES = re.compile(r"['\u2018\u2019\u02bc`´]")
_SILENT = re.compile(r"[\s\"\u201c-\u201f«»(){}\[\]<>,;:!?*_|/\\~^=\u2010-\u2015-]+|[.]+(?=\s|$)|(?<=\s)[.]+")
# English words for a woman at work, and the word for anybody that stands in classifications.
_WOMEN = {
    "actress": "actor",
    "barmaid": "barman",
    "conductress": "conductor",
    "heiress": "heir",
    "headmistress": "headmaster",
    "hostess": "host",
    "landlady": "landlord",
    "laundress": "launderer",
    "manageress": "manager",
    "masseuse": "masseur",
    "proprietress": "proprietor",
    "stewardess": "steward",
    "waitress": "waiter",
}
_WOMEN |= {f"{word}es": f"{known}s" for word, known in _WOMEN.items() if word.endswith("ss")}
_WOMEN |= {"barmaids": "barmen", "landladies": "landlords", "masseuses": "masseurs"}
# What an advertisement offers: pay, hours, a reference number, haste; and its hashtags.
_OFFERS = re.compile(
    r"(?:us|s|c|a)?[$£€¥]\s?\d[\d,.]*k?(?:\s?[-–]\s?[$£€¥]?\d[\d,.]*k?)?"
    r"(?:\s?(?:per|an?|/|p\.?)\s?(?:hour|day|week|month|year|annum|hr|h|d|w|m|a)\b\.?)?"
    r"|\bref(?:erence)?\b\.?(?:\s?no\.?)?[\s:]*\w*\d\w*|\b\d(?:\.\d)? days?(?:\s?/\s?| an? | per )week\b"
    r"|\b(?:full|part)[ -]?time\b|\burgent(?:ly)? (?:hiring|needed|required|wanted)\b"
    r"|\bimmediate(?:ly)? (?:start|available|vacancy|hiring)\b|\bhiring now\b|(?<!\S)#\w+"
)
# Short forms that stand for one word alone in titles.
_SHORT = {
    "asst": "assistant",
    "assoc": "associate",
    "ceo": "chief executive officer",
    "cfo": "chief financial officer",
    "coord": "coordinator",
    "cto": "chief technology officer",
    "dept": "department",
    "exec": "executive",
    "govt": "government",
    "hgv": "heavy goods vehicle",
    "hr": "human resources",
    "intl": "international",
    "jnr": "junior",
    "jr": "junior",
    "maint": "maintenance",
    "mfg": "manufacturing",
    "mgmt": "management",
    "mgr": "manager",
    "mktg": "marketing",
    "mngr": "manager",
    "qa": "quality assurance",
    "qc": "quality control",
    "rep": "representative",
    "rn": "registered nurse",
    "snr": "senior",
    "sr": "senior",
    "supt": "superintendent",
    "supv": "supervisor",
    "svc": "service",
    "svcs": "services",
    "vp": "vice president",
}
_SHORTENED = re.compile(rf"\b(?:{'|'.join(_SHORT)})\b")
_WOMAN = re.compile(rf"\b(?:({'|'.join(_WOMEN)})|(\w+)(woman|women|persons?))\b")


def read_title(job_title: str) -> str:
    """The title as the model reads it: in small letters, without punctuation and what says nothing of the work.

    That is the sex of who does it, and what is offered: "Nurse (m/f), full time." is "nurse", "Waitress" is "waiter",
    "Saleswoman" and "Salesperson" are "salesman". Short forms are spelt out: "Sales Mgr" is "sales manager".
    Idempotent. A title of which nothing would be left is left as it is, in small letters.
    """
    text, before = job_title.casefold(), ""
    while text != before:  # what stood on both sides of a part that was left out may read otherwise together
        before, text = text, _read_once(text)
    return text


def _read_once(title: str) -> str:
    text = _SEXES.sub(" ", _OFFERS.sub(" ", title))
    text = _SILENT.sub(" ", _APOSTROPHES.sub("", text))
    text = _SHORTENED.sub(lambda match: _SHORT[match[0]], _WOMAN.sub(_anybody, text))
    return " ".join(text.split()) or title


def _anybody(match: re.Match) -> str:
    word, stem, woman = match.groups()
    if word:
        return _WOMEN[word]
    return stem + ("men" if woman in ("women", "persons") else "man")


def form_of(job_title: str, job_duties: str) -> str:
    """Return the template's name for a record whose fields are normalised: one of `FORMS`.

    Raises:
        ValueError: when both fields are empty.
    """
    if job_title:
        return "title_and_duties" if job_duties else "title"
    if job_duties:
        return "duties"
    raise ValueError("a record needs a job_title or job_duties: both are empty")


def render(job_title: str, job_duties: str = "") -> str:
    """Return the record's text in the template that fits its non-empty fields."""
    return TEMPLATES[form_of(job_title, job_duties)].format(job_title=job_title, job_duties=job_duties)
