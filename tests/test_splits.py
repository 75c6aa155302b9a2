"""No text is in two splits, every code stays in train, and the same rows give the same splits."""

import hashlib
import itertools
import random

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from occ_autocoder.data.splits import hash_split, split_records

CODES = [f"{number:04}" for number in range(40)]


def dataset_of(*rows: tuple[str, str, str]) -> Dataset:
    """Rows of job_title, job_duties and code, numbered by id."""
    names = ("job_title", "job_duties", "code")
    return Dataset.from_list([dict(zip(names, row, strict=True), id=str(number)) for number, row in enumerate(rows)])


def texts_of(split: Dataset) -> set[str]:
    pairs = zip(split["job_title"], split["job_duties"], strict=True)
    return {(job_title or job_duties).casefold() for job_title, job_duties in pairs}


@pytest.fixture(scope="module")
def many() -> Dataset:
    """Forty codes with one to eighty titles each, a few of them in two codes, each title in one to three rows."""
    rng = random.Random(0)
    titles = [(f"title {code} {number}", code) for place, code in enumerate(CODES) for number in range(1 + 2 * place)]
    shared = [(f"title {CODES[place]} 0", CODES[place + 1]) for place in range(0, 30, 3)]
    rows = [
        (title, f"duties {rng.random()}", code) for title, code in titles + shared for _ in range(rng.randint(1, 3))
    ]
    return dataset_of(*rows)


def test_hash_split_agrees_with_the_definition():
    for number in range(300):
        key = f"clé {number}"
        tenth = int.from_bytes(hashlib.sha1(key.encode("utf-8")).digest()[:4], "big") % 10
        assert hash_split(key) == {0: "test", 1: "validation"}.get(tenth, "train")
    assert [hash_split(key) for key in ("nurse", "baker", "pilot")] == ["train", "validation", "test"]


def test_every_row_is_in_one_split_in_its_order(many):
    splits = split_records(many)
    assert list(splits) == ["train", "validation", "test"]
    ids = [list(map(int, split["id"])) for split in splits.values()]
    assert sorted(itertools.chain(*ids)) == list(range(len(many)))
    assert all(part == sorted(part) for part in ids)
    assert splits["test"].features == many.features


def test_no_text_is_in_two_splits(many):
    train, validation, test = map(texts_of, split_records(many).values())
    assert validation and test
    assert not train & validation | train & test | validation & test


def test_case_width_and_blanks_do_not_make_another_text():
    rows = [(f"title {number}", "", "0110") for number in range(40)]
    spelled = [(spell(title), duties, code) for title, duties, code in rows for spell in (str, str.upper, str.title)]
    wide = [(f" {title.replace('t', 'ｔ')}\u200b", duties, code) for title, duties, code in rows]
    for split in split_records(dataset_of(*spelled, *wide), validation=0.3, test=0.3).values():
        assert len(split) % 4 == 0 < len(split)


def test_duties_tell_records_without_a_title_apart():
    splits = split_records(dataset_of(*(("", f"does {number}", "0110") for number in range(40))))
    assert [len(split) for split in splits.values()] == pytest.approx([32, 4, 4], abs=2)
    by_duties = split_records(dataset_of(*((f"t{n}", f"does {n % 4}", "0110") for n in range(40))), key="job_duties")
    assert not set(by_duties["train"]["job_duties"]) & set(by_duties["test"]["job_duties"])


def test_every_code_gives_its_share_and_keeps_a_text_in_train(many):
    splits = split_records(many, validation=0.2, test=0.3)
    assert set(splits["train"]["code"]) == set(CODES)
    for name, share in (("test", 0.3), ("validation", 0.2)):
        pairs = set(zip(splits[name]["job_title"], splits[name]["code"], strict=True))
        for place, code in enumerate(CODES):
            assert sum(code == its for _, its in pairs) == pytest.approx(share * (1 + 2 * place), abs=3)
    assert sum(len(texts_of(split)) for split in list(splits.values())[1:]) == pytest.approx(800, abs=20)


def test_a_code_with_one_text_is_in_train_though_another_code_shares_it():
    rows = [(f"title {number}", "", "5120") for number in range(10)] + [
        ("title 3", "", "0110"),
        ("TITLE 3", "", "0110"),
    ]
    for seed in range(20):
        splits = split_records(dataset_of(*rows), validation=0.4, test=0.4, seed=seed)
        assert "0110" in splits["train"]["code"]
        assert "0110" not in [*splits["test"]["code"], *splits["validation"]["code"]]


def test_a_text_of_two_codes_counts_for_the_one_that_it_has_more_often():
    own = [(f"own {number}", "", "0110") for number in range(30)]
    other = [(f"other {number}", "", code) for number in range(30) for code in ("5120", "5120", "0110")]
    for seed in range(5):
        test = texts_of(split_records(dataset_of(*own, *other), validation=0, test=0.5, seed=seed)["test"])
        assert sorted(text.split()[0] for text in test) == ["other"] * 15 + ["own"] * 15


def test_the_split_follows_from_the_texts_and_the_seed(many):
    splits, again = split_records(many, seed=1), split_records(many.select(range(len(many))[::-1]), seed=1)
    assert all(texts_of(splits[name]) == texts_of(again[name]) for name in splits)
    assert texts_of(split_records(many, seed=2)["test"]) != texts_of(splits["test"])


def test_small_codes_give_their_share_on_average():
    rows = [(f"title {code} {number}", "", str(code)) for code in range(500) for number in range(3)]
    splits = split_records(dataset_of(*rows))
    assert len(splits["test"]) == pytest.approx(150, abs=40)
    assert len(splits["validation"]) == pytest.approx(150, abs=40)


@pytest.mark.parametrize("shares", [{"test": -0.1}, {"test": 0.9}, {"validation": 0.5, "test": 0.5}])
def test_shares_that_leave_nothing_to_train_are_refused(many, shares):
    with pytest.raises(ValueError, match="sum to less than 1"):
        split_records(many, **shares)


def test_no_test_wanted_gives_an_empty_one(many):
    splits = split_records(many, test=0)
    assert len(splits["test"]) == 0 < len(splits["validation"])


RECORD = st.tuples(st.sampled_from(["a", "A", "b", "c", ""]), st.sampled_from(["x", "y", ""]), st.sampled_from("123"))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(RECORD, min_size=1, max_size=30), seed=st.integers(0, 9))
def test_whatever_the_rows_no_text_crosses_and_no_code_leaves_train(rows, seed):
    splits = split_records(dataset_of(*rows), seed=seed, validation=0.4, test=0.4)
    texts = [texts_of(split) for split in splits.values()]
    assert sum(map(len, texts)) == len(set.union(*texts))
    assert set(splits["train"]["code"]) == {code for _, _, code in rows}
