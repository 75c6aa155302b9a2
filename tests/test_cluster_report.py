"""The page about clusters: hostile ads stay text, the tables hold what was found, plots come where there is data."""

import csv
import math
from itertools import cycle

import numpy as np
import pyarrow.parquet
import pytest
from matplotlib.image import imread
from test_clusters import codes, world

from occ_autocoder.emerging.cluster_plots import plane
from occ_autocoder.emerging.clusters import find_clusters
from occ_autocoder.emerging.periods import Growth
from occ_autocoder.emerging.report import PICTURES, growth_text, write_cluster_report

TITLES = {"8350": "Ship | deck", "1111": "Legislators"}
HOSTILE = (
    '=HYPERLINK("http://127.0.0.1")',
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "$\\frac$ |",
    "@SUM jo@example.com",
)


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    table, embeddings, _ = world()
    hostile = table.assign(job_title=[f"{word} {title}" for word, title in zip(cycle(HOSTILE), table["job_title"])])
    found = find_clusters(hostile, embeddings, *codes())
    names, skills = {"E001": f"New $x$ {HOSTILE[1]} {HOSTILE[3]}"}, {"E001": ["=flying drones", "*maps*"]}
    path = write_cluster_report(folder, found, TITLES, title="New | jobs <b>", names=names, skills=skills)
    return path, found


def test_the_page_ranks_every_cluster_and_says_what_the_numbers_are(written):
    path, found = written
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# New \\| jobs \\<b\\>\n\n36 candidates are 36 different ads. ")
    assert "8 ads have no date" in text
    lines = [line for line in text.splitlines() if line.startswith("| E00")]
    assert [line.split(" | ")[0] for line in lines] == ["| E001", "| E002", "| E003"]
    assert all(f"## {cluster.id} " in text for cluster in found.clusters)
    assert all(f"]({name})" in text for name in PICTURES) and "Skills: =flying drones, \\*maps\\*." in text
    assert "8350 Ship \\| deck" in text or "| 8350 | Ship \\| deck |" in text


def test_hostile_ads_are_no_markup_and_personal_data_is_masked(written):
    text = written[0].read_text(encoding="utf-8")
    assert "<script" not in text.replace("\\<", "") and "[x](" not in text and "jo@example.com" not in text


def test_the_tables_hold_what_was_found_and_open_safely_in_a_spreadsheet(written):
    path, found = written
    clusters, members = (rows_of(path.parent / name) for name in ("clusters.csv", "members.csv"))
    assert [row["cluster"] for row in clusters] == [cluster.id for cluster in found.clusters]
    assert clusters[0]["skills"] == "'=flying drones; *maps*" and clusters[0]["name"].startswith("New")
    assert float(clusters[0]["cohesion"]) == pytest.approx(found.clusters[0].cohesion, abs=1e-6)
    assert sorted(row["id"] for row in members) == sorted(found.ads["id"]) and len(members) == 36
    of_cluster = {row["id"]: row["cluster"] for row in members}
    assert [of_cluster[id_] for id_ in found.ads["id"]] == found.ads["cluster"]
    first = next(row for row in members if row["cluster"] == "E001" and row["rank"] == "1")
    assert first["id"] == found.ads[found.clusters[0].rows[0]]["id"]
    cells = [cell for row in [*clusters, *members] for cell in row.values()]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells) and "jo@example.com" not in "".join(cells)


def test_parquet_keeps_lists_and_numbers(written):
    path, found = written
    [first, *_] = pyarrow.parquet.read_table(path.parent / "clusters.parquet").to_pylist()
    cluster = found.clusters[0]
    assert first["nearest_codes"] == [code for code, _ in cluster.nearest] and first["keywords"] == [*cluster.keywords]
    assert dict(zip(first["periods"], first["period_ads"], strict=True)) == cluster.counts
    assert (first["earlier"], first["later"]) == (cluster.growth.earlier, cluster.growth.later)


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_drawn_and_nothing_touches_the_edge(written, name):
    pixels = imread(written[0].parent / name)[:, :, :3]
    drawn = (pixels < 0.9).any(axis=2)
    assert 0.003 < drawn.mean() < 0.6
    assert not (drawn[0].any() or drawn[-1].any() or drawn[:, 0].any() or drawn[:, -1].any())


def test_without_clusters_dates_or_plots_the_page_still_says_so(tmp_path):
    table, embeddings, _ = world()
    (tmp_path / "growth.png").write_bytes(b"of an earlier report")
    none = find_clusters(table[:4], embeddings[:4], *codes())
    text = write_cluster_report(tmp_path, none, TITLES, title="None").read_text(encoding="utf-8")
    assert "No cluster was found" in text and "![" not in text and not (tmp_path / "growth.png").exists()
    assert len(rows_of(tmp_path / "members.csv")) == 4 and rows_of(tmp_path / "clusters.csv") == []
    undated = find_clusters(table.assign(date=""), embeddings, *codes())
    text = write_cluster_report(tmp_path, undated, {}, title="Undated", plots=False).read_text(encoding="utf-8")
    assert "36 ads have no date" in text and "![" not in text
    assert rows_of(tmp_path / "clusters.csv")[0]["growth"] == ""


def test_growth_in_words():
    assert growth_text(None) == "-"
    assert growth_text(Growth(10, 25, 2.5, 1.16, 5.6)) == "2.5 (1.2 to 5.6)"
    assert growth_text(Growth(0, 9, math.inf, 1.97, math.inf)) == "none before (2.0 or more)"
    assert growth_text(Growth(9, 0, 0.0, 0.0, 0.51)) == "0.0 (0.0 to 0.5)"


@pytest.mark.parametrize("count", [1, 2, 40, 120])
def test_the_map_has_a_finite_place_for_every_ad(count):
    vectors = np.random.default_rng(0).normal(size=(count, 8)).astype(np.float32)
    points = plane(vectors, seed=1)
    assert points.shape == (count, 2) and np.isfinite(points).all()
    assert points == pytest.approx(plane(vectors, seed=1))
