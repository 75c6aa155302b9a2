"""The commands around a tuned language model: fine-tuning one, and rewording records with one."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_training import labelled, new_arguments
from .console import (
    AdapterOption,
    CacheOption,
    ChangeOption,
    ColumnsOption,
    FormatOption,
    LabelledOption,
    LlmOption,
    LlmSetOption,
    LocalOption,
    ProtectedOption,
    SeedOption,
    SettingsOption,
    TaxonomyOption,
    open_taxonomy,
    pairs,
    quiet_libraries,
    table,
    terminal,
)
from .files import completed, write_text

if TYPE_CHECKING:
    from datasets import Dataset

    from .data.encoder import Encode
    from .llm.request import Generate
    from .taxonomy import Taxonomy

SKILLS = "skills"
TASKS = ("paraphrase", "selection", "judgement", SKILLS)
NEEDED = {
    "paraphrase": "no two texts that say one thing in other words; allowed: a table for --pairs",
    "judgement": "no code with 5 records, a definition and 3 tasks or sentences; allowed: at least one",
    SKILLS: "no text with a tagged span; allowed: at least one",
}
FORMATS = {"parquet": "to_parquet", "jsonl": "to_json"}
ENCODER = "bundled"

EncoderOption = Annotated[str, typer.Option(help="What compares meanings: bundled, a folder, or an id on the Hub.")]


def finetune_llm(
    output: Annotated[Path, typer.Option(help="Folder for the adapter.")],
    taxonomy: Annotated[str | None, typer.Option(help="isco-08, or an imported file; not needed for skills.")] = None,
    records: Annotated[
        str | None, typer.Option(help="Records with codes: a file, a folder, a Hub dataset; for skills, tagged tokens.")
    ] = None,
    rewordings: Annotated[
        Path | None,
        typer.Option("--pairs", help="For paraphrase, in place of --records: columns original, reworded, field, code."),
    ] = None,
    task: Annotated[str, typer.Option(help=f"What it is to learn: {', '.join(TASKS)}.")] = "paraphrase",
    model: Annotated[str | None, typer.Option(help="The language model: a folder or an id on the Hub.")] = None,
    validation: Annotated[str | None, typer.Option(help="The same, held out: its loss is told.")] = None,
    encoder: EncoderOption = ENCODER,
    settings: SettingsOption = None,
    change: ChangeOption = None,
    push: Annotated[str | None, typer.Option(metavar="REPO", help="Push the adapter to this Hub repository.")] = None,
    public: Annotated[bool, typer.Option("--public", help="Make the repository of --push public.")] = False,
    columns: ColumnsOption = None,
    cache: CacheOption = None,
) -> None:
    """Fine-tune a language model by LoRA to reword records, choose their code, judge groups, or copy out skills.

    A run that was killed goes on from its last checkpoint when it is started again as it was.
    """
    quiet_libraries()
    from .data.encoder import CACHE, sentence_encoder
    from .llm.adapter import finetune, push_adapter
    from .llm.arguments import AdapterArguments

    check_sources(task, records, rewordings, taxonomy)
    arguments = new_arguments(AdapterArguments, settings, {"model": model} if model else {}, pairs(change, "--set"))
    found, known = taxonomy and open_taxonomy(taxonomy), pairs(columns, "--columns")
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
    records: LabelledOption,
    output: Annotated[Path, typer.Option(help="Folder for the new records, those set aside, and the journal.")],
    llm: LlmOption = None,
    local: LocalOption = None,
    adapter: AdapterOption = None,
    llm_set: LlmSetOption = None,
    rewordings: Annotated[int, typer.Option(min=1, help="New records of a record, at most.")] = 2,
    protected: ProtectedOption = None,
    encoder: EncoderOption = ENCODER,
    seed: SeedOption = 0,
    format: FormatOption = "parquet",
    columns: ColumnsOption = None,
    cache: CacheOption = None,
) -> None:
    """Reword records with a language model; what repeats or drifts from the meaning is set aside, with the reason.

    Started again as it was, it asks for nothing that has been answered.
    """
    quiet_libraries()
    from .console_llm import open_generate
    from .data.encoder import CACHE, sentence_encoder

    if format not in FORMATS:
        raise ValueError(f"--format {format}; allowed: {', '.join(FORMATS)}")
    found, known = open_taxonomy(taxonomy), pairs(columns, "--columns")
    own = labelled(records, found, known, output / "rejected.csv")
    held = labelled(protected, found, known, output / "rejected_protected.csv") if protected else None
    model = {"llm": llm, "local": local, "adapter": adapter, "changes": pairs(llm_set, "--llm-set")}
    generate = open_generate(output, **model, seed=seed)
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
    """Write the records to the file, whole or not at all."""
    with completed(path) as [unfinished]:
        getattr(records, FORMATS[format])(str(unfinished))


def check_sources(task: str, records: str | None, rewordings: Path | None, taxonomy: str | None) -> None:
    """ValueError for an unknown task, and unless there is one source that fits the task, and the taxonomy it needs."""
    if task not in TASKS:
        raise ValueError(f"--task {task}; allowed: {', '.join(TASKS)}")
    if (records is None) == (rewordings is None):
        raise ValueError("allowed: either --records or --pairs")
    if rewordings and task != "paraphrase":
        raise ValueError(f"--pairs with --task {task}; allowed: with paraphrase")
    if taxonomy is None and task != SKILLS:
        raise ValueError(f"--task {task} without --taxonomy; allowed: isco-08, or a file that `taxonomy import` wrote")


def examples(
    kind: str,
    source: str,
    taxonomy: "Taxonomy | None",
    open_encoder: "Callable[[], Encode]",
    columns: Mapping[str, str | None],
    rejected_at: Path,
    seed: int,
) -> "Dataset":
    """The prompts and completions that `source` gives for "pairs" or one of `TASKS`; ValueError for none."""
    from .data.retrieval import Retriever
    from .data.selection import selection_request
    from .data.tuning import paraphrase_pairs, selection_examples
    from .emerging.judgement_examples import judgement_examples
    from .emerging.skill_examples import skill_examples

    if kind == SKILLS:
        records = tagged(Path(source), rejected_at.with_suffix(".txt"))
        found = skill_examples(records, seed=seed)
    elif kind == "pairs":
        records = read_pairs(Path(source))
        found = paraphrase_pairs(records, taxonomy, seed=seed)
    else:
        records, encode = labelled(source, taxonomy, columns, rejected_at), open_encoder()
        if kind == "paraphrase":
            found = paraphrase_pairs(records, taxonomy, encode, seed=seed)
        elif kind == "selection":
            found = selection_examples(records, taxonomy, Retriever(taxonomy, encode), selection_request, seed=seed)
        else:
            found = judgement_examples(records, taxonomy, Retriever(taxonomy, encode), seed=seed)
    if not len(found):
        raise ValueError(f"{source}: {NEEDED.get(kind, NEEDED['paraphrase'])}")
    typer.echo(f"{source}: {len(found):,} prompts with their completions, of {len(records):,} rows")
    return found


def tagged(path: Path, rejected_at: Path) -> "Dataset":
    """The usable rows of a table of tagged tokens; the others are counted, and what is wrong with them is written."""
    from .data.tagged import read_tagged

    records = read_tagged(path, rejected := [])
    if rejected:
        write_text(rejected_at, "\n".join([*rejected, ""]))
        typer.echo(f"{path}: {len(records):,} texts, {len(rejected):,} rejected: {rejected_at}")
    return records


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
