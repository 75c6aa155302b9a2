"""Records -> codes: a file of any size in batches and constant memory, each row coded or rejected with its reason."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from os import PathLike
from pathlib import Path

from tqdm.auto import tqdm

from occ_autocoder.data.records import Record, Rejected, iter_records
from occ_autocoder.files import completed

from .ledger import Ledger, new_ledger
from .output import REJECTED, Write, check_places, delimited, output_kind, places_beside

WINDOW = 1000
LONGEST_REASON = 200
# What the pipeline adds to an answer: with thresholds, with `return_novelty`.
DECISION, OBSERVATION = ("safe", "ambiguous", "question"), ("novelty", "similarity", "embeddings")


@dataclass(frozen=True)
class Coding:
    """What the model said of one record: `occupations`, the most probable first, and whether its text was cut.

    An occupation is a dict of `code`, `title` and `confidence` (0 to 1). `evidence` is what `pipeline.explain` says of
    each of them, where it was asked; `decision` the pipeline's `safe`, `ambiguous` and `question`, where it had
    thresholds; `observation` its `novelty`, `similarity` and `embeddings`, where these were asked.
    """

    record: Record
    occupations: list[dict]
    truncated: bool
    evidence: list[dict] | None = None
    decision: dict | None = None
    observation: dict | None = None


def code_records(
    pipeline,
    source: str | PathLike,
    output: str | PathLike,
    *,
    top_k: int = 5,
    level: int | None = None,
    batch_size: int = 32,
    columns: Mapping[str, str | None] | None = None,
    keep_text: bool = False,
    evidence: bool = False,
    thresholds: Mapping[int, float] | None = None,
) -> Ledger:
    """Code every row of `source` (see `iter_records`) into `output`, a .csv, .tsv, .jsonl or .parquet file.

    Columns: `id`, `row` (its number in the source), `code`, `title`, `confidence`, `code_2` ... `confidence_<top_k>`,
    and `truncated`; JSON lines have a list `occupations` in place of the codes. With `keep_text`, `job_title` and
    `job_duties` too, normalised. With `evidence`, `output.EVIDENCE` about the first code too, or in JSON lines all of
    `pipeline.explain` beside each code; it takes some fifty times as long. With `thresholds`, `output.DECISION`: the
    deepest safe code, and the question that separates the two best codes where they are close. Beside the output lie
    `<stem>.rejected.csv` (row, id, column, reason) and the account, `<stem>.ledger.json`, which is returned. All three
    get their names when the last row is written: a run that fails leaves what was there before.

    Args:
        pipeline: an `OccupationClassificationPipeline`.
        level: the level of the classification to code at, None for that of the model's labels.
        columns: our fields -> the source's columns.
        thresholds: level -> the confidence from which a code of that level is safe.
    Raises:
        ValueError: a level, threshold, top_k, batch_size or kind of file that is not allowed.
        RecordsError: a source that cannot be read as a whole.
        OSError: an output that cannot be written.
    """
    output = Path(output)
    kind = output_kind(output)
    places = (output, *places_beside(output))
    check_places(source, places)
    if evidence and level is not None:
        raise ValueError(f"evidence with level {level}; allowed: evidence of the model's own codes, without a level")
    answers = len(probe(pipeline, top_k, level, batch_size, thresholds))
    tally = Counter()
    rows = counted(iter_records(source, columns=columns), tally)
    rows = code_rows(pipeline, rows, top_k=top_k, level=level, batch_size=batch_size, thresholds=thresholds)
    rows = (explained(pipeline, row, top_k) for row in rows) if evidence else rows
    with completed(*places) as (coded, rejected, about):
        with (
            kind.open(coded, kind.columns(answers, keep_text, evidence, thresholds is not None)) as write,
            delimited(rejected, REJECTED) as reject,
        ):
            write_rows(rows, lambda part: write([kind.row(coding, keep_text) for coding in part]), reject, tally)
        ledger = new_ledger(tally, pipeline, coded, str(source), str(output), top_k=top_k, level=level)
        about.write_text(ledger.to_json(), encoding="utf-8")
    return ledger


def probe(
    pipeline, top_k: int | None, level: int | None, batch_size: int, thresholds: Mapping[int, float] | None = None
) -> list[dict]:
    """The answer to one plain record, before anything is written.

    A wrong setting and a model that codes nothing are errors of the run: they must not come back as every row's.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; allowed: a whole number from 1")
    answer = pipeline({"job_title": "cook"}, top_k=top_k, level=level, return_truncated=True, thresholds=thresholds)
    return answer["occupations"]


def code_rows(
    pipeline,
    rows: Iterable[Record | Rejected],
    *,
    top_k: int | None = 5,
    level: int | None = None,
    batch_size: int = 32,
    window: int = WINDOW,
    thresholds: Mapping[int, float] | None = None,
    return_novelty: bool = False,
) -> Iterator[Coding | Rejected]:
    """Every row in its order, coded, or rejected as it was before or because the model could not code it.

    `window` rows are held at a time; their batches are of like length, so that little is padding.
    """
    rows = iter(rows)
    options = {"top_k": top_k, "level": level, "thresholds": thresholds, "return_novelty": return_novelty}
    with tqdm(desc="coding", unit=" rows", disable=None) as bar:
        while part := list(islice(rows, window)):
            yield from code_window(pipeline, part, options, batch_size, bar)


def code_window(pipeline, rows: Sequence[Record | Rejected], options: Mapping, batch_size: int, bar) -> list:
    """The rows of one window, in their order, with a `Coding` or `Rejected` for every record."""
    found = list(rows)
    records = [place for place, row in enumerate(rows) if isinstance(row, Record)]
    records.sort(key=lambda place: len(rows[place].job_title) + len(rows[place].job_duties))
    bar.update(len(rows) - len(records))
    for start in range(0, len(records), batch_size):
        places = records[start : start + batch_size]
        answers = code_batch(pipeline, [rows[place] for place in places], options)
        for place, answer in zip(places, answers, strict=True):
            found[place] = answer
        bar.update(len(places))
    return found


def code_batch(pipeline, records: Sequence[Record], options: Mapping) -> list[Coding | Rejected]:
    """One batch; where the model raises, its halves, until the record at fault stands alone and is rejected."""
    inputs = [{"job_title": record.job_title, "job_duties": record.job_duties} for record in records]
    try:
        answers = pipeline(inputs, batch_size=len(inputs), return_truncated=True, **options)
    except Exception as error:  # whatever a tokenizer or a model raises on a text is that record's fault alone
        reason = " ".join(f"the model failed: {type(error).__name__}: {error}".split())[:LONGEST_REASON]
    else:
        return [coding(record, answer) for record, answer in zip(records, answers, strict=True)]
    # Out of the except block: there, the error would hold the failed batch's memory while its halves are coded.
    if len(records) == 1:
        return [Rejected(records[0].row, records[0].id, "", reason)]
    middle = len(records) // 2
    return [*code_batch(pipeline, records[:middle], options), *code_batch(pipeline, records[middle:], options)]


def coding(record: Record, answer: Mapping) -> Coding | Rejected:
    """The pipeline's answer as ours; rejected where a confidence is not a number."""
    occupations = [
        {"code": item["label"], "title": item["title"], "confidence": item["score"]} for item in answer["occupations"]
    ]
    if not all(math.isfinite(item["confidence"]) for item in occupations):
        return Rejected(record.row, record.id, "", "the model's confidence is not a number")
    decision, observation = (
        {name: answer[name] for name in names} if names[0] in answer else None for names in (DECISION, OBSERVATION)
    )
    return Coding(record, occupations, answer["truncated"], decision=decision, observation=observation)


def explained(pipeline, row: Coding | Rejected, top_k: int) -> Coding | Rejected:
    """The coding with its evidence."""
    if isinstance(row, Rejected):
        return row
    fields = {"job_title": row.record.job_title, "job_duties": row.record.job_duties}
    return replace(row, evidence=pipeline.explain(fields, top_k=top_k))


def counted(rows: Iterable[Record | Rejected], tally: Counter) -> Iterator[Record | Rejected]:
    """The rows, each counted in `tally` as "in"."""
    for row in rows:
        tally["in"] += 1
        yield row


def write_rows(rows: Iterable[Coding | Rejected], write: Write, reject: Write, tally: Counter) -> None:
    """Write the rows a window at a time, and count them: "coded", "truncated" of them, and "rejected".

    Raises RuntimeError where they are not as many as came in.
    """
    rows = iter(rows)
    while part := list(islice(rows, WINDOW)):
        codings = [row for row in part if isinstance(row, Coding)]
        faults = [vars(row) for row in part if isinstance(row, Rejected)]
        write(codings)
        reject(faults)
        truncated = sum(row.truncated for row in codings)
        tally.update({"coded": len(codings), "rejected": len(faults), "truncated": truncated})
    if tally["in"] != tally["coded"] + tally["rejected"]:
        raise RuntimeError(f"rows were lost: {dict(tally)}")
