"""The same record written otherwise: what must not change its code, and what may.

For English titles. A variant is (title, duties), or None where it does not apply to a record. What is random is drawn
from a generator of the record's own, so that the order of the records does not matter.
"""

import random
import re
from collections.abc import Callable, Mapping

Record = tuple[str, str]
Vary = Callable[[str, str, random.Random], Record | None]
Change = Callable[[str, random.Random], str | None]

# Words that name the same work, each pair both ways.
_NEUTRAL = ("business", "chair", "sales", "spokes", "trades")
_STEMS = (
    *_NEUTRAL,
    *("camera", "crafts", "door", "draughts", "fire", "fisher", "fore", "handy", "laundry", "milk", "police", "post"),
    *("repair", "stunt"),
)
_PAIRS = {f"{stem}man": f"{stem}woman" for stem in _STEMS} | {
    "actor": "actress",
    "barman": "barmaid",
    "busboy": "busgirl",
    "cleaning man": "cleaning lady",
    "conductor": "conductress",
    "headmaster": "headmistress",
    "host": "hostess",
    "landlord": "landlady",
    "masseur": "masseuse",
    "proprietor": "proprietress",
    "steward": "stewardess",
    "waiter": "waitress",
}


def plural(noun: str) -> str:
    """The regular English plural, and that of man and woman."""
    if noun.endswith("man"):
        return f"{noun[:-3]}men"
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "sh", "ch", "x")) else f"{noun}s"


GENDERED = _PAIRS | {plural(man): plural(woman) for man, woman in _PAIRS.items()}
NEUTRAL = {f"{stem}man": f"{stem}person" for stem in _NEUTRAL}
# Short forms that stand for one word alone in titles, read both ways; LONG is only ever shortened.
SHORT = {
    "assistant": "asst",
    "manager": "mgr",
    "senior": "snr",
    "junior": "jnr",
    "supervisor": "supv",
    "executive": "exec",
    "coordinator": "coord",
    "department": "dept",
    "maintenance": "maint",
    "accountant": "acct",
    "international": "intl",
    "registered nurse": "RN",
    "human resources": "HR",
    "quality assurance": "QA",
    "chief executive officer": "CEO",
    "heavy goods vehicle": "HGV",
    "software": "sw",
}
LONG = {
    "engineer": "eng",
    "technician": "tech",
    "administrator": "admin",
    "representative": "rep",
    "developer": "dev",
    "operator": "op",
    "secretary": "sec",
    "information technology": "IT",
    "general": "gen",
}
# Apprentices are coded with what they learn; "assistant", "lead" and "manager" are other work, and not among these.
SENIORITY = ("Senior", "Junior", "Experienced", "Trainee", "Apprentice", "Part-time", "Temporary")
EMPLOYERS = ("Norhaven Ltd", "the Brightwater Group", "Ellmoor & Sons", "Kestrel Bay Holdings")
PLACES = ("Singapore", "Leeds", "Toronto", "Cape Town", "Jurong East")
OFFERS = ("$3,000 per month", "urgently hiring", "full time", "5 days a week", "ref. 48213", "immediate start")
DENIED = ("nurse", "driver", "teacher", "cook")
NEIGHBOURS = {
    **dict(zip("qwertyuiop", ("wa", "qes", "wrd", "etf", "ryg", "tuh", "yij", "uok", "ipl", "ol"), strict=True)),
    **dict(zip("asdfghjkl", ("qsz", "adw", "sfe", "dgr", "fht", "gjy", "hku", "jli", "ko"), strict=True)),
    **dict(zip("zxcvbnm", ("xa", "zcs", "xvd", "cbf", "vng", "bmh", "nj"), strict=True)),
}
_WORD = re.compile(r"[^\W\d_]+")


def of_title(change: Change) -> Vary:
    """A change of the title alone; none for a record without a title, or where nothing changes."""

    def vary(title: str, duties: str, generator: random.Random) -> Record | None:
        changed = change(title, generator) if title else None
        return None if changed is None or changed == title else (changed, duties)

    return vary


def replaced(words: Mapping[str, str], shortened: Mapping[str, str] | None = None) -> Change:
    """Whole words of the title for others, either way, with a capital where one was; `shortened`: one way alone."""
    both = {**words, **{other.lower(): word for word, other in words.items()}, **(shortened or {})}
    found = re.compile(rf"(?<![\w-])({'|'.join(sorted(map(re.escape, both), key=len, reverse=True))})(?![\w-])", re.I)

    def other(match: re.Match) -> str:
        word = both[match[0].lower()]
        return word[0].upper() + word[1:] if match[0][0].isupper() else word

    return lambda title, generator: found.sub(other, title)


def reordered(title: str, generator: random.Random) -> str | None:
    """ "ward nurse" as "nurse, ward" and the other way; "manager of sales" as "sales manager"."""
    if match := re.fullmatch(r"([\w ]+) of ([\w ]+)|(\w+), ([\w ]+)", title):
        return f"{match[2] or match[4]} {match[1] or match[3]}"
    words = title.split()
    return f"{words[-1]}, {' '.join(words[:-1])}" if 2 <= len(words) <= 4 and title.replace(" ", "").isalpha() else None


def in_number(title: str, generator: random.Random) -> str | None:
    """The head noun in the plural where it is in the singular, and the other way; none for "Nursing" or "Sales"."""
    head = re.match(r".*?([^\W\d_]+)(?=$| (?:of|for|in|to|at) |,| ?[(/:;]| - )", title)
    if not head or len(head[1]) < 3 or re.search(r"(?:ing|ment|ics|nce|[iu]s|sales)$", head[1].lower()):
        return None
    start, end = head.span(1)
    return title[:start] + in_other_number(head[1]) + title[end:]


def in_other_number(noun: str) -> str:
    """A singular noun in the plural and a plural one in the singular, in the regular way."""
    if noun.isupper():
        return in_other_number(noun.lower()).upper()
    if noun.endswith("men"):
        return f"{noun[:-3]}man"
    if noun.endswith("ies"):
        return f"{noun[:-3]}y"
    if noun.endswith(("sses", "shes", "ches", "xes")):
        return noun[:-2]
    return noun[:-1] if re.search(r"[^s]s$", noun) else plural(noun)


def mistyped(count: int) -> Change:
    """`count` letters of the title wrong, in words of five letters or more: as fingers err, not the first letter."""

    def change(title: str, generator: random.Random) -> str | None:
        words = [word.span() for word in _WORD.finditer(title) if len(word[0]) >= 5]
        free = {place: end for start, end in words for place in range(start + 1, end)}
        wrong = {}
        for _ in range(count):
            if not free:
                return None
            place = generator.choice(list(free))
            wrong[place] = free[place]
            # Letters side by side could be put right again.
            free = {other: end for other, end in free.items() if abs(other - place) > 1}
        for place in sorted(wrong, reverse=True):
            title = one_typo(title, place, wrong[place], generator)
        return title

    return change


def one_typo(text: str, place: int, end: int, generator: random.Random) -> str:
    """A letter left out, doubled, swapped with the next one of its word, or the neighbouring key's."""
    letter, after = text[place], text[place + 1 :]
    near = generator.choice(NEIGHBOURS.get(letter.lower(), letter * 2))
    wrong = [after, letter * 2 + after, near + after]
    if place + 1 < end and after[0] != letter:
        wrong.append(after[0] + letter + after[1:])
    return text[:place] + generator.choice(wrong)


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
    """That both sexes are wanted, or which one, where the title does not say it already."""
    known = re.search(r"\b(?:fe)?male\b|\w(?:man|men|maid|boy|girl|lady|(?<!n)ess(?:es)?)\b", title, re.IGNORECASE)
    both = (f"{title} (m/f)", f"{title} (f/m/d)")
    return generator.choice(both if known else (*both, f"Female {title}", f"Male {title}"))


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
    """What the job is not, said first or last."""
    other = generator.choice([word for word in DENIED if word not in title.lower()] or ["pilot"])
    return generator.choice((f"Not a {other}: {title}", f"{title} (not a {other})"))
