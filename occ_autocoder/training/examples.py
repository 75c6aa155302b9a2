"""What a model is trained on and remembers: the records in all three templates, and the taxonomy's own texts."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from occ_autocoder.data.copies import is_copy
from occ_autocoder.model.text_occupation import normalize
from occ_autocoder.taxonomy import Occupation, Taxonomy

T = TypeVar("T")


@dataclass(frozen=True)
class Example:
    """One training text: a title, duties or both, with the place of its code among the labels, and where it is from."""

    job_title: str
    job_duties: str
    label: int
    origin: str


@dataclass(frozen=True)
class KnownTexts:
    """(text, label) pairs that the model remembers: titles, and texts about the work."""

    titles: list[tuple[str, int]]
    definitions: list[tuple[str, int]]


def label_codes(taxonomy: Taxonomy) -> list[str]:
    """The codes that records are coded to, in table order: those of the deepest level, and leaves above it."""
    deepest = max(taxonomy.levels)
    leaves = {occupation.code for occupation in taxonomy.leaves}
    return [item.code for item in taxonomy if item.level == deepest or item.code in leaves]


def record_examples(records: Iterable[Mapping], label2id: Mapping[str, int]) -> list[Example]:
    """Every record in each template that its fields allow, normalised, each text once a label.

    The copies that `balance_records` made count again: that is what they are for.
    """
    found: dict[tuple[str, str, int, str], Example] = {}
    for record in records:
        title, duties = normalize(record["job_title"]), normalize(record["job_duties"])
        label, origin = label2id[record["code"]], f"record {record['id']}"
        copy = record["id"] if is_copy(record["id"]) else ""
        for parts in ((title, duties), (title, ""), ("", duties)):
            if any(parts):
                found.setdefault((*parts, label, copy), Example(*parts, label, origin))
    return list(found.values())


def limit_pairs(examples: Sequence[Example], limit: int, seed: int) -> list[Example]:
    """The examples, those with both fields at most `limit` a label: they are the longest, so the dearest to encode."""
    pairs = [((item.job_title, item.job_duties), item.label) for item in examples if item.job_title and item.job_duties]
    kept = set(limited(pairs, limit, seed))
    return [
        item
        for item in examples
        if not (item.job_title and item.job_duties) or ((item.job_title, item.job_duties), item.label) in kept
    ]


def taxonomy_texts(taxonomy: Taxonomy, codes: Sequence[str]) -> KnownTexts:
    """The titles and the texts about the work of every code, as the taxonomy gives them."""
    titles, definitions = [], []
    for label, code in enumerate(codes):
        occupation = taxonomy[code]
        titles += [(title, label) for title in (occupation.title, *occupation.examples)]
        definitions += [(text, label) for text in descriptions(occupation, taxonomy.parent_of(code))]
    return KnownTexts(titles, definitions)


def descriptions(occupation: Occupation, parent: Occupation | None) -> list[str]:
    """What is said of the work: the definition, the tasks, the parent's tasks where the code has none of its own."""
    tasks = occupation.tasks or (parent.tasks if parent else ())
    about = (occupation.definition, "; ".join(tasks))
    return [f"{occupation.title}. {text}" for text in about if text]


def taxonomy_examples(texts: KnownTexts, codes: Sequence[str]) -> list[Example]:
    """The taxonomy's titles as titles and its texts about the work as duties."""
    titles = [Example(title, "", label, f"taxonomy {codes[label]}") for title, label in texts.titles]
    return titles + [Example("", text, label, f"taxonomy {codes[label]}") for text, label in texts.definitions]


def known_texts(taxonomy: KnownTexts, examples: Sequence[Example], limit: int, seed: int) -> KnownTexts:
    """The taxonomy's texts and the records', at most `limit` titles and `limit` duties of the records a code."""
    titles = [(item.job_title, item.label) for item in examples if item.job_title]
    duties = [(item.job_duties, item.label) for item in examples if item.job_duties]
    return KnownTexts(
        list(dict.fromkeys([*taxonomy.titles, *limited(titles, limit, seed)])),
        list(dict.fromkeys([*taxonomy.definitions, *limited(duties, limit, seed)])),
    )


def limited(pairs: Iterable[tuple[T, int]], limit: int, seed: int) -> list[tuple[T, int]]:
    """At most `limit` different texts a label, drawn at random."""
    by_label: dict[int, list[T]] = {}
    for text, label in dict.fromkeys(pairs):
        by_label.setdefault(label, []).append(text)
    generator = random.Random(seed)
    drawn = {
        label: texts if len(texts) <= limit else generator.sample(texts, limit) for label, texts in by_label.items()
    }
    return [(text, label) for label, texts in drawn.items() for text in texts]
