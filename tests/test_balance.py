"""Balanced records: rare codes have copies, frequent ones fewer records, and every one is accounted for."""

from collections import Counter

import pytest
from datasets import Dataset, DatasetDict, NamedSplit
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("imblearn")

from occ_autocoder.data.balance import balance_records, class_counts
from occ_autocoder.data.records import RECORD_FEATURES
from occ_autocoder.training.examples import record_examples

BOTH = {"strategy": "both", "min_records": 3, "max_records": 6}


def records(**support: int) -> Dataset:
    """So many records of each code; the c before it is no part of it."""
    rows = [
        {"id": f"{code}-{number}", "job_title": f"title {number}", "job_duties": "", "code": code[1:], "source": ""}
        for code, count in support.items()
        for number in range(count)
    ]
    return Dataset.from_list(rows, features=RECORD_FEATURES)


@given(
    support=st.dictionaries(st.sampled_from(["c1", "c2", "c3", "c4"]), st.integers(1, 20), min_size=1),
    least=st.integers(1, 12),
    most=st.integers(0, 8),
    max_copies=st.integers(1, 4),
    seed=st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_every_code_has_what_is_asked_for_and_every_record_is_accounted_for(support, least, most, max_copies, seed):
    given_records, most = records(**support), least + most
    options = {"min_records": least, "max_records": most, "max_copies": max_copies, "seed": seed}
    balanced, left_out = balance_records(given_records, strategy="both", **options)
    before, after = Counter(given_records["code"]), Counter(balanced["code"])
    for code, number in before.items():
        assert after[code] == min(most, max(number, min(least, number * (1 + max_copies))))
    originals = [row["id"] for row in balanced if not row["copy_of"]]
    assert sorted([*originals, *left_out["id"]]) == sorted(given_records["id"])
    assert len({*balanced["id"]}) == len(balanced)
    by_id = {row["id"]: row for row in given_records}
    for row in balanced:
        origin = by_id[row["copy_of"] or row["id"]]
        assert [row[name] for name in ("job_title", "code")] == [origin[name] for name in ("job_title", "code")]
    copied = Counter(row["copy_of"] for row in balanced if row["copy_of"])
    for code in before:
        own = [copied[id] for id, row in by_id.items() if row["code"] == code and id in originals]
        if after[code] > before[code]:
            assert max(own) - min(own) <= 1 and max(own) <= max_copies


def test_the_copies_follow_the_records_which_keep_their_order():
    balanced, left_out = balance_records(records(c1=8, c2=2), **BOTH)
    assert [row["copy_of"] != "" for row in balanced] == [False] * 8 + [True]
    kept = [id for id in balanced["id"] if id.startswith("c1")]
    assert kept == sorted(kept) and len(kept) == 6 and len(left_out) == 2
    assert balanced[8]["id"] == f"{balanced[8]['copy_of']}-copy-1"


def test_rows_in_another_order_give_the_same_records_and_another_seed_others():
    given_records = records(c1=20, c2=2, c3=9)

    def ids(dataset, seed=0):
        return sorted(balance_records(dataset, **BOTH, seed=seed)[0]["id"])

    assert ids(given_records) == ids(given_records.shuffle(seed=4))
    assert ids(given_records) != ids(given_records, seed=1)


def test_one_side_alone():
    over, none = balance_records(records(c1=8, c2=2), strategy="over", min_records=4)
    assert Counter(over["code"]) == {"1": 8, "2": 4} and len(none) == 0
    under, left_out = balance_records(records(c1=8, c2=2), strategy="under", max_records=4)
    assert Counter(under["code"]) == {"1": 4, "2": 2} and len(left_out) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "smote"}, "allowed: over, under, both"),
        ({"strategy": "over"}, "allowed: min_records"),
        ({"strategy": "over", "min_records": 2, "max_records": 3}, "allowed: min_records"),
        ({"strategy": "under", "max_records": 0}, "allowed: from 1"),
        ({"strategy": "both", "min_records": 5, "max_records": 4}, "at most max_records"),
        ({**BOTH, "max_copies": 0}, "allowed: from 1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        balance_records(records(c1=2), **options)


def test_only_training_records_that_were_not_balanced_are_taken():
    good = records(c1=2, c2=1)
    held_out = Dataset(good.data, split=NamedSplit("test"))
    for bad, message in (
        (DatasetDict(train=good), "several splits"),
        (held_out, "the records of test"),
        (balance_records(good, **BOTH)[0], "balanced before"),
        (good.remove_columns("code"), "no column code"),
        (good.map(lambda row: {"code": ""}), "3 records without a code"),
        (good.map(lambda row: {"id": "a"}), "id 'a' in 3 records"),
        (good.map(lambda row: {"id": None if row["id"] == "c2-0" else row["id"]}), "id None in 1 records"),
    ):
        with pytest.raises(ValueError, match=message):
            balance_records(bad, **BOTH)


def test_an_id_that_a_copy_would_take_is_refused():
    taken = records(c1=1, c2=4).map(lambda row: {"id": "c1-0-copy-1" if row["id"] == "c2-3" else row["id"]})
    with pytest.raises(ValueError, match="'c1-0-copy-1' is that of a record"):
        balance_records(taken, **BOTH)


@given(
    before=st.dictionaries(st.sampled_from(["c1", "c2", "c3"]), st.integers(1, 9), min_size=1),
    after=st.dictionaries(st.sampled_from(["c2", "c3", "c4"]), st.integers(1, 9), min_size=1),
)
@settings(max_examples=20, deadline=None)
def test_class_counts_have_every_code_of_either_the_most_frequent_first(before, after):
    rows = class_counts(records(**before), records(**after))
    for name, given_counts in (("before", before), ("after", after)):
        assert {f"c{row['code']}": row[name] for row in rows if row[name]} == given_counts
    assert [row["before"] for row in rows] == sorted((row["before"] for row in rows), reverse=True)
    assert len({row["code"] for row in rows}) == len(rows) == len({*before, *after})


def test_class_counts_of_balanced_records():
    given_records = records(c1=8, c2=2)
    assert class_counts(given_records, balance_records(given_records, **BOTH)[0]) == [
        {"code": "1", "before": 8, "after": 6},
        {"code": "2", "before": 2, "after": 3},
    ]


def test_a_copy_trains_as_often_as_it_is_there_and_a_text_that_is_only_repeated_once():
    given_records = records(c1=1, c2=1)
    balanced, _ = balance_records(given_records, strategy="over", min_records=3)
    labels = {"1": 0, "2": 1}
    assert Counter(item.label for item in record_examples(balanced, labels)) == {0: 3, 1: 3}
    repeated = Dataset.from_list([{**given_records[0], "id": f"other-{n}"} for n in range(3)], features=RECORD_FEATURES)
    assert len(record_examples(repeated, labels)) == 1
