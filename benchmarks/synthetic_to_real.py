"""What the texts of ISCO-08 that ship with the package teach: trained on them alone, tested on what nobody here wrote.

Tests: every ESCO occupation (its label, its description, both), and the titles of the ILO's index.

python -m benchmarks.synthetic_to_real --data FOLDER --seeds 0
"""

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas
from matplotlib.figure import Figure
from transformers import AutoTokenizer

from occ_autocoder.baselines.fusion import UntrainedFusion
from occ_autocoder.baselines.nearest import NearestNeighbours
from occ_autocoder.data.embedded import load_isco08_records
from occ_autocoder.data.encoder import CACHE
from occ_autocoder.markdown import markdown_table
from occ_autocoder.model.modeling_occupation import OccupationForSequenceClassification
from occ_autocoder.taxonomy import Taxonomy, load_isco08, read_taxonomy
from occ_autocoder.training.examples import label_codes, taxonomy_examples, taxonomy_texts
from occ_autocoder.training.train import train

from .measures import measure
from .ours import UNTRAINED_ENCODER, as_records, predictor, training_arguments
from .peers import shared_encoder
from .records import COLUMNS, Benchmark, read_table
from .tables import NAMES

# Records a group -> the source's name: the points of the curve.
CURVE = {0: "own definitions and example titles"} | {
    count: f"all of our own, {count} a group" for count in (1, 3, 6, 12)
}
MEASURES = ("top_1", "top_5", "macro_recall", "level_1", "level_2", "level_3", "level_4")


def test_sets(data: Path) -> dict[str, pandas.DataFrame]:
    """ESCO's occupations with their preferred label and description; the ILO's titles."""
    esco = read_table(data, "esco111_occupations_en")
    index = read_table(data, "isco08_title_index")
    index = index[index["valid_isco08_unit_group"] == "True"]
    columns = {"title": "job_title", "preferred_label": "job_title", "description": "job_duties", "isco08_code": "code"}
    return {
        "ESCO": esco.rename(columns=columns)[COLUMNS],
        "ILO titles": index.rename(columns=columns).assign(job_duties="")[COLUMNS].drop_duplicates(),
    }


def corpus(count: int | None = None) -> pandas.DataFrame:
    """The records that ship with the package, or the first `count` of each group and as large a share of its titles."""
    table = load_isco08_records().to_pandas()
    if count is not None:
        place = table.groupby(["code", table["job_duties"] == ""]).cumcount()
        table = table[place < (table["job_duties"] == "").map({False: count, True: -(-count * 7 // 12)})]
    return table[COLUMNS]


def sources(data: Path) -> dict[str, tuple[Taxonomy, pandas.DataFrame]]:
    """What is trained on: a taxonomy with its texts, and records."""
    own = load_isco08()
    official = read_taxonomy(data / "isco08_definitions.csv.gz", scheme="isco-08", version="2008")
    bare = Taxonomy([replace(item, definition="", tasks=(), examples=()) for item in own], own.scheme, own.version)
    return {
        "official definitions": (official, corpus(0)),
        "records": (bare, corpus()),
        **{name: (own, corpus(count)) for count, name in CURVE.items()},
        "all of our own and official definitions": (joined(own, official), corpus()),
    }


def joined(own: Taxonomy, official: Taxonomy) -> Taxonomy:
    """Our example titles, both definitions as one text, and the official tasks."""
    items = [
        replace(item, definition=f"{official[item.code].definition} {item.definition}", tasks=official[item.code].tasks)
        for item in own
    ]
    return Taxonomy(items, own.scheme, own.version)


def run_ours(taxonomy: Taxonomy, records: pandas.DataFrame, tests: Mapping, seed: int, folder: Path, cache: Path):
    """test -> form -> measures of our model with the default settings, on the encoder as it is."""
    records = as_records(records.reset_index(drop=True), "corpus")
    arguments = training_arguments(UNTRAINED_ENCODER, seed)
    train(taxonomy, records, arguments, folder, cache=cache)
    model = OccupationForSequenceClassification.from_pretrained(folder).eval()
    predict = predictor(model, AutoTokenizer.from_pretrained(folder), cache)
    shutil.rmtree(folder)
    codes = label_codes(taxonomy)
    return {name: measure(predict, rows, taxonomy, codes, probabilities=True) for name, rows in tests.items()}


def run_zero_shot(taxonomy: Taxonomy, tests: Mapping, cache: Path) -> dict[str, dict]:
    """coder -> test -> form -> measures of what is not trained: the nearest official text, the untrained fusion."""
    codes = label_codes(taxonomy)
    texts = taxonomy_texts(taxonomy, codes)
    encode = shared_encoder(Benchmark("", taxonomy, {}), codes, training_arguments({}, 0), cache)
    definitions = [item for item in taxonomy_examples(texts, codes) if item.job_duties]
    coders = {
        "zero-shot, nearest official definition": NearestNeighbours(encode).fit(definitions, len(codes)),
        "zero-shot, untrained fusion": UntrainedFusion(encode).fit(taxonomy_examples(texts, codes), len(codes)),
    }
    return {
        name: {test: measure(coder.predict_proba, rows, taxonomy, codes, False) for test, rows in tests.items()}
        for name, coder in coders.items()
    }


def tables(results: Mapping[str, Sequence[Mapping]]) -> str:
    """Markdown: a table for each test and form, the mean of the seeds in per cent."""
    parts = ["# synthetic_to_real"]
    first = next(iter(results.values()))[0]
    for test, forms in first.items():
        for form, values in forms.items():
            rows = [
                [source, *(f"{mean_share(seeds, test, form, name):.1f}" for name in MEASURES)]
                for source, seeds in results.items()
            ]
            table = markdown_table(
                ["trained on", *(NAMES.get(name, name.replace("_", " ")) for name in MEASURES)], rows
            )
            parts += [f"## {test}, {form.replace('_', ' ')}: {values['rows']} rows", table]
    return "\n\n".join(parts) + "\n"


def mean_share(seeds: Sequence[Mapping], test: str, form: str, measure: str) -> float:
    """The mean of a measure over the seeds, in per cent."""
    return 100 * sum(seed[test][form][measure] for seed in seeds) / len(seeds)


def draw(results: Mapping[str, Sequence[Mapping]], file: Path) -> None:
    """PNG: accuracy at the leaf codes against the number of records a group, a line for each test and form."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot(ylabel="Right code (%)", xlabel="Records a group, beside our definitions and titles")
    for test, forms in next(iter(results.values()))[0].items():
        for form in forms:
            means = [mean_share(results[name], test, form, "top_1") for name in CURVE.values()]
            axes.plot(list(CURVE), means, marker="o", label=f"{test}, {form.replace('_', ' ')}")
    axes.set_xticks(list(CURVE))
    axes.grid(axis="y", alpha=0.4)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(file, dpi=150)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all, and write the results and their tables after each source, the curve at last."""
    parser = argparse.ArgumentParser(description="Train on the texts that ship, test on public ones.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks/synthetic_to_real"))
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    asked = parser.parse_args(arguments)
    asked.output.mkdir(parents=True, exist_ok=True)
    tests, known = test_sets(asked.data), sources(asked.data)
    results = {
        name: [found] for name, found in run_zero_shot(known["official definitions"][0], tests, asked.cache).items()
    }
    for name, (taxonomy, records) in known.items():
        model = asked.output / "model"
        results[name] = [run_ours(taxonomy, records, tests, seed, model, asked.cache) for seed in asked.seeds]
        (asked.output / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (asked.output / "results.md").write_text(tables(results), encoding="utf-8")
    draw(results, asked.output / "curve.png")
    print(tables(results))


if __name__ == "__main__":
    main()
