"""The commands that make a dataset ready to train on and to publish: mask, split, balance, build."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_cleaning import readable
from .cli_training import labelled
from .cli_tuning import FORMATS, write_dataset
from .console import ColumnsOption, FormatOption, SeedOption, TaxonomyOption, open_taxonomy, pairs, table, terminal
from .files import write_text

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from .data.splits import SplitReport

dataset = typer.Typer(no_args_is_help=True, help="Mask, split and balance records; assemble a dataset repository.")

SourceArgument = Annotated[
    str, typer.Argument(help="Records: a file, a folder, or a Hub dataset's id.", metavar="RECORDS")
]
OutputArgument = Annotated[Path, typer.Argument(help="Folder for what is written.", metavar="OUT")]
PartOption = Annotated[
    Path | None,
    typer.Option(help="A .parquet or .jsonl file that a command wrote, or a folder with one for each split."),
]


@dataset.command()
def mask(
    source: SourceArgument,
    output: OutputArgument,
    format: FormatOption = "parquet",
    columns: ColumnsOption = None,
) -> None:
    """Mask e-mail addresses, phone numbers, numbers of persons and URLs in titles and duties, and count them."""
    from .data.privacy import mask_records

    check_format(format)
    records = readable(source, pairs(columns, "--columns"), output / "rejected.csv")
    masked, counts = mask_records(records)
    write_dataset(masked, output / f"records.{format}", format)
    terminal().print(table("Masked", ["", "Number"], list(counts.items())))
    typer.echo(f"written: {output / f'records.{format}'}")


@dataset.command()
def split(
    source: SourceArgument,
    output: OutputArgument,
    taxonomy: TaxonomyOption,
    validation: Annotated[float, typer.Option(min=0, max=1, help="Share of a code's texts.")] = 0.1,
    test: Annotated[float, typer.Option(min=0, max=1, help="Share of a code's texts.")] = 0.1,
    key: Annotated[str, typer.Option(help="The column of which equal texts stay together.")] = "job_title",
    seed: SeedOption = 0,
    format: FormatOption = "parquet",
    columns: ColumnsOption = None,
) -> None:
    """Split records into train, validation and test, stratified by code, with no near-duplicate in two of them."""
    from .data.splits import split_and_report

    check_format(format)
    records = labelled(source, open_taxonomy(taxonomy), pairs(columns, "--columns"), output / "rejected.csv")
    parts, report = split_and_report(records, key=key, seed=seed, validation=validation, test=test)
    for name, part in parts.items():
        write_dataset(part, output / f"{name}.{format}", format)
    write_text(output / "report.md", split_report(parts, report))
    terminal().print(table("Records", ["", "Number"], split_rows(parts, report)))
    typer.echo(f"report: {output / 'report.md'}")


@dataset.command()
def balance(
    source: SourceArgument,
    output: OutputArgument,
    taxonomy: TaxonomyOption,
    strategy: Annotated[str, typer.Option(help="over, under or both.")] = "both",
    min_records: Annotated[int | None, typer.Option(help="That a code is to have, copies counted; over, both.")] = None,
    max_records: Annotated[int | None, typer.Option(help="That a code is to have at most; under, both.")] = None,
    max_copies: Annotated[int, typer.Option(min=1, help="Of one record.")] = 5,
    seed: SeedOption = 0,
    format: FormatOption = "parquet",
    columns: ColumnsOption = None,
) -> None:
    """Copy training records of rare codes, leave out some of frequent ones, and show the counts before and after."""
    from .data.balance import balance_records, class_counts
    from .evaluation.plots import class_counts_figure, class_counts_table

    check_format(format)
    records = labelled(source, open_taxonomy(taxonomy), pairs(columns, "--columns"), output / "rejected.csv")
    numbers = {"min_records": min_records, "max_records": max_records, "max_copies": max_copies}
    balanced, left_out = balance_records(records, strategy=strategy, **numbers, seed=seed)
    for name, part in (("records", balanced), ("left_out", left_out)):
        write_dataset(part, output / f"{name}.{format}", format)
    counts = class_counts(records, balanced)
    class_counts_figure(counts).savefig(output / "class_counts.png")
    write_text(output / "class_counts.md", class_counts_table(counts) + "\n")
    rows = [("records", len(records)), ("left out", len(left_out)), ("copies", sum(map(bool, balanced["copy_of"])))]
    terminal().print(table("Balance", ["", "Number"], [*rows, ("balanced records", len(balanced))]))
    typer.echo(f"plot: {output / 'class_counts.png'}")


@dataset.command()
def build(
    output: Annotated[Path, typer.Argument(help="Folder of the repository.", metavar="OUT")],
    taxonomy: TaxonomyOption,
    records: PartOption = None,
    synthetic: PartOption = None,
    cleaned: PartOption = None,
    title: Annotated[str, typer.Option(help="Of the dataset.")] = "Job titles and duties with occupation codes",
    license: Annotated[str | None, typer.Option(help="The Hub's id of the licence, as cc-by-4.0.")] = None,
) -> None:
    """Assemble a dataset repository: Parquet files a config, personal data masked, and a card with what is in it."""
    from .data.assembly import assemble, check_folder, write_repository
    from .data.card import dataset_readme, masked

    check_folder(output)
    given = {"records": records, "synthetic": synthetic, "cleaned": cleaned}
    parts = {name: read_part(path) for name, path in given.items() if path is not None}
    assembled = assemble(open_taxonomy(taxonomy), parts)
    write_repository(assembled, output, dataset_readme(assembled, title, license))
    sizes = [(name, part, len(rows)) for name, splits in assembled.parts.items() for part, rows in splits.items()]
    terminal().print(table("Dataset", ["Config", "Split", "Rows"], sizes))
    terminal().print(table("Masked", ["Config", "Personal data"], masked(assembled)))
    typer.echo(f"written: {output}")


def check_format(format: str) -> None:
    """ValueError for a format that is none."""
    if format not in FORMATS:
        raise ValueError(f"--format {format}; allowed: {', '.join(FORMATS)}")


def read_part(path: Path) -> "Dataset | DatasetDict":
    """The rows of a file, or of a folder's train, validation and test, with all their columns."""
    from datasets import Dataset, DatasetDict

    from .data.splits import SPLITS

    readers = {".parquet": Dataset.from_parquet, ".jsonl": Dataset.from_json}
    if path.is_file() and path.suffix in readers:
        return readers[path.suffix](str(path))
    found = {name: path / f"{name}{end}" for name in SPLITS for end in readers if (path / f"{name}{end}").is_file()}
    if not found:
        allowed = "a .parquet or .jsonl file, or a folder with train.parquet and the like"
        raise ValueError(f"{path}: no records there; allowed: {allowed}")
    return DatasetDict({name: readers[file.suffix](str(file)) for name, file in found.items()})


def split_rows(parts: Mapping[str, "Dataset"], report: "SplitReport") -> list[tuple[str, int]]:
    """The sizes of the splits, and what could not be split."""
    return [
        *((name, len(part)) for name, part in parts.items()),
        ("sets that had to stay together", report.groups),
        ("records of the largest", report.largest_group),
        ("sets of near-duplicates", report.near_duplicates),
        ("codes with one record, in train", len(report.singletons)),
        ("codes in train alone", len(report.train_only)),
    ]


def split_report(parts: Mapping[str, "Dataset"], report: "SplitReport") -> str:
    """What was split as Markdown, by code."""
    from .data.splits import SPLITS
    from .markdown import markdown_table

    rows = [(code, *(numbers[name] for name in SPLITS)) for code, numbers in report.counts.items()]
    return (
        "\n\n".join(
            [
                "# Split",
                markdown_table(["", "number"], split_rows(parts, report)),
                f"Codes with one record: {', '.join(report.singletons) or 'none'}.",
                "## By code",
                markdown_table(["code", *SPLITS], rows),
            ]
        )
        + "\n"
    )
