"""The commands that use a trained model: coding a file, and measuring how well that goes."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import BatchOption, ColumnsOption, LevelOption, ModelOption, open_model, pairs, table, terminal

if TYPE_CHECKING:
    from occ_autocoder.data.records import Rejected
    from occ_autocoder.serving import Judged

SHOWN_REASONS = 20


def predict(
    source: Annotated[str, typer.Argument(help="The records: a file, a folder, or a Hub dataset's id.", metavar="IN")],
    output: Annotated[Path, typer.Argument(help="A .csv, .tsv, .jsonl or .parquet file to write.", metavar="OUT")],
    model: ModelOption,
    top_k: Annotated[int, typer.Option(min=1, help="Codes a record.")] = 5,
    level: LevelOption = None,
    batch_size: BatchOption = 32,
    columns: ColumnsOption = None,
    keep_text: Annotated[bool, typer.Option("--keep-text", help="Copy titles and duties into OUT.")] = False,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Say why: known texts, words, the rival code. Fifty times as slow.")
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option(help="plan.json of `plan`: codes as deep as is safe, the rest for a person."),
    ] = None,
) -> None:
    """Code a file of records: each row comes out with its most probable codes, or rejected with the reason."""
    from occ_autocoder.serving import code_records

    pipeline = open_model(model)
    ledger = code_records(
        pipeline,
        source,
        output,
        top_k=top_k,
        level=level,
        batch_size=batch_size,
        columns=pairs(columns, "--columns"),
        keep_text=keep_text,
        evidence=evidence,
        thresholds=plan and safe_thresholds(plan, pipeline.model.config),
    )
    typer.echo(f"{ledger.coded:,} of {ledger.rows:,} rows coded: {output}")
    if ledger.rejected:
        typer.echo(f"{ledger.rejected:,} rejected, with their reasons: {output.with_suffix('.rejected.csv')}")
    if ledger.truncated:
        typer.echo(f"{ledger.truncated:,} of the coded were longer than the model reads: column truncated")


def safe_thresholds(path: Path, config) -> dict[int, float]:
    """level -> threshold of a plan's back-off; ValueError where it is no plan, or one for another classification."""
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        row = next(row for row in plan["rows"] if row["level"] == "back-off")
        thresholds = {int(level): value for level, value in row["threshold"].items() if value is not None}
        scheme = plan["scheme"], plan["scheme_version"]
    except (ValueError, KeyError, TypeError, StopIteration, AttributeError):
        raise ValueError(f"{path}: no plan; allowed: the plan.json that `plan` wrote") from None
    if scheme != (config.scheme, config.scheme_version):
        known = f"{config.scheme} {config.scheme_version}".strip()
        raise ValueError(f"{path}: a plan for {' '.join(scheme).strip()}; allowed: one for the model's {known}")
    return thresholds


def evaluate(
    source: Annotated[str, typer.Argument(help="Records with their right codes.", metavar="IN")],
    model: ModelOption,
    output: Annotated[Path, typer.Option(help="Folder for the report.")],
    level: LevelOption = None,
    batch_size: BatchOption = 32,
    columns: ColumnsOption = None,
) -> None:
    """Code labelled records and report how good the codes and their confidences are, as Markdown, CSV and PNG."""
    from occ_autocoder.data.records import iter_records
    from occ_autocoder.serving import judge

    pipeline = open_model(model)
    rows = iter_records(source, columns=pairs(columns, "--columns"))
    judged = judge(pipeline, rows, level=level, batch_size=batch_size)
    settings = {"model": model, "records": source, "level": level or "the model's codes", "batch_size": batch_size}
    results = report(pipeline, judged, output, settings)
    terminal().print(numbers_table(results))
    if judged.rejected:
        typer.echo(f"{len(judged.rejected):,} rows were set aside: {output / 'rejected.csv'}")
    typer.echo(f"report: {output / 'report.md'}")


def report(pipeline, judged: "Judged", output: Path, settings: Mapping) -> dict:
    """Compute the metrics, write the report and the rejected rows to the folder `output`; the metrics."""
    from occ_autocoder.evaluation.levels import taxonomy_levels
    from occ_autocoder.evaluation.metrics import evaluate_probabilities
    from occ_autocoder.evaluation.report import write_report
    from occ_autocoder.serving import model_taxonomy

    taxonomy = model_taxonomy(pipeline.model.config)
    ancestors, level_codes = taxonomy_levels(taxonomy, judged.codes)
    results = evaluate_probabilities(
        judged.probabilities, judged.labels, codes=judged.codes, ancestors=ancestors, level_codes=level_codes
    )
    scheme = f"{taxonomy.scheme} {taxonomy.version}".strip()
    write_report(
        output,
        results,
        title=f"Coding to {scheme}: {Path(settings['records']).name}",
        titles={item.code: item.title for item in taxonomy},
        scheme=scheme,
        settings=settings,
        rejected=reasons(judged.rejected),
    )
    write_rejected(output / "rejected.csv", judged.rejected)
    return results


def write_rejected(path: Path, rejected: Sequence["Rejected"]) -> None:
    """Write the rejected rows as CSV, the header alone where there are none."""
    from occ_autocoder.serving.output import REJECTED, delimited

    path.parent.mkdir(parents=True, exist_ok=True)
    with delimited(path, REJECTED) as write:
        write([vars(row) for row in rejected])


def reasons(rejected: Sequence["Rejected"]) -> dict[str, int]:
    """How often each reason occurs, the most frequent; the rest together."""
    counts = Counter(f"{row.column or 'row'}: {row.reason}" for row in rejected).most_common()
    rest = sum(number for _, number in counts[SHOWN_REASONS:])
    return dict(counts[:SHOWN_REASONS]) | ({"other reasons, see rejected.csv": rest} if rest else {})


def numbers_table(results: Mapping):
    """The main results for the terminal."""
    interval = f"{results['accuracy_low']:.1%} to {results['accuracy_high']:.1%}"
    rows = [
        ("records", f"{results['records']:,}"),
        ("accuracy", f"{results['accuracy']:.1%}  (95 % interval {interval})"),
        *((f"right code among the first {k}", f"{results[f'top_{k}_accuracy']:.1%}") for k in (3, 5)),
        *((f"accuracy at level {row['level']}", f"{row['accuracy']:.1%}") for row in results["levels"]),
        ("macro recall", f"{results['macro_recall']:.1%}"),
        ("mean confidence", f"{results['mean_confidence']:.1%}"),
        ("calibration error (ECE)", f"{results['ece']:.1%}"),
    ]
    return table("Evaluation", ["Measure", "Value"], rows)
