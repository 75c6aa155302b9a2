"""Rewordings of records by a table of rules: titles abbreviated, turned round or graded, duties cut or rearranged.

No language model is in it: what it shows is what cheap rewording brings, not what a good paraphrase would.
"""

import re
from collections.abc import Callable, Mapping
from hashlib import sha256

from datasets import Dataset

from occ_autocoder.data.records import RECORD_FEATURES

SHORT = {
    "administrator": "admin",
    "and": "&",
    "assistant": "asst",
    "coordinator": "coord",
    "department": "dept",
    "director": "dir",
    "engineer": "engr",
    "executive": "exec",
    "government": "govt",
    "international": "intl",
    "laboratory": "lab",
    "machine": "mach",
    "maintenance": "maint",
    "manager": "mgr",
    "mechanic": "mech",
    "operator": "opr",
    "professor": "prof",
    "representative": "rep",
    "supervisor": "supvr",
    "technician": "tech",
    "vehicle": "veh",
}
GRADES = ("senior", "junior", "trainee", "experienced")
SENTENCE = re.compile(r"(?<=[.!?;])\s+")


def abbreviated(title: str, draw: int) -> str:
    """Every word that has a short form in it."""
    return " ".join(SHORT.get(word.casefold(), word) for word in title.split())


def graded(title: str, draw: int) -> str:
    """A grade before it."""
    return f"{GRADES[draw % len(GRADES)]} {title}"


def turned(title: str, draw: int) -> str:
    """The last word first, as a list has it: "nurse, night"."""
    *first, last = title.split()
    return f"{last}, {' '.join(first)}" if first else title


def shortened(duties: str, draw: int) -> str:
    """Its longer half of sentences, from a place that is drawn on."""
    parts = SENTENCE.split(duties)
    place = draw % len(parts)
    return " ".join((parts[place:] + parts[:place])[: (len(parts) + 1) // 2])


def rotated(duties: str, draw: int) -> str:
    """All its sentences, the last of them first."""
    *first, last = SENTENCE.split(duties)
    return " ".join([last, *first])


TITLES: tuple[Callable[[str, int], str], ...] = (abbreviated, turned, graded)
DUTIES: tuple[Callable[[str, int], str], ...] = (shortened, rotated)


def reword(records: Dataset, seed: int, count: int = 2) -> Dataset:
    """At most `count` rewordings of each record, of another title each; the code stays. Columns: `RECORD_FEATURES`."""
    rows = [row for record in records for row in rewordings(record, seed, count)]
    return Dataset.from_dict({name: [row[name] for row in rows] for name in RECORD_FEATURES}, RECORD_FEATURES)


def rewordings(record: Mapping, seed: int, count: int) -> list[dict]:
    """The rewordings of one record; rules that leave its title as it is give none, nor has it any without a title."""
    if not record["job_title"]:
        return []
    draw = int(sha256(f"{seed}\0{record['id']}".encode()).hexdigest()[:8], 16)
    found = {}
    for place in range(len(TITLES)):
        title = TITLES[(draw + place) % len(TITLES)](record["job_title"], draw)
        duties = DUTIES[(draw + place) % len(DUTIES)](record["job_duties"], draw)
        if title not in (record["job_title"], ""):
            found[title] = {"job_title": title, "job_duties": duties}
    about = {"code": record["code"], "source": "reworded by rules"}
    parts = list(found.values())[:count]
    return [about | part | {"id": f"{record['id']}-reworded-{place}"} for place, part in enumerate(parts)]
