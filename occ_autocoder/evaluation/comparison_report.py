"""The comparison of two models on paper: may the second be released, and what would change."""

from collections.abc import Mapping, Sequence

from occ_autocoder.markdown import count, interval, markdown_table, number, percent, plain

from .sections import named


def comparison_report(found: Mapping, names: tuple[str, str], data: str, titles: Mapping[str, str]) -> str:
    """The Markdown of `comparison.compare_choices`; `names` are the two models', `titles` those of codes."""
    passed = all(row["passed"] for row in found["checks"])
    verdict = "may be released" if passed else "must **not** be released"
    sections = (
        [f"# {plain(names[1])} in place of {plain(names[0])}"],
        [f"By the limits below it {verdict}. Compared on {count(found['records'])} records of {plain(data)}."],
        check_section(found["checks"]),
        accuracy_section(found),
        change_section(found),
        group_section(found["groups"], titles),
    )
    return "\n\n".join(paragraph for section in sections for paragraph in section) + "\n"


def check_section(rows: Sequence[Mapping]) -> list[str]:
    """Each limit, and whether it holds."""
    cells = [[row["check"], shown(row["found"]), shown(row["limit"]), "yes" if row["passed"] else "no"] for row in rows]
    return ["## Limits", markdown_table(["What", "Found", "At most", "Passed"], cells)]


def shown(value: float) -> str:
    """A whole number as it is, a share in per cent."""
    return count(value) if isinstance(value, int) else percent(value)


def accuracy_section(found: Mapping) -> list[str]:
    """What is won and lost where the right code is known."""
    accuracy = found["accuracy"]
    if accuracy is None:
        return ["## Accuracy", "No record has a known code: only what changes can be told."]
    errors = [number(value) for value in found["calibration_error"]]
    rows = [
        ["records with a known code", count(accuracy["records"])],
        ["accuracy before", percent(accuracy["before"])],
        ["accuracy after", percent(accuracy["after"])],
        [
            "difference, 95 % interval",
            f"{percent(accuracy['difference'])} ({interval(accuracy['low'], accuracy['high'])})",
        ],
        ["right before, wrong now", count(accuracy["lost"])],
        ["wrong before, right now", count(accuracy["won"])],
        ["McNemar's exact p-value", f"{accuracy['p_value']:.4f}"],
        ["calibration error before, after", ", ".join(errors)],
        ["golden records, wrong now", f"{count(found['golden'])}, {count(len(found['golden_broken']))}"],
    ]
    return ["## Accuracy", markdown_table(["Measure", "Value"], rows)]


def change_section(found: Mapping) -> list[str]:
    """How many records get another code."""
    rows = [[f"level {row['level']}", percent(row["changed"])] for row in found["levels"]]
    return [
        "## Records that change",
        markdown_table(["At", "Share"], [["the codes given", percent(found["changed"])], *rows]),
    ]


def group_section(groups: Sequence[Mapping], titles: Mapping[str, str]) -> list[str]:
    """How the totals of the coarsest groups move: what a series of statistics would show."""
    rows = []
    for row in groups:
        accuracy = row["accuracy"] or {}
        shares = [percent(accuracy[name]) if accuracy else "" for name in ("before", "after")]
        rows.append(
            [named(row["group"], titles), count(row["before"]), count(row["after"]), percent(row["shift"]), *shares]
        )
    columns = ["Group", "Before", "After", "Shift, of all records", "Accuracy before", "Accuracy after"]
    return ["## Totals of the groups", markdown_table(columns, rows)]
