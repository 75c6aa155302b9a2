"""The command that compares the codes of records with what their texts say, and reports on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_tuning import FORMATS, write_dataset
from .console import (
    AdapterOption,
    CacheOption,
    ColumnsOption,
    FormatOption,
    LlmOption,
    LlmSetOption,
    LocalOption,
    SeedOption,
    TaxonomyOption,
    open_taxonomy,
    pairs,
    quiet_libraries,
    table,
    terminal,
)
from .files import write_text

if TYPE_CHECKING:
    from datasets import Dataset

REPORT = "report.md"


def clean(
    source: Annotated[
        str,
        typer.Argument(help="Records with their codes: a file, a folder, or a Hub dataset's id.", metavar="RECORDS"),
    ],
    taxonomy: TaxonomyOption,
    output: Annotated[Path, typer.Option(help="Folder for the records with what was decided, and report.md.")],
    llm: LlmOption = None,
    local: LocalOption = None,
    adapter: AdapterOption = None,
    llm_set: LlmSetOption = None,
    sure: Annotated[
        float, typer.Option(min=0.5, max=1, help="How probable another code must be to replace the given one.")
    ] = 0.8,
    top_k: Annotated[int, typer.Option(min=2, max=20, help="Candidates of a record.")] = 5,
    folds: Annotated[int, typer.Option(min=2, help="Of the cross-validation of the classifier.")] = 5,
    encoder: Annotated[str, typer.Option(help="bundled, a folder, or an id on the Hub.")] = "bundled",
    seed: SeedOption = 0,
    format: FormatOption = "parquet",
    columns: ColumnsOption = None,
    cache: CacheOption = None,
) -> None:
    """Find records whose code is wrong: it is kept or replaced, a person is to look, or the text says too little.

    Nothing is dropped or overwritten: the decisions are columns beside the record. With --llm or --local a language
    model chooses among the candidates too. Started again as it was, it asks for nothing that has been answered.
    """
    quiet_libraries()
    from .console_llm import open_generate
    from .data.cleaning import clean_records
    from .data.cleaning_report import cleaning_report
    from .data.encoder import CACHE, sentence_encoder

    if format not in FORMATS:
        raise ValueError(f"--format {format}; allowed: {', '.join(FORMATS)}")
    found = open_taxonomy(taxonomy)
    records = readable(source, pairs(columns, "--columns"), output / "rejected.csv")
    model = {"llm": llm, "local": local, "adapter": adapter, "changes": pairs(llm_set, "--llm-set")}
    generate = open_generate(output, **model, seed=seed) if any(model.values()) else None
    encode = sentence_encoder(encoder, cache or CACHE)
    options = {"generate": generate, "top_k": top_k, "folds": folds, "sure": sure, "seed": seed}
    cleaned, noise = clean_records(records, found, encode, **options)
    write_dataset(cleaned, output / f"cleaned.{format}", format)
    write_text(output / REPORT, cleaning_report(cleaned, found, noise))
    terminal().print(table("Decisions", ["", "Records"], counts(cleaned)))
    typer.echo(f"report: {output / REPORT}")


def readable(source: str, columns: dict[str, str | None], rejected_at: Path) -> "Dataset":
    """The records of `source`, whatever their codes; the rows that cannot be read are counted and written."""
    from .cli_coding import write_rejected
    from .data.records import Rejected, read_records

    records, rejected = read_records(source, columns=columns)
    write_rejected(rejected_at, [Rejected(**row) for row in rejected])
    if not len(records):
        raise ValueError(f"{source}: no record can be used, {len(rejected):,} were rejected: {rejected_at}")
    typer.echo(f"{source}: {len(records):,} records, {len(rejected):,} rejected")
    return records


def counts(cleaned: "Dataset") -> list[tuple[str, int]]:
    """How often each decision was taken."""
    from .data.decisions import DECISIONS

    decisions = list(cleaned["decision"])
    return [(name, decisions.count(name)) for name in DECISIONS]
