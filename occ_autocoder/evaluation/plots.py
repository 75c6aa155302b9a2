"""The four pictures of a report, in colours that colour-blind readers can tell apart (Okabe and Ito 2008)."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"
DPI = 150


def write_plots(folder: Path, results: Mapping, level_names: Mapping[int, str]) -> list[str]:
    """Draw the plots that have data into the folder, 150 dots per inch; the names of the files."""
    drawings = {
        "levels.png": (results["levels"], lambda: levels_figure(results["levels"], level_names)),
        "support.png": (results["support_bands"], lambda: support_figure(results["support_bands"])),
        "reliability.png": (results["reliability"], lambda: reliability_figure(results)),
        "coverage.png": (results["coverage_curve"], lambda: coverage_figure(results)),
    }
    names = [name for name, (rows, _) in drawings.items() if rows]
    for name in names:
        drawings[name][1]().savefig(folder / name, dpi=DPI)
    return names


def new_figure(width: float, height: float, panels: int = 1, **options) -> tuple[Figure, list[Axes]]:
    """A figure outside pyplot's state (so it needs no display and no closing) and its panels, light grid behind."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(panels, 1, squeeze=False, **options)[:, 0]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#E0E0E0", linewidth=0.8)
        ax.set_axisbelow(True)
    return figure, list(axes)


def bar_panel(ax: Axes, names: list[str], shares: list[float], spreads: list[list[float]] | None = None) -> None:
    """Bars of shares in percent, the value over each."""
    heights = [100 * share for share in shares]
    style = {"ecolor": "black", "capsize": 4, "error_kw": {"elinewidth": 1.2}}
    ax.bar(names, heights, width=0.6, color=BLUE, yerr=spreads, **style)
    for place, height in enumerate(heights):
        top = height + (spreads[1][place] if spreads else 0)
        ax.text(place, top + 1.5, f"{height:.1f}", ha="center", va="bottom", fontsize=10)
    ax.set_ylim(0, 110)
    ax.set_yticks(range(0, 101, 20))


def levels_figure(rows: list[dict], level_names: Mapping[int, str]) -> Figure:
    """Accuracy at every level with its 95 % interval."""
    figure, (ax,) = new_figure(max(5.0, 1.3 * len(rows) + 1.5), 4.0)
    names = [f"Level {row['level']}\n{level_names.get(row['level'], '')}\n{row['groups']:,} groups" for row in rows]
    names = [name.replace("\n\n", "\n") for name in names]
    spreads = [[100 * (row["accuracy"] - row["low"]) for row in rows], [100 * (row["high"] - row["accuracy"]) for row in rows]]
    # A percentile interval can miss the estimate by a rounding error when it has no width.
    bar_panel(ax, names, [row["accuracy"] for row in rows], [[max(0, s) for s in side] for side in spreads])
    ax.set_ylabel("Records with the right group (%)")
    ax.set_title("Accuracy at every level, with 95 % interval", loc="left", fontsize=12)
    return figure


def support_figure(rows: list[dict]) -> Figure:
    """Accuracy by number of training records of the right code."""
    figure, (ax,) = new_figure(max(5.0, 1.3 * len(rows) + 1.5), 4.0)
    names = [f"{row['band']}\n{row['codes']:,} codes\n{row['records']:,} records" for row in rows]
    bar_panel(ax, names, [row["accuracy"] for row in rows])
    ax.set_xlabel("Training records of the right code")
    ax.set_ylabel("Records with the right code (%)")
    ax.set_title("Accuracy of rare and frequent codes", loc="left", fontsize=12)
    return figure


def reliability_figure(results: Mapping) -> Figure:
    """Accuracy against confidence, and below it how many records have that confidence."""
    rows = results["reliability"]
    figure, (ax, below) = new_figure(5.2, 6.0, 2, sharex=True, height_ratios=[3, 1])
    ax.plot([0, 100], [0, 100], color=GREY, linestyle="--", label="perfectly calibrated")
    confidence, accuracy = ([100 * row[name] for row in rows] for name in ("confidence", "accuracy"))
    ax.plot(confidence, accuracy, color=BLUE, marker="o", label=f"this coder (calibration error {results['ece']:.3f})")
    ax.set(xlim=(0, 100), ylim=(0, 100), ylabel="Records that are right (%)")
    ax.legend(frameon=False, loc="upper left")
    ax.set_title("Is the confidence to be believed?", loc="left", fontsize=12)
    edges, widths = [100 * row["low"] for row in rows], [100 * (row["high"] - row["low"]) for row in rows]
    shares = [100 * row["records"] / results["records"] for row in rows]
    below.bar(edges, shares, width=widths, align="edge", color=BLUE, edgecolor="white")
    below.set(xlabel="Confidence (%)", ylabel="Share of\nrecords (%)")
    return figure


def coverage_figure(results: Mapping) -> Figure:
    """Accuracy of the records coded without a person, against their share, with the chosen thresholds."""
    figure, (ax,) = new_figure(6.0, 4.2)
    curve = results["coverage_curve"]
    coverage, accuracy = ([100 * row[name] for row in curve] for name in ("coverage", "accuracy"))
    ax.plot(coverage, accuracy, color=BLUE, linewidth=2)
    for row in results["coverage"]:
        if row["accuracy"] is not None:
            mark_target(ax, row)
    lowest = min([*accuracy, *(100 * row["accuracy"] for row in results["coverage"] if row["accuracy"] is not None)])
    ax.set(xlim=(0, 102), ylim=(max(0, 10 * (lowest // 10) - 5), 102))
    ax.set_xlabel("Records coded without a person, most confident first (%)")
    ax.set_ylabel("Coded records that are right (%)")
    ax.set_title("Accuracy against share coded", loc="left", fontsize=12)
    return figure


def mark_target(ax: Axes, row: Mapping) -> None:
    """A dot where a threshold lies, with the share of records it codes."""
    x, y = 100 * row["coverage"], 100 * row["accuracy"]
    ax.plot([x], [y], marker="o", markersize=8, color=ORANGE)
    text = f"for {100 * row['target']:.0f} %: {x:.0f} % coded"
    ax.annotate(text, (x, y), xytext=(-8, -6), textcoords="offset points", ha="right", va="top", fontsize=9)
