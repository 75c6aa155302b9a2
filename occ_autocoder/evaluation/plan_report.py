"""A plan on paper: what an office may leave to the machine, at which accuracy, and what it cannot be promised."""

import csv
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from occ_autocoder.markdown import count, interval, markdown_table, number, percent, plain

from .planner import BACK_OFF
from .plots import BLUE, DPI, GREY, ORANGE, legend_below, new_figure

COLOURS = (GREY, "#56B4E9", "#009E73", "#CC79A7", ORANGE, BLUE)
COLUMNS = (
    "Coded at",
    "Confidence from",
    "Coded without a person",
    "Left to people",
    "Accuracy expected",
    "The next batch",
)


def plan_text(found: Mapping, model: str, data: str, level_names: Mapping[int, str] | None = None) -> str:
    """The Markdown of `planner.plan`, with its conformal sets where `found["sets"]` has them."""
    names = level_names or {}
    records, batch = found["records"], count(found["volume"])
    assured = (
        f" with an assurance of {percent(found['assurance'])}: the true accuracy is below it in at most "
        f"{percent(1 - found['assurance'])} of such plans (back-off is planned by expectation)"
        if found["assurance"]
        else " by expectation: the true accuracy may lie a little to either side"
    )
    paragraphs = [
        f"# Coding without a person at {percent(found['target'])} accuracy",
        f"Model {plain(model)}, records {plain(data)}. The thresholds were chosen on {count(records['choosing'])} "
        f"records to reach the target{assured}. What to expect was measured on {count(records['checking'])} others.",
        markdown_table(COLUMNS, [cells(row, names) for row in found["rows"]]),
        "Intervals are 95 % intervals: of the share coded, of the true accuracy, and of the accuracy of a batch of "
        f"{batch} records. Back-off codes each record at the deepest level that is safe for it; it is right where the "
        "group at that level is right.",
        "![Accuracy against share coded, by level](plan.png)",
        "## What this does not promise",
        "It holds for records from the same source, coded with the same rules. Other questions, another year of the "
        "survey, or other coders need a plan of their own: `recalibrate` the model on a few hundred labels, and plan "
        "again. It holds on average over the records that are coded, not for each occupation.",
        *set_section(found.get("sets", ())),
    ]
    return "\n\n".join(paragraphs) + "\n"


def cells(row: Mapping, names: Mapping[int, str]) -> list[str]:
    """A row of the plan's table."""
    level = row["level"]
    named = "the deepest safe level" if level == BACK_OFF else f"level {level} {names.get(level, '')}".strip()
    threshold = row["threshold"]
    if isinstance(threshold, Mapping):
        threshold = "; ".join(f"{level}: {number(value)}" for level, value in sorted(threshold.items()))
    else:
        threshold = "not reachable" if threshold is None else number(threshold)
    if row["accuracy"] is None:
        return [named, threshold, percent(0), count(row["workload"]), "-", "-"]
    return [
        named,
        threshold,
        f"{percent(row['coverage'])} ({interval(row['coverage_low'], row['coverage_high'])})",
        count(row["workload"]),
        f"{percent(row['accuracy'])} ({interval(row['accuracy_low'], row['accuracy_high'])})",
        interval(row["batch_low"], row["batch_high"]),
    ]


def set_section(rows: list[Mapping]) -> list[str]:
    """What the conformal sets come to; nothing without them."""
    if not rows:
        return []
    body = [
        [
            row["kind"],
            percent(1 - row["alpha"]),
            percent(row["coverage"]),
            f"{row['mean_size']:.1f}",
            f"{row['median_size']:.0f}",
            percent(row["single"]),
        ]
        for row in rows
    ]
    columns = ["Promised", "With the right code", "Measured", "Codes a set", "Median", "Sets of one code"]
    return [
        "## Sets of codes",
        "For a person to choose from: sets that hold the right code as often as promised, over all records or within "
        "each code that has enough records (else within its group).",
        markdown_table(columns, body),
    ]


def plan_figure(found: Mapping, level_names: Mapping[int, str] | None = None) -> Figure:
    """Accuracy against the share coded without a person, a line for each level."""
    figure, (ax,) = new_figure(6.4, 5.0)
    levels = sorted(found["curves"])
    for level, colour in zip(levels, COLOURS[-len(levels) :], strict=False):
        curve = found["curves"][level]
        name = f"level {level} {(level_names or {}).get(level, '')}".strip()
        coverage, accuracy = ([100 * row[key] for row in curve] for key in ("coverage", "accuracy"))
        ax.plot(coverage, accuracy, color=colour, linewidth=2, label=name)
    ax.axhline(100 * found["target"], color="black", linewidth=1, linestyle="--", label="target")
    lowest = min(row["accuracy"] for curve in found["curves"].values() for row in curve if row["coverage"] > 0.05)
    bottom = min(90, 10 * int(10 * lowest))
    ax.set(xlim=(0, 102), ylim=(bottom, 101))
    ax.set_xlabel("Records coded without a person, most confident first (%)")
    ax.set_ylabel("Coded records that are right (%)")
    ax.set_title("Accuracy against share coded, by level", loc="left", fontsize=12)
    legend_below(figure, ax)
    return figure


def write_plan_files(folder: Path, found: Mapping, level_names: Mapping[int, str] | None = None) -> None:
    """Write the curves as `curve.csv` and `plan.png`."""
    plan_figure(found, level_names).savefig(folder / "plan.png", dpi=DPI)
    with (folder / "curve.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["level", "threshold", "coverage", "accuracy"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"level": level, **row} for level, curve in found["curves"].items() for row in curve)
