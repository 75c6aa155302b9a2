"""The quality gate of the records and texts of ISCO-08 that ship with the package."""

import re
import unicodedata
from collections import Counter, defaultdict
from importlib.resources import files
from pathlib import Path

import pytest
from datasets import load_dataset

from benchmarks.overlap import cells, own_texts, shared_runs
from occ_autocoder.data.diversity import distinct_n, near_duplicates, self_similarity
from occ_autocoder.data.embedded import load_isco08_records
from occ_autocoder.data.records import RECORD_FEATURES, read_records
from occ_autocoder.taxonomy import load_isco08

PUBLIC = Path(__file__).parents[2] / "shared" / "data"
FOLDER = files("occ_autocoder.data") / "isco08_records"
REGISTERS = {"survey", "advertisement", "hr"}
DIFFICULTIES = {"easy", "typical", "borderline"}
VARIANTS = {"abbreviation", "seniority", "sector", "colloquial", "regional", "plural", "misspelling", "gendered"}
PROVENANCE = {
    "source": r"synthetic",
    "generator": r"\S.*",
    "prompt": r"write_records@[0-9a-f]{8}",
    "version": r"[0-9.]+",
}
PERSONAL = re.compile(r"@|https?:|www\.|[$£€]|\b\d{4,}\b|\(\d{3}\)|\b\d{3}-\d{4}\b")
# Bands about what was measured when the records were written: texts that are all alike, or all noise, leave them.
DISTINCT_2, SELF_SIMILARITY = (0.55, 0.80), (0.25, 0.55)


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return load_isco08_records().to_list()


@pytest.fixture(scope="module")
def records(rows) -> list[dict]:
    return [row for row in rows if row["job_duties"]]


@pytest.fixture(scope="module")
def titles(rows) -> list[dict]:
    return [row for row in rows if not row["job_duties"]]


@pytest.fixture(scope="module")
def unit_groups():
    return {leaf.code: leaf for leaf in load_isco08().leaves}


def sentences(text: str) -> list[str]:
    parts = (" ".join(re.findall(r"\w+", part.casefold())) for part in re.split(r"(?<=[.!?;])\s+", text))
    return [part for part in parts if len(part.split()) > 3]


def twice(values) -> list:
    return [value for value, count in Counter(values).items() if count > 1]


def test_every_group_has_its_records_and_titles(records, titles, unit_groups):
    assert {code for code, count in Counter(row["code"] for row in records).items() if count >= 12} == set(unit_groups)
    assert {code for code, count in Counter(row["code"] for row in titles).items() if count >= 6} == set(unit_groups)
    assert twice(row["id"] for row in records + titles) == []


def test_every_record_says_how_it_is_written_and_how_hard_it_is(records, unit_groups):
    assert {row["register"] for row in records} == REGISTERS
    assert {row["difficulty"] for row in records} == DIFFICULTIES
    wrong = [row["id"] for row in records if bool(row["code_confusable"]) != (row["difficulty"] == "borderline")]
    assert wrong == []
    rivals = {row["id"]: row["code_confusable"] for row in records if row["code_confusable"]}
    assert [name for name, code in rivals.items() if code not in unit_groups or code == name[:4]] == []


def test_every_group_has_all_registers_and_more_typical_records_than_hard_ones(records):
    kinds = defaultdict(Counter)
    for row in records:
        kinds[row["code"]].update([row["register"], row["difficulty"]])
    assert {code: count for code, count in kinds.items() if min(count[name] for name in REGISTERS) < 3} == {}
    assert {code: count for code, count in kinds.items() if count["typical"] < 5 or count["borderline"] < 1} == {}


def test_titles_alone_are_of_many_variants(titles):
    assert {row["variant"] for row in titles} == VARIANTS
    variants = defaultdict(set)
    for row in titles:
        variants[row["code"]].add(row["variant"])
    assert {code for code, found in variants.items() if len(found) < 5} == set()


def test_lengths_are_those_of_what_people_write(records, titles):
    assert [row["id"] for row in records if not 15 <= len(row["job_duties"].split()) <= 70] == []
    assert [row["id"] for row in records + titles if not 1 <= len(row["job_title"].split()) <= 9] == []


def test_texts_are_clean_unicode_without_anybodys_data(rows):
    texts = {row["id"]: f"{row['job_title']} {row['job_duties']}".strip() for row in rows}
    hidden = {"Cc", "Cf", "Co", "Cn", "Zl", "Zp"}
    unclean = [
        name
        for name, text in texts.items()
        if text != unicodedata.normalize("NFC", " ".join(text.split())) or hidden & set(map(unicodedata.category, text))
    ]
    assert unclean == []
    assert {name: text for name, text in texts.items() if PERSONAL.search(text)} == {}


def test_no_title_is_the_official_one_and_no_code_stands_in_a_text(rows, unit_groups):
    official = {code: leaf.title.casefold() for code, leaf in unit_groups.items()}
    assert [row["id"] for row in rows if row["job_title"].casefold() == official[row["code"]]] == []
    assert [row["id"] for row in rows if row["code"] in f"{row['job_title']} {row['job_duties']}"] == []


def test_no_sentence_and_no_title_of_a_group_is_used_twice(records, rows):
    assert twice(sentence for row in records for sentence in sentences(row["job_duties"])) == []
    assert twice((row["code"], row["job_title"].casefold()) for row in rows) == []


def test_near_duplicates_are_under_one_per_cent(records):
    assert len(near_duplicates([row["job_duties"] for row in records])) < len(records) / 100


def test_texts_are_as_varied_as_when_they_were_written(records):
    low, high = DISTINCT_2
    assert low < distinct_n([row["job_duties"] for row in records], 2) < high


def test_records_of_a_group_are_alike_but_not_the_same(records):
    """On every eighth group, by the encoder that the `offline` extra brings."""
    from sentence_transformers import SentenceTransformer

    from occ_autocoder.data.encoder import encoder_source

    codes = sorted({row["code"] for row in records})[::8]
    some = [row for row in records if row["code"] in codes]
    encoder = SentenceTransformer(encoder_source("bundled"), device="cpu")
    vectors = encoder.encode([row["job_duties"] for row in some], normalize_embeddings=True)
    low, high = SELF_SIMILARITY
    assert low < self_similarity(vectors, [row["code"] for row in some]) < high


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public tables are not here")
def test_nothing_but_official_titles_is_shared_with_public_tables():
    official = [(item.title, item.title) for item in load_isco08()]
    texts = (cell for file in sorted(PUBLIC.glob("*.csv.gz")) for cell in cells(file))
    found = shared_runs(own_texts().items(), texts)
    titles = shared_runs(official, [" ".join(run) for run in found])
    assert {run: names for run, names in found.items() if run not in titles} == {}


def test_every_row_says_where_it_is_from(rows):
    for column, pattern in PROVENANCE.items():
        assert {row[column] for row in rows if not re.fullmatch(pattern, row[column])} == set()


def test_the_folder_is_a_dataset_and_its_rows_are_records(rows, tmp_path):
    loaded = load_dataset(str(FOLDER), split="train", cache_dir=str(tmp_path))
    assert loaded.to_list() == rows
    found, rejected = read_records(FOLDER / "records.parquet", codes=[leaf.code for leaf in load_isco08().leaves])
    assert len(found) == len(rows) and not len(rejected)
    assert set(RECORD_FEATURES) <= set(loaded.column_names)


def test_the_card_says_what_the_rows_say(rows, records):
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "license: cc-by-4.0" in card
    assert f"{len(records):,} records" in card and f"{len(rows) - len(records):,} titles" in card


def test_every_group_is_described(unit_groups):
    lengths = {code: len(leaf.definition.split()) for code, leaf in unit_groups.items()}
    assert {code: words for code, words in lengths.items() if not 40 <= words <= 80} == {}
    assert {code for code, leaf in unit_groups.items() if not 4 <= len(leaf.tasks) <= 8} == set()
    assert {code for code, leaf in unit_groups.items() if not 2 <= len(leaf.excluded) <= 5} == set()
    assert [item.code for item in load_isco08() if not item.definition] == []
    assert twice(item.definition for item in load_isco08() if item.level == 4) == []


def test_what_is_excluded_names_another_group(unit_groups):
    for code, leaf in unit_groups.items():
        named = [re.search(r"\((\d{4})\)$", text) for text in leaf.excluded]
        assert all(found and found[1] in unit_groups and found[1] != code for found in named), code
