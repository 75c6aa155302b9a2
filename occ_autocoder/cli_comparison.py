"""The command that says whether a model may take the place of another."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import BatchOption, ColumnsOption, open_model, pairs, table, terminal

if TYPE_CHECKING:
    from .data.records import Record, Rejected
    from .evaluation.comparison import Choices

REFUSED = 1


def compare(
    before: Annotated[str, typer.Argument(help="The model in use: a folder, or an id on the Hub.", metavar="MODEL_A")],
    after: Annotated[str, typer.Argument(help="The one to take its place.", metavar="MODEL_B")],
    source: Annotated[
        str, typer.Argument(help="Records, with their right codes where they are known.", metavar="DATA")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the report and the records that change.")],
    golden: Annotated[
        str | None, typer.Option(help="Records with codes that must come out right, beside DATA.")
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Another limit; an unknown name is answered with all. Repeatable."),
    ] = None,
    behaviour: Annotated[
        bool, typer.Option("--behaviour/--no-behaviour", help="Hold the second model to the limits of `behave` too.")
    ] = True,
    batch_size: BatchOption = 32,
    columns: ColumnsOption = None,
) -> None:
    """Compare two models on the same records; ends with 0 where the second may be released, with 1 where not."""
    from .cli_coding import write_rejected
    from .evaluation.comparison import compare_choices
    from .evaluation.comparison_report import comparison_report
    from .files import write_text
    from .serving import model_taxonomy

    limits = read_limits(pairs(limit, "--limit"))
    models = [open_model(name) for name in (before, after)]
    rows, rejected = readable(source, golden, pairs(columns, "--columns"), models[1])
    choices, uncoded = zip(*(choose(model, rows, batch_size) for model in models))
    places = [place for place in range(len(rows)) if not any(place in faults for faults in uncoded)]
    rejected += [fault for place, fault in sorted((uncoded[0] | uncoded[1]).items())]
    rows, choices = [rows[place] for place in places], [at(found, places) for found in choices]
    taxonomy = model_taxonomy(models[1].model.config)
    references, is_golden = [record.code for record, _ in rows], [own for _, own in rows]
    found = compare_choices(*choices, references, taxonomy, golden=is_golden, limits=limits)
    found["checks"] += behaviour_checks(models[1], rows, batch_size) if behaviour else []
    titles = {item.code: item.title for item in taxonomy}
    write_text(output / "comparison.md", comparison_report(found, (before, after), Path(source).name, titles))
    write_text(output / "comparison.json", json.dumps(found | {"rejected": len(rejected)}, indent=1) + "\n")
    write_rejected(output / "rejected.csv", rejected)
    write_changes(output / "changes.csv", rows, choices)
    terminal().print(table("Release", ["Check", "Found", "At most", "Passed"], check_rows(found["checks"])))
    typer.echo(f"{len(rows):,} records, {len(rejected):,} rejected; report: {output / 'comparison.md'}")
    if not all(row["passed"] for row in found["checks"]):
        raise typer.Exit(REFUSED)


def behaviour_checks(model, rows: "list[tuple[Record, bool]]", batch_size: int) -> list[dict]:
    """A check for each limit on the records written otherwise."""
    from functools import partial

    from .evaluation.behaviour import BEHAVIOURS, behaviour_table, measured
    from .serving import predict_probabilities

    labels = [model.model.config.label2id.get(record.code, -1) for record, _ in rows]
    texts = [record.job_title for record, _ in rows], [record.job_duties for record, _ in rows]
    limited = {name: item for name, item in BEHAVIOURS.items() if item.flips is not None or item.loss is not None}
    predict = partial(predict_probabilities, model, batch_size=batch_size)
    found, _ = behaviour_table(predict, *texts, labels, behaviours=limited)
    return [
        {
            "check": f"{row['limit_of']}: {row['behaviour']}",
            "found": measured(row),
            "limit": row["limit"],
            "passed": row["passed"],
        }
        for row in found
        if row["passed"] is not None
    ]


def read_limits(changes: dict[str, str | None]):
    """The limits with these changes; ValueError for an unknown name or a value that is no number from 0."""
    from .evaluation.comparison import Limits

    known = asdict(Limits())
    if unknown := sorted({*changes} - {*known}):
        raise ValueError(f"no limit {', '.join(unknown)}; allowed: {', '.join(known)}")
    try:
        values = {name: type(known[name])(value) for name, value in changes.items()}
    except (TypeError, ValueError):
        raise ValueError(f"--limit {changes}; allowed: numbers") from None
    if any(not value >= 0 for value in values.values()):
        raise ValueError(f"--limit {changes}; allowed: numbers from 0")
    return Limits(**values)


def readable(
    source: str, golden: str | None, columns: dict, model
) -> "tuple[list[tuple[Record, bool]], list[Rejected]]":
    """(record, whether it is golden) of both files, and the rows that cannot be used.

    A code that the model has only as a group, or not at all, counts as not known; of a golden record it is an error.
    """
    from .data.records import Record, iter_records

    labels = {*model.model.config.label2id}
    rows, rejected = [], []
    for name, own in ((source, False), (golden, True)):
        for row in iter_records(name, columns=columns) if name else ():
            if not isinstance(row, Record):
                rejected.append(row)
            elif own and row.code not in labels:
                raise ValueError(f"{name}, row {row.row}: code {row.code!r}; allowed: one that the second model gives")
            else:
                rows.append((row if row.code in labels else replace(row, code=""), own))
    if not rows:
        raise ValueError(f"{source}: no record can be used, {len(rejected):,} were rejected")
    return rows, rejected


def choose(model, rows: "list[tuple[Record, bool]]", batch_size: int) -> "tuple[Choices, dict[int, Rejected]]":
    """What the model chooses for the records, in their order, and place -> why it could not code the record there."""
    import numpy as np

    from .evaluation.comparison import Choices
    from .serving import Coding, code_rows

    found = list(code_rows(model, (record for record, _ in rows), top_k=1, batch_size=batch_size))
    coded = [row.occupations[0] if isinstance(row, Coding) else {"code": "", "confidence": 0.0} for row in found]
    choices = Choices([item["code"] for item in coded], np.array([item["confidence"] for item in coded]))
    return choices, {place: row for place, row in enumerate(found) if not isinstance(row, Coding)}


def at(choices: "Choices", places: list[int]) -> "Choices":
    """The choices at these places."""
    return replace(choices, codes=[choices.codes[place] for place in places], confidence=choices.confidence[places])


def write_changes(path: Path, rows: "list[tuple[Record, bool]]", choices: "list[Choices]") -> None:
    """The records whose code changes, or that are golden and wrong, as CSV."""
    from .serving.output import delimited

    columns = {"row": int, "id": str, "job_title": str, "job_duties": str, "golden": bool, "reference": str}
    columns |= {"before": str, "confidence_before": float, "after": str, "confidence_after": float}
    with delimited(path, columns) as write:
        for place, (record, golden) in enumerate(rows):
            codes = [found.codes[place] for found in choices]
            if codes[0] != codes[1] or (golden and codes[1] != record.code):
                sure = [round(float(found.confidence[place]), 6) for found in choices]
                own = {
                    "row": record.row,
                    "id": record.id,
                    "job_title": record.job_title,
                    "job_duties": record.job_duties,
                }
                own |= {"golden": golden, "reference": record.code, "before": codes[0], "after": codes[1]}
                write([own | {"confidence_before": sure[0], "confidence_after": sure[1]}])


def check_rows(checks: list[dict]) -> list[tuple[str, str, str, str]]:
    """The checks as the terminal shows them."""
    from .evaluation.comparison_report import shown

    return [
        (row["check"], shown(row["found"]), shown(row["limit"]), "yes" if row["passed"] else "NO") for row in checks
    ]
