"""No text and no near-duplicate is in two splits, every code stays in train, and the same rows give the same splits."""

import hashlib
import itertools
import random
import time

import networkx as nx
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from occ_autocoder.data.diversity import near_duplicates
from occ_autocoder.data.splits import hash_split, near_duplicate_groups, split_and_report, split_records

CODES = [f"{number:04}" for number in range(40)]
WORDS = [f"word{number}" for number in range(300)]


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


def reworded(rng: random.Random, text: str, words: int) -> str:
    """The text with so many of its words replaced."""
    changed = text.split()
    for place in rng.sample(range(len(changed)), words):
        changed[place] = rng.choice(WORDS)
    return " ".join(changed)


@pytest.fixture(scope="module")
def near() -> Dataset:
    """Twenty codes with thirty advertisements each, every third of which is another's, a little reworded."""
    rng, rows = random.Random(0), []
    for code in CODES[:20]:
        for number in range(30):
            duties = rng.choice(rows)[1] if number % 3 == 2 else " ".join(rng.choices(WORDS, k=40))
            rows.append((f"title {code} {number}", reworded(rng, duties, rng.randint(1, 4)), code))
    return dataset_of(*rows)


def sides(splits, ids):
    """The split of each id."""
    side = {id_: name for name, split in splits.items() for id_ in split["id"]}
    return [side[id_] for id_ in ids]


@pytest.mark.parametrize("seed", range(3))
def test_every_near_duplicate_pair_is_on_one_side(near, seed):
    splits, report = split_and_report(near, seed=seed, validation=0.2, test=0.2)
    texts = [f"{title} {duties}" for title, duties in zip(near["job_title"], near["job_duties"], strict=True)]
    pairs, side = near_duplicates(texts), sides(splits, near["id"])
    assert len(pairs) > 100 and report.near_duplicates > 50
    assert [pair for pair in pairs if side[pair[0]] != side[pair[1]]] == []
    assert all(len(split) > 60 for split in splits.values())
    assert set(splits["train"]["code"]) == set(CODES[:20])


def test_codes_give_their_share_also_where_texts_are_in_groups(near):
    sizes = [len(split_records(near, seed=seed)["test"]) for seed in range(8)]
    assert sum(sizes) / len(sizes) == pytest.approx(60, abs=15)


def test_near_duplicates_hold_together_whatever_the_order(near):
    turned = near.select(range(len(near))[::-1])
    assert sides(split_records(near, seed=1), near["id"]) == sides(split_records(turned, seed=1), near["id"])


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_groups_are_those_that_the_pairs_join(rng):
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 30))) for _ in range(6)]
    texts += [reworded(rng, text, rng.randint(0, len(text.split()) // 4)) for text in rng.choices(texts, k=14)]
    linked = nx.Graph(near_duplicates(texts))
    linked.add_nodes_from(range(len(texts)))
    groups = near_duplicate_groups(texts)
    found = {frozenset(place for place, its in enumerate(groups) if its == group) for group in groups}
    assert found == set(map(frozenset, nx.connected_components(linked)))


def test_a_thousand_rewordings_of_one_text_are_compared_in_no_time():
    rng, text = random.Random(0), " ".join(WORDS[:60])
    texts = [reworded(rng, text, 2) for _ in range(3000)]
    start = time.process_time()
    groups = near_duplicate_groups(texts)
    assert max(map(groups.count, set(groups))) > 2900
    assert time.process_time() - start < 15


def test_the_report_says_what_had_to_stay_together():
    one, two = "washes the plates and the pans every night", "drives a bus through the old town each day"
    rows = [
        ("cook", one, "5120"),
        ("head cook", f"{one} again", "5120"),
        ("COOK", "peels", "5120"),
        ("soldier", "guards", "0110"),
        ("bus driver", two, "8331"),
        ("bus driver", two, "8331"),
        ("tram driver", "drives a tram", "8331"),
        ("baker", "bakes", "7512"),
        ("pastry maker", "bakes pies", "7512"),
    ]
    splits, report = split_and_report(dataset_of(*rows), validation=0, test=0.5)
    assert report.counts == {
        code: {name: split["code"][:].count(code) for name, split in splits.items()}
        for code in ("0110", "5120", "7512", "8331")
    }
    assert (report.groups, report.largest_group, report.near_duplicates) == (2, 3, 1)
    assert report.singletons == ["0110"]
    assert {"0110", "5120"} <= set(report.train_only)


def test_no_records_give_empty_splits():
    splits, report = split_and_report(dataset_of(("a", "b", "1")).select([]))
    assert [len(split) for split in splits.values()] == [0, 0, 0]
    assert (report.counts, report.largest_group) == ({}, 0)
