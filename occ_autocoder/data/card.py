"""The README of a dataset repository: what the Hub reads (YAML), and what a person wants to know."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import as_file, files

from datasets import Dataset, DatasetInfo, SplitDict, SplitInfo
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard, DatasetCardData

from occ_autocoder.markdown import count, markdown_table, plain

from .assembly import CLEANED, RECORDS, SYNTHETIC, TAXONOMY, Assembled
from .privacy import KINDS

TEMPLATE = "cards/dataset_card.md"
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LARGEST = "n>1M"
BANDS = ((0, "0"), (9, "1 to 9"), (49, "10 to 49"), (199, "50 to 199"))
MANY = "200 or more"
SUMMARY = {
    RECORDS: "records as they came",
    SYNTHETIC: "records that a language model wrote",
    CLEANED: "records whose code was compared with what their text says; `code` is the cleaned one",
    TAXONOMY: "the classification, one row a code at any level",
}
COLUMNS = {
    "id": "of the record, unique in its config",
    "job_title": "the title, as it was written",
    "job_duties": "what is done there; may be empty",
    "code": "the code of the classification; none where there is none",
    "source": "where the record comes from",
    "generator": "the language model that wrote it",
    "prompt_version": "the prompt that it was asked with",
    "seed": "of the run that it was asked in",
    "given_code": "the code that a cleaned record came with",
    "decision": "of cleaning: keep, relabel, person (is to look) or discard",
    "why": "what speaks for the decision",
    "suggested_code": "the most probable code, the given one considered",
    "candidates": "the codes that retrieval found",
    "relevance": "of each candidate, 0 to 1",
    "copy_of": "the id of the record that it repeats",
}
LIMITS = """Personal data with a form of its own (addresses of e-mail and of the web, numbers of phones and of persons)
was masked before anything was written here. Names of persons and of firms have no such form, and were not looked for.
What a language model wrote is tidier than what people write. A code that was cleaned is more often right than the one
that it replaced, and not always."""
MEASURED = "Codes by the number of their records:\n\n{}\n\nPersonal data that was masked:"


def render_card(card_data: DatasetCardData, **values) -> DatasetCard:
    """The card with the template's values: `title`, `summary`, `facts`, `columns`, `how_made`, `measured`, ..."""
    with as_file(files("occ_autocoder") / TEMPLATE) as template:
        return DatasetCard.from_template(card_data, template_path=str(template), **values)


def dataset_readme(assembled: Assembled, title: str, license: str | None = None) -> str:
    """The README of an assembled dataset."""
    configs = assembled.parts
    card = render_card(
        card_data(assembled, title, license),
        title=title,
        summary=f"Job titles and duties with codes of {plain(assembled.taxonomy.scheme)}, in these configs: "
        + "; ".join(f"`{config}`, {SUMMARY[config]}" for config in configs)
        + ".",
        facts=list(facts(assembled)),
        columns=list(columns(assembled)),
        how_made=provenance(assembled),
        measured=MEASURED.format(support_table(assembled)),
        measures=list(masked(assembled)),
        limits=LIMITS,
    )
    return card.content


def card_data(assembled: Assembled, title: str, license: str | None) -> DatasetCardData:
    """The YAML: configs with their files, features and sizes of each, and the tags by which the Hub finds it."""
    rows = sum(
        len(part) for config, splits in assembled.parts.items() if config != TAXONOMY for part in splits.values()
    )
    data = DatasetCardData(
        language="en",
        license=license,
        pretty_name=title,
        task_categories=["text-classification"],
        task_ids=["multi-class-classification"],
        size_categories=next((name for limit, name in SIZES if rows < limit), LARGEST),
        tags=["occupation-coding", assembled.taxonomy.scheme, *([SYNTHETIC] if SYNTHETIC in assembled.parts else [])],
    )
    infos = {config: info(config, splits) for config, splits in assembled.parts.items()}
    DatasetInfosDict(infos).to_dataset_card_data(data)
    configs = {
        config: {"data_files": [{"split": split, "path": f"{config}/{split}-*.parquet"} for split in splits]}
        for config, splits in assembled.parts.items()
    }
    configs[next(iter(configs))]["default"] = True
    MetadataConfigs(configs).to_dataset_card_data(data)
    return data


def info(config: str, splits: Mapping[str, Dataset]) -> DatasetInfo:
    """The features and sizes of a config."""
    sizes = SplitDict(
        {split: SplitInfo(split, part.data.nbytes, len(part), dataset_name=config) for split, part in splits.items()}
    )
    features = next(iter(splits.values())).features
    total = sum(split.num_bytes for split in sizes.values())
    return DatasetInfo(features=features, splits=sizes, config_name=config, dataset_size=total)


def facts(assembled: Assembled) -> Iterator[tuple[str, str]]:
    """The classification, and how many records there are."""
    taxonomy = assembled.taxonomy
    yield "classification", f"{plain(taxonomy.scheme)} {plain(taxonomy.version)}, {count(len(taxonomy.leaves))} codes"
    for config, splits in assembled.parts.items():
        sizes = ", ".join(f"{split} {count(len(part))}" for split, part in splits.items())
        coded = {code for part in splits.values() for code in part["code"] if code is not None}
        yield config, f"{sizes}; {count(len(coded))} different codes"


def columns(assembled: Assembled) -> Iterator[tuple[str, str]]:
    """Every column of the records that is known, and what it is."""
    found = dict.fromkeys(
        name
        for config, splits in assembled.parts.items()
        if config != TAXONOMY
        for part in splits.values()
        for name in part.column_names
    )
    return ((name, COLUMNS[name]) for name in found if name in COLUMNS)


def provenance(assembled: Assembled) -> str:
    """Which sources, models and prompts the records name, and what cleaning decided."""
    parts = []
    for config, splits in assembled.parts.items():
        for name in ("source", "generator", "prompt_version", "selector", "decision"):
            values = Counter(
                value for part in splits.values() if name in part.column_names for value in part[name] if value
            )
            if values:
                told = ", ".join(f"{plain(value)} ({count(number)})" for value, number in values.most_common(20))
                parts.append(f"- `{config}`, {name.replace('_', ' ')}: {told}")
    return "\n".join(parts) or "The records do not tell where they come from."


def support_table(assembled: Assembled) -> str:
    """How many codes have how many records, in each split."""
    rows, codes = [], len(assembled.taxonomy.leaves)
    for config, splits in assembled.parts.items():
        for split, part in splits.items() if config != TAXONOMY else ():
            support = Counter(code for code in part["code"] if code is not None)
            found = Counter(band_of(number) for number in support.values())
            found[BANDS[0][1]] = codes - len(support)
            rows.append([config, split, *(count(found[name]) for name in band_names())])
    return markdown_table(["config", "split", *(f"codes with {name}" for name in band_names())], rows)


def band_of(number: int) -> str:
    """The name of the band of a support."""
    return next((name for most, name in BANDS if number <= most), MANY)


def band_names() -> Sequence[str]:
    """The names of the bands of support, the smallest first."""
    return [*(name for _, name in BANDS), MANY]


def masked(assembled: Assembled) -> Iterator[tuple[str, str]]:
    """How many pieces of personal data were masked in each config."""
    for config, counts in assembled.masked.items():
        yield config, ", ".join(f"{kind} {count(counts.get(kind, 0))}" for kind in KINDS)
