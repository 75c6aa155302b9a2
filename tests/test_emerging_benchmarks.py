"""The measures of the benchmarks of new occupations, on tables whose answers are known."""

import pandas
import pytest

from benchmarks.emerging import QUARTERS, advertisements, measured, report
from benchmarks.vacancies import new_codes, new_titles, tables, variants


@pytest.fixture
def reported(tmp_path):
    """A report's folder: E001 holds three hidden ads of A and a known one, E002 two known ones."""
    statuses = {"a0": "novel", "a1": "novel", "a2": "novel", "a3": "coded", "b0": "ambiguous"}
    statuses |= {"k0": "novel", "k1": "novel", "k2": "novel", "k3": "coded"}
    clusters = {"a0": "E001", "a1": "E001", "a2": "E001", "k0": "E001", "k1": "E002", "k2": "E002"}
    pandas.Series(statuses, name="status").rename_axis("id").to_csv(tmp_path / "detection.csv")
    pandas.Series(clusters, name="cluster").rename_axis("id").to_csv(tmp_path / "members.csv")
    verdicts = {"E001": "new", "E002": "existing"}
    pandas.Series(verdicts, name="verdict").rename_axis("cluster").to_csv(tmp_path / "judgements.csv")
    about = [("E001", "", "drones; maps", 4, "Pilots; Farmers"), ("E002", "cooks", "soup", 2, "Cooks")]
    columns = ["cluster", "name", "keywords", "ads", "nearest_titles"]
    pandas.DataFrame(about, columns=columns).to_csv(tmp_path / "clusters.csv", index=False)
    return tmp_path


def test_what_came_back_is_counted(reported):
    ads = pandas.DataFrame({"id": ["a0", "a1", "a2", "a3", "b0", "k0", "k1", "k2", "k3"]})
    ads = ads.assign(code=ads["id"].str[0].str.upper(), hidden=ads["id"].str[0].isin(["a", "b"]))
    found = measured(ads, reported)
    assert found["detection"]["hidden"]["novel"] == 3 / 5 and found["detection"]["known"]["coded"] == 1 / 4
    assert found["novelty"] == {
        "recall of candidates": 4 / 5,
        "recall of novel": 3 / 5,
        "candidates that are hidden": 4 / 7,
        "novel that are hidden": 3 / 6,
    }
    clusters = found["clusters"]
    assert clusters["f1"] == pytest.approx(6 / 7) and clusters["purity"] == 1 / 2
    assert clusters["dominated"] == 1 and clusters["of all hidden codes dominated"] == 1 / 2
    assert found["verdicts"]["hidden"]["new"] == 1 and found["verdicts"]["known"]["existing"] == 1
    assert "| hidden | 20.0 | 20.0 |" in report([found])


def test_advertisements_have_tasks_of_their_own_days_and_firms(tmp_path):
    tasks = [("H", f"{number}", f"Does thing {number}.") for number in range(9)]
    pandas.DataFrame(tasks, columns=["onet_soc_code", "task_id", "task"]).to_csv(
        tmp_path / "onet27_task_statements.csv.gz"
    )
    known = pandas.DataFrame({"job_title": [f"k{place}" for place in range(300)], "job_duties": "Cooks.", "code": "K"})
    novel = pandas.DataFrame({"job_title": [f"h{place}" for place in range(300)], "job_duties": "", "code": "H"})
    ads = advertisements(tmp_path, known, novel, 400, 0.5, seed=1)
    assert len(ads) == 400 and ads["id"].is_unique and ads["hidden"].sum() == 200
    hidden = ads[ads["hidden"]]
    assert hidden["job_duties"].nunique() > 100 and hidden["job_duties"].str.count("Does thing").eq(3).all()
    late = ads["date"].str[:4].eq("2025").groupby(ads["hidden"]).mean()
    assert late[True] > 0.6 > 0.4 < late[False] < 0.6 and ads["date"].str[:7].nunique() == QUARTERS
    assert ads.equals(advertisements(tmp_path, known, novel, 400, 0.5, seed=1))


def test_titles_of_new_codes_are_those_that_the_edition_before_lacks(tmp_path):
    assert variants("Cloud/Edge engineer") == ["cloud edge engineer", "cloud engineer", "edge engineer"]
    assert variants("Machine vision (MV) tester") == ["machine vision tester", "mv tester"]
    index = [
        ("Drone pilot", "8", "2024", ""),
        ("Kite pilot", "8", "2024", ""),
        ("Kite pilot", "7", "2020", ""),
        ("Cook", "5", "2024", ""),
    ]
    pandas.DataFrame(index, columns=["title", "ssoc_code", "ssoc_version", "x"]).to_csv(
        tmp_path / "ssoc_title_index.csv.gz"
    )
    changes = pandas.DataFrame({"code": ["8", "5"], "status": ["new_code_in_2024", "same_code_same_title"]})
    changes.to_csv(tmp_path / "ssoc2020_to_2024_changes_derived.csv.gz")
    names = new_titles(tmp_path)
    assert names == {"8": ["drone pilot"]}
    assert new_codes(["Senior Drone-Pilot (m/f)", "Drone pilots", "cook"], names) == ["8", "", ""]


def test_new_codes_are_told_with_their_cluster_and_its_share(reported):
    titles = ["Drone pilot"] * 4 + ["Cook"] + ["Drone pilot"] + ["Cook"] * 3
    ids = ["a0", "a1", "a2", "a3", "b0", "k0", "k1", "k2", "k3"]
    ads = pandas.DataFrame({"ad_id": ids, "job_title": titles})
    text = tables(ads, reported, {"8": ["drone pilot"]}, {"8": "Drone pilot"})
    assert "| 8 | Drone pilot | 5 | 20.0 % | 80.0 % | E001 | 4 | 100.0 % |" in text
    assert "| E001 | drones; maps | 4 | 4 of 8 | Pilots |" in text and "| E002 | cooks | 2 | none | Cooks |" in text
