"""The ISCO-08 that ships with the package: all groups, example titles that tell them apart, records to show."""

import csv
import re
import unicodedata
from collections import Counter, defaultdict
from importlib.resources import files

import pytest

from occ_autocoder.taxonomy import Occupation, load_isco08

PACKAGE = "occ_autocoder.taxonomy.isco08"
TABLES = ["occupations.csv", "sample_records.csv"]
GROUPS_PER_LEVEL = {1: 10, 2: 43, 3: 130, 4: 436}
SAMPLE_COLUMNS = ["id", "job_title", "job_duties", "code"]


@pytest.fixture(scope="module")
def groups() -> list[Occupation]:
    return list(load_isco08())


@pytest.fixture(scope="module")
def unit_groups(groups) -> dict[str, Occupation]:
    return {group.code: group for group in groups if group.level == 4}


@pytest.fixture(scope="module")
def sample() -> list[dict[str, str]]:
    with (files(PACKAGE) / "sample_records.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def example_codes(groups) -> dict[str, set[str]]:
    codes = defaultdict(set)
    for group in groups:
        for example in group.examples:
            codes[example.casefold()].add(group.code)
    return codes


def unclean(text: str) -> bool:
    """Whether `text` is not NFC, has a control or invisible character, or blanks that are doubled or at an end."""
    hidden = any(unicodedata.category(character) in {"Cc", "Cf", "Co", "Cn", "Zl", "Zp"} for character in text)
    spaced = re.search(r"\s{2,}|^\s|\s$|[^\S ]", text) is not None
    return hidden or spaced or not unicodedata.is_normalized("NFC", text)


def cells(table: str) -> list[str]:
    """Every cell of a table as it lies in the file, before a reader trims it."""
    with (files(PACKAGE) / table).open(encoding="utf-8", newline="") as lines:
        return [cell for row in csv.reader(lines) for cell in row]


def test_all_groups_are_there_at_every_level(groups):
    assert Counter(group.level for group in groups) == GROUPS_PER_LEVEL


def test_every_unit_group_has_at_least_six_example_titles(unit_groups):
    few = {code: len(group.examples) for code, group in unit_groups.items() if len(group.examples) < 6}
    assert few == {}


def test_only_unit_groups_have_example_titles(groups):
    assert [group.code for group in groups if group.level < 4 and group.examples] == []


def test_no_example_title_stands_under_two_codes_or_twice_under_one(groups):
    assert {title: codes for title, codes in example_codes(groups).items() if len(codes) > 1} == {}
    folded = {group.code: [example.casefold() for example in group.examples] for group in groups}
    assert [code for code, examples in folded.items() if len(examples) > len(set(examples))] == []


def test_no_example_title_is_the_official_title_of_another_group(groups):
    official = defaultdict(set)
    for group in groups:
        official[group.title.casefold()].add(group.code)
    wrong = {title: official[title] - codes for title, codes in example_codes(groups).items() if title in official}
    assert {title: codes for title, codes in wrong.items() if codes} == {}


@pytest.mark.parametrize("table", TABLES)
def test_text_has_no_characters_or_blanks_that_would_break_a_comparison(table):
    assert [cell for cell in cells(table) if unclean(cell)] == []


@pytest.mark.parametrize("table", TABLES)
def test_tables_end_their_lines_as_git_and_unix_do(table):
    assert b"\r" not in (files(PACKAGE) / table).read_bytes()


def test_sample_has_sixty_records_with_ids_of_their_own(sample):
    assert len(sample) == 60
    assert list(sample[0]) == SAMPLE_COLUMNS
    assert len({record["id"] for record in sample}) == 60


def test_every_sample_code_is_a_unit_group_and_all_major_groups_occur(sample, unit_groups):
    assert {record["code"] for record in sample} - set(unit_groups) == set()
    assert {record["code"][0] for record in sample} == set("0123456789")


def test_sample_has_the_records_of_one_field_only_that_a_demo_shows(sample):
    filled = Counter((bool(record["job_title"]), bool(record["job_duties"])) for record in sample)
    assert filled == {(True, True): 42, (True, False): 12, (False, True): 6}


def test_sample_titles_are_not_answered_by_looking_them_up(sample, groups):
    known = set(example_codes(groups)) | {group.title.casefold() for group in groups}
    assert {record["job_title"].casefold() for record in sample} & known == set()


def test_sample_titles_and_duties_have_the_length_of_what_people_write(sample):
    titles = [len(record["job_title"].split()) for record in sample if record["job_title"]]
    duties = [len(record["job_duties"].split()) for record in sample if record["job_duties"]]
    assert min(titles) >= 1 and max(titles) <= 8
    assert min(duties) >= 12 and max(duties) <= 45
