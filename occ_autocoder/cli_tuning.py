"""The commands around a tuned language model: fine-tuning one, and rewording records with one."""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_type_hints

import typer

from .cli_training import check_names, check_type, labelled, read_settings, typed
from .console import CacheOption, ColumnsOption, open_taxonomy, pairs, quiet_libraries, table, terminal

if TYPE_CHECKING:
    from datasets import Dataset

    from .data.encoder import Encode
    from .llm.arguments import AdapterArguments
    from .llm.request import Generate
    from .taxonomy import Taxonomy

CACHE = Path("~/.cache/occ_autocoder/embeddings").expanduser()
TASKS = ("paraphrase", "selection")
FORMATS = {"parquet": "to_parquet", "jsonl": "to_json"}
ENCODER = "bundled"

TaxonomyOption = Annotated[str, typer.Option(help="isco-08, or a file that `taxonomy import` wrote.")]
EncoderOption = Annotated[str, typer.Option(help="What compares meanings: bundled, a folder, or an id on the Hub.")]


def finetune_llm(
    taxonomy: TaxonomyOption,
    output: Annotated[Path, typer.Option(help="Folder for the adapter.")],
    records: Annotated[
        str | None, typer.Option(help="Records with their codes: a file, a folder, or a Hub dataset's id.")
    ] = None,
    rewordings: Annotated[
        Path | None,
        typer.Option("--pairs", help="For paraphrase, in place of --records: columns original, reworded, field, code."),
    ] = None,
    task: Annotated[str, typer.Option(help="What it is to learn: paraphrase or selection.")] = "paraphrase",
    model: Annotated[str | None, typer.Option(help="The language model: a folder or an id on the Hub.")] = None,
    validation: Annotated[
        str | None, typer.Option(help="Held-out records, or pairs where --pairs is given: their loss is told.")
    ] = None,
    encoder: EncoderOption = ENCODER,
    settings: Annotated[Path | None, typer.Option(help="JSON file of settings, as training.json of a run.")] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting; an unknown name is answered with all of them. Repeatable.",
        ),
    ] = None,
    push: Annotated[str | None, typer.Option(metavar="REPO", help="Push the adapter to this Hub repository.")] = None,
    public: Annotated[bool, typer.Option("--public", help="Make the repository of --push public.")] = False,
    columns: ColumnsOption = None,
    cache: CacheOption = None,
) -> None:
    """Fine-tune a language model by LoRA to reword records, or to choose their code.

    A run that was killed goes on from its last checkpoint when it is started again as it was.
    """
    quiet_libraries()
    from .data.encoder import sentence_encoder
    from .llm.adapter import finetune, push_adapter

    check_sources(task, records, rewordings)
    arguments = adapter_arguments(settings, model, pairs(change, "--set"))
    found, known = open_taxonomy(taxonomy), pairs(columns, "--columns")
    kind = "pairs" if rewordings else task
    open_encoder = partial(sentence_encoder, encoder, cache or CACHE)
    parts = {
        name: examples(kind, str(source), found, open_encoder, known, output / f"rejected_{name}.csv", arguments.seed)
        for name, source in (("train", rewordings or records), ("validation", validation))
        if source
    }
    about = finetune(parts["train"], arguments, output, validation=parts.get("validation"))
    terminal().print(losses_table(about))
    typer.echo(f"adapter: {output}")
    if push:
        typer.echo(f"pushed: {push_adapter(output, push, private=not public)}")


def paraphrase(
    taxonomy: TaxonomyOption,
    records: Annotated[str, typer.Option(help="Records with their codes: a file, a folder, or a Hub dataset's id.")],
    output: Annotated[Path, typer.Option(help="Folder for the new records, those set aside, and the journal.")],
    llm: Annotated[str | None, typer.Option(help="A model at an OpenAI-compatible endpoint.")] = None,
    local: Annotated[str | None, typer.Option(help="A model in this process: a folder or an id on the Hub.")] = None,
    adapter: Annotated[str | None, typer.Option(help="An adapter on --local, as finetune-llm writes it.")] = None,
    rewordings: Annotated[int, typer.Option(min=1, help="New records of a record, at most.")] = 2,
    protected: Annotated[str | None, typer.Option(help="Test records: nothing near them is kept.")] = None,
    encoder: EncoderOption = ENCODER,
    seed: Annotated[int, typer.Option(help="Of every random act.")] = 0,
    format: Annotated[str, typer.Option(help="parquet or jsonl.")] = "parquet",
    columns: ColumnsOption = None,
    cache: CacheOption = None,
) -> None:
    """Reword records with a language model; what repeats or drifts from the meaning is set aside, with the reason.

    Started again as it was, it asks for nothing that has been answered.
    """
    quiet_libraries()
    from .console_llm import open_generate
    from .data.encoder import sentence_encoder

    if format not in FORMATS:
        raise ValueError(f"--format {format}; allowed: {', '.join(FORMATS)}")
    found, known = open_taxonomy(taxonomy), pairs(columns, "--columns")
    own = labelled(records, found, known, output / "rejected.csv")
    held = labelled(protected, found, known, output / "rejected_protected.csv") if protected else None
    generate = open_generate(output, llm=llm, local=local, adapter=adapter, seed=seed)
    encode = sentence_encoder(encoder, cache or CACHE)
    reword(own, found, generate, encode, output, format, rewordings=rewordings, protected=held, seed=seed)


def reword(
    records: "Dataset",
    taxonomy: "Taxonomy",
    generate: "Generate",
    encode: "Encode",
    output: Path,
    format: str,
    **settings,
) -> None:
    """Write the new records and those set aside to the folder `output`, and tell the counts.

    `settings` are those of `paraphrase_records`.
    """
    from .data.paraphrase import paraphrase_records

    kept, aside = paraphrase_records(records, generate, encode, taxonomy, **settings)
    for name, part in (("records", kept), ("set_aside", aside)):
        write_dataset(part, output / f"{name}.{format}", format)
    counts = [("records", len(records)), ("new records", len(kept))]
    counts += [(f"set aside: {reason}", number) for reason, number in Counter(aside["reason"]).most_common()]
    terminal().print(table("Rewording", ["", "Number"], counts))
    typer.echo(f"written: {output / f'records.{format}'}")


def write_dataset(records: "Dataset", path: Path, format: str) -> None:
    """Write the records under another name, and give them theirs once they are on the disk."""
    beside = path.with_name(f".{path.name}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    getattr(records, FORMATS[format])(str(beside))
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(beside, path)


def adapter_arguments(
    settings: Path | None, model: str | None, changes: Mapping[str, str | None]
) -> "AdapterArguments":
    """`AdapterArguments` of a settings file, --model over it, and --set over both."""
    from .llm.arguments import AdapterArguments

    values = {**(read_settings(settings) if settings else {}), **({"model": model} if model else {})}
    check_names([*values, *changes], AdapterArguments)
    types = get_type_hints(AdapterArguments)
    values |= {name: typed(name, text, types[name]) for name, text in changes.items()}
    for name, value in values.items():
        check_type(name, value, types[name])
    return AdapterArguments(**values)


def check_sources(task: str, records: str | None, rewordings: Path | None) -> None:
    """ValueError for an unknown task, and unless there is one source that fits the task."""
    if task not in TASKS:
        raise ValueError(f"--task {task}; allowed: {', '.join(TASKS)}")
    if (records is None) == (rewordings is None):
        raise ValueError("allowed: either --records or --pairs")
    if rewordings and task != "paraphrase":
        raise ValueError(f"--pairs with --task {task}; allowed: with paraphrase")


def examples(
    kind: str,
    source: str,
    taxonomy: "Taxonomy",
    open_encoder: "Callable[[], Encode]",
    columns: Mapping[str, str | None],
    rejected_at: Path,
    seed: int,
) -> "Dataset":
    """The prompts and completions that `source` gives for "pairs", "paraphrase" or "selection"; ValueError for none."""
    from .data.retrieval import Retriever
    from .data.selection import selection_request
    from .data.tuning import paraphrase_pairs, selection_examples

    if kind == "pairs":
        records = read_pairs(Path(source))
        found = paraphrase_pairs(records, taxonomy, seed=seed)
    else:
        records, encode = labelled(source, taxonomy, columns, rejected_at), open_encoder()
        if kind == "paraphrase":
            found = paraphrase_pairs(records, taxonomy, encode, seed=seed)
        else:
            found = selection_examples(records, taxonomy, Retriever(taxonomy, encode), selection_request, seed=seed)
    if not len(found):
        raise ValueError(f"{source}: no two texts that say one thing in other words; allowed: a table for --pairs")
    typer.echo(f"{source}: {len(found):,} prompts with their completions, of {len(records):,} rows")
    return found


def read_pairs(path: Path) -> "Dataset":
    """The rows of a table of pairs, every cell a text; ValueError for another kind of file."""
    import pandas
    from datasets import Dataset

    readers = {
        ".csv": partial(pandas.read_csv, dtype=str, keep_default_na=False),
        ".tsv": partial(pandas.read_csv, sep="\t", dtype=str, keep_default_na=False),
        ".jsonl": partial(pandas.read_json, lines=True, dtype=False),
        ".parquet": pandas.read_parquet,
    }
    if path.suffix.lower() not in readers:
        raise ValueError(f"--pairs {path}: allowed: a file of {', '.join(readers)}")
    rows = readers[path.suffix.lower()](path).fillna("").astype(str)
    return Dataset.from_pandas(rows, preserve_index=False)


def losses_table(about: Mapping):
    """The examples and the first and last losses."""
    rows = [(f"examples: {name}", f"{number:,}") for name, number in about["examples"].items()]
    rows += [(f"set aside as too long: {name}", f"{number:,}") for name, number in about["too_long"].items()]
    for name, title in (("loss", "loss"), ("eval_loss", "loss of the held-out")):
        losses = [entry[name] for entry in about["history"] if name in entry]
        rows += [(title, f"{losses[0]:.3f} -> {losses[-1]:.3f}")] if losses else []
    return table("Fine-tuning", ["Measure", "Value"], rows)
