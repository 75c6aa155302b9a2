"""Planted wrong codes: how many cleaning finds and puts right beside other methods, and what training gains.

python -m benchmarks.noise --data FOLDER
"""

import argparse
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cleanlab.filter import find_label_issues
from datasets import Dataset
from transformers import AutoTokenizer

from occ_autocoder.data.cleaning import clean_records
from occ_autocoder.data.decisions import KEEP, RELABEL
from occ_autocoder.data.encoder import CACHE, Encode, sentence_encoder
from occ_autocoder.data.evidence import beside
from occ_autocoder.data.retrieval import Retriever
from occ_autocoder.data.witnesses import out_of_sample
from occ_autocoder.files import write_text
from occ_autocoder.markdown import markdown_table, percent
from occ_autocoder.model.modeling_occupation import OccupationForSequenceClassification
from occ_autocoder.training.train import train

from .measures import measure
from .ours import UNTRAINED_ENCODER, as_records, parse_settings, predictor, training_arguments
from .records import Benchmark
from .run import BENCHMARKS

KINDS = ("uniform", "confusable")
SHARES = (0.1, 0.3, 0.6)
TRAINED = ("confusable", 0.3)
OURS = "cleaning"


@dataclass(frozen=True)
class Found:
    """Which rows a method holds for wrong, the label that it would give to every row, and which rows it is sure of."""

    wrong: np.ndarray
    labels: np.ndarray
    sure: np.ndarray


def main(arguments: Sequence[str] | None = None) -> None:
    """Plant, find, train, and write the tables."""
    asked = parser().parse_args(arguments)
    settings = parse_settings(asked.set)
    training_arguments(settings, 0)  # a wrong setting shows before hours of work
    benchmark = BENCHMARKS[asked.benchmark](asked.data)
    bench = Bench(benchmark, asked.per_code, sentence_encoder(cache=asked.cache), asked.seed)
    parts = [f"# Planted wrong codes in {len(bench.gold):,} training records of {benchmark.name}"]
    for kind, share in asked.noise:
        given = bench.plant(kind, share)
        rows = [measures(name, found, given, bench.gold) for name, found in bench.methods(given)]
        parts.append(f"## {kind}, {percent(share)} of the codes\n\n{markdown_table(COLUMNS, rows)}")
        print(parts[-1], flush=True)
    if asked.train_seeds:
        parts.append(training_table(bench, settings, asked))
        print(parts[-1], flush=True)
    write_text(asked.output / "noise.md", "\n\n".join(parts) + "\n")


COLUMNS = ("method", "precision", "recall", "F1", "accuracy relabelled", "sure of", "accuracy there")


def measures(name: str, found: Found, given: np.ndarray, gold: np.ndarray) -> list[str]:
    """A row: how the wrong codes were found, and how many codes are right where all, or the sure ones, are replaced."""
    wrong = given != gold
    hits = (found.wrong & wrong).sum()
    precision, recall = hits / max(1, found.wrong.sum()), hits / wrong.sum()
    f1 = 2 * hits / (found.wrong.sum() + wrong.sum())
    right = np.where(found.wrong, found.labels, given) == gold
    return [
        name,
        *(f"{100 * share:.1f}" for share in (precision, recall, f1)),
        *map(percent, (right.mean(),)),
        percent(found.sure.mean()),
        percent(right[found.sure].mean()),
    ]


class Bench:
    """Records of a benchmark's train split, some for each code, their right labels, and what finds wrong ones."""

    def __init__(self, benchmark: Benchmark, per_code: int, encode: Encode, seed: int):
        self.benchmark, self.encode, self.seed = benchmark, encode, seed
        self.retriever = Retriever(benchmark.taxonomy, encode)
        self.codes = self.retriever.codes
        table = benchmark.splits["train"].sample(frac=1, random_state=seed)
        table = table[table["code"].isin(self.codes)].groupby("code").head(per_code)
        self.records = as_records(table, "train")
        places = {code: label for label, code in enumerate(self.codes)}
        self.gold = np.array([places[code] for code in self.records["code"]])
        self.texts = list(self.records["job_title"]), list(self.records["job_duties"])
        self.chances = beside(benchmark.taxonomy, self.codes)

    def plant(self, kind: str, share: float) -> np.ndarray:
        """The labels, a share of them wrong: any other code, or one of the nearest group that has another."""
        generator = np.random.default_rng(self.seed)
        given = self.gold.copy()
        for row in generator.choice(len(given), int(share * len(given)), replace=False):
            chances = self.chances[given[row]] if kind == "confusable" else np.ones(len(self.codes))
            chances = np.where(np.arange(len(chances)) == given[row], 0, chances)
            given[row] = generator.choice(len(chances), p=chances / chances.sum())
        return given

    def given(self, labels: np.ndarray) -> Dataset:
        """The records with these labels as their codes."""
        codes = [self.codes[label] for label in labels]
        return self.records.remove_columns("code").add_column("code", codes)

    def methods(self, given: np.ndarray) -> Iterator[tuple[str, Found]]:
        """Ours; cleanlab and the self-confidence, both with the same classifier; the nearest definition."""
        yield OURS, self.cleaned(given)[1]
        codes, everything = self.codes, np.ones(len(given), dtype=bool)
        opinions = out_of_sample(self.benchmark.taxonomy, codes, *self.texts, given, self.encode, seed=self.seed)
        for name, values in opinions.items():
            classifier, name = np.exp(values), name.replace("_", " ")
            best, own = classifier.argmax(axis=1), classifier[np.arange(len(given)), given]
            yield f"cleanlab, {name}", Found(find_label_issues(given, classifier, n_jobs=1), best, everything)
            yield f"self-confidence below 0.5, {name}", Found(own < 0.5, best, everything)
            lowest = find_label_issues(given, classifier, filter_by="low_self_confidence", n_jobs=1)
            yield f"lowest self-confidence, {name}", Found(lowest, best, everything)
        for name, rankings in (("nearest definition", ["dense_texts"]), ("retrieval, fused", None)):
            nearest = self.nearest(rankings)
            yield name, Found(nearest != given, nearest, everything)

    def cleaned(self, given: np.ndarray) -> tuple[Dataset, Found]:
        """What `clean_records` makes of the records with these labels."""
        cleaned, noise = clean_records(self.given(given), self.benchmark.taxonomy, self.encode, seed=self.seed)
        print(noise, flush=True)
        decisions = np.array(cleaned["decision"])
        places = {code: label for label, code in enumerate(self.codes)}
        suggested = np.array([places[code] for code in cleaned["suggested_code"]])
        return cleaned, Found(decisions != KEEP, suggested, np.isin(decisions, (KEEP, RELABEL)))

    def nearest(self, rankings: Sequence[str] | None) -> np.ndarray:
        """The label that the named rankings, or all of them fused, have first."""
        options = {} if rankings is None else {"rankings": rankings}
        parts = np.array_split(np.arange(len(self.gold)), max(1, len(self.gold) // 512))
        titles, duties = (np.array(texts, dtype=object) for texts in self.texts)
        found = [self.retriever.scores(list(titles[part]), list(duties[part]), **options).argmax(1) for part in parts]
        return np.concatenate(found)


def training_table(bench: Bench, settings: dict, asked: argparse.Namespace) -> str:
    """Top-1 on the test split of models that were trained on right, wrong and cleaned codes, and what is recovered."""
    kind, share = TRAINED
    given = bench.plant(kind, share)
    sure, found = bench.cleaned(given)
    kept = sure.filter(lambda code: bool(code), input_columns="cleaned_code")
    kept = kept.remove_columns("code").rename_column("cleaned_code", "code")
    arms = {
        "right codes": bench.records,
        "planted": bench.given(given),
        "cleaned": kept.select_columns(bench.records.column_names),
        "cleaned, every suggestion taken": bench.given(np.where(found.wrong, found.labels, given)),
    }
    scores = {name: trained(bench, records, settings, asked) for name, records in arms.items()}
    lines = []
    for form in next(iter(scores.values())):
        clean, noisy = (scores[name][form].mean() for name in ("right codes", "planted"))
        for name, by_form in scores.items():
            top = by_form[form].mean()
            recovered = "-" if name in ("right codes", "planted") else percent((top - noisy) / (clean - noisy))
            seeds = ", ".join(f"{100 * score:.1f}" for score in by_form[form])
            lines.append([form.replace("_", " "), name, len(arms[name]), percent(top), seeds, recovered])
    columns = ["form", "trained on", "records", "top-1", "of each seed", "recovered"]
    return f"## Trained, {kind} {percent(share)}\n\n{markdown_table(columns, lines)}"


def trained(bench: Bench, records: Dataset, settings: dict, asked: argparse.Namespace) -> dict[str, np.ndarray]:
    """form -> top-1 on the test split, for each seed of the training."""
    tops: dict[str, list[float]] = {}
    folder, benchmark = asked.output / "model", bench.benchmark
    validation = as_records(benchmark.splits["validation"], "validation")
    for seed in asked.train_seeds:
        train(
            benchmark.taxonomy,
            records,
            training_arguments(UNTRAINED_ENCODER | settings, seed),
            folder,
            validation=validation,
            cache=asked.cache,
        )
        model = OccupationForSequenceClassification.from_pretrained(folder).eval()
        codes = [model.config.id2label[label] for label in range(model.config.num_labels)]
        predict = predictor(model, AutoTokenizer.from_pretrained(folder), asked.cache)
        forms = measure(predict, benchmark.splits["test"], benchmark.taxonomy, codes, probabilities=True)
        shutil.rmtree(folder)
        for form, found in forms.items():
            tops.setdefault(form, []).append(found["top_1"])
    return {form: np.array(found) for form, found in tops.items()}


def noise(text: str) -> tuple[str, float]:
    """ "uniform=0.1" as a kind and a share."""
    kind, _, share = text.partition("=")
    if kind not in KINDS or not 0 < float(share) < 1:
        raise argparse.ArgumentTypeError(f"{text}; allowed: {' or '.join(KINDS)}, =, a share of 0 to 1")
    return kind, float(share)


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    found = argparse.ArgumentParser(description="Find and put right planted wrong codes, and train on the result.")
    every = [(kind, share) for kind in KINDS for share in SHARES]
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    found.add_argument("--benchmark", choices=list(BENCHMARKS), default="onet")
    found.add_argument("--per-code", type=int, default=16, help="at most so many records of a code")
    found.add_argument("--noise", nargs="*", type=noise, default=every, metavar="KIND=SHARE", help="what is planted")
    found.add_argument("--seed", type=int, default=0, help="of the records, the planted codes and the folds")
    found.add_argument("--train-seeds", nargs="*", type=int, default=[0, 1, 2], help="a training of each arm for each")
    found.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="a setting of the training")
    found.add_argument("--output", type=Path, default=Path("build/benchmarks/noise"), help="folder of the tables")
    found.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    return found


if __name__ == "__main__":
    main()
