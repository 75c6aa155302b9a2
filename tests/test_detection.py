"""Why a record has no sure code: each status on records made for it, and what the limits change."""

import math

import pytest
from datasets import Dataset

from occ_autocoder.emerging.detection import Limits, detect, group_novelty

PARENTS = {"8322": "83", "8331": "83", "2221": "22", "83": None, "22": None}
TITLE_WORDS = {"driver": 300, "manager": 500, "bus": 4, "nurse": 80, "ward": 30, "taxi": 6}
OTHER_WORDS = frozenset({"drives", "along", "the", "route", "city"})


def record(title="bus driver", duties="", codes=("8331", "8322"), confidences=(0.4, 0.3), novelty=0.1, similarity=0.8):
    return {
        "job_title": title,
        "job_duties": duties,
        "codes": list(codes),
        "confidences": list(confidences),
        "novelty": novelty,
        "similarity": similarity,
    }


def detected(*records, **limits):
    found = detect(Dataset.from_list(list(records)), PARENTS, TITLE_WORDS, OTHER_WORDS, Limits(**limits))
    return list(zip(found["status"], found["reason"], strict=True))


def test_every_status():
    found = detected(
        record(confidences=(0.51, 0.3)),
        record(),
        record(codes=("8331", "2221"), confidences=(0.4, 0.35)),
        record(title="manager"),
        record(title="Kraftfahrer im Linienverkehr der Stadt"),
        record(title="bus driver", similarity=0.1),
        record(novelty=0.7),
        record(novelty=None),
    )
    assert found == [
        ("coded", "8331 with a confidence of 0.51"),
        ("ambiguous", "between 8331 and 8322, all of 83"),
        ("ambiguous", "between 8331 and 2221, of different groups"),
        ("vague", "few words, which stand in many titles"),
        ("out of scope", "4 of 4 words stand in no known text"),
        ("out of scope", "the nearest known text has a cosine of 0.10"),
        ("novel", "novelty 0.70"),
        ("ambiguous", "between 8331 and 8322, all of 83"),
    ]


def test_new_words_in_a_short_title_are_no_other_language_and_rare_ones_are_not_vague():
    assert detected(record(title="bus droner"), record(title="taxi")) == [
        ("ambiguous", "between 8331 and 8322, all of 83"),
        ("ambiguous", "between 8331 and 8322, all of 83"),
    ]


def test_the_limits_move_what_is_a_candidate_and_what_is_novel():
    rows = [record(), record(novelty=0.7)]
    assert [status for status, _ in detected(*rows, confidence=0.3)] == ["coded", "coded"]
    assert [status for status, _ in detected(*rows, novelty=0.8)] == ["ambiguous", "ambiguous"]
    with pytest.raises(ValueError, match="novelty is 2; allowed: 0 to 1"):
        Limits(novelty=2)


def test_in_a_source_that_looks_new_as_a_whole_only_what_looks_newer_than_the_coded_is_novel():
    coded = [record(confidences=(0.9, 0.05), novelty=0.5 + number / 200) for number in range(80)]
    candidates = [record(novelty=0.7), record(novelty=0.95)]
    assert [status for status, _ in detected(*coded, *candidates)[-2:]] == ["ambiguous", "novel"]
    assert [status for status, _ in detected(*coded[:49], *candidates)[-2:]] == ["novel", "novel"]
    assert [status for status, _ in detected(*coded, *candidates, quantile=0.1)[-2:]] == ["novel", "novel"]


def test_a_group_is_as_novel_as_its_texts_and_less_where_one_code_explains_them():
    codes, scores = [["1", "2"], ["1", "3"]], [[0.4, 0.2], [0.6, 0.1]]
    agreed = group_novelty([0.5, 0.5], codes, scores)
    assert agreed == pytest.approx(1 / (1 + math.exp(2 * 0.5)))
    assert group_novelty([0.5, 0.5], [["1"], ["2"]], [[0.4], [0.6]]) == pytest.approx(1 / (1 + math.exp(0.6)))
    assert group_novelty([0.9, 0.9], codes, scores) > agreed > group_novelty([0.0, 0.5], codes, scores) >= 0
