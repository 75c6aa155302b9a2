"""The text of a report: one function per section, each a list of Markdown paragraphs."""

from collections.abc import Mapping, Sequence

from occ_autocoder.markdown import count, interval, markdown_table, number, percent, plain


def report_text(
    results: Mapping,
    *,
    title: str,
    titles: Mapping[str, str],
    scheme: str,
    level_names: Mapping[int, str],
    settings: Mapping,
    rejected: Mapping[str, int],
    notes: Sequence[str],
    pictures: Sequence[str],
) -> str:
    """The whole report as Markdown; arguments as in `report.write_report`, and the names of the pictures drawn."""
    sections = (
        heading(title, results, scheme, rejected, notes),
        level_section(results, level_names),
        top_section(results),
        support_section(results),
        calibration_section(results),
        coverage_section(results),
        group_section(results, titles),
        confusion_section(results, titles),
        weakest_section(results, titles),
        record_section(results, rejected),
        settings_section(settings),
    )
    paragraphs = [paragraph for section in sections for paragraph in section]
    return "\n\n".join(p for p in paragraphs if not is_missing(p, pictures)) + "\n"


def picture(name: str, description: str) -> str:
    """The paragraph that shows a PNG file of the report's folder."""
    return f"![{description}]({name})"


def is_missing(paragraph: str, pictures: Sequence[str]) -> bool:
    """Whether the paragraph shows a picture that was not drawn."""
    return paragraph.startswith("![") and not any(paragraph.endswith(f"({name})") for name in pictures)


def heading(title: str, results: Mapping, scheme: str, rejected: Mapping[str, int], notes: Sequence[str]) -> list[str]:
    """Title, one sentence with the main result, and the notes."""
    share = interval(results["accuracy_low"], results["accuracy_high"])
    aside = f" {count(sum(rejected.values()))} further records were set aside." if rejected else ""
    sentence = (
        f"Of {count(results['records'])} records, **{percent(results['accuracy'])}** got the right code"
        f"{' of ' + plain(scheme) if scheme else ''} (95 % interval {share}).{aside}"
    )
    return [f"# {plain(title)}", sentence, *notes]


def level_section(results: Mapping, level_names: Mapping[int, str]) -> list[str]:
    """Accuracy per level; nothing when no record can be judged at any."""
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
    if not rows:
        return []
    columns = ("Level", "Groups", "Records", "Accuracy", "95 % interval", "Macro recall", "Macro F1")
    return [
        "## Accuracy at every level",
        markdown_table([*columns, "Calibration error"], rows),
        "Accuracy is the share of records whose group at that level is right, the group being the one with the largest "
        "summed probability. Macro values count every group the same and take only those that occur.",
        picture("levels.png", "Accuracy at every level"),
    ]


def top_section(results: Mapping) -> list[str]:
    """Accuracy in the top k, and averaged over codes."""
    ks = sorted(int(name.split("_")[1]) for name in results if name.startswith("top_"))
    rows = [[f"among the first {k}" if k > 1 else "the first", percent(results[f"top_{k}_accuracy"])] for k in ks]
    return [
        "## The right code among the first",
        markdown_table(["The right code is", "Records"], rows),
        f"Over the {count(results['codes_seen'])} codes that occur (of {count(results['codes'])}): macro recall "
        f"{percent(results['macro_recall'])}, macro F1 {percent(results['macro_f1'])}.",
    ]


def support_section(results: Mapping) -> list[str]:
    """Accuracy by number of training records; nothing when that was not given."""
    rows = results["support_bands"]
    if not rows:
        return []
    top = next(name for name in rows[0] if name.startswith("top_"))
    columns = ["Training records of the code", "Codes", "Records", "Accuracy", "95 % interval"]
    cells = [
        [
            row["band"],
            *(count(row[name]) for name in ("codes", "records")),
            percent(row["accuracy"]),
            interval(row["low"], row["high"]),
            *(percent(row[name]) for name in (top, "macro_recall")),
        ]
        for row in rows
    ]
    return [
        "## Rare and frequent occupations",
        markdown_table([*columns, f"In the first {top.split('_')[1]}", "Macro recall"], cells),
        picture("support.png", "Accuracy by number of training records"),
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
        picture("reliability.png", "Accuracy against confidence"),
    ]


def coverage_section(results: Mapping) -> list[str]:
    """What can be coded without a person, at which accuracy."""
    columns = ["Accuracy wanted", "Confidence from", "Records coded", "Accuracy reached", "Threshold chosen on"]
    rows = [
        [
            percent(row["target"]),
            number(row["threshold"]),
            percent(row["coverage"]),
            percent(row["accuracy"]),
            row["chosen_on"],
        ]
        for row in results["coverage"]
    ]
    chosen_here = any(row["chosen_on"] == "these records" for row in results["coverage"])
    caution = ["A threshold chosen on these records looks better here than it will on new ones."] if chosen_here else []
    return [
        "## Coding without a person",
        "Records with at least this confidence are coded by the machine, the others go to a person. "
        "`coverage.csv` has the thresholds in full.",
        markdown_table(columns, rows),
        *caution,
        picture("coverage.png", "Accuracy against share of records coded"),
    ]


def named(code: str, titles: Mapping[str, str]) -> str:
    """A code and its title in one cell."""
    return f"{code} {titles.get(code, '')}".strip()


def group_section(results: Mapping, titles: Mapping[str, str]) -> list[str]:
    """The groups of the coarsest level, one row each; nothing when their codes were not given."""
    shares = ("recall", "precision", "f1", "mean_confidence", "code_accuracy")
    rows = [
        [named(row["code"], titles), count(row["support"]), *(percent(row[name]) for name in shares)]
        for row in results["groups"]
        if row["support"] or row["predicted"]
    ]
    columns = ["Group", "Records", "Recall", "Precision", "F1", "Mean confidence", "Code right"]
    explanation = (
        "Recall, precision and F1 are those of the group. The last two columns are about the records coded into it: "
        "where the mean confidence in the code is above the share of right codes, the coder is too sure there."
    )
    return ["## By group of the first level", markdown_table(columns, rows), explanation] if rows else []


def confusion_section(results: Mapping, titles: Mapping[str, str], limit: int = 15) -> list[str]:
    """The pairs of occupations that are mixed up most."""
    rows = [
        [named(row["reference"], titles), named(row["predicted"], titles), count(row["records"]), percent(row["share"])]
        for row in results["confusions"][:limit]
    ]
    columns = ["Right code", "Code given", "Records", "Share of the right code's records"]
    return ["## Most frequent confusions", markdown_table(columns, rows) if rows else "None: every record is right."]


def weakest_codes(classes: Sequence[Mapping], limit: int = 10, min_support: int = 5) -> list[Mapping]:
    """The codes with the lowest F1 among those with `min_support` records or more, the more frequent first."""
    enough = [row for row in classes if row["support"] >= min_support]
    return sorted(enough, key=lambda row: (row["f1"], -row["support"], row["code"]))[:limit]


def weakest_section(results: Mapping, titles: Mapping[str, str]) -> list[str]:
    """The occupations that need more records or a better definition."""
    counted = "train_count" in results["classes"][0]
    rows = [
        [
            named(row["code"], titles),
            count(row["support"]),
            *(percent(row[name]) for name in ("recall", "precision", "f1")),
            *([count(row["train_count"])] if counted else []),
        ]
        for row in weakest_codes(results["classes"])
    ]
    columns = ["Code", "Records", "Recall", "Precision", "F1", *(["Training records"] if counted else [])]
    empty = "No code has 5 records or more."
    return ["## Weakest codes with 5 records or more", markdown_table(columns, rows) if rows else empty]


def record_section(results: Mapping, rejected: Mapping[str, int]) -> list[str]:
    """How many records were evaluated, and how many set aside for which reason."""
    rows = [["evaluated", count(results["records"])]] + [[f"set aside: {why}", count(n)] for why, n in rejected.items()]
    return ["## Records", markdown_table(["Records", "Number"], rows)]


def settings_section(settings: Mapping) -> list[str]:
    """What was run with which values."""
    return ["## Settings", markdown_table(["Setting", "Value"], settings.items())] if settings else []
