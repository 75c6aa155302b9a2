"""A dataset repository in one folder: records, synthetic and cleaned ones, and the taxonomy, as the Hub reads them."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from occ_autocoder.taxonomy import Occupation, Taxonomy

from .privacy import mask_records

RECORDS, SYNTHETIC, CLEANED, TAXONOMY = "records", "synthetic", "cleaned", "taxonomy"
CONFIGS = (RECORDS, SYNTHETIC, CLEANED, TAXONOMY)
NEEDED = ("id", "job_title", "job_duties", "code")
NO_TEXTS = (  # ends of the names of columns that hold no text of a person; the others are searched for personal data
    *("id", "code", "copy_of", "source", "generator", "selector", "prompt", "version", "seed"),
    *("decision", "register", "difficulty", "variant", "confusable"),
)
SHARD = 500_000  # rows of a file
README = "README.md"
OCCUPATION_FEATURES = Features(
    {
        **{field.name: List(Value("string")) for field in fields(Occupation)},
        **{name: Value("string") for name in ("code", "title", "parent", "definition", "scheme", "version")},
        "level": Value("int32"),
    }
)


@dataclass(frozen=True)
class Assembled:
    """What goes into the folder: config -> splits, and config -> kind -> how much personal data was masked."""

    taxonomy: Taxonomy
    parts: Mapping[str, DatasetDict]
    masked: Mapping[str, Mapping[str, int]]


def assemble(taxonomy: Taxonomy, parts: Mapping[str, Dataset | DatasetDict]) -> Assembled:
    """The parts as they are published, and the taxonomy beside them as one row a code.

    Personal data is masked in every text. The code is a ClassLabel, with the same names in every part: the leaves of
    the taxonomy in its order; a record without a code has none. Of cleaned records `code` is the cleaned one, and what
    they came with is `given_code`. A dataset without splits is "train".

    Args:
        parts: "records", "synthetic" and "cleaned", each of them or some, with the columns of a record; "cleaned" as
            `cleaning.clean_records` returns it.
    Raises:
        ValueError: an unknown part, a missing column, an id that is missing or given twice, a code that is no leaf, a
            record that is in two splits.
    """
    if unknown := {*parts} - {RECORDS, SYNTHETIC, CLEANED}:
        raise ValueError(f"part {min(unknown)}; allowed: {RECORDS}, {SYNTHETIC}, {CLEANED}")
    if not any(map(len, parts.values())):
        raise ValueError("no records at all; allowed: at least one part with records")
    found, masked = {}, {}
    for config in (name for name in CONFIGS if name in parts):
        splits = parts[config] if isinstance(parts[config], DatasetDict) else DatasetDict(train=parts[config])
        check_part(config, splits)
        pairs = {split: mask_records(part, texts_of(part)) for split, part in splits.items()}
        masked[config] = dict(sum((Counter(counts) for _, counts in pairs.values()), Counter()))
        found[config] = DatasetDict(
            {split: labelled(part, config, split, taxonomy) for split, (part, _) in pairs.items()}
        )
    return Assembled(taxonomy, {**found, TAXONOMY: DatasetDict(train=taxonomy_rows(taxonomy))}, masked)


def check_part(config: str, splits: DatasetDict) -> None:
    """ValueError for a column that is missing, and an id that is missing or given twice in a part."""
    for split, part in splits.items():
        needed = (*NEEDED, "cleaned_code") if config == CLEANED else NEEDED
        if missing := [name for name in needed if name not in part.column_names]:
            raise ValueError(f"{config}, {split}: no column {missing[0]}; allowed: {', '.join(needed)} and more")
    for id_, number in Counter(id_ for part in splits.values() for id_ in part["id"]).items():
        if not id_ or number > 1:
            raise ValueError(f"{config}: id {id_!r} in {number} records; allowed: an id in every record, each once")


def texts_of(part: Dataset) -> list[str]:
    """The columns that are searched for personal data: all of texts but `NO_TEXTS`."""
    text = Value("string")
    return [name for name, feature in part.features.items() if feature == text and not name.endswith(NO_TEXTS)]


def labelled(part: Dataset, config: str, split: str, taxonomy: Taxonomy) -> Dataset:
    """The records with their code as a ClassLabel; ValueError that names the row for a code that is no leaf."""
    names = [leaf.code for leaf in taxonomy.leaves]
    if config == CLEANED:
        part = part.rename_column("code", "given_code").rename_column("cleaned_code", "code")
    codes = [code or None for code in names_of(part)]
    known = set(names)
    for row, code in enumerate(codes):
        if code is not None and code not in known:
            raise ValueError(f"{config}, {split}, row {row + 1}: code {code!r}; allowed: a leaf of {taxonomy.scheme}")
    columns, label = part.column_names, ClassLabel(names=names)
    places = [None if code is None else label.str2int(code) for code in codes]
    return part.remove_columns("code").add_column("code", places, feature=label).select_columns(columns)


def names_of(part: Dataset) -> Sequence[str | None]:
    """The codes of a part as texts, also where they are a ClassLabel."""
    feature = part.features["code"]
    if not isinstance(feature, ClassLabel):
        return list(part["code"])
    return [None if label is None else feature.int2str(label) for label in part["code"]]


def taxonomy_rows(taxonomy: Taxonomy) -> Dataset:
    """One row a code at any level: what is known of it, with scheme and version."""
    about = {"scheme": taxonomy.scheme, "version": taxonomy.version}
    rows = [asdict(occupation) | about for occupation in taxonomy]
    return Dataset.from_list(rows, features=OCCUPATION_FEATURES)


def read_taxonomy_rows(rows: Dataset) -> Taxonomy:
    """The taxonomy of the "taxonomy" part."""
    names = [field.name for field in fields(Occupation)]
    items = [{name: tuple(row[name]) if isinstance(row[name], list) else row[name] for name in names} for row in rows]
    return Taxonomy([Occupation(**item) for item in items], rows[0]["scheme"], rows[0]["version"])


def write_repository(assembled: Assembled, folder: Path, readme: str) -> None:
    """Write the parts as Parquet and the README into `folder`, in place of what was written there before.

    All is written beside the folder first and takes its name at the end; a run that was killed leaves the folder as it
    was, or, at worst, under its name with ".old" at the end, from where the next call takes it back.

    Raises:
        ValueError: the folder exists and is not one that was written here.
    """
    unfinished, old = (folder.with_name(f"{folder.name}{end}") for end in (".unfinished", ".old"))
    if old.exists() and not folder.exists():
        old.rename(folder)
    check_folder(folder)
    shutil.rmtree(unfinished, ignore_errors=True)
    for path, part in files_of(assembled):
        (unfinished / path).parent.mkdir(parents=True, exist_ok=True)
        part.to_parquet(str(unfinished / path))
    (unfinished / README).write_text(readme, encoding="utf-8", newline="")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    unfinished.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def check_folder(folder: Path) -> None:
    """ValueError for a folder with other files than a repository of ours has."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: a file; allowed: a folder")
    others = [path.name for path in folder.iterdir() if path.name not in (*CONFIGS, README)] if folder.exists() else []
    if others:
        raise ValueError(f"{folder}: holds {min(others)}; allowed: a new folder, or one that `dataset build` wrote")


def files_of(assembled: Assembled) -> Iterator[tuple[str, Dataset]]:
    """(path in the repository, its rows) of every file."""
    for config, splits in assembled.parts.items():
        for split, part in splits.items():
            shards = max(1, -(-len(part) // SHARD))
            for place in range(shards):
                rows = part.shard(shards, place, contiguous=True) if shards > 1 else part
                yield f"{config}/{split}-{place:05d}-of-{shards:05d}.parquet", rows
