"""Prompts: what they say of an occupation, and what they refuse."""

import re

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from occ_autocoder.data.synthesis import nearest_leaves, prompt_values
from occ_autocoder.llm.prompt import prompt_version, render_prompt
from occ_autocoder.taxonomy import load_isco08

CO_STAR = ["Context", "Objective", "Style", "Tone", "Audience", "Response"]
COUNTS = {
    "describe_occupation": {"task_counts": (4, 8)},
    "write_records": {"records": 30, "titles": 7, "duties_words": (15, 70)},
}
SAID = {"describe_occupation": "tasks: 4 to 8", "write_records": "Write 30 records"}


@pytest.fixture(scope="module")
def taxonomy():
    return load_isco08()


@pytest.mark.parametrize("name", COUNTS)
def test_a_prompt_has_the_six_parts_and_the_code_with_its_neighbours(taxonomy, name):
    text = render_prompt(name, **prompt_values(taxonomy, "2221"), **COUNTS[name])
    assert re.findall(r"^# (\w+)$", text, flags=re.MULTILINE) == CO_STAR
    for part in ("ISCO-08", '2221, "Nursing Professionals"', "22 Health Professionals", "staff nurse", "- 2222 Mid"):
        assert part in text
    assert "{{" not in text and "{%" not in text
    assert SAID[name] in text


@pytest.mark.parametrize("name", COUNTS)
def test_a_value_that_is_missing_is_an_error(taxonomy, name):
    with pytest.raises(UndefinedError):
        render_prompt(name, **prompt_values(taxonomy, "2221"))


def test_a_prompt_that_is_not_there_is_an_error():
    with pytest.raises(TemplateNotFound):
        render_prompt("write_poems")


def test_the_version_names_the_text():
    first, second = (prompt_version(name) for name in COUNTS)
    assert re.fullmatch(r"describe_occupation@[0-9a-f]{8}", first)
    assert first.split("@")[1] != second.split("@")[1]


def test_the_nearest_codes_come_first_and_the_code_itself_is_none_of_them(taxonomy):
    codes = [leaf.code for leaf in nearest_leaves(taxonomy, "2221")]
    assert codes[:3] == ["2222", "2211", "2212"]
    assert "2221" not in codes and codes[-1].startswith("2")
    assert len(codes) == len(set(codes)) == len(taxonomy.leaves_under("2")) - 1
