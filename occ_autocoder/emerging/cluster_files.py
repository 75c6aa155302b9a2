"""Clusters and their members as tables: CSV that is safe to open in a spreadsheet, and Parquet."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet

from occ_autocoder.data.selection import shown
from occ_autocoder.files import completed
from occ_autocoder.spreadsheet import delimited

from .clusters import Cluster, Found
from .periods import Growth

CENTRAL = 5
DIGITS = 6
STRINGS, REALS = pyarrow.list_(pyarrow.string()), pyarrow.list_(pyarrow.float64())
CLUSTER_SCHEMA = pyarrow.schema(
    {
        **dict.fromkeys(("cluster", "name"), pyarrow.string()),
        "score": pyarrow.float64(),
        **dict.fromkeys(("size", "ads", "employers", "places"), pyarrow.int64()),
        **dict.fromkeys(("first_seen", "last_seen"), pyarrow.string()),
        **dict.fromkeys(("earlier", "later"), pyarrow.int64()),
        **dict.fromkeys(("growth", "growth_low", "growth_high", "cohesion"), pyarrow.float64()),
        "nearest_codes": STRINGS,
        "nearest_titles": STRINGS,
        "nearest_cosines": REALS,
        **dict.fromkeys(("keywords", "skills", "central_ids", "central_titles"), STRINGS),
        "periods": STRINGS,
        "period_ads": pyarrow.list_(pyarrow.int64()),
        "before": pyarrow.string(),
        "centroid": pyarrow.list_(pyarrow.float32()),
    }
)
SPACE = b"space"  # metadata of `clusters.parquet`: only centroids of the same one can be compared
CSV_COLUMNS = [name for name in CLUSTER_SCHEMA.names if name != "centroid"]
MEMBER_COLUMNS = ("id", "cluster", "rank", "cosine", "ad", "job_title")


def write_tables(
    folder: Path,
    found: Found,
    titles: Mapping[str, str],
    names: Mapping[str, str],
    skills: Mapping[str, Sequence[str]],
    before: Mapping[str, str],
) -> None:
    """Write `clusters.parquet`, `clusters.csv` (its lists as "a; b") and `members.csv` (every candidate), whole or not.

    Titles of ads are masked (`data.privacy`). Arguments as in `report.write_cluster_report`.
    """
    rows = [
        cluster_row(cluster, found, titles, names, skills) | {"before": before.get(cluster.id, "")}
        for cluster in found.clusters
    ]
    schema = CLUSTER_SCHEMA.with_metadata({SPACE: found.space})
    paths = [folder / name for name in ("clusters.parquet", "clusters.csv", "members.csv")]
    with completed(*paths) as [table, clusters, members]:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), table)
        with delimited(clusters, CSV_COLUMNS) as write:
            write(map(in_one_cell, rows))
        with delimited(members, MEMBER_COLUMNS) as write:
            write(member_rows(found))


def cluster_row(
    cluster: Cluster,
    found: Found,
    titles: Mapping[str, str],
    names: Mapping[str, str],
    skills: Mapping[str, Sequence[str]],
) -> dict:
    """A cluster as a row of `CLUSTER_SCHEMA`; no growth is None."""
    central = found.ads.select(cluster.rows[:CENTRAL])
    return {
        "cluster": cluster.id,
        "name": names.get(cluster.id, ""),
        "score": round(cluster.score, DIGITS),
        **{name: getattr(cluster, name) for name in ("size", "ads", "employers", "places", "first_seen", "last_seen")},
        **growth_cells(cluster.growth),
        "cohesion": round(cluster.cohesion, DIGITS),
        "nearest_codes": [code for code, _ in cluster.nearest],
        "nearest_titles": [titles.get(code, "") for code, _ in cluster.nearest],
        "nearest_cosines": [round(cosine, DIGITS) for _, cosine in cluster.nearest],
        "keywords": list(cluster.keywords),
        "skills": list(skills.get(cluster.id, ())),
        "central_ids": list(central["id"]),
        "central_titles": [shown(title) for title in central["job_title"]],
        "periods": list(cluster.counts),
        "period_ads": list(cluster.counts.values()),
        "centroid": cluster.centroid.tolist(),
    }


def growth_cells(growth: Growth | None) -> dict[str, float | int | None]:
    """The growth as five cells."""
    cells = {"earlier": "earlier", "later": "later", "growth": "ratio", "growth_low": "low", "growth_high": "high"}
    return {cell: growth and round(getattr(growth, name), DIGITS) for cell, name in cells.items()}


def member_rows(found: Found) -> Iterator[dict]:
    """Every candidate with its cluster ("" for none), its ad's rank and cosine to the centroid, and its ad's id."""
    places = {
        row: (rank, round(cosine, DIGITS))
        for cluster in found.clusters
        for rank, (row, cosine) in enumerate(zip(cluster.rows, cluster.cosines, strict=True), start=1)
    }
    for row, ad in enumerate(found.ads):
        rank, cosine = places.get(row, (None, None))
        same = {"cluster": ad["cluster"], "rank": rank, "cosine": cosine, "ad": ad["id"]}
        yield from ({"id": id_, **same, "job_title": shown(ad["job_title"])} for id_ in ad["ids"])


def in_one_cell(row: Mapping) -> dict:
    """The row, its lists as "a; b"."""
    return {name: "; ".join(map(str, cell)) if isinstance(cell, list) else cell for name, cell in row.items()}
