"""Clusters over several runs: which went on, which are new, which were lost, and that models are not mixed."""

import numpy as np
import pytest
from test_clusters import codes, world

from occ_autocoder.emerging.clusters import find_clusters
from occ_autocoder.emerging.report import write_cluster_report
from occ_autocoder.emerging.runs import changed, histories, read_run

KINDS = "drone pilot", "prompt engineer", "repair cafe host"


def found_of(kinds, moved=0.0):
    """The clusters of the ads of these kinds, which lie a little elsewhere in each run."""
    table, embeddings, own = world()
    kept = [place for place, kind in enumerate(own) if kind in kinds]
    vectors = embeddings[kept] + moved * np.random.default_rng(3).normal(size=embeddings.shape[1])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return find_clusters(table.iloc[kept].reset_index(drop=True), vectors, *codes())


def kind_of(cluster, found):
    """The kind of a cluster's most central ad."""
    return found.ads[cluster.rows[0]]["job_title"].split(" level")[0]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs: drones and prompts; prompts and repairs; drones and repairs. The last with what was before it."""
    folder, found = tmp_path_factory.mktemp("runs"), []
    for number, missing in enumerate(reversed(KINDS)):
        found.append(found_of([kind for kind in KINDS if kind != missing], 0.02 * number))
        if number == 1:
            continue
        write_cluster_report(folder / str(number), found[-1], {}, title="Ads", plots=False)
    names = {cluster.id: kind_of(cluster, found[1]) for cluster in found[1].clusters}
    write_cluster_report(folder / "1", found[1], {}, title="Ads", names=names, plots=False)
    return folder, found


def test_clusters_are_followed_over_runs_also_over_a_gap(runs):
    folder, found = runs
    kept = {frozenset(kind_of(cluster, part) for cluster in part.clusters) for part in found}
    assert kept == {frozenset(KINDS) - {kind} for kind in KINDS}
    ids = [{kind_of(cluster, part): cluster.id for cluster in part.clusters} for part in found]
    assert [set(part) for part in ids] == [{KINDS[0], KINDS[1]}, {KINDS[0], KINDS[2]}, {KINDS[1], KINDS[2]}]
    earlier = [read_run(folder / name, found[2].space) for name in "01"]
    rows = histories(earlier, found[2])
    assert sorted(rows, key=str) == sorted(
        ([part.get(kind) for part in ids] for kind in KINDS),
        key=str,
    )
    before, lost = changed(earlier, rows)
    assert before == {ids[2][KINDS[1]]: f"{ids[0][KINDS[1]]} > -", ids[2][KINDS[2]]: f"- > {ids[1][KINDS[2]]}"}
    assert lost == [f"{ids[1][KINDS[0]]} {KINDS[0]}"]


def test_a_first_cluster_is_new_and_one_without_a_name_is_told_by_its_keywords(runs):
    folder, found = runs
    earlier = [read_run(folder / "0", found[1].space)]
    before, [lost] = changed(earlier, histories(earlier, found[1]))
    assert sorted(before.values())[-1] == "new" and "prompt" in lost


def test_the_page_and_the_tables_tell_it(runs, tmp_path):
    _, found = runs
    before = {cluster.id: "E007 > new *one*" for cluster in found[0].clusters}
    path = write_cluster_report(
        tmp_path, found[0], {}, title="Ads", before=before, lost=["E009 <b>guides</b>"], plots=False
    )
    text = path.read_text(encoding="utf-8")
    assert "Found before and not again: E009 \\<b\\>guides\\</b\\>." in text and "| Before |" in text
    assert "E007 > new *one*" in (tmp_path / "clusters.csv").read_text()
    assert "centroid" not in (tmp_path / "clusters.csv").read_text().splitlines()[0]


def test_runs_of_another_model_and_folders_without_a_report_are_refused(runs, tmp_path):
    folder, _ = runs
    with pytest.raises(ValueError, match="found by another model; allowed: reports by the same model"):
        read_run(folder / "0", "another")
    (tmp_path / "clusters.parquet").write_bytes(b"torn")
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"clusters\.parquet: .*; allowed: the folder of an earlier report"):
            read_run(place, "")
