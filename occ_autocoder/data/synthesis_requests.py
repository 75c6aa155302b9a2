"""What a language model is asked for the synthetic records of a code: leans, seed records, the form of the answer."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from datasets import Dataset

from occ_autocoder.llm.prompt import nonce, render_prompt
from occ_autocoder.llm.request import Request
from occ_autocoder.model.text_occupation import normalize

from .leakage import TEXTS, apart, key, protected_texts
from .privacy import mask_personal

PROMPT = "synthesize_records"
BATCH = 30
LONGEST_SEED, MOST_TAKEN = 400, 90  # characters of a seed's field; titles that a prompt says are taken

# What the requests of a code differ in. No two lengths have a common divisor: sixty requests without the same three.
LEANS = {
    "register": ("survey", "advertisement", "hr"),
    "seniority": (
        "people who are learning the work",
        "people who do the work by themselves",
        "people of long experience with a speciality",
        "people who do the work and guide one or two others",
    ),
    "sector": (
        "small private firms",
        "large companies",
        "public bodies",
        "charities and cooperatives",
        "self-employed people and contractors",
    ),
}
FIELDS = {name: {"type": "string"} for name in TEXTS} | {"register": {"type": "string", "enum": [*LEANS["register"]]}}
RECORD = {"type": "object", "properties": FIELDS, "required": [*FIELDS], "additionalProperties": False}
SCHEMA = {
    "type": "object",
    "properties": {"records": {"type": "array", "items": RECORD}},
    "required": ["records"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Order:
    """What one request is for: `count` records of `code`; `number` counts the code's requests from 0."""

    code: str
    number: int
    count: int


def new_orders(missing: Mapping[str, int], sent: Mapping[str, int]) -> Iterator[Order]:
    """The requests that the missing records of each code come to, after the `sent` ones that the code has had."""
    for code, number in missing.items():
        for place, start in enumerate(range(0, number, BATCH)):
            yield Order(code, sent.get(code, 0) + place, min(BATCH, number - start))


def new_request(order: Order, about: Mapping, seeds: Sequence[str], taken: Sequence[str], seed: int) -> Request:
    """The request of an order.

    Args:
        about: what the prompt says of the code, as `synthesis.prompt_values` gives it.
        seeds: lines of `seed_lines` to show for their style.
        taken: titles that were written before; the last 90 are shown.
    """
    taken = [json.dumps(title, ensure_ascii=False) for title in taken[-MOST_TAKEN:]]
    shown = {"seeds": seeds, "taken": taken, "nonce": nonce([*seeds, *taken]), "count": order.count}
    prompt = render_prompt(PROMPT, **about, **leans(order, seed), **shown)
    return Request(f"synthetic-{seed}-{order.code}-{order.number:03}", prompt, SCHEMA, fault_of)


def leans(order: Order, seed: int) -> dict[str, str]:
    """The register, seniority and sector that an order leans to; the code's next order has the next of each."""
    place = int(sha256(f"{seed}\0{order.code}".encode()).hexdigest()[:8], 16) + order.number
    return {name: values[place % len(values)] for name, values in LEANS.items()}


def turn(lines: Sequence[str], number: int, count: int) -> list[str]:
    """The lines for the `number`-th request: the next `count` of them, from the first again after the last."""
    count = min(count, len(lines))
    return [lines[(number * count + place) % len(lines)] for place in range(count)]


def seed_lines(records: Dataset, protected: Dataset | None, codes: Collection[str], seed: int) -> dict[str, list[str]]:
    """Code -> its records as lines for a prompt, each title once, in an order drawn by `seed`.

    Left out is what `leakage.protected_texts` finds near a protected record: a model would write it anew.
    """
    records = records.select([row for row, code in enumerate(records["code"]) if code in codes])
    if protected is not None and len(protected):
        records, _ = apart(records, [partial(protected_texts, protected=protected)])
    pools: dict[str, dict[str, str]] = {}
    for record in records:
        if title := key(record["job_title"]):
            pools.setdefault(record["code"], {}).setdefault(title, seed_line(record))
    return {code: sorted(pool.values(), key=partial(drawn, seed=seed)) for code, pool in pools.items()}


def seed_line(record: Mapping) -> str:
    """A record as a line of JSON, with personal data masked and long texts cut."""
    masked = {name: mask_personal(normalize(record[name]))[0][:LONGEST_SEED] for name in TEXTS}
    return json.dumps({name: text for name, text in masked.items() if text}, ensure_ascii=False)


def drawn(line: str, seed: int) -> str:
    """What lines are sorted by to lie in a random order."""
    return sha256(f"{seed}\0{line}".encode()).hexdigest()


def fault_of(value: object) -> str:
    """What the schema cannot say: an answer has a record."""
    return "" if value["records"] else "records is empty; allowed: at least one record"
