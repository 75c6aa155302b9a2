"""The pictures of a report, and of class counts, in colours that colour-blind readers can tell apart.

The colours are those of Okabe and Ito (2008).
"""

from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, SymmetricalLogLocator

from occ_autocoder.markdown import count, markdown_table

from .classes import band_name
from .interval import wilson_interval

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"
DPI = 150


def write_plots(folder: Path, results: Mapping, level_names: Mapping[int, str]) -> list[str]:
    """Draw the plots that have data into the folder, 150 dots per inch; the names of the files."""
    figures = {"reliability.png": reliability_figure(results), "coverage.png": coverage_figure(results)}
    if results["levels"]:
        figures["levels.png"] = levels_figure(results["levels"], level_names)
    if results["support_bands"]:
        figures["support.png"] = support_figure(results["support_bands"])
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=DPI)
    return list(figures)


def new_figure(width: float, height: float, panels: int = 1, **options) -> tuple[Figure, list[Axes]]:
    """A figure outside pyplot's state (so it needs no display and no closing) and its panels, light grid behind."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(panels, 1, squeeze=False, **options)[:, 0]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#E0E0E0", linewidth=0.8)
        ax.set_axisbelow(True)
    return figure, list(axes)


def interval_bars(ax: Axes, names: Sequence[str], rows: Sequence[Mapping]) -> None:
    """Bars of `accuracy` in percent, its interval from `low` to `high` as a whisker, the value over each."""
    heights = [100 * row["accuracy"] for row in rows]
    ax.bar(range(len(rows)), heights, width=0.6, color=BLUE, tick_label=names)
    whiskers = spreads(heights, [(100 * row["low"], 100 * row["high"]) for row in rows])
    ax.errorbar(range(len(rows)), heights, yerr=whiskers, fmt="none", ecolor="black", elinewidth=1.2, capsize=4)
    for place, row in enumerate(rows):
        ax.text(place, 100 * row["high"] + 1.5, f"{heights[place]:.1f}", ha="center", va="bottom", fontsize=10)
    ax.set(ylim=(0, 110), yticks=range(0, 101, 20))


def spreads(values: Sequence[float], bounds: Sequence[tuple[float, float]]) -> list[list[float]]:
    """How far each interval reaches below and above its value, as matplotlib's `yerr` [2, n]."""
    # matplotlib refuses a rounding error below 0.
    below = [max(0.0, value - low) for value, (low, _) in zip(values, bounds, strict=True)]
    above = [max(0.0, high - value) for value, (_, high) in zip(values, bounds, strict=True)]
    return [below, above]


def levels_figure(rows: Sequence[Mapping], level_names: Mapping[int, str]) -> Figure:
    """Accuracy at every level with its 95 % interval."""
    figure, (ax,) = new_figure(max(6.0, 1.3 * len(rows) + 1.5), 4.0)
    names = [
        f"Level {row['level']}\n{fill(level_names.get(row['level'], ''), 16)}\n{amount(row['groups'], 'group')}"
        for row in rows
    ]
    interval_bars(ax, [name.replace("\n\n", "\n") for name in names], rows)
    ax.set_ylabel("Records with the right group (%)")
    ax.set_title("Accuracy at every level, with 95 % interval", loc="left", fontsize=12)
    return figure


def support_figure(rows: Sequence[Mapping]) -> Figure:
    """Accuracy by number of training records of the right code, with its 95 % interval."""
    figure, (ax,) = new_figure(max(6.0, 1.3 * len(rows) + 1.5), 4.0)
    names = [f"{row['band']}\n{amount(row['codes'], 'code')}\n{amount(row['records'], 'record')}" for row in rows]
    interval_bars(ax, names, rows)
    ax.set_xlabel("Training records of the right code")
    ax.set_ylabel("Records with the right code (%)")
    ax.set_title("Accuracy of rare and frequent codes, with 95 % interval", loc="left", fontsize=12)
    return figure


def amount(number: int, noun: str) -> str:
    """1 -> "1 code", 1200 -> "1,200 codes"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def reliability_figure(results: Mapping) -> Figure:
    """Accuracy against confidence with 95 % intervals, and below it how many records have that confidence."""
    rows = results["reliability"]
    figure, (ax, below) = new_figure(5.2, 6.2, 2, sharex=True, height_ratios=[3, 1])
    ax.plot([0, 100], [0, 100], color=GREY, linestyle="--", label="perfectly calibrated")
    confidence, accuracy = ([100 * row[name] for row in rows] for name in ("confidence", "accuracy"))
    bounds = [percent_interval(row["accuracy"], row["records"]) for row in rows]
    label = f"this coder (calibration error {results['ece']:.3f})"
    ax.errorbar(confidence, accuracy, yerr=spreads(accuracy, bounds), color=BLUE, marker="o", capsize=3, label=label)
    ax.set(xlim=(0, 102), ylim=(-2, 102), yticks=range(0, 101, 20), ylabel="Records that are right (%)")
    ax.set_title("Accuracy against confidence, with 95 % interval", loc="left", fontsize=12)
    edges, widths = [100 * row["low"] for row in rows], [100 * (row["high"] - row["low"]) for row in rows]
    shares = [100 * row["records"] / results["records"] for row in rows]
    below.bar(edges, shares, width=widths, align="edge", color=BLUE, edgecolor="white")
    below.set(xlabel="Confidence (%)", ylabel="Share of\nrecords (%)")
    legend_below(figure, ax)
    return figure


def percent_interval(share: float, records: int) -> tuple[float, float]:
    """The 95 % interval of a share, in percent."""
    low, high = wilson_interval(share, records)
    return 100 * low, 100 * high


def legend_below(figure: Figure, ax: Axes) -> None:
    """A legend under the figure, where no curve can run through it."""
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower left", frameon=False, fontsize=9)


def coverage_figure(results: Mapping) -> Figure:
    """Accuracy of the records coded without a person, against their share, with the chosen thresholds."""
    figure, (ax,) = new_figure(6.0, 4.8)
    curve = results["coverage_curve"]
    coverage, accuracy = ([100 * row[name] for row in curve] for name in ("coverage", "accuracy"))
    bounds = [percent_interval(row["accuracy"], round(row["coverage"] * results["records"])) for row in curve]
    ax.fill_between(coverage, *zip(*bounds, strict=True), color=BLUE, alpha=0.2, linewidth=0)
    ax.plot(coverage, accuracy, color=BLUE, linewidth=2, label="every threshold, with 95 % interval")
    reached = [row for row in results["coverage"] if row["accuracy"] is not None]
    for row, marker in zip(reached, cycle("osD^v"), strict=False):
        mark_target(ax, row, marker)
    # The whole interval at full coverage is to be seen; at the strictest thresholds it may run out of the picture.
    lowest = min([*accuracy, *(100 * row["accuracy"] for row in reached), bounds[-1][0]])
    bottom = min(90, 10 * int(lowest // 10))
    ax.set(xlim=(0, 102), ylim=(bottom, 101), yticks=range(bottom, 101, 5 if bottom >= 60 else 10))
    ax.set_xlabel("Records coded without a person, most confident first (%)")
    ax.set_ylabel("Coded records that are right (%)")
    ax.set_title("Accuracy against share coded", loc="left", fontsize=12)
    legend_below(figure, ax)
    return figure


def mark_target(ax: Axes, row: Mapping, marker: str) -> None:
    """A mark where a threshold lies; what it was chosen for and what it gives stand in the legend."""
    x, y = 100 * row["coverage"], 100 * row["accuracy"]
    label = f"threshold for {100 * row['target']:g} % (chosen on {row['chosen_on']}): {x:.1f} % coded, {y:.1f} % right"
    # Hollow, so that two targets with the same threshold both show.
    style = {"color": ORANGE, "markerfacecolor": "none", "markeredgewidth": 2, "markersize": 10, "linestyle": "none"}
    ax.plot([x], [y], marker=marker, label=label, zorder=3, clip_on=False, **style)


def class_counts_figure(rows: Sequence[Mapping]) -> Figure:
    """Records of each code before and after training data were changed, on a logarithmic scale that has a 0.

    Args:
        rows: `code`, `before` and `after`, one row per code in any order; ValueError without any.
    """
    check_counts(rows)
    ordered = sorted(rows, key=lambda row: (-row["before"], -row["after"]))
    before, after = ([row[name] for row in ordered] for name in ("before", "after"))
    edges = np.arange(len(rows) + 1) + 0.5
    figure, (ax,) = new_figure(7.0, 4.6)
    ax.stairs(before, edges, fill=True, color="#BDBDBD", label=f"before: {amount(sum(before), 'record')}")
    label = f"after: {amount(sum(after), 'record')}"
    ax.stairs(after, edges, baseline=None, color=BLUE, linewidth=1.8, label=label)
    # A code may have no record, which a plain logarithm cannot show: below 1 the scale is linear.
    ax.set_yscale("symlog", linthresh=1, linscale=0.4)
    ax.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=(1, 2, 5)))
    ax.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.5 * max(*before, *after, 1)))
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(f"{amount(len(rows), 'code')}, the most frequent before first")
    ax.set_ylabel("Records of the code (log scale)")
    ax.set_title("Records of each code, before and after", loc="left", fontsize=12)
    legend_below(figure, ax)
    return figure


def class_counts_table(rows: Sequence[Mapping], bands: Sequence[int] = (0, 10, 100)) -> str:
    """The same rows as a Markdown table by support band: codes, their records before and after, fewest and most after.

    Args:
        rows: as for `class_counts_figure`. A code is in the band of its records before; empty bands have no row.
        bands: the lower bounds, the first 0, rising, as those of `classes.support_bands`; ValueError otherwise.
    """
    check_counts(rows)
    bounds = list(bands)
    if not bounds or bounds[0] != 0 or bounds != sorted(set(bounds)):
        raise ValueError(f"bands are lower bounds that begin with 0 and rise, not {bounds}")
    names = [band_name(low, above - 1) for low, above in pairwise(bounds)] + [f"{bounds[-1]} or more"]
    before, after = (np.array([row[name] for row in rows]) for name in ("before", "after"))
    band = np.searchsorted(bounds, before, side="right") - 1
    parts = [(names[place], before[band == place], after[band == place]) for place in np.unique(band)]
    parts.append(("all", before, after))
    numbers = [(name, len(old), old.sum(), new.sum(), new.min(), new.max()) for name, old, new in parts]
    columns = ["Records of a code before", "Codes", "Before", "After", "Fewest a code after", "Most a code after"]
    return markdown_table(columns, [[name, *map(count, row)] for name, *row in numbers])


def check_counts(rows: Sequence[Mapping]) -> None:
    """ValueError where there is no code to show."""
    if not rows:
        raise ValueError("no class counts; allowed: a row with code, before and after for one code at least")
