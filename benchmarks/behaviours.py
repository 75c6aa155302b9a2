"""What a trained model makes of a benchmark's validation records written otherwise: flips, limits and examples.

python -m benchmarks.behaviours --data FOLDER --benchmark onet --model FOLDER
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas
from transformers import AutoTokenizer

from occ_autocoder.evaluation.behaviour import behaviour_section, behaviour_table
from occ_autocoder.files import write_text
from occ_autocoder.model.modeling_occupation import OccupationForSequenceClassification

from .measures import Predict, test_forms
from .ours import predictor
from .run import BENCHMARKS

FORMS = ("title", "title_and_duties")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the model on the validation split, which it was not trained on; write `behaviours.json` and `.md`."""
    asked = parser().parse_args(arguments)
    validation = BENCHMARKS[asked.benchmark](asked.data).splits["validation"]
    model = OccupationForSequenceClassification.from_pretrained(asked.model).eval()
    predict = predictor(model, AutoTokenizer.from_pretrained(asked.model))
    parts, found = [f"# {asked.benchmark}: records written otherwise"], {}
    for form in FORMS:
        records = test_forms(validation)[form]
        records = records.sample(min(asked.records, len(records)), random_state=asked.seed)
        if len(records):
            rows, examples = measured(predict, records, model.config.id2label, asked.seed)
            found[form] = {"records": len(records), "rows": rows, "flips": examples}
            parts += [f"## {form.replace('_', ' ')}: {len(records):,} records", behaviour_section(rows, examples)]
    write_text(asked.output / "behaviours.json", json.dumps(found, indent=1) + "\n")
    write_text(asked.output / "behaviours.md", "\n\n".join(parts) + "\n")
    print((asked.output / "behaviours.md").read_text(encoding="utf-8"), flush=True)


def measured(
    predict: Predict, records: pandas.DataFrame, id2label: Mapping[int, str], seed: int
) -> tuple[list[dict], list[dict]]:
    """The rows of the behaviours, and the records that flipped with their codes."""
    places = {code: label for label, code in id2label.items()}
    texts, labels = (records["job_title"].tolist(), records["job_duties"].tolist()), records["code"].map(places)
    rows, examples = behaviour_table(predict, *texts, labels.tolist(), seed=seed)
    return rows, [row | {name: id2label[row[name]] for name in ("before", "after")} for row in examples]


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    found = argparse.ArgumentParser(description="Measure what a model makes of records written otherwise.")
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    found.add_argument("--benchmark", choices=list(BENCHMARKS), default="onet")
    found.add_argument("--model", type=Path, required=True, help="folder of a model of the benchmark's codes")
    found.add_argument("--records", type=int, default=1500, help="at most so many of each form")
    found.add_argument("--seed", type=int, default=0, help="of the records and of their variants")
    found.add_argument("--output", type=Path, default=Path("build/benchmarks/behaviours"), help="folder of the tables")
    return found


if __name__ == "__main__":
    main()
