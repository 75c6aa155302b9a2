"""From advertisements to a page of candidates: every record has a status, groups are described, nothing is lost."""

import csv
from dataclasses import replace

import pytest
from commands import fail, succeed

import occ_autocoder
from occ_autocoder.emerging.description import draft_judgement, verdict_of
from occ_autocoder.emerging.judgement import Group
from occ_autocoder.model.novelty_occupation import FEATURES
from occ_autocoder.model.text_occupation import FORMS
from occ_autocoder.taxonomy import load_isco08

PLACES = ("Leeds", "York", "Hull", "Bath", "Ely", "Wells", "Truro")


@pytest.fixture(scope="module")
def model(model_folder, tmp_path_factory):
    """The folder of the tiny model, to which everything that it is not sure of is novel."""
    coder = occ_autocoder.load(model_folder)
    fitted = {"weights": [0.0] * len(FEATURES), "bias": 2.0}
    coder.model.config.novelty = dict.fromkeys(FORMS, fitted)
    coder.save_pretrained(folder := tmp_path_factory.mktemp("novel"))
    return folder


@pytest.fixture(scope="module")
def vacancies(tmp_path_factory):
    """Seven ads of each of two kinds of work over two years, one that is known, and one row without a text."""
    path = tmp_path_factory.mktemp("ads") / "vacancies.csv"
    kinds = (
        ("school bus driver", "Drives the school bus in {} and checks its doors"),
        ("hospital cook", "Prepares meals in the hospital of {} and keeps its kitchen"),
    )
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "title", "description", "date", "company", "location"))
        for kind, (title, duties) in enumerate(kinds):
            for number, place in enumerate(PLACES):
                date = f"{2023 + number % 2}-0{1 + number}-15"
                writer.writerow((f"{kind}-{number}", title, duties.format(place), date, f"Firm {number}", place))
        writer.writerow(("none", "", "", "", "", ""))
    return path


def test_the_page_shows_the_groups_and_every_row_is_accounted_for(model, vacancies, tmp_path):
    options = ["--confidence", 1.0, "--min-cluster-size", 3, "--period", "year"]
    shown = succeed("emerging", vacancies, tmp_path / "out", "--model", model, *options)
    assert "report: " in shown and "14 novel records" in " ".join(shown.split())
    rows = list(csv.DictReader((tmp_path / "out" / "detection.csv").open(encoding="utf-8")))
    rejected = list(csv.DictReader((tmp_path / "out" / "rejected.csv").open(encoding="utf-8")))
    assert len(rows) == 14 and {row["status"] for row in rows} == {"novel"} and len(rejected) == 1
    judged = list(csv.DictReader((tmp_path / "out" / "judgements.csv").open(encoding="utf-8")))
    assert {row["title"] for row in judged} == {"school bus driver", "hospital cook"}
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    for text in ("New and emerging occupations in vacancies.csv", "school bus driver", "hospital cook", "growth.png"):
        assert text in page
    assert (
        "Verdict: " in page
        and "School bus driver: work found in 7 texts." in page
        and page.count("- Prepares meals in ") == 1
    )
    assert (tmp_path / "out" / "map.png").stat().st_size > 1000
    unlisted = list(csv.DictReader((tmp_path / "out" / "unlisted.csv").open(encoding="utf-8")))
    assert unlisted == []  # both titles are the model's own
    members = list(csv.DictReader((tmp_path / "out" / "members.csv").open(encoding="utf-8")))
    assert {row["id"] for row in members} == {row["id"] for row in rows}


def test_sure_records_are_coded_and_then_there_is_nothing_to_cluster(model, vacancies, tmp_path):
    shown = succeed("emerging", vacancies, tmp_path / "out", "--model", model, "--confidence", 0.0)
    assert "no novel record" in shown
    rows = list(csv.DictReader((tmp_path / "out" / "detection.csv").open(encoding="utf-8")))
    assert {row["status"] for row in rows} == {"coded"} and not (tmp_path / "out" / "report.md").exists()


def test_a_later_run_tells_which_clusters_went_on(model, vacancies, tmp_path):
    options = ["--model", model, "--confidence", 1.0, "--min-cluster-size", 3, "--period", "year"]
    succeed("emerging", vacancies, tmp_path / "1", *options)
    header, *rows = vacancies.read_text().splitlines()
    (tmp_path / "later.csv").write_text("\n".join([header, *rows[::-1]]).replace("202", "203"))
    succeed("emerging", tmp_path / "later.csv", tmp_path / "2", *options, "--earlier", tmp_path / "1")
    first, second = (list(csv.DictReader((tmp_path / name / "clusters.csv").open())) for name in "12")
    assert {row["before"] for row in first} == {""} and len(second) == 2
    ids = {row["name"]: row["cluster"] for row in first}
    assert {row["name"]: row["before"] for row in second} == ids
    assert "| Before |" in (tmp_path / "2" / "report.md").read_text(encoding="utf-8")


def test_earlier_runs_of_another_model_or_none_are_refused(model, vacancies, tmp_path):
    coder = occ_autocoder.load(model)
    coder.model.titles.embeddings = coder.model.titles.embeddings.flip(0)
    coder.save_pretrained(tmp_path / "other")
    options = ["--confidence", 1.0, "--min-cluster-size", 3]
    succeed("emerging", vacancies, tmp_path / "1", "--model", model, *options)
    shown = fail(
        "emerging", vacancies, tmp_path / "2", "--model", tmp_path / "other", *options, "--earlier", tmp_path / "1"
    )
    assert "found by another model; allowed: reports by the same model" in shown
    shown = fail("emerging", vacancies, tmp_path / "2", "--model", model, *options, "--earlier", tmp_path / "nowhere")
    assert "allowed: the folder of an earlier report" in shown and not (tmp_path / "2").exists()


def test_wrong_options_are_refused(model, vacancies, tmp_path):
    for options, message in (
        (("--novelty", 3), "novelty is 3.0; allowed: 0 to 1"),
        (("--period", "week"), "unit 'week'; allowed: year, quarter, month"),
        (("--columns", "firm=company"), "unknown field(s) firm"),
        (("--adapter", "somewhere"), "allowed: either --llm MODEL"),
    ):
        assert message in fail("emerging", vacancies, tmp_path / "out", "--model", model, "--confidence", 1.0, *options)


NUMBERS = {"cohesion": 0.7, "similarity": 0.4, "novelty": 0.9}
GROUP = Group(
    "E001",
    30,
    (
        ("Drone pilot", "Plans flights over fields. Steers the drone from the ground."),
        ("drone pilot", "Steers the drone from the ground."),
        ("Drone operator", "We offer a canteen."),
    ),
    ("drone", "flights"),
    ("3153", "8332"),
)


def test_a_draft_names_the_group_by_its_titles_and_its_tasks_by_its_keywords():
    found = draft_judgement(GROUP, load_isco08(), **NUMBERS)
    assert (found.verdict, found.code, found.title) == ("new", "", "drone pilot")
    assert found.definition.startswith("Drone pilot: work found in 30 texts, also called drone operator.")
    assert "drone, flights" in found.definition and "3153" in found.definition
    assert found.tasks[:2] == ("Plans flights over fields", "Steers the drone from the ground")


def test_the_title_that_is_most_like_the_others_names_the_group():
    titles = ("Senior drone pilot (Leeds)", "Drone pilot, crops", "Pilot of a drone at Hill & Sons", "Field helper")
    found = draft_judgement(replace(GROUP, texts=tuple((title, "") for title in titles)), load_isco08(), **NUMBERS)
    assert found.title == "drone pilot" and "also called field helper" in found.definition


def test_of_titles_that_are_not_alike_the_one_with_most_keywords_names_the_group():
    texts = (("Lead (Drone Team) | Aerial Things", ""), ("Drone pilot, flights", ""), ("Field helper", ""))
    found = draft_judgement(replace(GROUP, texts=texts), load_isco08(), **NUMBERS)
    assert found.title == "drone pilot flights"


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [
        ((0.1, 0.9, 0.9), "no occupation"),
        ((0.7, 0.9, 0.2), "existing"),
        ((0.7, 0.9, 0.9), "variant"),
        ((0.7, 0.4, 0.9), "new"),
    ],
)
def test_the_verdict_follows_from_three_numbers_and_says_which(numbers, verdict):
    found, reason = verdict_of(*numbers)
    assert found == verdict and any(f"{number:.2f}" in reason for number in numbers)
