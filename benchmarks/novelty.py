"""Whether records of occupations that the model does not know are told from those that it knows.

A share of the codes is hidden from the taxonomy and from training (5 seeds); or, with `--emerging`, the occupations
that O*NET-SOC breaks out of another that stays. Scores are compared per text and per group of texts of one occupation.

python -m benchmarks.novelty --data FOLDER --seeds 0 1 2 3 4
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas
import torch
from sklearn.covariance import LedoitWolf

from occ_autocoder.data.encoder import CACHE
from occ_autocoder.files import write_text
from occ_autocoder.markdown import markdown_table
from occ_autocoder.model.novelty_occupation import FEATURES, novelty_features, novelty_score
from occ_autocoder.model.text_occupation import FORMS
from occ_autocoder.taxonomy import Taxonomy
from occ_autocoder.training.fusion import evidence_of
from occ_autocoder.training.inputs import featurize

from .measures import test_forms
from .novelty_measures import GROUP, TOGETHER, Best, Scores, cell, groups, judged, judged_together, separated
from .ours import as_records, parse_settings, training_arguments
from .records import Benchmark
from .run import BENCHMARKS
from .shared_features import examples_of, prepare, trained

SHARE, NEAREST, BEST = 0.1, 10, 5


@dataclass(frozen=True)
class Hidden:
    """A benchmark without some codes, and the rows of the split to test on: of known codes, and of the hidden ones."""

    benchmark: Benchmark
    known: pandas.DataFrame
    novel: pandas.DataFrame


def hide(benchmark: Benchmark, codes: set[str], split: str) -> Hidden:
    """The benchmark without these leaf codes; half of the validation split is left for tests on that split."""
    kept = [item for item in benchmark.taxonomy if item.code not in codes]
    taxonomy = Taxonomy(kept, benchmark.taxonomy.scheme, benchmark.taxonomy.version)
    rows = benchmark.splits[split]
    splits = {name: part[~part["code"].isin(codes)].reset_index(drop=True) for name, part in benchmark.splits.items()}
    known = splits[split]
    if split == "validation":
        first = np.random.default_rng(0).permutation(len(known)) < len(known) / 2
        splits["validation"], known = known[first].reset_index(drop=True), known[~first]
    return Hidden(replace(benchmark, taxonomy=taxonomy, splits=splits), known, rows[rows["code"].isin(codes)])


def some_codes(benchmark: Benchmark, seed: int) -> set[str]:
    """A tenth of the leaf codes."""
    leaves = sorted(item.code for item in benchmark.taxonomy.leaves)
    return {str(code) for code in np.random.default_rng(seed).choice(leaves, round(SHARE * len(leaves)), replace=False)}


def emerging_codes(benchmark: Benchmark) -> set[str]:
    """Leaf codes of O*NET-SOC like 15-1299.08, of which 15-1299.00 stays."""
    leaves = {item.code for item in benchmark.taxonomy.leaves}
    return {code for code in leaves if not code.endswith(".00") and f"{code[:-2]}00" in leaves}


def measured(hidden: Hidden, seed: int, settings: Mapping, cache: Path) -> dict[str, dict]:
    """form -> score -> its measures."""
    arguments = training_arguments({"checkpoint_steps": 0} | settings, seed)
    prepared = prepare(hidden.benchmark, as_records(hidden.benchmark.splits["train"], "train"), arguments, cache)
    model = trained(prepared, "cross_entropy", {}, arguments)
    found = {}
    for form in FORMS:
        rows = [test_forms(part)[form] for part in (hidden.known, hidden.novel)]
        if min(map(len, rows)) < GROUP:
            continue
        scores, best = zip(*(scores_of(model, prepared.tokenizer, part, cache) for part in rows), strict=True)
        codes = [part["code"].tolist() for part in rows]
        names = [name for name in scores[0] if name != "confidence"]
        drawn = [groups(own, seed) for own in codes]
        found[form] = {name: judged([part[name] for part in scores], drawn) for name in names}
        found[form][TOGETHER] = judged_together(best, drawn)
        found[form]["rows"] = [len(part) for part in rows]
        found[form]["separation"] = separated(*scores)
    return found


@torch.no_grad()
def scores_of(model, tokenizer, rows: pandas.DataFrame, cache: Path) -> tuple[Scores, Best]:
    """name -> [n], the larger the more novel, of rows of one form, and `confidence`; novelty, codes and confidences."""
    examples = examples_of(rows.assign(code=model.config.id2label[0]), model.config.label2id)
    features = featurize(examples, model, tokenizer, cache, model.spelling())
    form, text = int(features.forms[0]), features.embeddings[:, 0]
    weight, parts = model.fusion.weight[form], torch.arange(len(rows)).split(64)
    measured, best = [], []
    for part in parts:
        evidence = evidence_of(model, features.batch, part)
        measured.append(novelty_features(evidence, evidence @ weight))
        best.append(model.calibrated(evidence @ weight, features.forms[part]).softmax(-1).topk(BEST))
    table = torch.cat(measured)
    named = dict(zip(FEATURES, table.T, strict=True))
    confidences, codes = (torch.cat(values) for values in zip(*best, strict=True))
    novelty = novelty_score(table, model.config.novelty[FORMS[form]])
    known = [(memory.embeddings, memory.labels) for memory in (model.titles, model.definitions)]
    vectors, labels = (torch.cat(values) for values in zip(*known, strict=True))
    found = {
        "maximum softmax": -confidences[:, 0],
        "entropy": named["entropy"],
        "margin": -named["margin"],
        "energy": -named["energy"],
        "nearest title": -named["text_nearest_title_largest"],
        "nearest definition": -named["text_nearest_definition_largest"],
        "k nearest neighbours": -neighbours(vectors, text),
        "Mahalanobis": mahalanobis(vectors, labels, text),
        "combination": novelty.logit(),
        "confidence": confidences[:, 0],
    }
    scores = {name: values.double().numpy() for name, values in found.items()}
    return scores, (novelty.double().numpy(), codes.numpy(), confidences.double().numpy())


def neighbours(vectors: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """[n], cosine to the tenth nearest of the known texts (Sun et al. 2022)."""
    return torch.cat([(part @ vectors.T).topk(NEAREST).values[:, -1] for part in queries.split(512)])


def mahalanobis(vectors: torch.Tensor, labels: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """[n], the least squared distance to the mean of a code, in the metric that all codes share (Lee et al. 2018)."""
    codes, places = labels.unique(return_inverse=True)
    means = torch.zeros(len(codes), vectors.shape[1]).index_add_(0, places, vectors)
    means /= torch.bincount(places)[:, None]
    precision = torch.from_numpy(LedoitWolf(assume_centered=True).fit((vectors - means[places]).numpy()).precision_)
    root = torch.linalg.cholesky(precision).float()
    return torch.cdist(queries @ root, means @ root).amin(1).square()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each seed, and write `novelty.json` and `novelty.md`."""
    asked = parser().parse_args(arguments)
    benchmark, found = BENCHMARKS[asked.benchmark](asked.data), []
    settings = parse_settings(asked.set)
    for seed in asked.seeds:
        codes = emerging_codes(benchmark) if asked.emerging else some_codes(benchmark, seed)
        found.append(measured(hide(benchmark, codes, asked.split), seed, settings, asked.cache))
        write_text(asked.output / "novelty.json", json.dumps(found, indent=1) + "\n")
        write_text(asked.output / "novelty.md", report(found))
    print(report(found))


def report(found: Sequence[Mapping]) -> str:
    """The means over the seeds, with the least and the most."""
    parts = []
    for form in found[0]:
        forms = [item[form] for item in found if form in item]
        names = [name for name in forms[0] if name not in ("rows", "separation", "confidence")]
        columns = ("auroc", "fpr95", "group_auroc", "group_fpr95")
        rows = [[name, *(cell([item[name][column] for item in forms]) for column in columns)] for name in names]
        known, novel = np.mean([item["rows"] for item in forms], axis=0)
        parts += [f"## {form.replace('_', ' ')}: {known:.0f} known, {novel:.0f} novel texts, {len(forms)} seeds"]
        parts += [markdown_table(["score", "AUROC", "FPR at 95 %", "AUROC of 5", "FPR at 95 % of 5"], rows)]
        shares = {name: cell([item["separation"][name] for item in forms]) for name in forms[0]["separation"]}
        parts += [
            f"Of the novel, {shares['recall']} % have a confidence up to 0.5; of the texts that have, "
            f"{shares['before']} % are novel, and {shares['after']} % of the half with the larger score."
        ]
    return "\n\n".join(parts) + "\n"


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    found = argparse.ArgumentParser(description="Measure how novel records are told from known ones.")
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    found.add_argument("--benchmark", choices=list(BENCHMARKS), default="onet")
    found.add_argument("--emerging", action="store_true", help="hide O*NET's own new occupations, not a tenth of all")
    found.add_argument("--split", choices=["validation", "test"], default="test", help="tested on")
    found.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4], help="of the hidden codes")
    found.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="a setting of the training")
    found.add_argument("--output", type=Path, default=Path("build/benchmarks/novelty"), help="folder of the tables")
    found.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    return found


if __name__ == "__main__":
    main()
