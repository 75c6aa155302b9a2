"""Measures the records of ISCO-08 that ship with the package, and writes their dataset card from what it finds.

python -m benchmarks.corpus_card
"""

import csv
from collections import Counter
from importlib.resources import files
from pathlib import Path

from datasets import Dataset
from huggingface_hub import DatasetCardData
from sentence_transformers import SentenceTransformer

from occ_autocoder.data.card import render_card
from occ_autocoder.data.diversity import distinct_n, near_duplicates, self_similarity
from occ_autocoder.data.embedded import FOLDER, TABLE, load_isco08_records
from occ_autocoder.data.encoder import encoder_source

CARD = Path(str(files("occ_autocoder.data") / FOLDER)) / "README.md"

SUMMARY = """Job titles and duties for every unit group of ISCO-08, as people, employers and personnel offices
write them, each with its code. For training coders where no labelled records are at hand. All text is
synthetic."""

COLUMNS = {
    "id": "code and number",
    "job_title": "the title",
    "job_duties": "what is done there; empty in rows of a title alone",
    "code": "ISCO-08 unit group, four digits, a string",
    "register": '"survey" (a worker\'s own answer), "advertisement" or "hr" (a personnel file)',
    "difficulty": '"easy" (the title gives it away), "typical" or "borderline" (the words point to another group too)',
    "code_confusable": "that other group, in borderline records",
    "variant": "of a title alone: abbreviation, seniority, sector, colloquial, regional, plural, misspelling, gendered",
    "source, generator, prompt, version": "provenance: synthetic, who wrote it, the prompt and its hash, the release",
}

HOW_MADE = """A large language model wrote each group in turn from the package's prompts `describe_occupation` and
`write_records`, with the group's title, example titles and neighbouring groups in view. The prompts ask for other
persons at other places in every record. What broke a rule (lengths, registers, repeated sentences or openings,
official titles, personal data) was sent back and written again. Then another instance of such a model, which saw
neither codes nor the writer's notes, coded three typical records of each group against the list of all groups:
`second_reading.csv`. What it read otherwise was marked as borderline with its code, or rewritten."""

LIMITS = """The texts are in English and were not written by the people whose work they tell of: they are tidier
and richer in detail than survey answers, and every group has as many as any other. Who is named by chance as a
man or a woman, and which countries and branches come up, follows the writer's habits. Writer and second reader
are models of one kind, so they may be wrong together. A coder that is trained on them should be tested on real
records before it is used.

CC BY 4.0. The codes and titles of ISCO-08 are the International Labour Organization's."""


def facts(rows: Dataset) -> list[tuple[str, str]]:
    """How much there is, and of what."""
    records = rows.filter(lambda row: bool(row["job_duties"]))
    counts = {name: Counter(records[name]) for name in ("register", "difficulty")}
    words = sum(len(text.split()) for text in records["job_duties"]) / len(records)
    return [
        ("rows", f"{len(records):,} records with title and duties, {len(rows) - len(records):,} titles alone"),
        ("codes", f"{len(set(rows['code']))} unit groups"),
        *((name, ", ".join(f"{kind} {count:,}" for kind, count in counts[name].most_common())) for name in counts),
        ("words of duties", f"{words:.0f} on average"),
    ]


def measures(rows: Dataset) -> list[tuple[str, str]]:
    """How varied the duties are, and how often the second reader agreed."""
    records = rows.filter(lambda row: bool(row["job_duties"]))
    texts, codes = list(records["job_duties"]), list(records["code"])
    encoder = SentenceTransformer(encoder_source("bundled"), device="cpu")
    vectors = encoder.encode(texts, normalize_embeddings=True, show_progress_bar=True)
    read = second_reading()
    return [
        ("different runs of two words (distinct-2)", f"{distinct_n(texts, 2):.3f}"),
        ("pairs with half of their three-word runs in common", str(len(near_duplicates(texts)))),
        ("mean cosine of two records of a group (all-MiniLM-L6-v2)", f"{self_similarity(vectors, codes):.3f}"),
        *(
            (f"second reader agrees at {digits} digits", agreement(read, digits) + f" of {len(read):,} records")
            for digits in (4, 3, 2, 1)
        ),
    ]


def second_reading() -> list[dict]:
    """The records that a second reader coded: id, code, second_code, and what became of the record."""
    with CARD.with_name("second_reading.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def agreement(read: list[dict], digits: int) -> str:
    """The share of the records that were read whose two codes have the same first digits."""
    same = sum(row["second_code"][:digits] == row["code"][:digits] for row in read)
    return f"{100 * same / len(read):.1f} %" if read else "none"


def main() -> None:
    """Write the card."""
    rows = load_isco08_records()
    data = DatasetCardData(
        language="en",
        license="cc-by-4.0",
        task_categories=["text-classification"],
        tags=["occupation", "ISCO-08", "synthetic"],
        size_categories="1K<n<10K",
        pretty_name="ISCO-08 synthetic records",
        configs=[{"config_name": "default", "data_files": TABLE}],
    )
    card = render_card(
        data,
        title="ISCO-08 synthetic records",
        summary=SUMMARY,
        columns=list(COLUMNS.items()),
        how_made=HOW_MADE,
        measured="On the duties of all records.",
        limits=LIMITS,
        facts=facts(rows),
        measures=measures(rows),
    )
    card.save(CARD)
    print(card.content)


if __name__ == "__main__":
    main()
