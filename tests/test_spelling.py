"""Slips of a finger in titles: what is mended, what is left, and that a mistyped title is coded as the right one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import occ_autocoder
from occ_autocoder.model.spelling_occupation import Spelling, is_one_slip

SPELLING = Spelling({"nurse": 3, "nursery": 1, "driver": 5, "drover": 1, "teacher": 2, "bus": 1}, ["school", "drives"])


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("nusre", "nurse"),
        ("nurrse", "nurse"),
        ("nurze", "nurse"),
        ("nurs", "nurs"),  # too short to be sure
        ("bus drivr", "bus driver"),
        ("draver", "driver"),  # the more frequent of two
        ("drivver for schools", "driver for schools"),
        ("schoool teachr", "schoool teacher"),  # only words of titles stand in
        ("school", "school"),
        ("drives", "drives"),
        ("zriver", "zriver"),  # the first letter is hardly ever wrong
        ("c++ / driverr", "c++ / driver"),
    ],
)
def test_a_slip_is_mended_and_nothing_else(title, expected):
    assert SPELLING(title) == expected


def test_of_several_words_the_most_frequent_is_taken():
    assert Spelling({"driver": 1, "drover": 2})("draver") == "drover"
    assert Spelling({"baker": 5, "bakes": 1})("baked") == "baker"


WORD = st.text("abc", min_size=0, max_size=6)


def distance(one: str, other: str) -> int:
    """The edit distance with swaps of neighbours (optimal string alignment), by the textbook."""
    rows = {(i, 0): i for i in range(len(one) + 1)} | {(0, j): j for j in range(len(other) + 1)}
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            same = one[i - 1] == other[j - 1]
            rows[i, j] = min(rows[i - 1, j] + 1, rows[i, j - 1] + 1, rows[i - 1, j - 1] + (not same))
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                rows[i, j] = min(rows[i, j], rows[i - 2, j - 2] + 1)
    return rows[len(one), len(other)]


@given(WORD, WORD)
def test_one_slip_is_an_edit_distance_of_one(one, other):
    if one != other:
        assert is_one_slip(one, other) == (distance(one, other) == 1)


def test_a_mistyped_title_is_coded_as_the_right_one_and_new_words_are_known(model_folder):
    coder = occ_autocoder.load(model_folder)
    assert coder("taxi drivver") == coder("taxi driver") and coder("drivver") != coder("drivverr xx")
    assert coder.explain("taxi drivver", top_k=1)[0]["score"] == pytest.approx(coder("taxi driver")[0]["score"])
    plumber = {"code": "7126", "title": "Plumbers", "parent": "8", "level": 3, "examples": ["drivver of pipes"]}
    coder.model.add_occupations(coder.tokenizer, [plumber])
    assert coder.model.spelling()("drivver") == "drivver" and coder.model.spelling()("plumbbers") == "plumbers"
