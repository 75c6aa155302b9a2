"""The command that writes synthetic records of the codes that have too few, and reports on them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_training import labelled
from .cli_tuning import FORMATS, write_dataset
from .console import (
    AdapterOption,
    CacheOption,
    ColumnsOption,
    FormatOption,
    LlmOption,
    LlmSetOption,
    LocalOption,
    ProtectedOption,
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

    from .llm.request import Generate
    from .taxonomy import Taxonomy

REPORT = "report.md"


def synthesize(
    taxonomy: TaxonomyOption,
    output: Annotated[Path, typer.Option(help="Folder for the records, those set aside, and report.md.")],
    llm: LlmOption = None,
    local: LocalOption = None,
    adapter: AdapterOption = None,
    llm_set: LlmSetOption = None,
    target: Annotated[
        int, typer.Option(min=0, help="Records that a code shall have, those of --records counted.")
    ] = 30,
    code: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE[=NUMBER]", help="Only this code, with a target of its own. Repeatable."),
    ] = None,
    below: Annotated[int | None, typer.Option(min=1, help="Only codes with fewer in --records than this.")] = None,
    records: Annotated[str | None, typer.Option(help="Real records: a file, a folder, or a Hub dataset's id.")] = None,
    protected: ProtectedOption = None,
    seeds: Annotated[
        int, typer.Option(min=0, max=5, help="Real records of the code shown in a prompt, personal data masked.")
    ] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="How often what is missing is asked for.")] = 3,
    seed: SeedOption = 0,
    encoder: Annotated[
        str | None, typer.Option(help="bundled, a folder or a Hub id: compare meanings with --protected too.")
    ] = None,
    round_trip: Annotated[
        bool, typer.Option("--round-trip", help="Keep only records whose code --encoder finds among the first five.")
    ] = False,
    format: FormatOption = "parquet",
    columns: ColumnsOption = None,
    cache: CacheOption = None,
) -> None:
    """Write records of rare codes with a language model; what repeats or leaks is set aside, with the reason.

    Started again as it was, it asks for nothing that has been answered.
    """
    quiet_libraries()
    from .console_llm import open_generate
    from .data.encoder import CACHE

    if format not in FORMATS:
        raise ValueError(f"--format {format}; allowed: {', '.join(FORMATS)}")
    found, known = open_taxonomy(taxonomy), pairs(columns, "--columns")
    real = labelled(records, found, known, output / "rejected.csv") if records else None
    held = labelled(protected, found, known, output / "rejected_protected.csv") if protected else None
    settings = {"target": targets(code, target), "below": below, "seeds": seeds, "rounds": rounds, "seed": seed}
    settings |= {"records": real, "protected": held, **judges(found, encoder, round_trip, cache or CACHE)}
    model = {"llm": llm, "local": local, "adapter": adapter, "changes": pairs(llm_set, "--llm-set")}
    generate = open_generate(output, **model, seed=seed)
    write_records(found, generate, output, format, **settings)


def write_records(taxonomy: "Taxonomy", generate: "Generate", output: Path, format: str, **settings) -> None:
    """Write the records, those set aside and the report to the folder `output`, and tell the counts.

    `settings` are those of `synthesize_records`.
    """
    from .data.synthesis import synthesize_records, wanted_records

    wanted = wanted_records(taxonomy, **{name: settings[name] for name in ("target", "below", "records")})
    kept, aside = synthesize_records(taxonomy, generate, **settings)
    for name, part in (("records", kept), ("set_aside", aside)):
        write_dataset(part, output / f"{name}.{format}", format)
    write_text(output / REPORT, report(taxonomy, wanted, kept, aside, settings))
    terminal().print(table("Synthetic records", ["", "Number"], sums(wanted, kept, aside)))
    typer.echo(f"report: {output / REPORT}")


def targets(codes: Sequence[str] | None, target: int) -> int | dict[str, int]:
    """The target of every code, or of those that are given as CODE or CODE=NUMBER; ValueError for another form."""
    found: dict[str, int] = {}
    for given in codes or ():
        code, sign, number = given.partition("=")
        if sign and not number.isdecimal():
            raise ValueError(f"--code {given}; allowed: CODE or CODE=NUMBER")
        if code in found:
            raise ValueError(f"--code {given}: {code} is given twice; allowed: once")
        found[code] = int(number) if sign else target
    return found or target


def judges(taxonomy: "Taxonomy", encoder: str | None, round_trip: bool, cache: Path) -> dict:
    """What compares meanings, by name: `encode`, and `retriever` for a round trip; nothing without an encoder."""
    if encoder is None:
        if round_trip:
            raise ValueError("--round-trip without --encoder; allowed: --encoder bundled, a folder or a Hub id")
        return {}
    from .data.encoder import sentence_encoder
    from .data.retrieval import Retriever

    encode = sentence_encoder(encoder, cache)
    return {"encode": encode, "retriever": Retriever(taxonomy, encode) if round_trip else None}


def sums(wanted: Mapping[str, int], kept: "Dataset", aside: "Dataset") -> list[tuple[str, int]]:
    """What was wanted, kept and is missing, and how many of the rest were set aside for each reason."""
    from .data.synthesis import shortages

    missing = shortages(wanted, kept)
    return [
        ("codes that need records", len(wanted)),
        ("records wanted", sum(wanted.values())),
        ("records written", len(kept)),
        ("records missing", sum(missing.values())),
        ("codes with records missing", len(missing)),
        *((f"set aside: {reason}", number) for reason, number in Counter(aside["reason"]).most_common()),
    ]


def report(
    taxonomy: "Taxonomy", wanted: Mapping[str, int], kept: "Dataset", aside: "Dataset", settings: Mapping
) -> str:
    """How the records came about, and the counts as Markdown: of all, and of each code with its reasons."""
    from .markdown import markdown_table, plain

    written, reasons = Counter(kept["code"]), list(Counter(aside["reason"]))
    faults = Counter(zip(aside["code"], aside["reason"], strict=True))
    rows = [
        (code, taxonomy[code].title, number, written[code], *(faults[code, reason] for reason in reasons))
        for code, number in wanted.items()
    ]
    about = {name: ", ".join(sorted(set(kept[name]))) for name in ("generator", "prompt_version")}
    about |= {name: value for name, value in settings.items() if isinstance(value, int)}
    parts = [
        f"# Synthetic records of {taxonomy.scheme} {taxonomy.version}".rstrip(),
        "\n".join(f"- {plain(name)}: {plain(value)}" for name, value in about.items()),
        markdown_table(["", "records"], sums(wanted, kept, aside)),
        "## By code",
        markdown_table(["code", "title", "wanted", "written", *reasons], rows),
    ]
    return "\n\n".join(parts) + "\n"
