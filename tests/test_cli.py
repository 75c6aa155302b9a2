"""The command line from end to end: what it prints, the files it writes, and how it says that something is wrong."""

import csv
import json
import os
import statistics
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from commands import run, succeed
from tiny import GROUPS, LEAVES, tiny_records, tiny_taxonomy

import occ_autocoder.demo
import occ_autocoder.taxonomy
from occ_autocoder.taxonomy import Taxonomy

HEAVY = ("torch", "transformers", "pandas", "datasets", "pyarrow", "numpy", "rich.table")
SMALL = ("max_seq_length=64", "epochs=8", "batch_size=16", "learning_rate=5e-3", "head_hidden_size=32")
SMALL_NGRAMS = ("ngram_buckets=2048", "ngram_dim=16", "checkpoint_steps=0")
BAD = {"id": "bad", "job_title": "cook", "code": "9999", "source": "tiny"}


def fail(*arguments):
    """The one line, on stderr, of a run that must end with exit code 2."""
    result = run(*arguments)
    lines = [line for line in result.stderr.replace("\r", "\n").splitlines() if line]
    assert (result.exit_code, len(lines), result.stdout) == (2, 1, ""), result.output
    assert lines[0].startswith("error: ")
    return lines[0]


def python(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments], env=os.environ | environment, capture_output=True, timeout=60, check=True
    )


def write_table(path, header, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_records(path, records):
    names = ("id", "job_title", "job_duties", "code", "source")
    return write_table(path, names, [[record.get(name, "") for name in names] for record in records])


def read_table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# Start


def test_help_comes_at_once_and_names_the_commands():
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = python("-m", "occ_autocoder.cli", "--help")
        seconds.append(time.perf_counter() - start)
    assert statistics.median(seconds) < 1.5
    for name in ("taxonomy", "demo", "train", "predict", "evaluate", "--debug"):
        assert name in done.stdout.decode()


def test_the_command_line_loads_nothing_heavy_before_it_is_needed():
    done = python("-c", f"import sys, occ_autocoder.cli; print([name for name in {HEAVY} if name in sys.modules])")
    assert done.stdout.decode().strip() == "[]"


def test_titles_that_the_terminal_cannot_write_are_no_error(tmp_path):
    table = write_table(tmp_path / "t.csv", ("code", "title"), [("1", "看護師 ✓"), ("2", "Cook")])
    done = python("-m", "occ_autocoder.cli", "taxonomy", "show", str(table), PYTHONIOENCODING="cp1252")
    assert b"1  ??? ?" in done.stdout
    assert b"2  Cook" in done.stdout


# Taxonomies


@pytest.fixture(scope="module")
def classification(tmp_path_factory):
    """The tiny taxonomy as the command line imports it from a CSV table with column names of its own."""
    folder = tmp_path_factory.mktemp("classification")
    rows = [(code, title, parent, "") for code, title, parent in GROUPS]
    rows += [(code, title, parent, definition) for code, title, parent, definition, _ in LEAVES]
    table = write_table(folder / "table.csv", ("Group", "Name", "Above", "Note"), rows)
    names = ("code=Group", "title=Name", "parent=Above", "definition=Note")
    columns = [text for name in names for text in ("--column", name)]
    output = folder / "sub" / "tiny.parquet"
    text = succeed("taxonomy", "import", table, output, "--scheme", "tiny", "--version", "1", *columns)
    assert f"written: {output}" in text
    assert [line.split() for line in text.splitlines() if line.strip()[:1].isdigit()] == [
        ["1", "4"],
        ["2", "5"],
        ["3", "6"],
    ]
    return output


def test_an_imported_table_is_the_classification(classification):
    found = Taxonomy.load(classification)
    assert (found.scheme, found.version) == ("tiny", "1")
    fields = [(item.code, item.title, item.level, item.parent, item.definition) for item in found]
    expected = [(item.code, item.title, item.level, item.parent, item.definition) for item in tiny_taxonomy()]
    assert sorted(fields) == sorted(expected)


def test_show_gives_an_imported_classification_from_above_and_a_code_of_it(classification):
    text = succeed("taxonomy", "show", classification)
    assert "tiny 1" in text
    assert "8  Drivers and machine operators" in text
    assert "83  Drivers (2)" in text
    assert "Bus drivers" not in text
    text = succeed("taxonomy", "show", classification, "8331")
    assert [name in text for name in ("8  Drivers and", "83  Drivers", "8331  Bus drivers")] == [True] * 3
    assert "Drive a bus on its route by the timetable" in text
    assert "8322" not in text


def test_show_knows_isco_08():
    text = succeed("taxonomy", "show", "isco-08")
    assert ["4", "436"] in [line.split() for line in text.splitlines()]
    assert "22  Health Professionals" in text
    text = succeed("taxonomy", "show", "isco-08", "2221")
    for part in ("2  Professionals", "22  Health", "2221  Nursing Professionals", "Tasks", "Examples", "Excluded"):
        assert part in text


def test_an_unknown_code_is_answered_with_near_ones():
    line = fail("taxonomy", "show", "isco-08", "2229")
    assert "has no code '2229'; nearest: 222," in line


def test_compare_shows_and_writes_what_became_of_each_code(tmp_path):
    header = ("code", "title", "parent")
    before = write_table(tmp_path / "a.csv", header, [("1", "Staff", ""), ("11", "Cooks", "1"), ("12", "Clerks", "1")])
    rows = [("1", "Staff", ""), ("11", "Chefs and cooks", "1"), ("13", "Bakers", "1")]
    after = write_table(tmp_path / "b.csv", header, rows)
    out = tmp_path / "sub" / "changes.csv"
    text = succeed("taxonomy", "compare", before, after, "--out", out)
    changes = {(row["status"], row["code_before"], row["code_after"]) for row in read_table(out)}
    assert changes == {("same", "1", "1"), ("retitled", "11", "11"), ("added", "", "13"), ("removed", "12", "")}
    lines = [line.split() for line in text.splitlines()]
    for counted in (["same", "1"], ["retitled", "1"], ["added", "1"], ["removed", "1"], ["recoded", "0"]):
        assert counted in lines
    assert ["retitled", "11", "11", "Cooks", "Chefs", "and", "cooks"] in lines


# Training


def train_arguments(classification, records, encoder, output):
    settings = [text for name in (*SMALL, *SMALL_NGRAMS) for text in ("--set", name)]
    own = ("--taxonomy", classification, "--records", records, "--encoder", encoder, "--output", output)
    return ["train", *own, "--cache", output.parent / "cache", *settings]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, classification, encoder_folder):
    """The folder of a model that the command line trained, and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    records = write_records(folder / "records.csv", [*tiny_records(), BAD])
    text = succeed(*train_arguments(classification, records, encoder_folder, folder / "model"))
    return folder / "model", text


@pytest.fixture(scope="module")
def model(trained):
    return trained[0]


def test_training_counts_the_rows_and_writes_the_bad_one(trained):
    model, text = trained
    assert f"36 records, 1 rejected: {model / 'rejected.csv'}" in text
    [row] = read_table(model / "rejected.csv")
    assert (row["row"], row["id"], row["column"]) == ("38", "bad", "code")
    assert "9999" in row["reason"]


def test_training_takes_the_settings_and_prints_the_validation(trained):
    model, text = trained
    about = json.loads((model / "training.json").read_text())
    wanted = {"epochs": 8, "learning_rate": 5e-3, "head_hidden_size": 32}
    assert {name: about["arguments"][name] for name in wanted} == wanted
    accuracy = about["history"][about["best_epoch"]]["accuracy"]
    assert ["accuracy", f"{accuracy:.3f}"] in [line.split() for line in text.splitlines()]
    assert f"model: {model}" in text


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (("--set", "epoch=3"), ("epoch;", "epochs", "learning_rate", "seed")),
        (("--set", "patience=many"), ("patience", "many", "a whole number")),
        (("--set", "epochs"), ("--set epochs", "name=value")),
        (("--mode", "half"), ("half", "frozen, full, lora")),
        (("--records", "absent.csv"), ("absent.csv",)),
        (("--taxonomy", "absent.parquet"), ("absent.parquet", "isco-08")),
    ],
)
def test_a_wrong_setting_of_training_is_one_line(classification, encoder_folder, tmp_path, given, parts):
    records = write_records(tmp_path / "records.csv", tiny_records())
    line = fail(*train_arguments(classification, records, encoder_folder, tmp_path / "model"), *given)
    assert [part in line for part in parts] == [True] * len(parts), line
    assert not (tmp_path / "model").exists()


def test_records_without_a_known_code_are_one_line_with_the_first_reason(classification, encoder_folder, tmp_path):
    records = write_records(tmp_path / "records.csv", [BAD])
    line = fail(*train_arguments(classification, records, encoder_folder, tmp_path / "model"))
    assert "no record can be used" in line
    assert "row 2" in line
    assert "9999" in line


# Coding


def test_predict_writes_the_same_codes_to_every_kind_of_file(model, tmp_path):
    source = write_records(tmp_path / "in.csv", [*tiny_records(), {"id": "blank"}])
    for name in ("out.csv", "out.jsonl", "out.parquet"):
        text = succeed("predict", source, tmp_path / name, "--model", model, "--top-k", 2)
        assert f"36 of 37 rows coded: {tmp_path / name}" in text
        assert f"1 rejected, with their reasons: {tmp_path / 'out.rejected.csv'}" in text
        assert [row["id"] for row in read_table(tmp_path / "out.rejected.csv")] == ["blank"]
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    nested = [(line["id"], *(item["code"] for item in line["occupations"])) for line in lines]
    for rows in (read_table(tmp_path / "out.csv"), pq.read_table(tmp_path / "out.parquet").to_pylist()):
        assert [(row["id"], row["code"], row["code_2"]) for row in rows] == nested
        assert "code_3" not in rows[0]
    right = sum(row[1] == record["code"] for row, record in zip(nested, tiny_records(), strict=True))
    assert right > 30


def test_predict_takes_a_level_columns_and_texts(model, tmp_path):
    table = write_table(tmp_path / "in.csv", ("No", "What"), [("a", "night nurse"), ("b", "city bus driver")])
    columns = ("--columns", "id=No", "--columns", "job_title=What")
    succeed("predict", table, tmp_path / "out.csv", "--model", model, "--level", 1, "--keep-text", *columns)
    rows = read_table(tmp_path / "out.csv")
    assert [(row["id"], row["job_title"], row["code"]) for row in rows] == [
        ("a", "night nurse", "2"),
        ("b", "city bus driver", "8"),
    ]


def test_a_cut_text_is_told(model, tmp_path):
    source = write_records(tmp_path / "in.csv", [{"id": "a", "job_title": "cook", "job_duties": "cook meals " * 200}])
    assert "1 of the coded were longer" in succeed("predict", source, tmp_path / "out.csv", "--model", model)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"source": "absent.csv"}, ("absent.csv",)),
        ({"model": "./absent"}, ("./absent", "no such folder")),
        ({"model": "absent"}, ("absent",)),
        ({"model": "nobody/absent"}, ("nobody/absent",)),
        ({"model": "encoder"}, ("bert", "that `train` made")),
        ({"output": "out.xlsx"}, ("out.xlsx", ".csv, .tsv, .jsonl, .parquet")),
        ({"output": "in.csv"}, ("in.csv", "over the source")),
        ({"level": 9}, ("9", "1, 2")),
        ({"columns": "job=What"}, ("job", "job_title")),
        ({"columns": "job_title=Absent"}, ("Absent",)),
    ],
)
def test_what_predict_cannot_do_is_one_line(model, encoder_folder, tmp_path, monkeypatch, change, parts):
    monkeypatch.chdir(tmp_path)
    write_records(tmp_path / "in.csv", tiny_records())
    used = {"source": "in.csv", "output": "out.csv", "model": model, **change}
    folder = encoder_folder if used["model"] == "encoder" else used["model"]
    more = [text for name in ("level", "columns") if name in used for text in (f"--{name}", used[name])]
    line = fail("predict", used["source"], used["output"], "--model", folder, *more)
    assert [part in line for part in parts] == [True] * len(parts), line
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_the_traceback_comes_with_debug_alone(classification):
    quiet = run("taxonomy", "show", classification, "9999")
    loud = run("--debug", "taxonomy", "show", classification, "9999")
    assert (quiet.exit_code, loud.exit_code) == (2, 2)
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr
    assert loud.stderr.endswith(quiet.stderr)


def test_an_interrupted_command_says_so_and_ends_with_130(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(occ_autocoder.taxonomy, "load_isco08", interrupted)
    result = run("taxonomy", "show", "isco-08")
    assert (result.exit_code, result.stderr, result.stdout) == (130, "interrupted\n", "")


def test_a_fault_of_our_own_is_not_passed_off_as_the_users(monkeypatch):
    monkeypatch.setattr(occ_autocoder.taxonomy, "load_isco08", lambda: 1 / 0)
    result = run("taxonomy", "show", "isco-08")
    assert isinstance(result.exception, ZeroDivisionError)


# Evaluation


@pytest.fixture
def labelled(tmp_path):
    """The tiny records, every fifth with another's code, and one with no code at all."""
    records = tiny_records()
    wrong = [
        {**row, "code": records[number - 6]["code"] if number % 5 == 0 else row["code"]}
        for number, row in enumerate(records)
    ]
    return wrong, write_records(tmp_path / "labelled.csv", [*wrong, {"id": "none", "job_title": "cook"}])


def test_the_report_says_how_often_the_codes_of_predict_are_right(model, labelled, tmp_path):
    records, source = labelled
    text = succeed("evaluate", source, "--model", model, "--output", tmp_path / "report")
    succeed("predict", source, tmp_path / "out.csv", "--model", model)
    codes = {row["id"]: row["code"] for row in read_table(tmp_path / "out.csv")}
    accuracy = sum(codes[row["id"]] == row["code"] for row in records) / len(records)
    assert 0.5 < accuracy < 0.9
    report = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert f"Of 36 records, **{100 * accuracy:.1f}" in report
    assert f"accuracy                             {100 * accuracy:.1f}%".split() == [
        word for line in text.splitlines() if line.strip().startswith("accuracy  ") for word in line.split()[:2]
    ]
    results = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert results["accuracy"] == pytest.approx(accuracy)
    pictures = list((tmp_path / "report").glob("*.png"))
    assert pictures
    assert all(path.read_bytes().startswith(b"\x89PNG") and f"({path.name})" in report for path in pictures)


def test_rows_that_cannot_be_judged_are_counted_in_the_report_and_listed(model, labelled, tmp_path):
    text = succeed("evaluate", labelled[1], "--model", model, "--output", tmp_path / "report", "--level", 1)
    assert f"1 rows were set aside: {tmp_path / 'report' / 'rejected.csv'}" in text
    [row] = read_table(tmp_path / "report" / "rejected.csv")
    assert (row["row"], row["id"], row["column"]) == ("38", "none", "code")
    assert "1 further records were set aside" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("given", "part"), [(("--level", 9), "1, 2"), (("--columns", "code="), "no code")])
def test_what_evaluate_cannot_do_is_one_line(model, labelled, tmp_path, given, part):
    assert part in fail("evaluate", labelled[1], "--model", model, "--output", tmp_path / "report", *given)
    assert not (tmp_path / "report").exists()


# Demonstration


def test_the_demonstration_codes_every_sample_record(tmp_path, monkeypatch):
    monkeypatch.setitem(occ_autocoder.demo.SETTINGS, "epochs", 1)
    text = succeed("demo", "--output", tmp_path / "demo", "--cache", tmp_path / "cache")
    coded = read_table(tmp_path / "demo" / "coded.csv")
    assert [row["id"] for row in coded] == [f"sample-{number:02}" for number in range(1, len(coded) + 1)]
    lines = text.splitlines()
    shown = {words[0]: words for words in map(str.split, lines) if words and words[0].startswith("sample-")}
    assert [(row["id"], row["code"] in shown[row["id"]]) for row in coded] == [(row["id"], True) for row in coded]
    right = sum(words[-1] == "✓" for words in shown.values())
    [said] = [line for line in lines if line.startswith("Right: ")]
    assert said.startswith(f"Right: {right} of {len(coded)} ({right / len(coded):.0%})")
    assert f"--model {tmp_path / 'demo' / 'model'}" in text
    assert (tmp_path / "demo" / "model" / "config.json").is_file()
