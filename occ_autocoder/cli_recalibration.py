"""The command that fits a model's confidences to records from a new source."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .console import ColumnsOption, ModelOption, SeedOption, open_model, pairs, table, terminal


def recalibrate(
    records: Annotated[str, typer.Argument(help="A few hundred records of the new source, with their right codes.")],
    model: ModelOption,
    output: Annotated[Path, typer.Option(help="Folder for the recalibrated model.")],
    weights: Annotated[
        bool, typer.Option("--weights", help="Fit how much each kind of evidence counts too; needs more records.")
    ] = False,
    columns: ColumnsOption = None,
    seed: SeedOption = 0,
) -> None:
    """Fit a model's confidences to records from a new source, and save it anew; the codes stay, without --weights.

    The table tells calibration error and log-loss before and after, on records that were not fitted on.
    """
    from .cli_training import coded_records
    from .files import write_text
    from .training.recalibration import recalibrate as fit
    from .training.recalibration import report_rows

    pipeline = open_model(model)
    codes = list(pipeline.model.config.label2id)
    found = coded_records(records, codes, pairs(columns, "--columns"), output / "rejected.csv")
    rows = fit(pipeline, found, weights=weights, seed=seed)
    pipeline.save_pretrained(output)
    write_text(output / "recalibration.json", json.dumps(rows, indent=1) + "\n")
    columns_shown = ["Form", "Records", "Temperature", "Doubt", "Calibration error", "Log-loss", "Accuracy"]
    terminal().print(table("Recalibration", columns_shown, report_rows(rows)))
    typer.echo(f"model: {output}")
