"""The clusters of earlier runs, read back and linked with those of this one: which went on, and which were lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from .cluster_files import SPACE
from .clusters import Found
from .periods import link_periods


@dataclass(frozen=True)
class Run:
    """The clusters of a run: ids and names [k], and unit centroids [k, d]."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    centroids: np.ndarray


def read_run(folder: str | Path, space: str) -> Run:
    """The clusters of a report's folder; ValueError where they were not found by the same model, see `Found.space`."""
    path = Path(folder) / "clusters.parquet"
    try:
        table = pyarrow.parquet.read_table(path)
        rows = table.select(["cluster", "name", "keywords", "centroid"]).to_pylist()
    except (OSError, KeyError, pyarrow.ArrowInvalid) as error:
        raise ValueError(f"{path}: {error}; allowed: the folder of an earlier report") from None
    if (table.schema.metadata or {}).get(SPACE) != space.encode():
        raise ValueError(f"{path}: found by another model; allowed: reports by the same model")
    names = (row["name"] or ", ".join(row["keywords"][:3]) for row in rows)
    return Run(
        tuple(row["cluster"] for row in rows),
        tuple(names),
        np.array([row["centroid"] for row in rows], dtype=float),
    )


def histories(earlier: Sequence[Run], found: Found) -> list[list[str | None]]:
    """One row for each cluster over time: its id in every earlier run and in this one, None where it was not found.

    Of the same cluster are those whose centroids are near (`periods.link_periods`).
    """
    now = np.array([cluster.centroid for cluster in found.clusters], dtype=float)
    rows = link_periods([*(run.centroids for run in earlier), now])
    ids = [*(run.ids for run in earlier), [cluster.id for cluster in found.clusters]]
    return [[None if place is None else ids[time][place] for time, place in enumerate(row)] for row in rows]


def changed(earlier: Sequence[Run], rows: Sequence[Sequence[str | None]]) -> tuple[dict[str, str], list[str]]:
    """What is told of `histories`: id of a cluster of this run -> its ids before, or "new"; and the clusters now lost.

    A cluster that is lost is told by its id and name in the last run that had it.
    """
    before = {row[-1]: " > ".join(id or "-" for id in row[:-1]) if any(row[:-1]) else "new" for row in rows if row[-1]}
    named = [dict(zip(run.ids, run.names, strict=True)) for run in earlier]
    lost = []
    for row in rows:
        if row[-1] is None:
            time = max(time for time, id in enumerate(row) if id)
            lost.append(f"{row[time]} {named[time][row[time]]}")
    return before, lost
