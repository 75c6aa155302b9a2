"""The command that writes records otherwise and counts which codes change."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .console import BatchOption, ColumnsOption, ModelOption, SeedOption, open_model, pairs, table, terminal

BROKEN = 1


def behave(
    source: Annotated[str, typer.Argument(help="Records, with their right codes where known.", metavar="RECORDS")],
    model: ModelOption,
    output: Annotated[Path, typer.Option(help="Folder for the report, its rows and examples of what changed.")],
    limit: Annotated[int | None, typer.Option(min=2, help="The first so many records alone.")] = None,
    enforce: Annotated[bool, typer.Option("--enforce", help="End with 1 where a limit is broken.")] = False,
    batch_size: BatchOption = 32,
    columns: ColumnsOption = None,
    seed: SeedOption = 0,
) -> None:
    """Write records otherwise (case, typos, word order, gendered titles, ...) and count how many get another code."""
    from itertools import islice

    from .cli_coding import write_rejected
    from .data.records import Record, iter_records
    from .evaluation.behaviour import behaviour_section, behaviour_table
    from .files import write_text
    from .serving import predict_probabilities

    pipeline = open_model(model)
    rows = list(islice(iter_records(source, columns=pairs(columns, "--columns")), limit))
    records = [row for row in rows if isinstance(row, Record)]
    rejected = [row for row in rows if not isinstance(row, Record)]
    if not records:
        raise ValueError(f"{source}: no record can be used, {len(rejected):,} were rejected")
    places = pipeline.model.config.label2id
    texts = [record.job_title for record in records], [record.job_duties for record in records]
    labels = [places.get(record.code, -1) for record in records]
    predict = partial(predict_probabilities, pipeline, batch_size=batch_size)
    found, examples = behaviour_table(predict, *texts, labels, seed=seed)
    codes = pipeline.model.config.id2label
    changed = [row | {name: codes[row[name]] for name in ("before", "after")} for row in examples]
    counts = f"{len(records):,} records, {len(labels) - labels.count(-1):,} with a code that the model gives"
    section = f"{counts}, {len(rejected):,} rejected.\n\n{behaviour_section(found, changed)}"
    write_rejected(output / "rejected.csv", rejected)
    write_text(output / "behaviour.md", f"# Behaviour of {Path(model).name}\n\n{section}\n")
    write_rows(output / "behaviour.csv", found)
    write_rows(output / "flips.csv", changed)
    terminal().print(table("Behaviour", ["", "Records", "Another code", "Limit", "Passed"], shown(found)))
    typer.echo(f"{counts}, {len(rejected):,} rejected; report: {output / 'behaviour.md'}")
    if enforce and any(row["passed"] is False for row in found):
        raise typer.Exit(BROKEN)


def write_rows(path: Path, rows: list[dict]) -> None:
    """Rows of the same columns as CSV; the header alone of none."""
    from .serving.output import delimited

    columns = dict.fromkeys({name: None for row in rows for name in row}, str)
    with delimited(path, columns) as write:
        write([dict.fromkeys(columns) | row for row in rows])


def shown(rows: list[dict]) -> list[tuple]:
    """The rows as the terminal shows them."""
    limits = ["" if row["limit"] is None else f"{row['limit']:.1%} {row['limit_of']}" for row in rows]
    verdicts = [{None: "", True: "yes", False: "NO"}[row["passed"]] for row in rows]
    return [
        (row["behaviour"], f"{row['variants']:,}", f"{row['flip_rate']:.1%}", limit, verdict)
        for row, limit, verdict in zip(rows, limits, verdicts, strict=True)
    ]
