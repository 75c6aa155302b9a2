"""The commands around what people say of codes: which records they see first, and models updated by their reviews."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import (
    BatchOption,
    CacheOption,
    ChangeOption,
    ColumnsOption,
    ModelOption,
    SeedOption,
    SettingsOption,
    open_model,
    pairs,
    table,
    terminal,
)

if TYPE_CHECKING:
    from .feedback.reviews import Review

TOP_K = 5
CANDIDATE, RELEASED = "candidate", "model"


def update(
    model: Annotated[str, typer.Argument(help="The model in use: a folder, or an id on the Hub.")],
    reviews: Annotated[Path, typer.Argument(help="The review file: JSON lines.")],
    replay: Annotated[str, typer.Option(help="Records with their codes, as the model was trained on.")],
    output: Annotated[Path, typer.Option(help="Folder for the updated model and what was done.")],
    held_out: Annotated[
        str | None, typer.Option(help="Records with codes, neither reviewed nor replayed: the gate compares on them.")
    ] = None,
    golden: Annotated[str | None, typer.Option(help="Records that must come out right, for the gate.")] = None,
    validation: Annotated[
        str | None, typer.Option(help="A few hundred other such records: evidence is weighed anew by them.")
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Another limit of the gate. Repeatable.")
    ] = None,
    behaviour: Annotated[
        bool, typer.Option("--behaviour/--no-behaviour", help="Whether the gate looks at records written otherwise.")
    ] = True,
    keep_flagged: Annotated[
        bool, typer.Option("--keep-flagged", help="Take the reviews of flagged reviewers too.")
    ] = False,
    settings: SettingsOption = None,
    change: ChangeOption = None,
    columns: ColumnsOption = None,
    batch_size: BatchOption = 32,
    cache: CacheOption = None,
) -> None:
    """Update a model from reviews; ends with 0 where it may be released, and with 1 where the gate refuses it.

    The updated model is OUTPUT/candidate; with --held-out, and where the limits of `compare` hold, it is OUTPUT/model.
    Reviews of people who disagree far more than the rest are left out, and told.
    """
    from .cli_training import coded_records, new_arguments
    from .data.encoder import CACHE
    from .feedback.reviews import read_reviews
    from .feedback.update import UpdateArguments, update_model
    from .files import write_text

    arguments = new_arguments(UpdateArguments, settings, {}, pairs(change, "--set"))
    check_output(output)
    pipeline, fields = open_model(model), pairs(columns, "--columns")
    codes = list(pipeline.model.config.label2id)
    found, torn = read_reviews(reviews, codes)
    typer.echo(f"{reviews}: {len(found):,} reviews" + (", and a torn last line, left out" if torn else ""))
    check_apart(found, [source for source in (held_out, golden, validation) if source], fields)
    rows, without = reviewers(found, keep_flagged)
    parts = {
        name: coded_records(source, codes, fields, output / f"rejected_{name}.csv")
        for name, source in (("replay", replay), ("validation", validation))
        if source
    }
    about = update_model(
        pipeline,
        found,
        parts["replay"],
        arguments,
        without=without,
        validation=parts.get("validation"),
        cache=cache or CACHE,
    )
    pipeline.save_pretrained(output / CANDIDATE)
    write_text(output / "update.json", json.dumps(about | {"reviewers": rows}, indent=1) + "\n")
    counts = ", ".join(f"{count:,} {kind}" for kind, count in about["records"].items())
    typer.echo(f"records: {counts}; without a majority: {about['silent']:,}; candidate: {output / CANDIDATE}")
    release(model, output, held_out, golden, limit, behaviour, batch_size, columns)


def check_output(output: Path) -> None:
    """ValueError where the folder has a model already: one that the gate let pass is not overwritten."""
    if taken := [name for name in (CANDIDATE, RELEASED) if (output / name).exists()]:
        raise ValueError(f"{output / taken[0]}: there already; allowed: a folder without it")


def check_apart(found: "list[Review]", sources: list[str], columns: dict) -> None:
    """ValueError where a record that is held out was reviewed: the same id with the same texts."""
    from .data.records import Record, iter_records
    from .model.text_occupation import normalize

    seen = {(item.id, normalize(item.job_title), normalize(item.job_duties)) for item in found}
    for source in sources:
        for row in iter_records(source, columns=columns):
            if isinstance(row, Record) and (row.id, row.job_title, row.job_duties) in seen:
                raise ValueError(f"{source}, row {row.row}: {row.id} was reviewed; allowed: records that were not")


def reviewers(found: "list[Review]", keep_flagged: bool) -> tuple[list[dict], list[str]]:
    """The table of reviewers, shown, and the names of those whose reviews are left out."""
    from .feedback.preferences import flagged, reviewer_table

    rows = reviewer_table(found)
    names = ["reviewer", "reviews", "agreement", "compared", "disagreed", "sure", "overturned", "flagged"]
    cells = [[shown(row[name]) for name in names] for row in rows]
    terminal().print(table("Reviewers", [name.capitalize() for name in names], cells))
    return rows, [] if keep_flagged else flagged(rows)


def shown(value: object) -> object:
    """A share in per cent, anything else as it is."""
    return f"{100 * value:.1f} %" if isinstance(value, float) else value


def release(
    model: str,
    output: Path,
    held_out: str | None,
    golden: str | None,
    limit: list[str] | None,
    behaviour: bool,
    batch_size: int,
    columns: list[str] | None,
) -> None:
    """Hold the candidate to the gate's limits, and give it its name where they hold; `typer.Exit` where not."""
    from .cli_comparison import compare

    if held_out is None:
        typer.echo("not released: no --held-out to compare on")
        return
    compare(
        model,
        str(output / CANDIDATE),
        held_out,
        output=output / "comparison",
        golden=golden,
        limit=limit,
        behaviour=behaviour,
        batch_size=batch_size,
        columns=columns,
    )
    (output / CANDIDATE).rename(output / RELEASED)
    typer.echo(f"released: {output / RELEASED}")


def review_queue(
    records: Annotated[str, typer.Argument(help="Records without codes: a file, a folder, or a Hub dataset's id.")],
    model: ModelOption,
    output: Annotated[Path, typer.Option(help="JSON lines: a record a line, the most worthwhile first.")],
    size: Annotated[int, typer.Option(min=1, help="How many records.")] = 500,
    order: Annotated[str, typer.Option(help="active, entropy, margin or random.")] = "active",
    audit: Annotated[float, typer.Option(help="Share drawn at random: only they tell how often it is right.")] = 0.05,
    blind: Annotated[float, typer.Option(help="Share to be coded without seeing what the model says.")] = 0.05,
    columns: ColumnsOption = None,
    batch_size: BatchOption = 32,
    seed: SeedOption = 0,
) -> None:
    """Order records for review: those in doubt, of rare codes and unlike each other first."""
    from .cli_coding import write_rejected
    from .data.records import Rejected, read_records
    from .feedback.queue import queue_of, review_order
    from .files import write_text

    found, rejected = read_records(records, columns=pairs(columns, "--columns"))
    if not len(found):
        raise ValueError(f"{records}: no record can be used, {len(rejected):,} were rejected")
    pipeline = open_model(model)
    queue = queue_of(pipeline, found["job_title"], found["job_duties"], TOP_K, batch_size)
    places, drawn = review_order(queue, size, order, audit, seed)
    lines = queue_lines(found, queue, places, drawn, pipeline.model.config.id2label, blind, seed)
    write_text(output, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
    write_rejected(output.with_name(f"{output.stem}_rejected.csv"), [Rejected(**row) for row in rejected])
    typer.echo(f"{len(found):,} records, {len(rejected):,} rejected; queue of {len(lines):,}: {output}")


def queue_lines(found, queue, places, drawn, id2label: dict[int, str], blind: float, seed: int) -> list[dict]:
    """What a reviewer gets: the record, the codes to show with their confidences, the mode, and why it is here."""
    import numpy as np

    is_blind = np.random.default_rng(seed).permutation(len(places)) < round(blind * len(places))
    lines = []
    for place, by_chance, hidden in zip(places.tolist(), drawn, is_blind):
        record = {name: found[place][name] for name in ("id", "job_title", "job_duties")}
        best = zip(queue.labels[place].tolist(), queue.confidence[place].tolist())
        codes = [{"code": id2label[label], "confidence": round(score, 6)} for label, score in best]
        mode, why = "blind" if hidden else "assisted", "random" if by_chance else "worthwhile"
        lines.append(record | {"shown": codes, "mode": mode, "why": why})
    return lines
