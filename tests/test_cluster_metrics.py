"""Whether hidden occupations came back: each number worked by hand on small cases."""

import pytest

from occ_autocoder.emerging.cluster_metrics import cluster_metrics


def test_clusters_that_are_the_codes_are_all_right_whatever_they_are_called():
    found = cluster_metrics(["x", "x", "y", "y", "y"], ["b", "b", "a", "a", "a"])
    names = "homogeneity", "completeness", "v_measure", "purity", "dominated", "f1", "weighted_f1", "clustered"
    assert [found[name] for name in names] == pytest.approx([1.0] * len(names))
    assert (found["records"], found["codes"], found["clusters"]) == (5, 2, 2)


def test_noise_and_false_alarms_cost():
    # Code a: 4 records, 3 in x, 1 in none. Code b: 2 records, 1 in x, 1 in y. One false alarm in y.
    found = cluster_metrics(["x", "x", "x", "", "x", "y", "y"], ["a", "a", "a", "a", "b", "b", ""])
    assert found["purity"] == pytest.approx((3 + 1) / 6)
    assert found["dominated"] == pytest.approx(1 / 2)
    f1 = {"a": 2 * 3 / (4 + 4), "b": 2 * 1 / (2 + 2)}
    assert found["f1"] == pytest.approx((f1["a"] + f1["b"]) / 2)
    assert found["weighted_f1"] == pytest.approx((4 * f1["a"] + 2 * f1["b"]) / 6)
    assert found["clustered"] == pytest.approx(5 / 6)


def test_a_cluster_counts_for_one_code_only():
    lumped = cluster_metrics(["x"] * 4, ["a", "a", "b", "b"])
    assert lumped["f1"] == pytest.approx((2 * 2 / 6 + 0) / 2)
    assert lumped["homogeneity"] == pytest.approx(0) and lumped["completeness"] == pytest.approx(1)
    assert lumped["dominated"] == 0


def test_a_code_in_pieces_is_found_by_its_largest():
    assert cluster_metrics(["x", "x", "x", "y"], ["a"] * 4)["f1"] == pytest.approx(2 * 3 / (4 + 3))


def test_no_cluster_at_all_is_nothing_right():
    found = cluster_metrics(["", ""], ["a", "b"])
    assert (found["f1"], found["purity"], found["dominated"], found["clusters"]) == (0, 0, 0, 0)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="1 clusters and 2 codes"):
        cluster_metrics(["x"], ["a", "b"])
    with pytest.raises(ValueError, match="no record has a hidden code"):
        cluster_metrics(["x"], [""])
