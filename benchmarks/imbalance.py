"""Losses and sampling for the long tail, on long-tailed versions of the benchmarks (`long_tail`).

Measured are the trained heads alone, on which a loss acts, and the whole model, with the memory's evidence and the
weights that are fitted afterwards. Each run writes a file of its own: the same command again goes on where it ended.

python -m benchmarks.imbalance --data FOLDER --benchmark esco_isco onet --factors 100 50 10 --seeds 0 1 2
"""

import argparse
import hashlib
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from datasets import Dataset

from occ_autocoder.data.balance import balance_records
from occ_autocoder.data.encoder import CACHE
from occ_autocoder.files import write_text

from .imbalance_tables import imbalance_report
from .long_tail import LARGEST, LongTail, bare, long_tailed
from .ours import as_records, parse_settings, training_arguments
from .run import BENCHMARKS, digest
from .shared_features import Prepared, prepare, trained, views_of


def unchanged(records: Dataset, seed: int) -> Dataset:
    """The records as they are."""
    return records


def oversampled(records: Dataset, seed: int) -> Dataset:
    """Codes with fewer records than the mean code get copies up to the mean."""
    mean = mean_records(records)
    balanced, _ = balance_records(records, strategy="over", min_records=mean, max_copies=mean, seed=seed)
    return balanced.select_columns(records.column_names)


def undersampled(records: Dataset, seed: int) -> Dataset:
    """Codes with more records than the mean code lose records down to the mean."""
    balanced, _ = balance_records(records, strategy="under", max_records=mean_records(records), seed=seed)
    return balanced.select_columns(records.column_names)


def mean_records(records: Dataset) -> int:
    """The records of a code, on average over the codes that have any."""
    return round(statistics.mean(Counter(records["code"]).values()))


@dataclass(frozen=True)
class Method:
    """A way with the long tail: a loss, or other records."""

    loss: str = "cross_entropy"
    options: Mapping = field(default_factory=dict)
    change: Callable[[Dataset, int], Dataset] = unchanged


# Logit adjustment with tau 1 is balanced softmax: the same logits but for a constant. Of the codes with validation
# records 11 to 32 % have none right after an epoch: shrinkage alone leaves CDB's dynamic tau at 2, quartiles alone at
# 1.8 to 2, both bring it to about 1.5.
METHODS = {
    "cross entropy": Method(),
    "oversampling": Method(change=oversampled),
    "undersampling": Method(change=undersampled),
    "focal": Method("focal"),
    "class-balanced": Method("class_balanced"),
    "balanced softmax": Method("balanced_softmax"),
    "logit adjustment, tau 0.5": Method("logit_adjustment", {"tau": 0.5}),
    "CDB, tau 1": Method("cdb", {"tau": 1.0}),
    "CDB, dynamic tau": Method("cdb"),
    "CDB, smoothed": Method("cdb", {"shrinkage": 5.0, "quantile": 0.25}),
}


def run_group(tail: LongTail, settings: Mapping, files: Mapping[str, Path], folder: Path) -> Iterator[Path]:
    """Run each method that has no result in its file yet, and write it; first those that share all but the loss."""
    arguments = training_arguments(settings, tail.seed)
    records = as_records(tail.benchmark.splits["train"], "train")

    @lru_cache(maxsize=1)
    def prepared(change: Callable) -> Prepared:
        return prepare(tail.benchmark, change(records, tail.seed), arguments, folder)

    for name in sorted(files, key=lambda name: METHODS[name].change is not unchanged):
        method, file, about = METHODS[name], files[name], digest_of(tail, METHODS[name], settings)
        if not file.exists() or json.loads(file.read_text(encoding="utf-8"))["about"] != about:
            data, start = prepared(method.change), time.perf_counter()
            views = views_of(trained(data, method.loss, method.options, arguments), data)
            seconds = time.perf_counter() - start
            found = {"method": name, "about": about, "settings": settings, "seconds": seconds, "views": views}
            write_text(file, json.dumps(facts(tail) | {"examples": data.examples()} | found) + "\n")
            yield file


def facts(tail: LongTail) -> dict:
    """What a result says of its data."""
    about = {"benchmark": tail.benchmark.name, "factor": tail.factor, "seed": tail.seed}
    return about | {"reached": tail.reached(), "bands": tail.bands}


def digest_of(tail: LongTail, method: Method, settings: Mapping) -> str:
    """SHA-256 (hex) of the data, the method and the settings of a result."""
    about = [digest(tail.benchmark), method.loss, method.options, method.change.__name__, tail.seed, settings]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def result_files(folder: Path, benchmark: str, factor: float, seed: int, methods: Sequence[str]) -> dict[str, Path]:
    """Method -> the file of its result."""
    start = f"{benchmark.replace(' ', '-')}-{factor:g}-seed{seed}"
    return {name: folder / f"{start}-{list(METHODS).index(name)}.json" for name in methods}


def main(arguments: Sequence[str] | None = None, benchmarks: Mapping[str, Callable] = BENCHMARKS) -> None:
    """Run what has no result yet, a factor after the other, and write the report of all results that are there."""
    asked = parser(benchmarks).parse_args(arguments)
    settings = {"checkpoint_steps": 0} | parse_settings(asked.set)
    if training_arguments(settings, 0).mode != "frozen":  # a wrong setting shows before hours of work
        raise ValueError("mode; allowed: frozen, the features are shared by the runs")
    built = [] if asked.only_tables else [benchmarks[name](asked.data) for name in asked.benchmark]
    folder = asked.output
    if asked.bare:  # another question, so a report of its own
        built, folder = [bare(benchmark) for benchmark in built], folder / "bare"
    for factor in asked.factors:
        for seed in asked.seeds:
            for benchmark in built:
                tail = long_tailed(benchmark, factor, asked.largest or LARGEST.get(factor, round(factor)), seed)
                files = result_files(folder, benchmark.name, factor, seed, asked.methods)
                for file in run_group(tail, settings, files, asked.cache):
                    print(f"{file.name}: written", flush=True)
                    write_report(folder)
    print(write_report(folder))


def write_report(folder: Path) -> str:
    """Write and return the report of the results in the folder."""
    results = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*-seed*.json"))]
    text = imbalance_report(results, list(METHODS))
    write_text(folder / "results.md", text)
    return text


def parser(benchmarks: Mapping[str, Callable] = BENCHMARKS) -> argparse.ArgumentParser:
    """The options of the command."""
    found = argparse.ArgumentParser(description="Train on long-tailed records under each loss and each sampling.")
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    found.add_argument("--benchmark", nargs="+", choices=list(benchmarks), default=["esco_isco", "onet"])
    found.add_argument("--factors", nargs="+", type=float, default=[100, 50, 10], help="most records / fewest")
    found.add_argument("--largest", type=int, help="records of the most frequent code; a number for each factor else")
    found.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of the records and the training")
    found.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS), metavar="METHOD")
    found.add_argument("--bare", action="store_true", help="without the taxonomy's texts but the titles")
    found.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="a setting of the training")
    found.add_argument("--output", type=Path, default=Path("build/benchmarks/imbalance"), help="folder of results")
    found.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    found.add_argument("--only-tables", action="store_true", help="run nothing: tables of what is there")
    return found


if __name__ == "__main__":
    main()
