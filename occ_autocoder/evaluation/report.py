"""One evaluation on paper: a Markdown report, its tables as CSV, its numbers as JSON, its plots as PNG."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from .sections import report_text

TABLES = {
    "levels.csv": "levels",
    "groups.csv": "groups",
    "support.csv": "support_bands",
    "coverage.csv": "coverage",
    "reliability.csv": "reliability",
    "classes.csv": "classes",
    "confusions.csv": "confusions",
}
TITLE_OF = {"code": "title", "reference": "reference_title", "predicted": "predicted_title"}


def write_report(
    folder: str | Path,
    results: Mapping,
    *,
    title: str,
    titles: Mapping[str, str] | None = None,
    scheme: str = "",
    level_names: Mapping[int, str] | None = None,
    settings: Mapping | None = None,
    rejected: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
    plots: bool = True,
) -> Path:
    """Write `report.md`, the CSV tables, `metrics.json` and the PNG plots; returns the path of `report.md`.

    Args:
        folder: created where missing; files of the same names are overwritten, and a CSV table of an earlier report
            that this one has no data for is removed.
        results: what `metrics.evaluate_probabilities` returned.
        title: the heading, as "SSOC 2020, test split".
        titles: code -> title of the occupation or group; a code without one is shown alone.
        scheme: the name of the classification, as "SSOC 2020".
        level_names: level -> its name, as {1: "major group"}.
        settings: what was run with which values, copied into the report and the JSON.
        rejected: reason -> number of records that were set aside before the evaluation.
        notes: Markdown sentences to stand under the headline, as what the test set is.
        plots: False leaves out the PNG files and matplotlib.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    titles, level_names, settings, rejected = titles or {}, level_names or {}, settings or {}, rejected or {}
    for name, key in TABLES.items():
        write_csv(folder / name, with_titles(results[key], titles))
    write_json(
        folder / "metrics.json",
        {"title": title, "scheme": scheme, "settings": settings, "rejected": rejected, **results},
    )
    pictures = draw(folder, results, level_names) if plots else []
    text = report_text(
        results,
        title=title,
        titles=titles,
        scheme=scheme,
        level_names=level_names,
        settings=settings,
        rejected=rejected,
        notes=notes,
        pictures=pictures,
    )
    path = folder / "report.md"
    path.write_text(text, encoding="utf-8")
    return path


def draw(folder: Path, results: Mapping, level_names: Mapping[int, str]) -> list[str]:
    """Draw every plot that has data; the names of the files written."""
    from .plots import write_plots  # matplotlib takes a second to import and only a report needs it

    return write_plots(folder, results, level_names)


def write_csv(path: Path, rows: Sequence[Mapping]) -> None:
    """Rows as CSV in UTF-8, None as an empty cell; without rows no file, and none left over from an earlier report."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: Path, values: Mapping) -> None:
    """All but the tables with a row per code or pair, which are in CSV files. Settings of other types go in as text."""
    kept = {name: value for name, value in values.items() if name not in ("classes", "confusions")}
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def with_titles(rows: Sequence[Mapping], titles: Mapping[str, str]) -> list[dict]:
    """The rows with the title of every code as a further column, where titles are known."""
    # In the table of classes `predicted` is a number of records, in that of confusions a code.
    named = [name for name in TITLE_OF if titles and rows and isinstance(rows[0].get(name), str)]
    return [{**row, **{TITLE_OF[name]: titles.get(row[name], "") for name in named}} for row in rows]
