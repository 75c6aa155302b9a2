"""Growth that chance explains is none, and clusters of one period are found again in the next."""

import math

import numpy as np
import pytest

from occ_autocoder.emerging.periods import (
    count_periods,
    growth,
    link,
    link_periods,
    period_of,
    periods_between,
)


def counts(*numbers):
    return {f"{2020 + place}": number for place, number in enumerate(numbers)}


def axes(*places, size=6):
    return np.eye(size)[list(places)]


def test_periods_have_names_that_sort_and_leave_none_out():
    assert [period_of("2024-08-31", unit) for unit in ("year", "quarter", "month")] == ["2024", "2024-Q3", "2024-08"]
    assert periods_between(["2024-02-01", "2023-11-30"], "month") == ["2023-11", "2023-12", "2024-01", "2024-02"]
    assert periods_between([], "month") == []
    with pytest.raises(ValueError, match="unit 'week'; allowed: year, quarter, month"):
        period_of("2024-08-31", "week")


def test_an_ad_counts_once_in_each_period_it_was_posted_in():
    dates = [["2024-01-05", "2024-01-25", "2024-06-01"], ["2024-02-01"], []]
    assert count_periods(dates, ["2024-Q1", "2024-Q2"], "quarter") == {"2024-Q1": 2, "2024-Q2": 1}


def test_one_ad_and_then_two_is_no_growth():
    found = growth(counts(1, 2))
    assert found.ratio == 2 and found.low < 1 < found.high and not found.rising


def test_many_more_is_growth_with_the_exact_interval():
    found = growth(counts(4, 6, 15, 25))
    # Of 50 ads 40 came later; Clopper and Pearson's bounds of 40 / 50 are 0.6628 and 0.8997.
    assert (found.earlier, found.later, found.ratio) == (10, 40, 4)
    assert found.low == pytest.approx(0.6628 / 0.3372, rel=1e-3)
    assert found.high == pytest.approx(0.8997 / 0.1003, rel=1e-3)
    assert found.rising


def test_none_before_is_an_infinite_ratio_with_a_lower_bound():
    few, many = growth(counts(0, 3)), growth(counts(0, 9))
    assert math.isinf(few.ratio) and math.isinf(few.high) and not few.rising
    assert many.rising and many.low == pytest.approx(0.025 ** (1 / 9) / (1 - 0.025 ** (1 / 9)))


def test_more_ads_in_all_are_no_growth_of_one_cluster():
    assert growth(counts(10, 40)).rising
    found = growth(counts(10, 40), totals=counts(1000, 4000))
    assert found.ratio == pytest.approx(1) and not found.rising
    with pytest.raises(ValueError, match="totals: no period 2021; allowed: all of 2020 to 2021"):
        growth(counts(10, 40), totals=counts(1000))


def test_of_three_periods_the_last_two_are_later_and_rates_are_a_period():
    found = growth(counts(6, 6, 6))
    assert (found.earlier, found.later, found.ratio) == (6, 12, pytest.approx(1))


@pytest.mark.parametrize("none", [{}, counts(5), counts(0, 0)])
def test_without_two_periods_or_without_ads_growth_is_unknown(none):
    assert growth(none) is None


def test_no_ad_was_looked_at_in_a_half():
    assert growth(counts(0, 5), totals=counts(0, 50)) is None


def test_links_are_one_to_one_with_the_largest_sum():
    earlier = np.array([[1, 0], [0.8, 0.6]])
    later = np.array([[0.96, 0.28], [0.6, 0.8]])
    # The second is nearest to both; taking that pair first would leave a worse one.
    assert [(i, j) for i, j, _ in link(earlier, later, 0.5)] == [(0, 0), (1, 1)]
    assert [round(cosine, 3) for *_, cosine in link(earlier, later, 0.5)] == [0.96, 0.96]
    assert link(axes(0, 1), axes(2, 3)) == link(axes(), axes(1)) == link(axes(1), np.zeros((0, 6))) == []


def test_pairs_below_the_threshold_keep_no_better_pair_apart():
    assert link(np.eye(2), np.array([[0.8, 0.7], [0.7, 0.1]]), 0.75) == [(0, 0, 0.8)]


def test_a_cluster_that_drifts_is_followed_by_its_last_centroid():
    angles = np.radians([[0], [35], [70]])
    assert link_periods(list(np.stack([np.cos(angles), np.sin(angles)], axis=2))) == [[0, 0, 0]]


def test_clusters_of_several_periods_are_followed_also_over_a_gap():
    drift = np.array([[0.9, 0.0, math.sqrt(0.19), 0, 0, 0]])
    rows = link_periods([axes(0, 1), np.concatenate([axes(3), drift]), axes(1, 3)])
    assert rows == [[0, 1, None], [1, None, 0], [None, 0, 1]]
    assert link_periods([]) == [] and link_periods([np.zeros((0, 6)), axes(2)]) == [[None, 0]]
