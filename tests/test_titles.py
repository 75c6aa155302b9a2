"""Titles that no classification lists: counted without grades and repeated ads, also where their code is sure."""

import pytest
from datasets import Dataset

from occ_autocoder.emerging.titles import core_of, unlisted_titles, words_of

KNOWN = {"cook", "bus driver", "senior cook"}


def records(*rows):
    names = ("title", "job_duties", "date", "employer", "codes", "confidences")
    return Dataset.from_list([dict(zip(names, row, strict=True)) for row in rows])


def ads(title, count, code="8331", confidence=0.9, year=2024):
    return [
        (
            title,
            f"{title} {number}",
            f"{year}-0{1 + number % 9}-01",
            f"Firm {number % 3}",
            [code, "5120"],
            [confidence, 0.0],
        )
        for number in range(count)
    ]


def test_frequent_titles_are_told_with_code_share_and_growth():
    rows = [*ads("drone pilot", 4), *ads("senior drone pilot ii", 2, "5120", 0.3, 2025), *ads("cook", 9)]
    [found] = unlisted_titles(records(*rows), KNOWN, unit="year")
    assert (found.title, found.employers, found.code) == ("drone pilot", 3, "8331")
    assert (found.ads, found.share, found.confidence) == (6, 4 / 6, pytest.approx((4 * 0.9 + 2 * 0.3) / 6))
    assert found.growth.earlier == 4 and found.growth.later == 2


def test_listed_titles_few_ads_and_grades_alone_are_none():
    rows = [*ads("senior bus driver", 6), *ads("senior cook", 6), *ads("trainee", 6), *ads("kite pilot", 4)]
    assert unlisted_titles(records(*rows), KNOWN) == ()
    assert [item.title for item in unlisted_titles(records(*rows), KNOWN, fewest=4)] == ["kite pilot"]


def test_ads_of_the_same_texts_count_once():
    rows = [*ads("drone pilot", 5), *[("drone pilot", "drone pilot 0", "", "", ["8331"], [0.9])] * 20]
    [found] = unlisted_titles(records(*rows), KNOWN)
    assert found.ads == 5


def test_without_dates_there_is_no_growth_and_the_most_frequent_come_first():
    rows = [
        (title, f"{title} {number}", "", "", ["1"], [0.5]) for title in ("a b", "c d", "c d") for number in range(9)
    ]
    rows += [("c d", f"more {number}", "", "", ["1"], [0.5]) for number in range(2)]
    found = unlisted_titles(records(*rows), KNOWN)
    assert [(item.title, item.ads) for item in found] == [("c d", 11), ("a b", 9)]
    assert found[0].growth is None and found[0].employers == 0


@pytest.mark.parametrize(
    ("title", "core"),
    [("senior cook", "cook"), ("cook iii", "cook"), ("junior", ""), ("", ""), ("head, i cook", "head i cook")],
)
def test_grades_are_left_out_at_the_ends(title, core):
    assert core_of(title) == core and words_of(title) == " ".join(title.replace(",", "").split())
