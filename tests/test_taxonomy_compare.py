"""What a user relies on when comparing two editions of a classification."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occ_autocoder.taxonomy import Occupation, Taxonomy, compare

BEFORE = [
    Occupation("1", "Sea", 1),
    Occupation("11", "Deck", 2, "1"),
    Occupation("111", "Sailors and stokers (e.g. oiler)", 3, "11"),
    Occupation("112", "Cobbler", 3, "11"),
    Occupation("113", "Sail maker", 3, "11"),
    Occupation("114", "Whaler", 3, "11"),
    Occupation("115", "Lamp lighter", 3, "11"),
    Occupation("116", "Ship's cook", 3, "11"),
    Occupation("2", "Land", 1),
    Occupation("21", "Fields", 2, "2"),
    Occupation("211", "Reaper", 3, "21"),
]
AFTER = [
    Occupation("1", "Sea", 1),
    Occupation("11", "Deck", 2, "1"),
    Occupation("111", "Sailor/Stoker", 3, "11"),
    Occupation("112", "Sail maker", 3, "11"),  # the code of the cobbler
    Occupation("115", "Electrician", 3, "11"),
    Occupation("117", "Drone pilot", 3, "11"),
    Occupation("2", "Land", 1),
    Occupation("21", "Fields", 2, "2"),
    Occupation("211", "Reaper", 3, "21"),
    Occupation("212", "Ships’ Cooks", 3, "21"),
]


def edition(occupations, version="") -> Taxonomy:
    return Taxonomy(occupations, "farm", version)


def changes(before=BEFORE, after=AFTER, level=None) -> dict:
    """(code before, code after) -> change."""
    found = compare(edition(before), edition(after), level).changes
    return {(change.code_before, change.code_after): change for change in found}


def statuses(**tables) -> dict:
    return {pair: change.status for pair, change in changes(**tables).items()}


def test_every_kind_of_change_is_told():
    assert statuses(level=3) == {
        ("111", "111"): "same",
        ("112", "112"): "retitled",
        ("115", "115"): "retitled",
        ("116", "212"): "recoded",
        (None, "117"): "added",
        ("211", "211"): "same",
        ("113", "112"): "recoded",
        ("114", None): "removed",
    }


def test_counts_list_every_status_and_both_editions_are_named():
    comparison = compare(edition(BEFORE, "2020"), edition(AFTER, "2024"))
    counts = {"same": 6, "retitled": 2, "reparented": 0, "recoded": 2, "added": 1, "removed": 1}
    assert comparison.counts == counts and list(comparison.counts) == list(counts)
    assert (comparison.before, comparison.after) == (("farm", "2020"), ("farm", "2024"))


def test_the_later_edition_gives_the_order_and_what_is_gone_follows():
    codes = [change.code_after for change in compare(edition(BEFORE), edition(AFTER)).changes]
    assert codes == [*(occupation.code for occupation in AFTER), "112", None]


def test_a_recoded_row_has_both_sides():
    change = changes()["116", "212"]
    assert (change.title_before, change.title_after) == ("Ship's cook", "Ships’ Cooks")
    assert (change.parent_before, change.parent_after) == ("11", "21") and change.reparented
    assert (change.level_before, change.level_after) == (3, 3)


def test_one_side_is_none_for_what_came_and_what_went():
    added, removed = changes()[None, "117"], changes()["114", None]
    assert (added.title_before, added.level_before, added.parent_before) == (None, None, None)
    assert (removed.title_after, removed.level_after, removed.parent_after) == (None, None, None)
    assert not added.reparented and not removed.reparented


def test_a_code_that_now_means_another_earlier_occupation_is_marked():
    marked = [pair for pair, change in changes().items() if change.code_reused]
    assert marked == [("112", "112")]


def test_a_new_parent_or_level_is_told_whatever_the_title_does():
    moved = [*BEFORE[:10], replace(BEFORE[10], parent="11")]
    assert statuses(after=moved)["211", "211"] == "reparented"
    renamed = [*BEFORE[:10], replace(BEFORE[10], parent="11", title="Mower")]
    change = changes(after=renamed)["211", "211"]
    assert (change.status, change.reparented) == ("retitled", True)


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("Ship's cook", "Ships’ cooks", True),
        ("SAIL MAKER", "Sail maker", True),
        ("Bus/tram driver", "Bus and tram drivers", True),
        ("Oiler (e.g. greaser)", "Oiler", True),
        ("Ｃook", "Cook", True),
        ("Porter (except hotel)", "Porter (excluding hotel)", False),
        ("Boss", "Bos", False),
        ("Cook", "Cook assistant", False),
    ],
)
def test_titles_that_differ_in_spelling_only_are_the_same(before, after, same):
    found = statuses(before=[Occupation("1", before, 1)], after=[Occupation("1", after, 1)])
    assert found == {("1", "1"): "same" if same else "retitled"}


def test_a_title_that_several_codes_have_recodes_nothing():
    twins = [Occupation("1", "Others", 1), Occupation("2", "Others", 1)]
    after = [Occupation("3", "Others", 1)]
    assert statuses(before=twins, after=after) == {(None, "3"): "added", ("1", None): "removed", ("2", None): "removed"}


def test_a_title_at_another_level_recodes_nothing():
    before = [Occupation("1", "Sea", 1), Occupation("11", "Cooks", 2, "1")]
    after = [Occupation("1", "Sea", 1), Occupation("2", "Cooks", 1)]
    assert statuses(before=before, after=after)[None, "2"] == "added"


def test_one_level_alone_is_compared():
    assert {pair[1] for pair in changes(level=1)} == {"1", "2"}


def test_the_frame_has_a_row_a_change_and_codes_as_text():
    frame = compare(edition(BEFORE), edition(AFTER)).to_frame()
    assert len(frame) == 12 and frame["status"].value_counts()["recoded"] == 2
    assert frame.loc[frame["status"] == "added", "code_after"].tolist() == ["117"]
    assert list(compare(edition(BEFORE), edition(AFTER), level=9).to_frame().columns)[:2] == ["status", "code_before"]


TITLES = st.sampled_from(["Cook", "Cooks", "Sailor", "Smith", "Others", "Nurse"])
EDITIONS = st.dictionaries(st.sampled_from("123456"), TITLES, min_size=1).map(
    lambda titles: [Occupation(code, title, 1) for code, title in titles.items()]
)


@settings(max_examples=200, deadline=None)
@given(before=EDITIONS, after=EDITIONS)
def test_every_code_of_both_editions_is_accounted_for(before, after):
    found = compare(edition(before), edition(after)).changes
    assert {change.code_before for change in found} - {None} == {occupation.code for occupation in before}
    assert {change.code_after for change in found} - {None} == {occupation.code for occupation in after}
    gone = [change.code_before for change in found if change.status in ("recoded", "removed")]
    assert len(gone) == len(set(gone)) and not set(gone) & {occupation.code for occupation in after}


@given(EDITIONS)
def test_an_edition_does_not_differ_from_itself(occupations):
    assert {change.status for change in compare(edition(occupations), edition(occupations)).changes} == {"same"}
