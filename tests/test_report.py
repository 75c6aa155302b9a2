"""The report on disk: its files, its numbers, its escaping, its pictures."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from occ_autocoder.evaluation.metrics import evaluate_probabilities
from occ_autocoder.evaluation.report import write_report
from occ_autocoder.evaluation.sections import weakest_codes
from occ_autocoder.markdown import interval, markdown_table, number, percent, plain

CODES = [f"{group}{leaf}" for group in range(1, 4) for leaf in range(1, 5)]
ANCESTORS = {1: [int(code[0]) - 1 for code in CODES], 2: list(range(12))}
LEVEL_CODES = {1: ["1", "2", "3"], 2: CODES}
TITLES = {"1": "Managers | directors", "11": "Head <b>chef</b>", "12": "Cook *and* baker"}
TABLES = {"levels.csv", "groups.csv", "support.csv", "coverage.csv", "reliability.csv", "classes.csv", "confusions.csv"}
PICTURES = {"levels.png", "support.png", "reliability.png", "coverage.png"}


def evaluated(n: int = 300, **options) -> dict:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 12, n)
    logits = generator.normal(size=(n, 12)) * 2
    logits[np.arange(n), labels] += 2.5
    exponentials = np.exp(logits)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    counts = [0, 3, 5, 9, 10, 20, 30, 50, 99, 100, 200, 400]
    given = {"codes": CODES, "ancestors": ANCESTORS, "level_codes": LEVEL_CODES, "train_counts": counts}
    return evaluate_probabilities(probabilities, labels, **(given | options))


@pytest.fixture(scope="module")
def results() -> dict:
    return evaluated(thresholds={0.9: 0.6})


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory) -> Path:
    path = write_report(
        tmp_path_factory.mktemp("reports") / "new" / "run",
        results,
        title="Test | split of <i>2020</i>",
        titles=TITLES,
        scheme="SSOC_2020",
        level_names={1: "major group"},
        settings={"learning_rate": 1e-4, "data": Path("records|2020.csv")},
        rejected={"no code": 1200, "code | unknown": 34},
        notes=["The records are **made up**."],
    )
    assert path.name == "report.md"
    return path.parent


@pytest.fixture(scope="module")
def text(folder) -> str:
    return (folder / "report.md").read_text(encoding="utf-8")


def read_csv(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_file_is_written_and_every_picture_shown(folder, text):
    assert {path.name for path in folder.iterdir()} == TABLES | PICTURES | {"report.md", "metrics.json"}
    assert all(f"]({name})" in text for name in PICTURES)


def test_numbers_of_the_text_are_those_of_the_results(text, results):
    share = interval(results["accuracy_low"], results["accuracy_high"])
    assert f"Of 300 records, **{percent(results['accuracy'])}** got the right code" in text
    assert f"(95 % interval {share}). 1,234 further records were set aside." in text
    for row in results["levels"]:
        assert f"| {row['groups']} | 300 | {percent(row['accuracy'])} | {interval(row['low'], row['high'])} |" in text
    assert f"| among the first 3 | {percent(results['top_3_accuracy'])} |" in text
    assert f"| Expected calibration error, bins of equal width | {number(results['ece'])} |" in text
    assert f"| Log-loss (nats) | {number(results['log_loss'])} |" in text
    for row in results["support_bands"]:
        assert f"| {row['band']} | {row['codes']} | {row['records']} | {percent(row['accuracy'])} |" in text
    (chosen,) = (row for row in results["coverage"] if row["chosen_on"] == "another split")
    assert f"| 90.0 % | 0.600 | {percent(chosen['coverage'])} | {percent(chosen['accuracy'])} | another split |" in text
    most = results["confusions"][0]
    assert f"| {most['records']} | {percent(most['share'])} |" in text
    assert "| set aside: no code | 1,200 |" in text
    assert "The records are **made up**." in text


def test_a_threshold_chosen_on_the_same_records_is_called_optimistic(text, tmp_path):
    caution = "looks better here than it will on new ones"
    assert caution in text
    every = dict.fromkeys((0.8, 0.9, 0.95), 0.5)
    path = write_report(tmp_path, evaluated(thresholds=every), title="Test", plots=False)
    assert caution not in path.read_text(encoding="utf-8")


def test_titles_with_pipes_and_markup_stay_text(text):
    assert text.startswith("# Test \\| split of \\<i\\>2020\\</i\\>\n")
    assert "| 1 Managers \\| directors |" in text
    assert "11 Head \\<b\\>chef\\</b\\>" in text
    assert "12 Cook \\*and\\* baker" in text
    assert "the right code of SSOC\\_2020" in text
    assert "| set aside: code \\| unknown | 34 |" in text
    assert "| data | records\\|2020.csv |" in text


def test_every_row_of_every_table_has_as_many_cells_as_its_heading(text):
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 10
    for lines in tables:
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1, lines[0]


def test_plain_text_keeps_to_one_line_and_escapes_what_markdown_reads():
    assert plain("a\n b\t`c` [d](e) $f$ ~g~") == "a b \\`c\\` \\[d\\](e) \\$f\\$ \\~g\\~"
    assert plain("R&D &lt; AT&T") == "R&D \\&lt; AT&T"
    assert plain("back\\slash|") == "back\\\\slash\\|"


def test_columns_of_numbers_are_set_right_and_codes_with_titles_left():
    rows = [["1", "2512 Developer", "-", "1.0 to 2.0 %", "0.1"], ["2", "2513", "3.0 %", "3.5 to 4.0 %", "adam"]]
    table = markdown_table(["Code", "Given", "Share", "Range", "Value"], rows)
    assert table.splitlines()[1] == "| --- | --- | ---: | ---: | --- |"


def test_csv_tables_read_back(folder, results):
    rows = read_csv(folder / "classes.csv")
    assert [row["code"] for row in rows] == CODES
    assert [float(row["recall"]) for row in rows] == [row["recall"] for row in results["classes"]]
    assert [row["train_count"] for row in rows[:3]] == ["0", "3", "5"]
    assert [row["title"] for row in rows[:3]] == ["Head <b>chef</b>", "Cook *and* baker", ""]
    first, expected = read_csv(folder / "confusions.csv")[0], results["confusions"][0]
    assert (first["reference"], first["predicted"], int(first["records"])) == tuple(expected.values())[:3]
    assert {"reference_title", "predicted_title"} <= set(first)
    levels = read_csv(folder / "levels.csv")
    assert [float(row["accuracy"]) for row in levels] == [row["accuracy"] for row in results["levels"]]


def test_json_has_the_numbers_the_settings_and_what_was_set_aside(folder, results):
    saved = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    for name in ("accuracy", "ece", "macro_f1", "levels", "coverage", "support_bands"):
        assert saved[name] == results[name]
    assert saved["settings"] == {"learning_rate": 1e-4, "data": "records|2020.csv"}
    assert (saved["title"], saved["scheme"], saved["rejected"]["no code"]) == (
        "Test | split of <i>2020</i>",
        "SSOC_2020",
        1200,
    )
    assert "classes" not in saved  # a row per code: in its CSV file


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_pictures_are_drawn_and_nothing_touches_the_edge(folder, name):
    pixels = imread(folder / name)[:, :, :3]
    height, width, _ = pixels.shape
    assert height >= 500 and width >= 700
    drawn = (pixels < 0.9).any(axis=2)
    assert 0.01 < drawn.mean() < 0.6
    assert not (drawn[0].any() or drawn[-1].any() or drawn[:, 0].any() or drawn[:, -1].any())


def test_pictures_show_the_numbers(results):
    from occ_autocoder.evaluation.plots import coverage_figure, levels_figure, reliability_figure, support_figure

    for figure, rows in (
        (levels_figure(results["levels"], {1: "major group"}), results["levels"]),
        (support_figure(results["support_bands"]), results["support_bands"]),
    ):
        (ax,) = figure.axes
        assert [bar.get_height() for bar in ax.patches] == pytest.approx([100 * row["accuracy"] for row in rows])
        assert [text.get_text() for text in ax.texts] == [f"{100 * row['accuracy']:.1f}" for row in rows]
        assert ax.get_ylim()[0] == 0  # bars that begin elsewhere deceive
    ax, below = reliability_figure(results).axes
    _, curve = ax.get_lines()[:2]
    expected = [(100 * row["confidence"], 100 * row["accuracy"]) for row in results["reliability"]]
    assert curve.get_xydata() == pytest.approx(np.array(expected))
    assert sum(bar.get_height() for bar in below.patches) == pytest.approx(100)
    (ax,) = coverage_figure(results).axes
    line, *marks = ax.get_lines()
    assert len(line.get_xdata()) == len(results["coverage_curve"])
    assert [mark.get_xydata()[0] for mark in marks] == [
        pytest.approx([100 * row["coverage"], 100 * row["accuracy"]]) for row in results["coverage"]
    ]


def test_small_and_extreme_results_can_be_reported(tmp_path):
    for name, labels in (("right", [0, 1]), ("wrong", [1, 0])):
        results = evaluate_probabilities(np.array([[0.9, 0.1], [0.1, 0.9]]), labels, codes=["a", "b"], ancestors={})
        text = write_report(tmp_path / name, results, title=name).read_text(encoding="utf-8")
        assert {path.name for path in (tmp_path / name).glob("*.png")} == {"reliability.png", "coverage.png"}
        assert "levels.png" not in text and "support.png" not in text
        assert "No code has 5 records or more." in text
        assert ("None: every record is right." in text) == (name == "right")


def test_a_report_without_pictures_shows_none_and_leaves_no_stale_table(folder, tmp_path):
    write_report(tmp_path, evaluated(), title="with tables", plots=False)
    assert (tmp_path / "support.csv").exists()
    path = write_report(tmp_path, evaluated(train_counts=None), title="without training counts", plots=False)
    assert "![" not in path.read_text(encoding="utf-8")
    assert not (tmp_path / "support.csv").exists()
    assert not list(tmp_path.glob("*.png"))


def test_the_weakest_codes_have_enough_records_and_the_lowest_f1():
    rows = [
        {"code": "few", "support": 4, "f1": 0.0},
        {"code": "good", "support": 9, "f1": 0.9},
        {"code": "bad", "support": 5, "f1": 0.1},
        {"code": "bad and frequent", "support": 50, "f1": 0.1},
    ]
    assert [row["code"] for row in weakest_codes(rows)] == ["bad and frequent", "bad", "good"]
    assert len(weakest_codes(rows, limit=1)) == 1


def test_evaluating_does_not_import_matplotlib():
    modules = "occ_autocoder.evaluation.metrics, occ_autocoder.evaluation.report"
    code = f"import sys, {modules}; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
