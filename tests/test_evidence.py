"""Evidence about a code: it never saw the record's own label, and it is weighed as Bayes' rule has it."""

from itertools import pairwise

import numpy as np
import pytest
from tiny import tiny_records, tiny_taxonomy

pytest.importorskip("sklearn")

from occ_autocoder.data.evidence import Noise, beside, distribution, estimate_noise, posterior, weighted
from occ_autocoder.data.retrieval import Retriever
from occ_autocoder.data.witnesses import CLASSIFIERS, out_of_sample

TAXONOMY = tiny_taxonomy()
CODES = [item.code for item in TAXONOMY.leaves]
TITLES, DUTIES = ([row[name] for row in tiny_records()] for name in ("job_title", "job_duties"))
LABELS = np.array([CODES.index(row["code"]) for row in tiny_records()])


def letters(texts):
    """Unit vectors of the pairs of letters in a text: an encoder that sees spelling alone."""
    counts = np.zeros((len(texts), 12), dtype=np.float32)
    for row, text in enumerate(texts):
        for first, second in pairwise(text):
            counts[row, (31 * ord(first) + ord(second)) % 12] += 1
    return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


def classify(labels=LABELS, titles=TITLES, duties=DUTIES, folds=5):
    return out_of_sample(TAXONOMY, CODES, titles, duties, labels, letters, folds=folds)


@pytest.mark.parametrize("name", list(CLASSIFIERS))
def test_a_records_own_label_changes_nothing_in_its_probabilities(name):
    before = classify()[name]
    changed = LABELS.copy()
    changed[7] = (changed[7] + 1) % len(CODES)
    after = classify(changed)[name]
    assert np.array_equal(before[7], after[7])
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("name", list(CLASSIFIERS))
def test_a_record_without_a_label_is_judged_but_not_trained_on(name):
    unknown = LABELS.copy()
    unknown[[3, 9]] = -1
    found = classify(unknown)[name]
    assert np.allclose(np.exp(found).sum(axis=1), 1, atol=1e-4)
    assert not np.array_equal(found, classify()[name])


@pytest.mark.parametrize("name", list(CLASSIFIERS))
def test_equal_texts_are_judged_together(name):
    """A record's text with the wrong label elsewhere must not teach the classifier about it."""
    doubled = [*TITLES, TITLES[0]], [*DUTIES, DUTIES[0]]
    right = classify(np.append(LABELS, LABELS[0]), *doubled)[name]
    wrong = classify(np.append(LABELS, LABELS[0] + 1), *doubled)[name]
    assert np.array_equal(right[0], wrong[0]) and np.array_equal(right[0], right[-1])


def test_with_fewer_texts_than_folds_every_code_is_as_likely():
    for found in classify(LABELS[:2], TITLES[:2], DUTIES[:2]).values():
        assert np.allclose(found, -np.log(len(CODES)))


def test_codes_beside_are_those_of_the_nearest_group_with_others():
    chances = beside(TAXONOMY, CODES)
    places = {code: place for place, code in enumerate(CODES)}
    assert chances[places["8331"]].nonzero()[0].tolist() == [places["8322"]]
    assert chances[places["2221"]].nonzero()[0].tolist() == [places["2341"]]  # alone in 22: the other one in 2
    assert not chances[places["0110"]].any()  # alone in 0
    assert set(chances.sum(axis=1).round(6)) <= {0.0, 1.0}


def test_the_posterior_is_bayes_rule():
    """Three codes, the second beside the third, given the third: worked by hand."""
    likely = np.array([[0.2, 0.5, 0.3]], dtype=np.float32)
    chances = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0]], dtype=np.float32)
    found = posterior(likely, np.array([2]), chances, Noise(0.7, 0.15, 0.15))
    joint = np.array([0.2 * 0.05, 0.5 * (0.05 + 0.15), 0.3 * (0.05 + 0.7)])
    assert found[0] == pytest.approx(joint / joint.sum(), abs=1e-6)
    assert posterior(likely, np.array([-1]), chances, Noise(0.7, 0.15, 0.15)) == pytest.approx(likely)


@pytest.mark.parametrize("shares", [(0.9, 0.1, 0.0), (0.5, 0.2, 0.3), (0.7, 0.0, 0.3)])
def test_the_noise_is_estimated_from_what_is_likely(shares):
    generator = np.random.default_rng(0)
    size, classes = 6000, 30
    chances = np.zeros((classes, classes), dtype=np.float32)
    for label in range(classes):
        chances[label, label ^ 1] = 1
    true = generator.integers(classes, size=size)
    kind = generator.choice(3, size=size, p=shares)
    given = np.where(kind == 0, true, np.where(kind == 1, generator.integers(classes, size=size), true ^ 1))
    likely = np.full((size, classes), 0.1 / (classes - 1), dtype=np.float32)
    likely[np.arange(size), np.where(generator.random(size) < 0.9, true, generator.integers(classes, size=size))] = 0.9
    found = estimate_noise(likely, given, chances)
    assert (found.right, found.anywhere, found.beside) == pytest.approx(shares, abs=0.04)


def test_without_records_the_noise_is_where_it_starts():
    assert estimate_noise(np.zeros((0, 2)), np.zeros(0, dtype=int), np.zeros((2, 2))) == Noise(0.8, 0.1, 0.1)


def test_every_witness_speaks_and_what_is_unknown_says_nothing():
    evidence = {name: np.full((1, 2), -np.inf) for name in ("dense_titles", "dense_texts", "lexical_titles")}
    evidence["lexical_texts"] = np.array([[0.0, 0.0]])
    described, flat = np.array([True]), np.array([[0.5, 0.5]])
    assert weighted(evidence, described) == pytest.approx(flat)
    for name in CLASSIFIERS:
        assert weighted({**evidence, name: np.log([[0.9, 0.1]])}, described)[0, 0] > 0.5
    evidence["dense_texts"] = np.array([[0.1, 0.6]])
    assert weighted(evidence, described)[0, 1] > 0.98


def test_a_record_is_judged_alike_alone_and_among_others():
    retriever, opinions = Retriever(TAXONOMY, letters), classify()
    together = distribution(retriever, TITLES, DUTIES, opinions)
    own = {name: values[4:5] for name, values in opinions.items()}
    alone = distribution(retriever, TITLES[4:5], DUTIES[4:5], own)
    assert together.shape == (len(TITLES), len(CODES)) and np.allclose(together.sum(axis=1), 1, atol=1e-5)
    assert alone[0] == pytest.approx(together[4], abs=1e-5)
