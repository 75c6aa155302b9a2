"""What synthetic and paraphrased records bring to rare codes, beside oversampling and CDB loss.

On a long-tailed sample of ESCO's occupations (`ablation_sample`): most unit groups have 0 to 9 real records, some 60.

python -m benchmarks.ablation_data --data FOLDER --seeds 0 1 2
"""

import argparse
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas
from datasets import Dataset, concatenate_datasets
from transformers import AutoTokenizer

from occ_autocoder.data.balance import balance_records
from occ_autocoder.data.embedded import load_isco08_records
from occ_autocoder.data.encoder import CACHE, sentence_encoder
from occ_autocoder.files import write_text
from occ_autocoder.model.modeling_occupation import OccupationForSequenceClassification
from occ_autocoder.training.train import train

from . import esco_isco
from .ablation_sample import RARE, WRITTEN, Reword, Sample, long_tailed, parts_of
from .ablation_tables import ablation_report
from .measures import test_forms
from .ours import UNTRAINED_ENCODER, parse_settings, predictor, training_arguments
from .rewordings import reword

# What is trained on: names of the parts of `parts_of`.
DATA = {
    "real": ("real",),
    "real + synthetic": ("real", "synthetic"),
    "real + synthetic + paraphrased": ("real", "synthetic", "paraphrased"),
}
# Records a code after oversampling: as the frequent ones of `TAIL` have. The codes of one record get 11.
LEAST, MAX_COPIES = 60, 10


def oversampled(records: Dataset, seed: int) -> Dataset:
    """The records, those of rare codes several times: up to what the frequent ones have."""
    balanced, _ = balance_records(records, strategy="over", min_records=LEAST, max_copies=MAX_COPIES, seed=seed)
    return balanced.select_columns(records.column_names)


@dataclass(frozen=True)
class Handling:
    """How the long tail is dealt with in training."""

    change: Callable[[Dataset, int], Dataset] = lambda records, seed: records
    settings: Mapping = field(default_factory=dict)


HANDLINGS = {
    "none": Handling(),
    "oversampling": Handling(oversampled),
    "CDB loss": Handling(settings={"loss": "cdb"}),
}


def run(
    sample: Sample,
    records: Dataset,
    settings: Mapping,
    seed: int,
    output: Path,
    cache: Path,
) -> dict[str, dict[str, list[int]]]:
    """form -> code -> [rows coded right, rows] of the model that is trained on the records."""
    arguments = training_arguments(UNTRAINED_ENCODER | dict(settings), seed)
    train(sample.taxonomy, records, arguments, output, validation=sample.validation, cache=cache)
    model = OccupationForSequenceClassification.from_pretrained(output).eval()
    predict = predictor(model, AutoTokenizer.from_pretrained(output), cache)
    shutil.rmtree(output)
    return {form: right_by_code(predict, model, rows) for form, rows in test_forms(sample.test).items() if len(rows)}


def right_by_code(predict, model, rows: pandas.DataFrame) -> dict[str, list[int]]:
    """Code -> [rows coded right, rows]."""
    scores = predict(rows["job_title"].tolist(), rows["job_duties"].tolist())
    found: dict[str, list[int]] = {}
    for code, label in zip(rows["code"], scores.argmax(axis=1), strict=True):
        counts = found.setdefault(code, [0, 0])
        counts[0] += model.config.id2label[int(label)] == code
        counts[1] += 1
    return found


def runs(sample: Sample, parts: Mapping[str, Dataset], settings: dict, seed: int, output: Path, cache: Path) -> None:
    """Run what `output` has no result of yet, each data with each handling; a result is written when it is there."""
    for (data, handling), file in arms(output, seed):
        joined = concatenate_datasets([parts[name] for name in DATA[data]])
        records, changed = HANDLINGS[handling].change(joined, seed), settings | HANDLINGS[handling].settings
        digest = digest_of(sample, records, changed)
        if file.exists() and json.loads(file.read_text(encoding="utf-8"))["digest"] == digest:
            continue
        forms = run(sample, records, changed, seed, output / f"model-{digest[:16]}", cache)
        about = {"data": data, "handling": handling, "seed": seed, "digest": digest, "rows": len(records)}
        write_text(file, json.dumps(about | {"support": Counter(sample.train["code"]), "forms": forms}) + "\n")
        print(f"{file.name}: written", flush=True)


def arms(output: Path, seed: int) -> Iterator[tuple[tuple[str, str], Path]]:
    """(data, handling) and the file of its result."""
    for row, data in enumerate(DATA):
        for column, handling in enumerate(HANDLINGS):
            yield (data, handling), output / f"seed{seed}-{row}{column}.json"


def digest_of(sample: Sample, records: Dataset, settings: Mapping) -> str:
    """SHA-256 (hex) of all that a result is about."""
    texts = [part.to_pandas().to_csv() for part in (records, sample.validation)]
    about = [sample.taxonomy.fingerprint, *texts, sample.test.to_csv(), json.dumps(settings, sort_keys=True)]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()


def notes() -> list[str]:
    """What a reader has to know of the data."""
    return [
        "Real: titles and descriptions of ESCO's occupations, a long-tailed sample of them drawn anew with each seed; "
        "the test has other occupations. The classification's own texts, official ones, are trained on in every arm.",
        f"Synthetic: of the ISCO-08 records that ship with the package, {WRITTEN} for each code with fewer than {RARE} "
        "real ones. A large language model (Claude) wrote them, from titles, definitions and neighbouring groups.",
        f"Paraphrased: {REWORDED}, of the real records of the same codes.",
        f"Oversampling: up to {LEAST} records a code, each copied {MAX_COPIES} times at most.",
    ]


REWORDED = "rewordings by a short table of rules (`benchmarks/rewordings.py`), not by a language model"


def main(arguments: Sequence[str] | None = None, reword: Reword = reword, build=esco_isco.build) -> None:
    """Run all, a seed after the other, and write the report of the seeds that are done."""
    asked = parser().parse_args(arguments)
    settings = parse_settings(asked.set)
    training_arguments(settings, 0)  # a wrong setting shows before hours of work
    asked.output.mkdir(parents=True, exist_ok=True)
    benchmark, synthetic = build(asked.data), load_isco08_records()
    encode = sentence_encoder(cache=asked.cache)
    asides: dict[str, Counter] = {}
    for place, seed in enumerate(asked.seeds):
        sample = long_tailed(benchmark, seed)
        parts, found = parts_of(sample, synthetic, reword, encode, seed)
        for name, counts in found.items():
            asides[name] = asides.get(name, Counter()) + counts
        runs(sample, parts, settings, seed, asked.output, asked.cache)
        files = [file for done in asked.seeds[: place + 1] for _, file in arms(asked.output, done)]
        results = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        write_text(asked.output / "results.md", ablation_report(results, asides, notes()))
    print((asked.output / "results.md").read_text(encoding="utf-8"))


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    found = argparse.ArgumentParser(description="Train with and without synthetic and paraphrased records.")
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    found.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="a sample and its runs for each")
    found.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="a setting of the training")
    found.add_argument("--output", type=Path, default=Path("build/benchmarks/ablation_data"), help="folder of results")
    found.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    return found


if __name__ == "__main__":
    main()
