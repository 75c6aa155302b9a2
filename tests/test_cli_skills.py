"""From tagged tokens to a tagger, from advertisements to their skills, and a cluster's skills on the page."""

import csv
import json

import pytest
from commands import fail, succeed
from test_emerging import model, vacancies  # noqa: F401  fixtures
from test_skill_tagger import COLUMNS, sentences
from tiny import tiny_encoder

from occ_autocoder.emerging.cluster_skills import named
from occ_autocoder.emerging.skill_linking import LinkedSkill
from occ_autocoder.emerging.spans import Span

SETTINGS = ("--set", "epochs=12", "--set", "learning_rate=0.005", "--set", "batch_size=8")
SKILLS = "id,label,alternatives\ns1,drive a bus,steer a bus|drive the bus\ns2,bus,buses\ns3,teach reading,\n"


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    """The invented sentences as a table."""
    path = tmp_path_factory.mktemp("tagged") / "tagged.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([" ".join(row[name]) for name in COLUMNS] for row in sentences())
    return path


@pytest.fixture(scope="module")
def tagger(tagged, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    encoder = tiny_encoder(folder / "encoder")
    shown = succeed(
        "train-skills",
        tagged,
        "--validation",
        tagged,
        "--output",
        folder / "tagger",
        *SETTINGS,
        "--set",
        f"encoder={encoder}",
    )
    assert "F1 of spans on the held-out texts: " in shown and "eval_" not in shown
    return folder / "tagger"


def test_each_record_leaves_with_its_description_skills_and_tasks(tagger, tmp_path):
    ads = tmp_path / "ads.jsonl"
    duties = "the hospital of children\n• must drive the bus.\n"
    rows = [{"id": "a", "title": "Bus driver", "description": duties}, {"id": "b", "title": "Cook", "description": ""}]
    rows += [
        {"id": "a", "title": "Twice", "description": "x"},
        {"id": "c", "title": "Half", "description": "\ud83d must"},
    ]
    ads.write_text("\n".join(map(json.dumps, rows)))
    shown = succeed("extract-skills", ads, tmp_path / "out.jsonl", "--model", tagger)
    assert "3 records, 1 rejected" in shown
    first, second, third = map(json.loads, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert (first["id"], first["job_title"], first["job_duties"]) == ("a", "Bus driver", duties.strip())
    assert [(span["kind"], span["text"]) for span in first["skills"]] == [
        ("skill", "drive the bus"),
        ("knowledge", "bus"),
    ]
    assert [span["text"] for span in first["tasks"]] == ["must drive the bus."]
    for span in first["skills"] + first["tasks"]:
        assert first["job_duties"][span["start"] : span["end"]] == span["text"]
    assert second["skills"] == [] and third["job_duties"] == " must"
    assert "the id of row 1 again" in (tmp_path / "out_rejected.csv").read_text()


def test_spans_are_linked_to_a_list(tagger, tmp_path):
    (tmp_path / "ads.csv").write_text("title,description\nBus driver,must drive the bus.\n")
    (tmp_path / "skills.csv").write_text(SKILLS)
    options = ["--model", tagger, "--skills", tmp_path / "skills.csv", "--cache", tmp_path / "cache"]
    succeed("extract-skills", tmp_path / "ads.csv", tmp_path / "out.jsonl", *options)
    [line] = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert [span["skills"][0]["id"] for span in line["skills"]] == ["s1", "s2"]
    assert all(0.5 <= entry["score"] <= 1 for span in line["skills"] for entry in span["skills"])


def test_the_page_has_the_skills_of_each_cluster(model, vacancies, tagger, tmp_path):  # noqa: F811
    ads = tmp_path / "ads.csv"
    ads.write_text(vacancies.read_text().replace("Drives the school bus", "must drive the bus"))
    options = ["--model", model, "--confidence", 1.0, "--min-cluster-size", 3, "--tagger", tagger]
    succeed("emerging", ads, tmp_path / "out", *options)
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "Skills: " in page and "drive the bus" in page.split("Skills: ")[1].split("\n")[0]
    rows = list(csv.DictReader((tmp_path / "out" / "clusters.csv").open(encoding="utf-8")))
    assert any("drive the bus" in row["skills"] for row in rows)


def test_a_skill_counts_once_an_ad_and_without_an_entry_not_at_all():
    spans = [[Span("skill", "Mend", 0, 4), Span("skill", "mend", 5, 9)], [Span("skill", "weld", 0, 4)], []]
    texts = ["Mend mend", "weld", ""]
    assert named(texts, spans, None) == [{"mend": None}, {"weld": None}, {}]
    entries = [[LinkedSkill("1", "mending", 0.9)], [LinkedSkill("1", "mending", 0.8)], None]
    asked = []
    found = named(texts, spans, lambda words, contexts: asked.append((words, contexts)) or entries)
    assert found == [{"mending": None}, {}, {}] and asked == [(["Mend", "mend", "weld"], ["Mend mend"] * 2 + ["weld"])]


def test_wrong_tables_settings_and_folders_are_refused(tagged, tmp_path, model, vacancies):  # noqa: F811
    torn = tmp_path / "torn.csv"
    torn.write_text("tokens,tags_skill\nmends pumps,B\n")
    options = ["--validation", tagged, "--output", tmp_path / "x"]
    shown = fail("train-skills", torn, *options)
    assert "no usable row" in shown and "row 2, column tags_skill: 1 tags; allowed: 2" in shown
    shown = fail("train-skills", tagged, *options, "--set", "epoch=3")
    assert "epoch" in shown and "epochs" in shown and not (tmp_path / "x").exists()
    shown = fail("extract-skills", vacancies, tmp_path / "out.jsonl", "--model", tmp_path)
    assert "allowed: a folder that train-skills wrote" in shown and not (tmp_path / "out.jsonl").exists()
    shown = fail("emerging", vacancies, tmp_path / "y", "--model", model, "--skills", torn)
    assert "--skills without --tagger" in shown
