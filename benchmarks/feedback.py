"""What reviews bring: estimators of an update, the order of the queue, what is won and lost, and a poisoned file.

A base model learns from half of the training split; simulated reviewers, who know the right codes but for a share of
mistakes, see records of the other half with the model's five best codes. Measured on the test split.

python -m benchmarks.feedback --data FOLDER --seeds 0 1 2
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas
import torch

import occ_autocoder
from occ_autocoder.data.encoder import CACHE
from occ_autocoder.evaluation.comparison import Choices, compare_choices
from occ_autocoder.feedback.preferences import flagged, reviewer_table
from occ_autocoder.feedback.queue import ORDERS, Queue, queue_of_batches, review_order
from occ_autocoder.feedback.reviews import Review
from occ_autocoder.feedback.update import UpdateArguments, update_model
from occ_autocoder.files import write_text
from occ_autocoder.markdown import markdown_table, percent
from occ_autocoder.training.examples import Example
from occ_autocoder.training.inputs import featurize
from occ_autocoder.training.train import train

from .measures import test_forms
from .ours import UNTRAINED_ENCODER, as_records, parse_settings, training_arguments
from .records import Benchmark
from .reviewers import FLIPS, MISTAKES, REVIEWERS, codes_of, only_judged, reviewed
from .run import BENCHMARKS

ALONE = {"kl_weight": 0.0, "replay_weight": 0.0}
# name -> settings of the update, and whether the reviewers only accept or reject
ESTIMATED = {
    "cross entropy, the reviews alone": ({"remember": False, **ALONE}, False),
    "DPO, the reviews alone": ({"remember": False, "given": "dpo", **ALONE}, False),
    "DPO, replay and KL": ({"remember": False, "given": "dpo"}, False),
    "cross entropy, replay and KL": ({"remember": False}, False),
    "cross entropy, replay and KL, remembered": ({}, False),
    "cross entropy, replay and KL, remembered, weighed anew": ({"refit": True}, False),
    "accept or reject: REINFORCE": ({"remember": False, "given": "reinforce"}, True),
    "accept or reject: KTO": ({"remember": False, "given": "kto"}, True),
    "accept or reject: likelihood": ({"remember": False, "given": "likelihood"}, True),
}


class World:
    """The base model of a seed, the records that reviewers may see, and the test rows of one form."""

    def __init__(self, benchmark: Benchmark, asked: argparse.Namespace, seed: int):
        self.asked, self.seed, self.folder = asked, seed, asked.output / f"base-seed{seed}"
        rows = benchmark.splits["train"].sample(frac=1, random_state=seed).reset_index(drop=True)
        rows = rows[: asked.records or None]
        half = len(rows) // 2
        self.base, pool = as_records(rows[:half], "base"), rows[half : half + asked.pool]
        self.pool = test_forms(pool)[asked.form]
        self.test = test_forms(benchmark.splits["test"])[asked.form][: asked.tested or None]
        self.taxonomy = benchmark.taxonomy
        held = benchmark.splits["validation"][: asked.tested or None]
        self.validation = as_records(held, "validation")
        self.refit = as_records(test_forms(held)[asked.form].head(asked.refit), "refit")

    @cached_property
    def model(self) -> Path:
        """The folder of the base model, trained where it is not there yet."""
        if not (self.folder / "model.safetensors").exists():
            settings = UNTRAINED_ENCODER | parse_settings(self.asked.set)
            arguments = training_arguments(settings, self.seed)
            train(self.taxonomy, self.base, arguments, self.folder, self.validation, self.asked.cache)
        return self.folder

    def updated(self, reviews: Sequence[Review], refit: bool = False, without: Sequence[str] = (), **changes):
        """The base model after the reviews, with other settings; the base model itself after none.

        With `refit` its evidence is weighed anew, by validation records of the form.
        """
        pipeline = occ_autocoder.load(self.model)
        if reviews:
            arguments = UpdateArguments(**{"seed": self.seed, **parse_settings(self.asked.update), **changes})
            held = self.refit if refit else None
            options = {"without": without, "validation": held, "cache": self.asked.cache}
            update_model(pipeline, reviews, self.base, arguments, **options)
        return pipeline

    def queue(self, pipeline, rows: pandas.DataFrame) -> Queue:
        """What the model knows of rows."""
        model, texts = pipeline.model, zip(rows["job_title"], rows["job_duties"], strict=True)
        examples = [Example(*pair, 0, "") for pair in texts]
        features = featurize(examples, model, pipeline.tokenizer, self.asked.cache, model.spelling())
        return queue_of_batches(model, map(features.batch, torch.arange(len(rows)).split(64)))

    def choices(self, pipeline) -> Choices:
        """What the model chooses for the test rows."""
        queue = self.queue(pipeline, self.test)
        return Choices(codes_of(pipeline, queue.labels[:, 0]), queue.confidence[:, 0])

    def compared(self, before: Choices, after: Choices) -> dict:
        """The gate's comparison on the test rows."""
        return compare_choices(before, after, self.test["code"].tolist(), self.taxonomy)


def random_reviews(world: World, size: int, mistakes: Mapping[int, float] | None = None) -> list[Review]:
    """Reviews of random records with the base model's codes."""
    pipeline, rows = occ_autocoder.load(world.model), world.pool.sample(size, random_state=world.seed)
    return reviewed(pipeline, rows, world.queue(pipeline, rows), world.seed, mistakes)


def estimators(world: World) -> Iterator[dict]:
    """Each estimator's accuracy, macro recall, and what is kept and fixed of the test rows."""
    reviews = random_reviews(world, world.asked.reviews)
    before = world.choices(occ_autocoder.load(world.model))
    yield {"update": "none", **scored(world, before, before)}
    for name, (changes, judged) in ESTIMATED.items():
        said = [only_judged(review) for review in reviews] if judged else reviews
        yield {"update": name, **scored(world, before, world.choices(world.updated(said, **changes)))}


def scored(world: World, before: Choices, after: Choices) -> dict:
    """The figures of an updated model beside those of the base."""
    found, right = world.compared(before, after), np.array(after.codes) == world.test["code"].to_numpy()
    macro = pandas.Series(right).groupby(world.test["code"].to_numpy()).mean().mean()
    paired = found["accuracy"]
    kept = {name: paired[name] for name in ("kept", "fixed", "p_value")}
    return {"top_1": paired["after"], "macro": float(macro), **kept, "ece": found["calibration_error"][1]}


def curve(world: World, order: str) -> Iterator[dict]:
    """Accuracy after so many records were reviewed, the rest of the pool in a new order after each update."""
    rows, reviews, pipeline = world.pool, [], occ_autocoder.load(world.model)
    for size in world.asked.sizes:
        queue = world.queue(pipeline, rows)
        done = len(world.pool) - len(rows)
        places, _ = review_order(queue, size - done, order, audit=0.0, seed=world.seed)
        own = Queue(*(values[places] for values in vars(queue).values()))
        reviews += reviewed(pipeline, rows.iloc[places], own, world.seed)
        rows = rows.drop(rows.index[places])
        pipeline = world.updated(reviews, refit=True)
        after = world.choices(pipeline)
        right = np.array(after.codes) == world.test["code"].to_numpy()
        yield {"order": order, "records": size, "top_1": float(right.mean())}


def corrected_codes(world: World) -> dict:
    """Accuracy on test rows of the codes that `--corrections` corrections gave, and on the others, before and after."""
    reviews = random_reviews(world, len(world.pool))
    wrong = [place for place, review in enumerate(reviews) if review.action == "correct"][: world.asked.corrections]
    reviews = reviews[: wrong[-1] + 1]
    given = {review.code for review in reviews if review.action == "correct"}
    before, after = (world.choices(world.updated(part, refit=True)) for part in ([], reviews))
    truth = world.test["code"].to_numpy()
    own, found = np.isin(truth, list(given)), {"corrections": len(wrong)}
    for name, rows in (("corrected", own), ("other", ~own)):
        for when, choices in (("before", before), ("after", after)):
            found[f"{name}_{when}"] = float((np.array(choices.codes) == truth)[rows].mean())
    return found


def poisoned(world: World) -> Iterator[dict]:
    """An honest file, one in which a reviewer flips codes, and that without whom it flags: accuracy, and the gate."""
    before = world.choices(occ_autocoder.load(world.model))
    honest = random_reviews(world, world.asked.reviews)
    flipped = random_reviews(world, world.asked.reviews, {0: min(1.0, MISTAKES + FLIPS * REVIEWERS)})
    suspects = flagged(reviewer_table(flipped))
    for name, reviews, without in (
        ("honest", honest, []),
        ("10 % flipped by one", flipped, []),
        ("without the flagged", flipped, suspects),
    ):
        found = world.compared(before, world.choices(world.updated(reviews, refit=True, without=without)))
        failed = [f"{row['check']} {percent(row['found'])}" for row in found["checks"] if not row["passed"]]
        gate = "refused: " + ", ".join(failed) if failed else "released"
        names = ", ".join(flagged(reviewer_table(reviews))) or "nobody"
        yield {"reviews": name, "flagged": names, "difference": found["accuracy"]["difference"], "gate": gate}


def run(world: World) -> dict:
    """Everything that is measured with one seed."""
    orders = [row for order in world.asked.orders for row in curve(world, order)]
    found = {"estimators": list(estimators(world)), "curves": orders}
    return found | {"corrected": [corrected_codes(world)], "poisoned": list(poisoned(world))}


def tables(results: Sequence[dict]) -> str:
    """The rows of all seeds, those with the same names as their mean."""
    parts = []
    for name in results[0]:
        table = pandas.DataFrame([row for result in results for row in result[name]])
        keys = [column for column in table if table[column].dtype != float]
        table = table.groupby(keys, sort=False).mean().reset_index()
        cells = [[cell(value, column) for column, value in row.items()] for row in table.to_dict("records")]
        parts += [f"## {name.capitalize()}", markdown_table([column.replace("_", " ") for column in table], cells)]
    return "\n\n".join(parts) + "\n"


def cell(value: object, column: str) -> object:
    """A share in per cent, a p-value with three decimals, anything else as it is."""
    if isinstance(value, float):
        return f"{value:.3f}" if column == "p_value" else percent(value)
    return value


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    found = argparse.ArgumentParser(description="Update a model from simulated reviews.")
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    found.add_argument("--benchmark", choices=list(BENCHMARKS), default="onet")
    found.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    found.add_argument("--form", default="title", choices=["title", "duties", "title_and_duties"])
    found.add_argument("--reviews", type=int, default=2000, help="for the estimators and the poisoned file")
    found.add_argument("--sizes", nargs="+", type=int, default=[250, 500, 1000, 2000], help="of the learning curves")
    found.add_argument("--orders", nargs="+", default=["random", "active", "margin"], choices=list(ORDERS))
    found.add_argument("--corrections", type=int, default=500)
    found.add_argument("--pool", type=int, default=6000, help="records that reviewers may see, at most")
    found.add_argument("--refit", type=int, default=1000, help="validation records by which evidence is weighed")
    found.add_argument("--records", type=int, default=0, help="of the training split, at most; 0: all")
    found.add_argument("--tested", type=int, default=0, help="test rows, and validation records, at most; 0: all")
    found.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="a setting of the base's training")
    found.add_argument("--update", nargs="+", default=[], metavar="NAME=VALUE", help="a setting of the update")
    found.add_argument("--output", type=Path, default=Path("build/benchmarks/feedback"), help="folder of the results")
    found.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure with each seed, and write and print the tables."""
    asked = parser().parse_args(arguments)
    benchmark, results = BENCHMARKS[asked.benchmark](asked.data), []
    for seed in asked.seeds:
        results.append(run(World(benchmark, asked, seed)))
        write_text(asked.output / f"seed{seed}.json", json.dumps(results[-1], indent=1) + "\n")
    write_text(asked.output / "results.md", tables(results))
    print(tables(results))


if __name__ == "__main__":
    main()
