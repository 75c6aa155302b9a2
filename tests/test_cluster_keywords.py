"""Keywords of clusters: what sets one apart, said by more than one employer, titles before duties."""

import numpy as np
import pytest

from occ_autocoder.emerging.keywords import class_tf_idf, cluster_keywords, term_counts

TITLES = ["drone pilot", "drone pilot", "drone surveyor", "prompt writer", "prompt writer", "prompt editor"]
DUTIES = ["works in a team outdoors"] * 3 + ["works in a team with models"] * 3
LABELS = np.array([0, 0, 0, 1, 1, 1])


def keywords(titles=TITLES, duties=DUTIES, employers=((),) * 6, labels=LABELS, **options):
    return cluster_keywords(titles, duties, employers, labels, **options)


def test_words_of_one_cluster_come_before_those_of_all_and_titles_before_duties():
    first, second = keywords()
    assert first[:2] == ["drone", "drone pilot"] and second[:2] == ["prompt", "prompt writer"]
    assert first.index("outdoors") < first.index("works team")
    assert not {"outdoors", "models"} & {*first[:2], *second[:2]}
    assert "surveyor" not in " ".join(first)  # one ad only
    assert keywords(top_k=1) == [["drone"], ["prompt"]]


def test_weights_are_grootendorsts_formula():
    counts, terms = term_counts(["alpha", "alpha", "beta", "beta"], ["", "", "alpha", ""], None)
    assert terms.tolist() == ["alpha", "beta"] and counts.toarray().tolist() == [[3, 0], [3, 0], [1, 3], [0, 3]]
    weights = class_tf_idf(counts, np.array([0, 0, 1, 1]))
    mean = (6 + 7) / 2
    expected = [[1 * np.log(1 + mean / 7), 0], [1 / 7 * np.log(1 + mean / 7), 6 / 7 * np.log(1 + mean / 6)]]
    assert weights == pytest.approx(np.array(expected))


def test_the_name_of_the_one_who_posts_is_no_keyword():
    titles = [f"{title} acme" for title in TITLES[:2]] + TITLES[2:]
    assert "acme" in " ".join(keywords(titles)[0])
    assert "acme" not in " ".join(keywords(titles, employers=[["Acme"], ["Acme"], ["Sky"], [], [], []])[0])


def test_words_keep_their_signs_and_numbers_are_none():
    titles = ["c++ 3d artist 24", "c++ 3d artist 24", "c# 24", "c# 24"]
    found = keywords(titles, [""] * 4, [()] * 4, np.array([0, 0, 1, 1]))
    assert {"c++", "3d"} <= set(" ".join(found[0]).split()) and found[1] == ["c#"]


def test_texts_without_a_word_have_no_keywords():
    assert keywords(["", "!", "7"], [""] * 3, [()] * 3, np.array([0, 0, 0])) == [[]]
    assert keywords(labels=np.full(6, -1)) == []
