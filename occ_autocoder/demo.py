"""The main job on what ships with the package: a model of ISCO-08 from its texts and records, and samples coded."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

from .console import quiet_libraries, terminal

SAMPLES = "sample_records.csv"
# A third of the records, the encoder as it is, a small head and few epochs: the demonstration is to end in minutes.
RECORDS = 4
SETTINGS = {
    "encoder": "bundled",
    "contrastive_epochs": 0,
    "epochs": 6,
    "batch_size": 256,
    "learning_rate": 4e-3,
    "head_hidden_size": 256,
    "ngram_buckets": 16384,
    "ngram_dim": 64,
    "checkpoint_steps": 0,
}


def run(output: Path, cache: Path | None = None) -> None:
    """Train in `output`/model, code the sample records into `output`/coded.csv, and print them beside their codes."""
    quiet_libraries()
    from occ_autocoder import load
    from occ_autocoder.data.encoder import CACHE
    from occ_autocoder.data.records import iter_records
    from occ_autocoder.serving import code_records
    from occ_autocoder.training.arguments import TrainingArguments
    from occ_autocoder.training.train import train

    taxonomy, records = own_records()
    console = terminal()
    console.print(
        f"Training on {len(records):,} titles and records of the {len(taxonomy.leaves)} unit groups of ISCO-08"
    )
    train(taxonomy, records, TrainingArguments(**SETTINGS), output / "model", cache=cache or CACHE)
    with as_file(files("occ_autocoder.taxonomy.isco08") / SAMPLES) as source:
        code_records(load(output / "model"), source, output / "coded.csv", top_k=2)
        samples = list(iter_records(source))
    with (output / "coded.csv").open(encoding="utf-8", newline="") as file:
        coded = {row["id"]: row for row in csv.DictReader(file)}
    console.print(sample_table(samples, coded))
    for line in summary(output, samples, coded):
        console.print(line, soft_wrap=True, markup=False)


def own_records():
    """ISCO-08 without its example titles, and these as records beside those that ship: what is held out is unknown."""
    from datasets import Dataset, concatenate_datasets

    from occ_autocoder.data.embedded import load_isco08_records
    from occ_autocoder.data.records import RECORD_FEATURES
    from occ_autocoder.taxonomy import Taxonomy, load_isco08

    full = load_isco08()
    rows = [
        {"id": f"{leaf.code}-{number}", "job_title": title, "job_duties": "", "code": leaf.code, "source": "examples"}
        for leaf in full.leaves
        for number, title in enumerate(leaf.examples)
    ]
    titles = Dataset.from_list(rows, features=RECORD_FEATURES)
    records = load_isco08_records().select_columns(list(RECORD_FEATURES))
    some = records.filter(lambda row: not row["job_duties"] or int(row["id"].split("-")[1]) <= RECORDS)
    bare = Taxonomy([replace(item, examples=()) for item in full], full.scheme, full.version)
    return bare, concatenate_datasets([titles, some])


def summary(output: Path, samples: Sequence, coded: Mapping[str, Mapping[str, str]]) -> list[str]:
    """How many of the samples are right, and what to do next."""
    right = sum(coded[item.id]["code"] == item.code for item in samples)
    second = sum(coded[item.id]["code_2"] == item.code for item in samples)
    return [
        f"Right: {right} of {len(samples)} ({right / len(samples):.0%}); the second code is right for {second} more.",
        f"Coded records: {output / 'coded.csv'}",
        f"Model: {output / 'model'}",
        f"Code your own: occ-autocoder predict IN.csv OUT.csv --model {output / 'model'}",
    ]


def sample_table(samples: Iterable, coded: Mapping[str, Mapping[str, str]]):
    """One line a record: what it says, its code and title, the confidence, the second code, and whether it is right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    found = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    for name, share in (("Id", None), ("Record", 5), ("Code", None), ("Title", 4)):
        found.add_column(name, ratio=share, no_wrap=True)
    found.add_column("Conf.", justify="right", no_wrap=True)
    found.add_column("2nd", no_wrap=True)
    found.add_column("Right", no_wrap=True)
    for item in samples:
        row = coded[item.id]
        text = ": ".join(filter(None, (item.job_title, item.job_duties)))
        sure = f"{float(row['confidence']):.0%}"
        verdict = Text("✓", "green") if row["code"] == item.code else Text(item.code, "red")
        found.add_row(item.id, Text(text), row["code"], Text(row["title"]), sure, row["code_2"], verdict)
    return found
