"""Whether our model's confidences, plans and sets keep what they promise; what it makes of records written otherwise.

python -m benchmarks.trust --data FOLDER --benchmark all --seeds 0 1 2
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer

from occ_autocoder.data.encoder import CACHE
from occ_autocoder.evaluation.backoff import level_choices
from occ_autocoder.evaluation.behaviour import behaviour_section, behaviour_table
from occ_autocoder.evaluation.calibration import expected_calibration_error
from occ_autocoder.evaluation.conformal import conformal_limits, conformal_sets, conformal_threshold, set_report
from occ_autocoder.evaluation.levels import taxonomy_levels
from occ_autocoder.evaluation.metrics import brier_score
from occ_autocoder.evaluation.planner import BACK_OFF, expected, halves, keeps_promise, outcome, plan
from occ_autocoder.files import write_text
from occ_autocoder.markdown import markdown_table, number, percent
from occ_autocoder.model.modeling_occupation import OccupationForSequenceClassification
from occ_autocoder.training.train import train

from .measures import measures, test_forms
from .ours import as_records, parse_settings, predictor, training_arguments
from .records import Benchmark
from .run import BENCHMARKS, digest

TARGET, SPLITS, DRAWS, ALPHAS = 0.95, 20, 200, (0.1, 0.05)
BEHAVIOUR_RECORDS = 1500
ACCURACY = ("top_1", "top_5", "macro_recall")
Coded = tuple[np.ndarray, np.ndarray]  # probabilities [n, C], labels [n]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train where there is no model yet, measure, and write `trust.json` and `trust.md`."""
    asked = parser().parse_args(arguments)
    settings = parse_settings(asked.set)
    names = list(BENCHMARKS) if "all" in asked.benchmark else asked.benchmark
    for name in names:
        benchmark, folder = BENCHMARKS[name](asked.data), asked.output / name
        found = [measured(benchmark, settings, seed, folder, asked.cache) for seed in asked.seeds]
        write_text(folder / "trust.json", json.dumps(found, indent=1) + "\n")
        write_text(folder / "trust.md", report(name, found))
        print((folder / "trust.md").read_text(encoding="utf-8"), flush=True)


def measured(benchmark: Benchmark, settings: Mapping, seed: int, folder: Path, cache: Path) -> dict:
    """What is measured of one model: a dict for each form, and the behaviours on titles of the validation split."""
    predict, codes = trained(benchmark, settings, seed, folder / f"model-seed{seed}-{digest(settings)[:8]}", cache)
    ancestors, _ = taxonomy_levels(benchmark.taxonomy, codes)
    forms = {}
    for form, validation, test in coded(benchmark, predict, codes):
        forms[form] = {
            "rows": len(test[1]),
            "accuracy": {name: measures(*test, ancestors, True)[name] for name in ACCURACY},
            "calibration": calibration(test, ancestors),
            "coverage": coverage(validation, test, ancestors),
            "plans": plans(test, ancestors),
            "sets": sets(test, ancestors[min(ancestors)]),
        }
    return {"seed": seed, "forms": forms, "behaviours": behaviours(benchmark, predict, codes)}


def trained(benchmark: Benchmark, settings: Mapping, seed: int, folder: Path, cache: Path):
    """(titles, duties -> probabilities, codes) of the model in the folder, which is trained where it is not there."""
    if not (folder / "training.json").exists():
        parts = {split: as_records(benchmark.splits[split], split) for split in ("train", "validation")}
        arguments = training_arguments(settings, seed)
        train(benchmark.taxonomy, parts["train"], arguments, folder, validation=parts["validation"], cache=cache)
    model = OccupationForSequenceClassification.from_pretrained(folder).eval()
    codes = [model.config.id2label[label] for label in range(model.config.num_labels)]
    return predictor(model, AutoTokenizer.from_pretrained(folder), cache), codes


def coded(benchmark: Benchmark, predict, codes: Sequence[str]) -> Iterator[tuple[str, Coded, Coded]]:
    """(form, validation, test) of each form."""
    places = {code: label for label, code in enumerate(codes)}
    parts = [test_forms(benchmark.splits[split]) for split in ("validation", "test")]
    for form in parts[1]:
        frames = [part[form] for part in parts]
        if all(map(len, frames)):
            yield (
                form,
                *(
                    (
                        predict(rows["job_title"].tolist(), rows["job_duties"].tolist()),
                        rows["code"].map(places).to_numpy(),
                    )
                    for rows in frames
                ),
            )


def calibration(test: Coded, ancestors: Mapping) -> dict:
    """Level -> the calibration error there, and the mean one of DRAWS draws of labels by the model's own confidences.

    The second is what a model without any error of calibration would show on so many records.
    """
    probabilities, labels = test
    generator = np.random.default_rng(0)
    found = {}
    for level, choice in level_choices(probabilities, ancestors).items():
        kept = choice.judged[labels]
        confidence, correct = choice.confidence[kept], choice.correct(labels)[kept]
        drawn = [generator.uniform(size=len(confidence)) < confidence for _ in range(DRAWS)]
        floor = np.mean([expected_calibration_error(confidence, draw) for draw in drawn])
        found[level] = {"ece": expected_calibration_error(confidence, correct), "floor": float(floor)}
    return {"levels": found, "brier": brier_score(probabilities, labels)}


def coverage(validation: Coded, test: Coded, ancestors: Mapping) -> dict:
    """Level -> share coded and accuracy reached on the test split, by a plan for 95 % from the validation split."""
    found = {}
    for row in plan(*validation, ancestors, TARGET)["rows"] if len(validation[1]) >= 20 else []:
        right, number_coded = outcome(row, *test, ancestors)
        told = expected(right, number_coded, len(test[1]), len(test[1]))
        found[str(row["level"])] = {name: told[name] for name in ("coverage", "accuracy")}
    return found


def plans(test: Coded, ancestors: Mapping) -> dict:
    """Level -> in how many of 20 random splits of the test split a plan from one half holds on the other."""
    probabilities, labels = test
    kept: dict[str, int] = {}
    for seed in range(SPLITS):
        first = halves(len(labels), 1000 + seed)
        if first.sum() < 40:
            return {}
        found = plan(probabilities[first], labels[first], ancestors, TARGET, volume=int((~first).sum()), seed=seed)
        for row in found["rows"]:
            right, number_coded = outcome(row, probabilities[~first], labels[~first], ancestors)
            key = str(row["level"])
            kept[key] = kept.get(key, 0) + keeps_promise(row, right, number_coded)
    return kept


def sets(test: Coded, groups: Sequence[int]) -> list[dict]:
    """Coverage and size of conformal sets, the mean of 20 random splits of the test split."""
    probabilities, labels = test
    rows = []
    for alpha in ALPHAS:
        for kind in ("over all records", "within each code"):
            reports = []
            for seed in range(SPLITS):
                first = halves(len(labels), 2000 + seed)
                fitted = probabilities[first], labels[first]
                within = kind != "over all records"
                limits = (
                    conformal_limits(*fitted, groups, alpha).limits if within else conformal_threshold(*fitted, alpha)
                )
                reports.append(set_report(conformal_sets(probabilities[~first], limits), labels[~first]))
            means = {name: float(np.mean([item[name] for item in reports])) for name in reports[0]}
            rows.append({"kind": kind, "promised": 1 - alpha} | means)
    return rows


def behaviours(benchmark: Benchmark, predict, codes: Sequence[str]) -> list[dict]:
    """The behaviours on records of the validation split."""
    rows = benchmark.splits["validation"]
    rows = rows[rows["job_title"] != ""].drop_duplicates("job_title")
    rows = rows.sample(min(BEHAVIOUR_RECORDS, len(rows)), random_state=0)
    labels = rows["code"].map({code: label for label, code in enumerate(codes)}).to_numpy()
    return behaviour_table(predict, rows["job_title"].tolist(), [""] * len(rows), labels)[0]


def report(name: str, found: Sequence[Mapping]) -> str:
    """Markdown: means over the seeds, but for the plans, which are counted; the behaviours of the first."""
    parts = [
        f"# {name}: calibration, plans, sets and behaviour, seeds {', '.join(str(item['seed']) for item in found)}"
    ]
    for form in found[0]["forms"]:
        forms = [item["forms"][form] for item in found]
        mean = partial(mean_of, forms)
        levels = [*forms[0]["calibration"]["levels"], BACK_OFF]
        rows = []
        for level in levels:
            told = str(level) in forms[0]["coverage"]
            rows.append(
                [
                    level,
                    number(mean("calibration", "levels", level, "ece")) if level != BACK_OFF else "",
                    number(mean("calibration", "levels", level, "floor")) if level != BACK_OFF else "",
                    percent(mean("coverage", str(level), "coverage")) if told else "-",
                    percent(mean("coverage", str(level), "accuracy")) if told else "-",
                    f"{sum(item['plans'].get(str(level), 0) for item in forms)} of {SPLITS * len(forms)}",
                ]
            )
        columns = [
            "level",
            "calibration error",
            "of a calibrated model",
            "coded at 95 %",
            "right of these",
            "plans kept",
        ]
        parts += [f"## {form.replace('_', ' ')}: {forms[0]['rows']} rows", markdown_table(columns, rows)]
        shares = ", ".join(f"{measure.replace('_', ' ')} {percent(mean('accuracy', measure))}" for measure in ACCURACY)
        parts.append(f"{shares}; Brier score {number(mean('calibration', 'brier'))}.")
        parts.append(set_table(forms))
    parts.append(behaviour_section(found[0]["behaviours"]))
    return "\n\n".join(parts) + "\n"


def set_table(forms: Sequence[Mapping]) -> str:
    """The conformal sets of one form, the mean over the seeds."""
    rows = []
    for place, row in enumerate(forms[0]["sets"]):
        means = [
            float(np.mean([item["sets"][place][name] for item in forms]))
            for name in ("coverage", "mean_size", "single")
        ]
        rows.append([row["kind"], percent(row["promised"]), percent(means[0]), f"{means[1]:.1f}", percent(means[2])])
    return markdown_table(["conformal sets", "promised", "coverage", "codes a set", "sets of one"], rows)


def mean_of(forms: Sequence[Mapping], *path) -> float | None:
    """The mean over the seeds of what lies at the path; None where it is None in one of them."""
    values = []
    for item in forms:
        for key in path:
            item = item[key]
        values.append(item)
    return None if None in values else float(np.mean(values))


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    found = argparse.ArgumentParser(description="Measure calibration, plans, sets and behaviour of our model.")
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    found.add_argument("--benchmark", nargs="+", choices=[*BENCHMARKS, "all"], default=["all"])
    found.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="a model for each")
    found.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="a setting of the training")
    found.add_argument(
        "--output", type=Path, default=Path("build/benchmarks/trust"), help="folder of models and tables"
    )
    found.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    return found


if __name__ == "__main__":
    main()
