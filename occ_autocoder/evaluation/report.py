"""One evaluation on paper: a Markdown report, its tables as CSV, its numbers as JSON, its plots as PNG."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .markdown import count, interval, markdown_table, number, percent, plain

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
        folder: created where missing; files of the same names are overwritten.
        results: what `metrics.evaluate_probabilities` returned.
        title: the heading, as "SSOC 2020, test split".
        titles: code -> title of the occupation or group; a code without one is shown alone.
        scheme: the name of the classification, as "SSOC 2020".
        level_names: level -> its name, as {1: "major group"}.
        settings: what was run with which values, copied into the report and the JSON.
        rejected: reason -> number of records that were set aside before the evaluation.
        notes: sentences to stand under the headline, as what the test set is.
        plots: False leaves out the PNG files and matplotlib.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    titles = titles or {}
    for name, key in TABLES.items():
        if results[key]:
            write_csv(folder / name, with_titles(results[key], titles))
    head = {"title": title, "scheme": scheme, "settings": settings or {}, "rejected": rejected or {}}
    write_json(folder / "metrics.json", head | dict(results))
    figures = draw(folder, results, level_names or {}) if plots else []
    sections = (
        [heading(title, results, scheme, rejected, notes)],
        level_section(results, level_names or {}),
        support_section(results),
        calibration_section(results),
        coverage_section(results),
        group_section(results, titles),
        confusion_section(results, titles),
        weakest_section(results, titles),
        record_section(results, rejected or {}),
        settings_section(settings or {}),
    )
    lines = [line for section in sections for line in show_figures(section, figures)]
    path = folder / "report.md"
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return path


def draw(folder: Path, results: Mapping, level_names: Mapping[int, str]) -> list[str]:
    """Draw every plot that has data; the names of the files written."""
    from .plots import write_plots  # matplotlib takes a second to import and only a report needs it

    return write_plots(folder, results, level_names)


def show_figures(section: Iterable[str], figures: Sequence[str]) -> list[str]:
    """The section without the pictures that were not drawn."""
    return [line for line in section if not line.startswith("![") or line.split("(")[-1].rstrip(")") in figures]


def write_csv(path: Path, rows: Sequence[Mapping]) -> None:
    """Rows as CSV in UTF-8; None is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: Path, values: Mapping) -> None:
    """All but the tables with a row per code or pair, which are in CSV files. Settings of other types go in as text."""
    kept = {name: value for name, value in values.items() if name not in ("classes", "confusions")}
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def with_titles(rows: Sequence[Mapping], titles: Mapping[str, str]) -> list[dict]:
    """The rows with the title of every code beside it, where titles are known."""
    named = [name for name in TITLE_OF if isinstance(rows[0].get(name), str)] if titles else []
    return [{**row, **{TITLE_OF[name]: titles.get(row[name], "") for name in named}} for row in rows]


def heading(title: str, results: Mapping, scheme: str, rejected: Mapping | None, notes: Sequence[str]) -> str:
    """Title, one sentence with the main result, and the notes."""
    share = interval(results["accuracy_low"], results["accuracy_high"])
    aside = f" {count(sum(rejected.values()))} further records were set aside." if rejected else ""
    sentence = (
        f"Of {count(results['records'])} records, **{percent(results['accuracy'])}** got the right code"
        f"{' of ' + plain(scheme) if scheme else ''} (95 % interval {share}).{aside}"
    )
    return "\n\n".join([f"# {plain(title)}", sentence, *notes])


def level_section(results: Mapping, level_names: Mapping[int, str]) -> list[str]:
    """Accuracy per level, in the top k, and averaged over codes."""
    columns = ["Level", "Groups", "Records", "Accuracy", "95 % interval", "Macro recall", "Macro F1", "Calibration error"]
    rows = [
        [
            f"{row['level']} {level_names.get(row['level'], '')}".strip(),
            *(count(row[name]) for name in ("groups", "records")),
            percent(row["accuracy"]),
            interval(row["low"], row["high"]),
            *(percent(row[name]) for name in ("macro_recall", "macro_f1")),
            number(row["ece"]),
        ]
        for row in results["levels"]
    ]
    ks = sorted(int(name.split("_")[1]) for name in results if name.startswith("top_"))
    top = [[f"among the first {k}" if k > 1 else "the first", percent(results[f"top_{k}_accuracy"])] for k in ks]
    return [
        "## Accuracy",
        markdown_table(columns, rows),
        "Accuracy is the share of records whose group at that level is right, the group being the one with the largest "
        "summed probability. Macro values count every code the same, however frequent, and take only codes that occur.",
        "![Accuracy at every level](levels.png)",
        markdown_table(["The right code is", "Records"], top),
        f"Over the {count(results['codes_seen'])} codes that occur (of {count(results['codes'])}): macro recall "
        f"{percent(results['macro_recall'])}, macro F1 {percent(results['macro_f1'])}.",
    ]


def support_section(results: Mapping) -> list[str]:
    """Accuracy by number of training records; nothing when that was not given."""
    rows = results["support_bands"]
    if not rows:
        return []
    top = next(name for name in rows[0] if name.startswith("top_"))
    columns = ["Training records of the code", "Codes", "Records", "Accuracy", f"In the first {top.split('_')[1]}"]
    cells = [
        [row["band"], count(row["codes"]), count(row["records"])]
        + [percent(row[name]) for name in ("accuracy", top, "macro_recall")]
        for row in rows
    ]
    return [
        "## Rare and frequent occupations",
        markdown_table([*columns, "Macro recall"], cells),
        "![Accuracy by number of training records](support.png)",
    ]


def calibration_section(results: Mapping) -> list[str]:
    """How far the confidence can be taken at its word."""
    measures = (
        ("Mean confidence", percent(results["mean_confidence"])),
        ("Accuracy", percent(results["accuracy"])),
        ("Expected calibration error, bins of equal width", number(results["ece"])),
        ("Expected calibration error, bins of equal size", number(results["ece_equal_mass"])),
        ("Brier score (0 best, 2 worst)", number(results["brier"])),
        ("Log-loss (nats)", number(results["log_loss"])),
        ("Area under the risk-coverage curve (0 best)", number(results["aurc"])),
    )
    return [
        "## Calibration",
        "A calibrated confidence of 80 % is right in 80 of 100 cases.",
        markdown_table(["Measure", "Value"], measures),
        "![Accuracy against confidence](reliability.png)",
    ]


def coverage_section(results: Mapping) -> list[str]:
    """What can be coded without a person, at which accuracy."""
    columns = ["Accuracy wanted", "Confidence from", "Records coded", "Accuracy reached", "Threshold chosen on"]
    rows = [
        [percent(row["target"]), number(row["threshold"]), percent(row["coverage"]), percent(row["accuracy"])]
        + [row["chosen_on"]]
        for row in results["coverage"]
    ]
    chosen_here = any(row["chosen_on"] == "these records" for row in results["coverage"])
    caution = ["A threshold chosen on these records looks better here than it will on new ones."] if chosen_here else []
    return [
        "## Coding without a person",
        "Records with at least this confidence are coded by the machine, the others go to a person.",
        markdown_table(columns, rows),
        *caution,
        "![Accuracy against share of records coded](coverage.png)",
    ]


def named(code: str, titles: Mapping[str, str]) -> str:
    """A code and its title in one cell."""
    return f"{code} {titles.get(code, '')}".strip()


def group_section(results: Mapping, titles: Mapping[str, str]) -> list[str]:
    """The groups of the coarsest level, one row each."""
    rows = [
        [named(row["code"], titles), count(row["support"]), *(percent(row[k]) for k in ("recall", "precision", "f1"))]
        for row in results["groups"]
        if row["support"] or row["predicted"]
    ]
    columns = ["Group", "Records", "Recall", "Precision", "F1"]
    return ["## By group of the first level", markdown_table(columns, rows)] if rows else []


def confusion_section(results: Mapping, titles: Mapping[str, str], limit: int = 15) -> list[str]:
    """The pairs of occupations that are mixed up most."""
    rows = [
        [named(row["reference"], titles), named(row["predicted"], titles), count(row["records"]), percent(row["share"])]
        for row in results["confusions"][:limit]
    ]
    columns = ["Right code", "Code given", "Records", "Share of the right code's records"]
    return ["## Most frequent confusions", markdown_table(columns, rows) if rows else "None: every record is right."]


def weakest_codes(classes: Sequence[Mapping], limit: int = 10, min_support: int = 5) -> list[Mapping]:
    """The codes with the lowest F1 among those with at least `min_support` records; of equals the most frequent first."""
    enough = [row for row in classes if row["support"] >= min_support]
    return sorted(enough, key=lambda row: (row["f1"], -row["support"], row["code"]))[:limit]


def weakest_section(results: Mapping, titles: Mapping[str, str]) -> list[str]:
    """The occupations that need more records or a better definition."""
    rows = [
        [named(row["code"], titles), count(row["support"])]
        + [percent(row[name]) for name in ("recall", "precision", "f1")]
        + ([count(row["train_count"])] if "train_count" in row else [])
        for row in weakest_codes(results["classes"])
    ]
    columns = ["Code", "Records", "Recall", "Precision", "F1", "Training records"][: len(rows[0]) if rows else 5]
    empty = "No code has 5 records or more."
    return ["## Weakest codes with 5 records or more", markdown_table(columns, rows) if rows else empty]


def record_section(results: Mapping, rejected: Mapping[str, int]) -> list[str]:
    """How many records were evaluated, and how many set aside for which reason."""
    rows = [["evaluated", count(results["records"])]] + [[f"set aside: {why}", count(n)] for why, n in rejected.items()]
    return ["## Records", markdown_table(["Records", "Number"], rows)]


def settings_section(settings: Mapping) -> list[str]:
    """What was run with which values."""
    rows = [[name, value] for name, value in settings.items()]
    return ["## Settings", markdown_table(["Setting", "Value"], rows)] if rows else []
