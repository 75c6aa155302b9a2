"""What the commands share: `name=value` options, models and taxonomies by name, and tables for the terminal."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from occ_autocoder.taxonomy import Taxonomy

BUNDLED = "isco-08"

ColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="FIELD=COLUMN",
        help="Which of the file's columns is id, job_title, job_duties, code or source; FIELD= for none. Repeatable.",
    ),
]
TaxonomyOption = Annotated[str, typer.Option(help="isco-08, or a file that `taxonomy import` wrote.")]
LabelledOption = Annotated[str, typer.Option(help="Records with their codes: a file, a folder, or a Hub dataset's id.")]
ProtectedOption = Annotated[str | None, typer.Option(help="Test records: nothing near them is kept.")]
SettingsOption = Annotated[Path | None, typer.Option(help="JSON file of settings, as training.json of a run.")]
ChangeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other setting; an unknown name is answered with all. Repeatable.",
    ),
]
LlmOption = Annotated[
    str | None,
    typer.Option(help="A model at an OpenAI-compatible endpoint: OPENAI_BASE_URL, with the key in OPENAI_API_KEY."),
]
LocalOption = Annotated[str | None, typer.Option(help="A model in this process: a folder or an id on the Hub.")]
AdapterOption = Annotated[str | None, typer.Option(help="An adapter on --local, as finetune-llm writes it.")]
LlmSetOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Of the language model: concurrency, money, ...; an unknown name is answered with all. Repeatable.",
    ),
]
SeedOption = Annotated[int, typer.Option(help="Of every random act.")]
FormatOption = Annotated[str, typer.Option(help="parquet or jsonl.")]
ModelOption = Annotated[str, typer.Option(help="The model: a folder, or an id on the Hub.")]
LevelOption = Annotated[
    int | None, typer.Option(help="Level of the classification, 1 the coarsest; else the model's codes.")
]
CacheOption = Annotated[
    Path | None, typer.Option(help="Folder that keeps the embeddings of a frozen encoder; else ~/.cache/occ_autocoder.")
]
BatchOption = Annotated[int, typer.Option(min=1, help="Records that go through the model at a time.")]


def pairs(values: Iterable[str] | None, option: str) -> dict[str, str | None]:
    """The repeated `name=value` of an option as a dict, None for an empty value; ValueError for another form."""
    found: dict[str, str | None] = {}
    for given in values or ():
        name, sign, value = given.partition("=")
        if not sign or not name.strip():
            raise ValueError(f"{option} {given}: allowed: name=value")
        if name.strip() in found:
            raise ValueError(f"{option} {given}: {name.strip()} is given twice; allowed: once")
        found[name.strip()] = value or None
    return found


def open_taxonomy(name: str) -> "Taxonomy":
    """The taxonomy that ships with the package ("isco-08"), or that of a file."""
    from occ_autocoder.taxonomy import load_isco08, read_taxonomy

    if name == BUNDLED:
        return load_isco08()
    if not Path(name).is_file():
        raise ValueError(f"{name}: no such taxonomy; allowed: {BUNDLED}, or a file that `taxonomy import` wrote")
    return read_taxonomy(name)


def open_model(model: str):
    """The pipeline of a model's folder or Hub id; ValueError where it is another kind of model."""
    quiet_libraries()
    from transformers import PretrainedConfig

    from occ_autocoder import load
    from occ_autocoder.model.modeling_occupation import OccupationConfig

    looks_like_path = model.startswith((".", "/", "~")) or model.count("/") > 1
    if looks_like_path and not Path(model).is_dir():
        raise ValueError(f"{model}: no such folder; allowed: a folder that `train` wrote, or an id on the Hub")
    try:
        config, _ = PretrainedConfig.get_config_dict(model)
    except OSError as error:
        raise OSError(f"{model}: {error}") from error
    if config.get("model_type") != OccupationConfig.model_type:
        raise ValueError(f"{model}: a model of type {config.get('model_type')}; allowed: one that `train` made")
    return load(model)


def quiet_libraries() -> None:
    """Leave the terminal to our own messages and bars: transformers tells of every file that it reads or writes."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def terminal() -> "Console":
    """Standard output, without colours for every number."""
    from rich.console import Console

    return Console(highlight=False)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> "Table":
    """A table of the cells as they are: no cell's brackets are taken for markup. Numbers stand on the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    found = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        numbers = rows and all(isinstance(row[place], int | float) for row in rows)
        found.add_column(Text(name), justify="right" if numbers else "left")
    for row in rows:
        found.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    return found
