"""Results on disk -> one Markdown table a form: the coders, their measures, and where ours stands to the best peer."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from occ_autocoder.model.text_occupation import FORMS

OURS = "ours"
NAMES = {"top_1": "top-1", "top_5": "top-5", "macro_recall": "macro recall"}
Result = Mapping


def read_results(folder: Path) -> list[dict]:
    """The results in a benchmark's folder, in the order of their names."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]


def benchmark_tables(name: str, results: Sequence[Result]) -> str:
    """Markdown: for each form a table of the results of one benchmark, and what the comparison comes to."""
    parts = [f"# {name}"]
    for form in FORMS:
        measured = [result for result in results if form in result.get("forms", {})]
        if measured:
            parts += [form_section(form, measured)]
    parts += [f"{result['coder']} was not run: {result['refused']}." for result in results if "refused" in result]
    return "\n\n".join(parts) + "\n"


def form_section(form: str, results: Sequence[Result]) -> str:
    """The table of one form and the lines below it."""
    rows = results[0]["forms"][form]["rows"]
    summary = summarise(form, results)
    lines = [f"## {form.replace('_', ' ')}: {rows} rows", form_table(summary)]
    return "\n\n".join([*lines, *standing(summary)])


def summarise(form: str, results: Sequence[Result]) -> dict[str, dict[str, list[float]]]:
    """coder -> measure -> its value with each seed; shares, and seconds."""
    summary: dict[str, dict[str, list[float]]] = {}
    for result in results:
        values = dict(result["forms"][form])
        values |= {name: result[name] for name in ("fit_seconds", "megabytes") if name in result}
        values.pop("rows")
        for measure, value in values.items():
            summary.setdefault(result["coder"], {}).setdefault(measure, []).append(value)
    return summary


def form_table(summary: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """One row a coder, ours first: per cent, mean and (least..most) of the seeds; the best peer's in bold."""
    columns = [measure for measure in next(iter(summary.values())) if is_share(measure)]
    best = {measure: best_peer(summary, measure) for measure in columns}
    order = sorted(summary, key=lambda coder: coder != OURS)
    rows = []
    for coder in order:
        shares = [mark(share(summary[coder][measure]), coder == best[measure]) for measure in columns]
        times = [f"{np.mean(summary[coder][name]):.0f} s" for name in ("fit_seconds", "predict_seconds")]
        size = [f"{np.mean(summary[coder]['megabytes']):.0f} MB" if "megabytes" in summary[coder] else ""]
        rows.append([coder, *shares, *times, *size])
    heading = ["coder", *map(title, columns), "fit", "predict", "size"]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heading, ["---", *["---:"] * (len(heading) - 1)], *rows])


def standing(summary: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    """A line for each measure: whether ours is at or above the best peer; none without ours or without a peer."""
    if OURS not in summary or len(summary) < 2:
        return []
    lines = []
    for measure in summary[OURS]:
        if not is_share(measure):
            continue
        peer = best_peer(summary, measure)
        ours, theirs = np.mean(summary[OURS][measure]), np.mean(summary[peer][measure])
        place = "at or above" if ours >= theirs else "below"
        lines.append(f"- {title(measure)}: {place} the best peer, {peer} ({100 * (ours - theirs):+.1f} points)")
    return ["\n".join(lines)]


def is_share(measure: str) -> bool:
    """Whether a measure is a share, and not seconds or a size."""
    return not measure.endswith("seconds") and measure != "megabytes"


def best_peer(summary: Mapping[str, Mapping[str, Sequence[float]]], measure: str) -> str | None:
    """The peer with the largest mean of a measure, the first of equals; None without a peer."""
    peers = [coder for coder in summary if coder != OURS]
    return max(peers, key=lambda coder: np.mean(summary[coder][measure]), default=None)


def share(values: Sequence[float]) -> str:
    """A share in per cent: the mean, and the least and the most of several."""
    mean = f"{100 * np.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({100 * min(values):.1f}..{100 * max(values):.1f})"


def mark(text: str, best: bool) -> str:
    """The text, in bold where it is the best."""
    return f"**{text}**" if best else text


def title(measure: str) -> str:
    """The heading of a measure's column."""
    return NAMES.get(measure, measure.replace("_", " "))
