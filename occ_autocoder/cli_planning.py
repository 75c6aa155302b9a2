"""The command that plans what can be coded without a person."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import BatchOption, ColumnsOption, ModelOption, SeedOption, open_model, pairs, table, terminal

if TYPE_CHECKING:
    from .serving import Judged

ALPHAS = (0.1, 0.05)


def plan(
    records: Annotated[str, typer.Argument(help="Records of the source to be coded, with their right codes.")],
    model: ModelOption,
    output: Annotated[Path, typer.Option(help="Folder for the plan.")],
    target: Annotated[float, typer.Option(help="Accuracy wanted of what is coded without a person, as 0.95.")] = 0.95,
    assurance: Annotated[
        float | None, typer.Option(help="How sure that must be, as 0.95; else it is reached by expectation.")
    ] = None,
    volume: Annotated[int, typer.Option(help="Records that are to be coded.")] = 100_000,
    batch_size: BatchOption = 32,
    columns: ColumnsOption = None,
    seed: SeedOption = 0,
) -> None:
    """Plan coding without a person: thresholds, the share coded and the work left, at each level and with back-off.

    Half of the records choose the thresholds, the others tell what to expect. `predict --plan` follows the plan.
    """
    from .cli_coding import write_rejected
    from .data.records import iter_records
    from .evaluation.plan_report import plan_text, write_plan_files
    from .files import write_text
    from .serving import judge

    pipeline = open_model(model)
    rows = iter_records(records, columns=pairs(columns, "--columns"))
    judged = judge(pipeline, rows, batch_size=batch_size)
    found = planned(pipeline, judged, target, assurance, volume, seed)
    output.mkdir(parents=True, exist_ok=True)
    write_rejected(output / "rejected.csv", judged.rejected)
    write_plan_files(output, found)
    write_text(output / "plan.md", plan_text(found, Path(model).name, Path(records).name))
    config = pipeline.model.config
    kept = {name: value for name, value in found.items() if name != "curves"}
    about = {"scheme": config.scheme, "scheme_version": config.scheme_version, "seed": seed} | kept
    write_text(output / "plan.json", json.dumps(about, indent=1) + "\n")
    terminal().print(table(f"Plan for {target:.0%} accuracy", HEADINGS, shown(found)))
    typer.echo(f"{len(judged.labels):,} records, {len(judged.rejected):,} rejected; plan: {output / 'plan.md'}")


HEADINGS = ("Level", "Coded without a person", "Accuracy expected", "95 % interval", "Left to people")


def planned(pipeline, judged: "Judged", target: float, assurance: float | None, volume: int, seed: int) -> dict:
    """The plan, with the measures of conformal sets as its `sets`."""
    from .evaluation.levels import taxonomy_levels
    from .evaluation.planner import plan as new_plan
    from .serving import model_taxonomy

    ancestors, _ = taxonomy_levels(model_taxonomy(pipeline.model.config), judged.codes)
    options = {"assurance": assurance, "volume": volume, "seed": seed}
    found = new_plan(judged.probabilities, judged.labels, ancestors, target, **options)
    return found | {"sets": measured_sets(judged, ancestors[min(ancestors)], seed)}


def measured_sets(judged: "Judged", groups: list[int], seed: int) -> list[dict]:
    """Conformal sets over all records and within each code, fitted on half of the records, measured on the others."""
    import numpy as np

    from .evaluation.conformal import conformal_limits, conformal_sets, conformal_threshold, set_report
    from .evaluation.planner import halves

    first = halves(len(judged.labels), seed)
    fitted, rest = ((judged.probabilities[half], np.asarray(judged.labels)[half]) for half in (first, ~first))
    rows = []
    for alpha in ALPHAS:
        over_all = conformal_threshold(*fitted, alpha)
        within = conformal_limits(*fitted, groups, alpha).limits
        for kind, limits in (("over all records", over_all), ("within each code", within)):
            rows.append({"kind": kind, "alpha": alpha} | set_report(conformal_sets(rest[0], limits), rest[1]))
    return rows


def shown(found: dict) -> list[tuple]:
    """The plan as the terminal shows it."""
    rows = []
    for row in found["rows"]:
        reached = row["accuracy"] is not None
        accuracy = f"{row['accuracy']:.1%}" if reached else "not reachable"
        bounds = f"{row['accuracy_low']:.1%} to {row['accuracy_high']:.1%}" if reached else ""
        rows.append((str(row["level"]), f"{row['coverage']:.1%}", accuracy, bounds, f"{row['workload']:,}"))
    return rows
