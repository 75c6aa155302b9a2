"""The same record written otherwise: what must not change its code, and what may.

For English titles. A variant is (title, duties), or None where it does not apply to a record. What is random is drawn
from a generator of the record's own, so that the order of the records does not matter.
"""

import random
import re
from collections.abc import Callable, Mapping

Record = tuple[str, str]
Vary = Callable[[str, str, random.Random], Record | None]

# Each pair both ways; words that name the same work.
GENDERED = {
    "actor": "actress",
    "barman": "barmaid",
    "businessman": "businesswoman",
    "cameraman": "camerawoman",
    "chairman": "chairwoman",
    "craftsman": "craftswoman",
    "draughtsman": "draughtswoman",
    "fireman": "firewoman",
    "fisherman": "fisherwoman",
    "foreman": "forewoman",
    "handyman": "handywoman",
    "headmaster": "headmistress",
    "landlord": "landlady",
    "policeman": "policewoman",
    "postman": "postwoman",
    "repairman": "repairwoman",
    "salesman": "saleswoman",
    "spokesman": "spokeswoman",
    "steward": "stewardess",
    "tradesman": "tradeswoman",
    "waiter": "waitress",
}
NEUTRAL = {word: f"{word[:-3]}person" for word in ("businessman", "chairman", "salesman", "spokesman", "tradesman")}
SHORT = {
    "assistant": "asst",
    "manager": "mgr",
    "engineer": "eng",
    "technician": "tech",
    "executive": "exec",
    "senior": "snr",
    "junior": "jnr",
    "administrator": "admin",
    "supervisor": "supv",
    "representative": "rep",
    "developer": "dev",
    "operator": "op",
    "secretary": "sec",
    "coordinator": "coord",
    "department": "dept",
    "maintenance": "maint",
    "accountant": "acct",
    "international": "intl",
}
SENIORITY = ("Senior", "Junior", "Experienced", "Trainee", "Part-time", "Temporary")
EMPLOYERS = ("Norhaven Ltd", "the Brightwater Group", "Ellmoor & Sons", "Kestrel Bay Holdings")
PLACES = ("Singapore", "Leeds", "Toronto", "Cape Town", "Jurong East")
OFFERS = ("$3,000 per month", "urgently hiring", "full time", "5 days a week", "ref. 48213", "immediate start")
NEIGHBOURS = {
    **dict(zip("qwertyuiop", ("wa", "qes", "wrd", "etf", "ryg", "tuh", "yij", "uok", "ipl", "ol"), strict=True)),
    **dict(zip("asdfghjkl", ("qsz", "adw", "sfe", "dgr", "fht", "gjy", "hku", "jli", "ko"), strict=True)),
    **dict(zip("zxcvbnm", ("xa", "zcs", "xvd", "cbf", "vng", "bmh", "nj"), strict=True)),
}
_WORD = re.compile(r"[^\W\d_]+")


def of_title(change: Callable[[str, random.Random], str | None]) -> Vary:
    """A change of the title alone; none for a record without a title, or where nothing changes."""

    def vary(title: str, duties: str, generator: random.Random) -> Record | None:
        changed = change(title, generator) if title else None
        return None if changed is None or changed == title else (changed, duties)

    return vary


def replaced(words: Mapping[str, str]) -> Callable[[str, random.Random], str | None]:
    """Whole words of the title for others, either way, with a capital where one was."""
    both = {**words, **{other: word for word, other in words.items()}}
    found = re.compile(rf"\b({'|'.join(sorted(map(re.escape, both), key=len, reverse=True))})\b", re.IGNORECASE)

    def other(match: re.Match) -> str:
        word = both[match[0].lower()]
        return word.capitalize() if match[0][0].isupper() else word

    return lambda title, generator: found.sub(other, title)


def reordered(title: str, generator: random.Random) -> str | None:
    """ "ward nurse" as "nurse, ward"; "manager of sales" as "sales manager"."""
    if match := re.fullmatch(r"([\w ]+) (?:of|for) ([\w ]+)", title):
        return f"{match[2]} {match[1]}"
    words = title.split()
    return f"{words[-1]}, {' '.join(words[:-1])}" if 2 <= len(words) <= 4 and title.replace(" ", "").isalpha() else None


def in_number(title: str, generator: random.Random) -> str | None:
    """The last word in the plural where it is in the singular, and the other way."""
    if not title[-1:].isalpha() or title.lower().endswith(("ss", "us", "is")):
        return None
    if title.lower().endswith("ies"):
        return f"{title[:-3]}y"
    if title.lower().endswith("s"):
        return title[:-1]
    if re.search(r"[^aeiou]y$", title.lower()):
        return f"{title[:-1]}ies"
    if title.lower().endswith("man"):
        return f"{title[:-3]}men"
    return f"{title}es" if title.lower().endswith(("ch", "sh", "x")) else f"{title}s"


def mistyped(count: int) -> Callable[[str, random.Random], str | None]:
    """`count` letters of the title wrong, each in a word of five letters or more: as fingers err, not the first one."""

    def change(title: str, generator: random.Random) -> str | None:
        words = [match.span() for match in _WORD.finditer(title) if len(match[0]) >= 5]
        if len(words) == 0 or (count > 1 and sum(end - start for start, end in words) < 8):
            return None
        for _ in range(count):
            words = [match.span() for match in _WORD.finditer(title) if len(match[0]) >= 4]
            start, end = generator.choice(words)
            title = one_typo(title, generator.randrange(start + 1, end), end, generator)
        return title

    return change


def one_typo(text: str, place: int, end: int, generator: random.Random) -> str:
    """A letter left out, doubled, swapped with the next, or the neighbouring key's."""
    letter = text[place]
    near = generator.choice(NEIGHBOURS.get(letter.lower(), letter))
    swapped = text[place + 1] + letter if place + 1 < end else near
    wrong = generator.choice(("", letter * 2, swapped, near))
    return text[:place] + wrong + text[place + (2 if wrong == swapped and place + 1 < end else 1) :]


def with_noise(title: str, generator: random.Random) -> str:
    """An employer, a place or an offer about the title, as in advertisements."""
    shapes = (
        f"{title} at {generator.choice(EMPLOYERS)}",
        f"{title} ({generator.choice(PLACES)})",
        f"{title} - {generator.choice(OFFERS)}",
        f"{title}, {generator.choice(PLACES)}, {generator.choice(OFFERS)}",
    )
    return generator.choice(shapes)


def punctuated(title: str, generator: random.Random) -> str:
    """A full stop, quotes, brackets, or a hyphen for a blank."""
    return generator.choice((f"{title}.", f'"{title}"', f"({title})", title.replace(" ", "-"), f"{title} !"))


def spaced(title: str, generator: random.Random) -> str:
    """More blanks than are needed."""
    return f"  {title.replace(' ', '   ')}\t"


def recased(title: str, generator: random.Random) -> str:
    """All in capitals, in small letters, or with a capital for each word."""
    return generator.choice(
        [case for case in (title.upper(), title.lower(), title.title()) if case != title] or [title]
    )


def duties_recased(title: str, duties: str, generator: random.Random) -> Record | None:
    """The duties in capitals or small letters."""
    changed = [case for case in (duties.upper(), duties.lower()) if case != duties]
    return (title, generator.choice(changed)) if changed else None


def marked(title: str, generator: random.Random) -> str:
    """That both sexes are wanted, or one that does not matter to the work."""
    return generator.choice((f"{title} (m/f)", f"{title} (f/m/d)", f"Female {title}", f"Male {title}"))


def ranked(title: str, generator: random.Random) -> str:
    """A word of seniority or of the contract before the title, which the work does not depend on."""
    return f"{generator.choice(SENIORITY)} {title}"


def repeated(title: str, duties: str, generator: random.Random) -> Record | None:
    """The title at the start of the duties too."""
    return (title, f"{title}. {duties}") if title and duties else None


def moved(title: str, duties: str, generator: random.Random) -> Record | None:
    """Title and duties both in the field of the title."""
    return (f"{title}: {duties}", "") if title and duties else None


def without_duties(title: str, duties: str, generator: random.Random) -> Record | None:
    """The title alone."""
    return (title, "") if title and duties else None


def denied(title: str, generator: random.Random) -> str:
    """What the job is not, said first."""
    return f"{title}, no teaching" if "teach" not in title.lower() else f"{title}, no driving"
