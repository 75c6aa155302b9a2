"""Spans: found verbatim in a text, and measured strictly and loosely."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occ_autocoder.emerging.spans import Span, find_spans
from occ_autocoder.evaluation.spans import span_scores


def test_parts_are_found_in_the_texts_order_whole_words_first():
    found = find_spans("Writes JavaScript and Java, then Java.", [("k", "Java"), ("k", "Java"), ("s", "Writes")])
    assert found == [Span("s", "Writes", 0, 6), Span("k", "Java", 22, 26), Span("k", "Java", 33, 37)]


def test_a_part_that_is_not_there_or_named_too_often_is_left_out():
    assert find_spans("mends pumps", [("s", "Pumps"), ("s", ""), ("s", "pumps"), ("s", "pumps")]) == [
        Span("s", "pumps", 6, 11)
    ]
    assert [span.start for span in find_spans("xJava", [("k", "Java")])] == [1]


def test_spans_of_two_kinds_may_overlap_those_of_one_may_not():
    found = find_spans("mends old pumps", [("s", "mends old pumps"), ("k", "old pumps"), ("k", "pumps")])
    assert [(span.kind, span.text) for span in found] == [("s", "mends old pumps"), ("k", "old pumps")]


@given(
    st.text("ab .", max_size=30), st.lists(st.tuples(st.sampled_from("st"), st.text("ab .", max_size=4)), max_size=6)
)
def test_spans_are_verbatim_and_none_of_a_kind_overlap(text, parts):
    found = find_spans(text, parts)
    assert all(text[span.start : span.end] == span.text for span in found)
    for one in found:
        others = [span for span in found if span is not one and span.kind == one.kind]
        assert all(span.end <= one.start or one.end <= span.start for span in others)


def test_strict_and_loose_scores_by_hand():
    gold = [[("skill", 0, 3), ("skill", 5, 8), ("knowledge", 1, 2)], [("skill", 0, 2)]]
    found = [[("skill", 0, 3), ("skill", 6, 7), ("skill", 7, 8), ("knowledge", 4, 6)], []]
    scores = span_scores(gold, found)
    assert scores["strict"]["skill"] == pytest.approx({"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3})
    assert scores["loose"]["skill"] == pytest.approx({"precision": 1.0, "recall": 2 / 3, "f1": 0.8})
    assert scores["strict"]["knowledge"]["f1"] == scores["loose"]["knowledge"]["f1"] == 0
    assert scores["loose"]["both"] == pytest.approx({"precision": 3 / 4, "recall": 2 / 4, "f1": 0.6})


def test_nothing_to_find_is_zero_and_other_texts_are_refused():
    assert span_scores([[]], [[]])["strict"]["both"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    with pytest.raises(ValueError, match="1 texts with gold spans and 2 with found ones"):
        span_scores([[]], [[], []])
