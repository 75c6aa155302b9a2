"""Coded rows as files: CSV and TSV that are safe to open in a spreadsheet, JSON lines, Parquet; whole or not at all."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from occ_autocoder.spreadsheet import Write, delimited

Columns = Mapping[str, type]

REJECTED: Columns = {"row": int, "id": str, "column": str, "reason": str}
ANSWER: Columns = {"code": str, "title": str, "confidence": float}
TEXTS: Columns = {"job_title": str, "job_duties": str}
EVIDENCE: Columns = {
    "nearest_title": str,
    "nearest_definition": str,
    "words": str,
    "rival": str,
    "rival_title": str,
    "rival_confidence": float,
    "words_against_rival": str,
}
DECISION: Columns = {
    "decision": str,  # coded, at the level of the codes; backed off, at a coarser one; person
    "safe_code": str,
    "safe_title": str,
    "safe_level": int,
    "safe_confidence": float,
    "ambiguous": bool,
    "question": str,
}
CODED, BACKED_OFF, PERSON = "coded", "backed off", "person"
DIGITS = 6


@contextmanager
def json_lines(path: Path, columns: Columns) -> Iterator[Write]:
    """Writes one JSON object a row."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        yield lambda rows: file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


@contextmanager
def parquet(path: Path, columns: Columns) -> Iterator[Write]:
    """Writes rows to Parquet, a row group a call."""
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
    with ParquetWriter(path, schema) as writer:
        yield lambda rows: writer.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema))


def flat_columns(answers: int, keep_text: bool, evidence: bool = False, decision: bool = False) -> Columns:
    """The columns of a table with `answers` codes a record."""
    numbered = {named(name, place): kind for place in range(answers) for name, kind in ANSWER.items()}
    optional = {**(DECISION if decision else {}), **(EVIDENCE if evidence else {})}
    return {"id": str, "row": int, **(TEXTS if keep_text else {}), **numbered, "truncated": bool, **optional}


def flat_row(coding, keep_text: bool) -> dict:
    """A `coding.Coding` as a row of that table."""
    answers = enumerate(rounded(coding.occupations))
    cells = {named(name, place): value for place, answer in answers for name, value in answer.items()}
    about = flat_evidence(coding.evidence[0]) if coding.evidence else {}
    about |= flat_decision(coding) if coding.decision else {}
    return {**of_record(coding.record, keep_text), **cells, "truncated": coding.truncated, **about}


def flat_decision(coding) -> dict:
    """What is done with a record, as the cells of `DECISION`."""
    safe = coding.decision["safe"] or {"label": "", "title": "", "level": 0, "score": 0.0}
    deep = safe["label"] == coding.occupations[0]["code"]
    return {
        "decision": CODED if deep else BACKED_OFF if safe["label"] else PERSON,
        "safe_code": safe["label"],
        "safe_title": safe["title"],
        "safe_level": safe["level"],
        "safe_confidence": round(safe["score"], DIGITS),
        **{name: coding.decision[name] for name in ("ambiguous", "question")},
    }


def flat_evidence(item: Mapping) -> dict:
    """What `pipeline.explain` says of one code, as the cells of `EVIDENCE`."""
    rival = item["rival"] or {"label": "", "title": "", "score": 0.0, "words": []}
    return {
        **{name: (item[name] or {"text": ""})["text"] for name in ("nearest_title", "nearest_definition")},
        "words": shown_words(item["words"]),
        "rival": rival["label"],
        "rival_title": rival["title"],
        "rival_confidence": round(rival["score"], DIGITS),
        "words_against_rival": shown_words(rival["words"]),
    }


def shown_words(words: Sequence[Mapping]) -> str:
    """Words with their weights in one cell: "driver +0.62; bus -2.54"."""
    return "; ".join(f"{word['text']} {word['weight']:+.2f}" for word in words)


def nested_row(coding, keep_text: bool) -> dict:
    """A `coding.Coding` as an object with a list `occupations`."""
    own, occupations = of_record(coding.record, keep_text), rounded(coding.occupations)
    for occupation, evidence in zip(occupations, coding.evidence or (), strict=bool(coding.evidence)):
        known = ("label", "title", "score")
        occupation["evidence"] = {name: value for name, value in evidence.items() if name not in known}
    about = flat_decision(coding) if coding.decision else {}
    return {**own, "occupations": occupations, "truncated": coding.truncated, **about}


def of_record(record, keep_text: bool) -> dict:
    """What the output repeats of the record."""
    return {name: getattr(record, name) for name in ("id", "row", *(TEXTS if keep_text else ()))}


def rounded(occupations: Sequence[Mapping]) -> list[dict]:
    """The occupations with confidences to the sixth decimal: what is beyond differs from machine to machine."""
    return [{**item, "confidence": round(item["confidence"], DIGITS)} for item in occupations]


def named(name: str, place: int) -> str:
    """The column of the answer at `place`: `code`, `code_2`, `code_3`."""
    return name if place == 0 else f"{name}_{place + 1}"


@dataclass(frozen=True)
class Kind:
    """How one kind of file is opened, and what a row is in it."""

    open: Callable[[Path, Columns], AbstractContextManager[Write]]
    row: Callable[..., dict] = flat_row
    columns: Callable[[int, bool, bool, bool], Columns] = flat_columns


KINDS = {
    ".csv": Kind(delimited),
    ".tsv": Kind(partial(delimited, delimiter="\t")),
    ".jsonl": Kind(json_lines, nested_row),
    ".parquet": Kind(parquet),
}


def output_kind(path: Path) -> Kind:
    """The kind of file that the suffix stands for; ValueError with those that are allowed."""
    if path.suffix.lower() not in KINDS:
        raise ValueError(f"{path}: files of this kind are not written; allowed: {', '.join(KINDS)}")
    return KINDS[path.suffix.lower()]


def places_beside(output: Path) -> tuple[Path, Path]:
    """Where the rejected rows and the ledger of `output` lie."""
    return output.with_suffix(".rejected.csv"), output.with_suffix(".ledger.json")


def check_places(source: str | os.PathLike, places: Sequence[Path]) -> None:
    """ValueError where a file to be written is the source or is a folder: it would be found out after the last row."""
    for place in places:
        if place.is_dir():
            raise ValueError(f"{place}: a folder; allowed: a file's name")
        if place.resolve() == Path(source).resolve():
            raise ValueError(f"{place}: would be written over the source; allowed: another name for the output")
