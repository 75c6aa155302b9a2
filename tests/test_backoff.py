"""The deepest safe group, worked by hand; thresholds that keep the accuracy; records between two codes."""

import numpy as np
import pytest

from occ_autocoder.evaluation.backoff import (
    PERSON,
    ambiguous,
    back_off,
    choose_back_off,
    level_choices,
    safe_and_correct,
)

# Codes 0, 1 under group 0; 2, 3 under group 1: at level 1 two groups, at level 2 the codes.
ANCESTORS = {1: [0, 0, 1, 1], 2: [0, 1, 2, 3]}
PROBABILITIES = np.array([[0.9, 0.05, 0.05, 0.0], [0.5, 0.4, 0.1, 0.0], [0.3, 0.2, 0.25, 0.25], [0.1, 0.1, 0.1, 0.7]])


def test_the_deepest_group_that_clears_its_threshold():
    choices = level_choices(PROBABILITIES, ANCESTORS)
    assert choices[1].confidence == pytest.approx([0.95, 0.9, 0.5, 0.8])
    safe = back_off(choices, {1: 0.8, 2: 0.7})
    assert safe.levels.tolist() == [2, 1, PERSON, 2]
    assert safe.confidence == pytest.approx([0.9, 0.9, 0.0, 0.7])
    right = safe_and_correct(choices, safe, np.array([0, 1, 0, 2]))
    assert right.tolist() == [True, True, False, False]
    assert back_off(choices, {2: 0.7}).levels.tolist() == [2, PERSON, PERSON, 2]


def test_a_leaf_above_the_level_stands_for_itself():
    choices = level_choices(PROBABILITIES, {1: [0, 0, 1, 2], 2: [0, 1, 2, -1]})
    assert choices[2].confidence == pytest.approx([0.9, 0.5, 0.3, 0.7])
    assert choices[2].correct(np.array([0, 0, 0, 3])).tolist() == [True, True, True, False]
    assert choices[1].correct(np.array([0, 0, 0, 3]))[3]


@pytest.mark.parametrize("seed", range(5))
def test_chosen_thresholds_keep_the_target_at_every_level_and_on_the_whole(seed):
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(4, 0.4), size=2000)
    labels = (probabilities.cumsum(1) > generator.uniform(size=(2000, 1))).argmax(1)
    choices = level_choices(probabilities, ANCESTORS)
    thresholds = choose_back_off(choices, labels, 0.9)
    safe = back_off(choices, thresholds)
    right = safe_and_correct(choices, safe, labels)
    for level in (1, 2):
        assert right[safe.levels == level].mean() >= 0.9
    leaves_alone = back_off(choices, {2: thresholds[2]})
    assert (safe.levels > 0).mean() > (leaves_alone.levels > 0).mean() + 0.05


def test_records_between_two_codes():
    assert ambiguous(PROBABILITIES).tolist() == [False, True, True, False]
    assert ambiguous(PROBABILITIES, ratio=0.9).tolist() == [False, False, False, False]
    assert ambiguous(np.ones((2, 1))).tolist() == [False, False]
    with pytest.raises(ValueError, match="ratio is 0; allowed"):
        ambiguous(PROBABILITIES, ratio=0)
