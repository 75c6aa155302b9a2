"""Skills and knowledge in advertisements: SkillSpan's protocol, trained on its train split, chosen on its dev split.

python -m benchmarks.skills --data FOLDER --seeds 0 1 2
"""

import argparse
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset, concatenate_datasets

from occ_autocoder.data.tagged import read_tagged
from occ_autocoder.emerging.skill_extraction import SkillExtractor
from occ_autocoder.emerging.skill_tagger import TAG, TaggerArguments, best_tags, layer_of, spans_of, train_tagger
from occ_autocoder.evaluation.spans import BOTH, span_scores
from occ_autocoder.files import write_text
from occ_autocoder.markdown import markdown_table

from .novelty_measures import cell
from .ours import parse_settings
from .records import read_table

COLUMNS = ("tags_skill", "tags_knowledge")
PUBLISHED = {"skill": 56.0, "knowledge": 64.0}  # span F1 of JobBERT and JobSpanBERT, on the paper's test split


def sentences(data: Path, folder: Path) -> dict[str, dict[str, Dataset]]:
    """Split -> source -> its sentences with their tags; rows that cannot be used are left out."""
    table, found = read_table(data, "skillspan_sentences_bio"), {}
    for (split, source), rows in table.groupby(["split", "source"]):
        path = folder / f"{split}-{source}.csv"
        rows[["tokens", *COLUMNS]].to_csv(path, index=False)
        found.setdefault(split, {})[source] = read_tagged(path, [])
    return found


def gold_spans(dataset: Dataset) -> list[list[tuple[str, int, int]]]:
    """The spans of each sentence, in words."""
    layers = [layer_of(name) for name in COLUMNS]
    rows = zip(*(dataset[name] for name in COLUMNS), strict=True)
    return [spans_of(np.array([[TAG[tag] for tag in layer] for layer in row]).T, layers) for row in rows]


def found_spans(extractor: SkillExtractor, dataset: Dataset) -> list[list[tuple[str, int, int]]]:
    """What a tagger finds in the sentences, whose words are given."""
    rows = list(dataset["tokens"])
    parts = (rows[start : start + 32] for start in range(0, len(rows), 32))
    return [spans_of(best_tags(own), extractor.layers) for part in parts for own in extractor.probabilities(part)]


def measured(data: Path, folder: Path, settings: Mapping, seed: int) -> dict:
    """The measures on the dev split, of all and of each source, and the seconds of training."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = sentences(data, folder)
    train, dev = (concatenate_datasets([*parts[split].values()]) for split in ("train", "dev"))
    shutil.rmtree(folder / "tagger", ignore_errors=True)
    start = time.perf_counter()
    about = train_tagger(train, dev, TaggerArguments(**{"seed": seed, **settings}), folder / "tagger")
    seconds = time.perf_counter() - start
    extractor, scores = SkillExtractor(folder / "tagger"), {}
    for name, part in {"all": dev, **parts["dev"]}.items():
        scores[name] = span_scores(gold_spans(part), found_spans(extractor, part))
    return {"seconds": seconds, "texts": about["texts"], "history": about["history"], "scores": scores}


def report(found: Sequence[Mapping]) -> str:
    """Means over the seeds, with the least and the most."""
    rows = []
    for source in found[0]["scores"]:
        for kind in ("skill", "knowledge", BOTH):
            cells = [
                cell([item["scores"][source][way][kind][name] for item in found])
                for way in ("strict", "loose")
                for name in ("precision", "recall", "f1")
            ]
            rows.append([source, kind, *cells, PUBLISHED.get(kind, "-") if source == "all" else "-"])
    ways = [f"{way} {name}" for way in ("strict", "loose") for name in ("precision", "recall", "F1")]
    minutes = np.mean([item["seconds"] for item in found]) / 60
    note = (
        f"On the dev split, by which the best epoch was chosen; {len(found)} seeds, {minutes:.0f} minutes of training. "
        "JobBERT's figures are the paper's, on a test split that is not here, and trained on more sources."
    )
    return "\n\n".join([markdown_table(["source", "kind", *ways, "JobBERT, F1"], rows), note]) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and measure with each seed, and write and print the table."""
    asked, found = parser().parse_args(arguments), []
    for seed in asked.seeds:
        found.append(measured(asked.data, asked.output / f"seed{seed}", parse_settings(asked.set), seed))
        write_text(asked.output / "skills.json", json.dumps(found, indent=1) + "\n")
        write_text(asked.output / "skills.md", report(found))
    print(report(found))


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    found = argparse.ArgumentParser(description="Train a tagger of skills on SkillSpan, and measure it.")
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    found.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    found.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="a setting of TaggerArguments")
    found.add_argument(
        "--output", type=Path, default=Path("build/benchmarks/skills"), help="folder of taggers and table"
    )
    return found


if __name__ == "__main__":
    main()
