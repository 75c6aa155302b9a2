"""How varied texts are, against values worked out by hand."""

import numpy as np
import pytest

from occ_autocoder.data.diversity import distinct_n, near_duplicates, self_similarity


def test_distinct_n_is_the_share_of_different_runs():
    texts = ["a b a b", "A b"]  # runs of two: a b, b a, a b; a b
    assert distinct_n(texts, 2) == pytest.approx(2 / 4)
    assert distinct_n(texts, 1) == pytest.approx(2 / 6)
    assert distinct_n(["one"], 2) == 0.0


def test_near_duplicates_are_pairs_that_share_most_runs_of_three_words():
    texts = [
        "repairs gas boilers in flats and houses all over the county",
        "Teaches reading to adults in the evening",
        "repairs gas boilers in flats and houses all over the city",
        "ok then",
        "teaches reading to adults in the morning, mostly at home in their kitchens",
        "OK, then!",
    ]
    assert near_duplicates(texts) == [(0, 2), (3, 5)]
    assert near_duplicates(texts, threshold=0.95) == [(3, 5)]


def test_self_similarity_is_the_mean_cosine_within_groups():
    vectors = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    assert self_similarity(vectors, ["a", "a", "b", "b", "alone"]) == pytest.approx((0.6 + 1.0) / 2)
