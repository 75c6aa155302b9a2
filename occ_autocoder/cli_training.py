"""The commands that train: on one's own taxonomy and records, and the demonstration."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, get_args, get_type_hints

import typer

from .console import (
    CacheOption,
    ChangeOption,
    ColumnsOption,
    LabelledOption,
    SettingsOption,
    TaxonomyOption,
    open_taxonomy,
    pairs,
    quiet_libraries,
    table,
    terminal,
)

NONE = ("", "none", "null")
ALLOWED = {int: "a whole number", float: "a number", dict: 'a JSON object, as {"tau": 1}', str: "a text"}


def train(
    taxonomy: TaxonomyOption,
    records: LabelledOption,
    output: Annotated[Path, typer.Option(help="Folder for the model.")],
    validation: Annotated[
        str | None, typer.Option(help="Held-out records with their codes; else a share of --records.")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="bundled, a folder, or an id on the Hub.")] = None,
    mode: Annotated[str | None, typer.Option(help="frozen (the head alone), full (the encoder too) or lora.")] = None,
    loss: Annotated[str | None, typer.Option(help="cross_entropy, cdb or another of the losses.")] = None,
    settings: SettingsOption = None,
    change: ChangeOption = None,
    columns: ColumnsOption = None,
    cache: CacheOption = None,
) -> None:
    """Train a model on labelled records and a classification, and save it with all that it needs."""
    quiet_libraries()
    from occ_autocoder.data.encoder import CACHE
    from occ_autocoder.training.arguments import TrainingArguments
    from occ_autocoder.training.train import train as train_model

    named = {"encoder": encoder, "mode": mode, "loss": loss}
    given = {name: value for name, value in named.items() if value is not None}
    arguments = new_arguments(TrainingArguments, settings, given, pairs(change, "--set"))
    found = open_taxonomy(taxonomy)
    known = pairs(columns, "--columns")
    own = labelled(records, found, known, output / "rejected.csv")
    held = labelled(validation, found, known, output / "rejected_validation.csv") if validation else None
    train_model(found, own, arguments, output, validation=held, cache=cache or CACHE)
    terminal().print(validation_table(output))
    typer.echo(f"model: {output}")


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the coded records and the model.")],
    cache: CacheOption = None,
) -> None:
    """Train on the classification that ships with the package, ISCO-08, and code sample records, without a network."""
    from .demo import run

    run(output, cache)


def labelled(source: str, taxonomy, columns: Mapping[str, str | None], rejected_at: Path):
    """The records of `source` that have a code of the taxonomy's labels; the rejected are counted and written."""
    from occ_autocoder.training.examples import label_codes

    return coded_records(source, label_codes(taxonomy), columns, rejected_at)


def coded_records(source: str, codes: Sequence[str], columns: Mapping[str, str | None], rejected_at: Path):
    """The records of `source` that have one of `codes`; the rejected are counted and written; ValueError for none."""
    from occ_autocoder.data.records import Rejected, read_records

    from .cli_coding import write_rejected

    records, rejected = read_records(source, columns=columns, codes=codes, need_code=True)
    faults = [Rejected(**row) for row in rejected]
    write_rejected(rejected_at, faults)
    if not len(records):
        first = f"; row {faults[0].row}: {faults[0].reason}" if faults else ""
        raise ValueError(f"{source}: no record can be used, {len(faults):,} were rejected{first}")
    typer.echo(f"{source}: {len(records):,} records" + (f", {len(faults):,} rejected: {rejected_at}" if faults else ""))
    return records


def new_arguments(kind: type, settings: Path | None, given: Mapping[str, str], changes: Mapping[str, str | None]):
    """A `kind` of arguments, of a settings file, the named options over it, and --set over both."""
    values = {**(read_settings(settings) if settings else {}), **given}
    check_names([*values, *changes], kind)
    types = get_type_hints(kind)
    values |= {name: typed(name, text, types[name]) for name, text in changes.items()}
    for name, value in values.items():
        check_type(name, value, types[name])
    return kind(**values)


def read_settings(path: Path) -> dict:
    """The settings in a JSON file, or those that a run wrote to its training.json; ValueError for another file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    values = values.get("arguments", values) if isinstance(values, dict) else values
    if not isinstance(values, dict):
        raise ValueError(f"{path}: a JSON {type(values).__name__}; allowed: an object of settings")
    return values


def check_names(names: list[str], arguments: type) -> None:
    """ValueError, with what is allowed, for a name that is no setting."""
    allowed = [field.name for field in fields(arguments)]
    if unknown := [name for name in names if name not in allowed]:
        raise ValueError(f"unknown setting(s) {', '.join(unknown)}; allowed: {', '.join(allowed)}")


def typed(name: str, text: str | None, kind: type) -> object:
    """The text of --set as the setting's type; ValueError that names the setting and what is allowed."""
    text = text or ""
    if type(None) in get_args(kind) and text.lower() in NONE:
        return None
    kind = plain(kind)
    try:
        return json.loads(text) if kind is dict else kind(text)
    except ValueError as error:
        raise ValueError(f"{name} is {text!r}; allowed: {ALLOWED[kind]}") from error


def check_type(name: str, value: object, kind: type) -> None:
    """ValueError for a value, as of a settings file, that is not of the setting's type; whole numbers are numbers."""
    fits = isinstance(value, int | float if kind is float else kind) and not isinstance(value, bool)
    if not fits:
        raise ValueError(f"{name} is {value!r}; allowed: {ALLOWED[plain(kind)]}")


def plain(kind: type) -> type:
    """The type of a setting that is not None."""
    return next((item for item in get_args(kind) if item is not type(None)), kind)


def validation_table(output: Path):
    """What validation said of the epoch that was kept, from the run's training.json."""
    about = json.loads((output / "training.json").read_text(encoding="utf-8"))
    best = about["history"][about["best_epoch"]]
    rows = [(name, f"{value:.3f}") for name, value in best.items() if name != "epoch"]
    return table(f"Validation of the trained head, epoch {best['epoch'] + 1}", ["Measure", "Value"], rows)
