"""The table of candidates: records that no code fits, as a detector chose them, each with its embedding."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from datasets import Dataset, Features, Value

from occ_autocoder.data.vacancies import day

TEXTS = ("id", "job_title", "job_duties")
OPTIONAL = ("date", "employer", "place")
CANDIDATE_FEATURES = Features({name: Value("string") for name in (*TEXTS, *OPTIONAL)})


def read_candidates(candidates: Dataset | pd.DataFrame) -> Dataset:
    """The rows with the columns of `CANDIDATE_FEATURES`, all of them text, "" for what is missing; dates as YYYY-MM-DD.

    Raises:
        ValueError: a column is missing, an id is empty or there twice, or a date is none; with row (from 1) and column.
    """
    table = candidates if isinstance(candidates, pd.DataFrame) else candidates.to_pandas()
    if missing := [name for name in TEXTS if name not in table.columns]:
        raise ValueError(f"column {missing[0]} is missing; allowed: {', '.join(TEXTS)}, and {', '.join(OPTIONAL)}")
    names = [name for name in CANDIDATE_FEATURES if name in table.columns]
    columns = {name: [text_of(value) for value in table[name]] for name in names}
    columns = {name: columns.get(name, [""] * len(table)) for name in CANDIDATE_FEATURES}
    check_ids(columns["id"])
    columns["date"] = [dated(value, row) for row, value in enumerate(columns["date"], start=1)]
    return Dataset.from_dict(columns, features=CANDIDATE_FEATURES)


def text_of(value: object) -> str:
    """The value as text; "" for None, NaN and NaT."""
    return "" if pd.isna(value) else str(value)


def check_ids(ids: Sequence[str]) -> None:
    """ValueError for an id that is empty or there twice."""
    first: dict[str, int] = {}
    for row, id_ in enumerate(ids, start=1):
        if not id_:
            raise ValueError(f"row {row}, column id: empty; allowed: each record's own id")
        if first.setdefault(id_, row) != row:
            raise ValueError(f"row {row}, column id: {id_!r} of row {first[id_]} again; allowed: each id once")


def dated(value: str, row: int) -> str:
    """A date as `vacancies.day` reads it; ValueError with the row."""
    try:
        return day(value)
    except ValueError as error:
        raise ValueError(f"row {row}, column date: {error}") from None


def unit_vectors(vectors: np.ndarray, rows: int, name: str) -> np.ndarray:
    """The vectors [n, d] with a length of 1, float32; ValueError where they are not `rows` of finite length above 0."""
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != rows:
        raise ValueError(f"{name} has the shape {list(vectors.shape)}; allowed: [{rows}, d], one for each row")
    lengths = np.linalg.norm(vectors, axis=1)
    if len(bad := np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))):
        raise ValueError(f"{name}, row {bad[0] + 1}: no direction; allowed: finite numbers, not all 0")
    return vectors / lengths[:, None]
