"""Class counts before and after: what the picture and the table show is what was counted."""

import numpy as np
import pytest
from matplotlib.image import imread

from occ_autocoder.evaluation.plots import DPI, class_counts_figure, class_counts_table

ROWS = [
    {"code": "b", "before": 4, "after": 24},
    {"code": "a", "before": 1200, "after": 300},
    {"code": "d", "before": 0, "after": 12},
    {"code": "c", "before": 50, "after": 60},
    {"code": "e", "before": 4, "after": 20},
]


def test_the_picture_has_the_counts_sorted_by_support_on_a_scale_with_a_zero():
    (ax,) = class_counts_figure(ROWS).axes
    before, after = (patch.get_data().values.tolist() for patch in ax.patches)
    assert before == [1200, 50, 4, 4, 0] and after == [300, 60, 24, 20, 12]
    assert [patch.get_label() for patch in ax.patches] == ["before: 1,258 records", "after: 416 records"]
    heights = ax.transData.transform([(1, 0), (1, 1), (1, 10), (1, 100), (1, 1000)])[:, 1]
    steps = np.diff(heights)
    assert steps[0] > 0 and steps[1:] == pytest.approx([steps[1]] * 3, rel=0.01)
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > 1200


@pytest.mark.parametrize("rows", [ROWS, ROWS[2:3], [{"code": "a", "before": 1, "after": 1}]])
def test_the_picture_is_drawn_and_nothing_touches_the_edge(rows, tmp_path):
    class_counts_figure(rows).savefig(tmp_path / "class_counts.png", dpi=DPI)
    pixels = imread(tmp_path / "class_counts.png")[:, :, :3]
    drawn = (pixels < 0.9).any(axis=2)
    assert 0.01 < drawn.mean() < 0.6
    assert not (drawn[0].any() or drawn[-1].any() or drawn[:, 0].any() or drawn[:, -1].any())


def test_the_table_adds_up_the_codes_of_each_band():
    assert class_counts_table(ROWS).splitlines()[2:] == [
        "| 0 to 9 | 3 | 8 | 56 | 12 | 24 |",
        "| 10 to 99 | 1 | 50 | 60 | 60 | 60 |",
        "| 100 or more | 1 | 1,200 | 300 | 300 | 300 |",
        "| all | 5 | 1,258 | 416 | 12 | 300 |",
    ]
    lines = class_counts_table(ROWS, bands=(0, 1, 5, 2000)).splitlines()[2:]
    assert [line.split(" | ")[:2] for line in lines] == [
        ["| 0", "1"],
        ["| 1 to 4", "2"],
        ["| 5 to 1999", "2"],
        ["| all", "5"],
    ]


def test_bands_that_do_not_rise_from_zero_and_no_rows_are_refused():
    for bands in ((), (1, 10), (0, 10, 10), (0, 100, 10)):
        with pytest.raises(ValueError, match="begin with 0 and rise"):
            class_counts_table(ROWS, bands=bands)
    for show in (class_counts_figure, class_counts_table):
        with pytest.raises(ValueError, match="no class counts; allowed: a row with"):
            show([])
