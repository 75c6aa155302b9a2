"""The benchmarks: what is held out stays unseen, all coders get the same texts, the tables say what was measured."""

import json

import numpy as np
import pandas
import pytest
from tiny import tiny_arguments, tiny_records, tiny_taxonomy

from benchmarks import esco_isco, onet, run, ssoc
from benchmarks.measures import measures, test_forms
from benchmarks.ours import as_records, parse_settings, predictor, run_ours, training_arguments
from benchmarks.peers import benchmark_examples, run_peer
from benchmarks.records import SPLITS, Benchmark, split_of
from benchmarks.tables import benchmark_tables
from occ_autocoder.training.examples import taxonomy_examples, taxonomy_texts
from occ_autocoder.training.train import labelled_examples

test_forms.__test__ = False


def tiny_benchmark() -> Benchmark:
    """Of the tiny records every fifth is for the test and the next for validation."""
    table = pandas.DataFrame(tiny_records())[["job_title", "job_duties", "code"]]
    places = table.index % 5
    parts = {"train": places > 1, "validation": places == 1, "test": places == 0}
    return Benchmark(
        "tiny", tiny_taxonomy(), {split: table[part].reset_index(drop=True) for split, part in parts.items()}
    )


def write_tables(folder, **tables) -> None:
    """Each table as NAME.csv.gz, from a list of rows."""
    for name, rows in tables.items():
        pandas.DataFrame(rows).to_csv(folder / f"{name}.csv.gz", index=False)


def texts_of(benchmark: Benchmark, split: str, column: str) -> set[str]:
    return {text.lower() for text in benchmark.splits[split][column] if text}


def assert_nothing_of_the_test_is_known(benchmark: Benchmark) -> None:
    assert all(len(benchmark.splits[split]) for split in SPLITS)
    told = " | ".join(
        text.lower()
        for item in benchmark.taxonomy
        for text in (item.title, item.definition, *item.tasks, *item.examples)
    )
    held = texts_of(benchmark, "test", "job_title") - texts_of(benchmark, "train", "job_title")
    assert held == texts_of(benchmark, "test", "job_title")
    assert not [title for title in held if f"| {title} |" in told]


def test_onet_titles_and_tasks_of_the_test_are_unseen(tmp_path):
    titles = [f"Welder of kind {number}" for number in range(60)]
    write_tables(
        tmp_path,
        us_soc2018_definitions=[
            {"code": "51-0000", "level": "Major", "parent_code": "", "title": "Production", "definition": ""},
            {"code": "51-4100", "level": "Minor", "parent_code": "51-0000", "title": "Metal", "definition": ""},
            {"code": "51-4120", "level": "Broad", "parent_code": "51-4100", "title": "Welding", "definition": ""},
            {
                "code": "51-4121",
                "level": "Detailed",
                "parent_code": "51-4120",
                "title": "Welders",
                "definition": "Weld.",
            },
        ],
        onet27_occupations=[
            {"onet_soc_code": "51-4121.00", "title": "Welders", "description": "Join metal.", "soc2018_code": "51-4121"}
        ],
        onet27_alternate_titles=[{"onet_soc_code": "51-4121.00", "alternate_title": title} for title in titles],
        onet27_task_statements=[
            {"onet_soc_code": "51-4121.00", "task_id": str(number), "task": f"Do task {number} well."}
            for number in range(60)
        ],
    )
    benchmark = onet.build(tmp_path)
    assert_nothing_of_the_test_is_known(benchmark)
    tasks = {split: set(" ".join(benchmark.splits[split]["job_duties"]).split(" Do ")) for split in SPLITS}
    numbers = {split: {part.split()[-2] for part in tasks[split]} for split in SPLITS}
    assert numbers["test"] and not numbers["test"] & numbers["train"]


def test_esco_occupations_of_the_test_are_unseen(tmp_path):
    levels = [("8", "1", ""), ("83", "2", "8"), ("833", "3", "83"), ("8331", "4", "833")]
    write_tables(
        tmp_path,
        isco08_definitions=[
            {
                "code": code,
                "level": level,
                "parent_code": parent,
                "title": f"Drivers {code}",
                "definition": "They drive.",
            }
            | dict.fromkeys(("tasks", "included_occupations", "excluded_occupations", "notes"), "")
            for code, level, parent in levels
        ],
        esco111_occupations_en=[
            {"esco_id": f"id{number}", "description": f"Drives bus number {number}."} for number in range(40)
        ],
        esco111_occupation_labels_en=[
            {"label": f"driver {number} {kind}", "esco_id": f"id{number}", "isco08_code": "8331", "label_type": kind}
            for number in range(40)
            for kind in ("preferred", "alt", "hidden")
        ],
    )
    benchmark = esco_isco.build(tmp_path)
    assert_nothing_of_the_test_is_known(benchmark)
    assert not texts_of(benchmark, "test", "job_duties") & texts_of(benchmark, "train", "job_duties")
    assert not [title for split in SPLITS for title in benchmark.splits[split]["job_title"] if "hidden" in title]


def test_ssoc_titles_and_sentences_of_the_test_are_unseen(tmp_path):
    parts = [
        "They drive a bus by day.",
        "They clean the bus at night.",
        "They sell the tickets there.",
        "They talk to us.",
    ]
    code, levels = "83312", []
    for level in range(1, 6):
        definition = " ".join(parts) if level == 5 else ""
        row = {"code": code[:level], "level": level, "parent_code": code[: level - 1], "title": f"Official {level}"}
        levels.append(
            row
            | {"definition": definition}
            | dict.fromkeys(("tasks", "notes", "examples", "examples_elsewhere", "groups_under"), "")
        )
    titles = [f"bus driver {number}" for number in range(60)]
    levels[-1]["examples"] = "\n".join(titles)
    index = [{"title": title, "ssoc_code": code, "ssoc_version": "2024", "source": "example"} for title in titles]
    write_tables(tmp_path, ssoc2024_definitions=levels, ssoc_title_index=index)
    benchmark = ssoc.build(tmp_path, "2024")
    assert_nothing_of_the_test_is_known(benchmark)
    [held] = texts_of(benchmark, "test", "job_duties")
    known = " ".join([*texts_of(benchmark, "train", "job_duties"), benchmark.taxonomy[code].definition.lower()])
    assert held not in known and sum(part.lower() in known for part in parts) == 2


def test_a_key_is_always_on_the_same_side():
    sides = [split_of(f"title {number}") for number in range(1000)]
    assert split_of("title 0") == "train" and split_of("title 2") == sides[2]
    assert 60 < sides.count("test") < 140 and 60 < sides.count("validation") < 140


def test_the_forms_are_the_rows_with_both_fields_and_each_different_title_and_duties():
    rows = [
        ("cook", "Cooks.", "1"),
        ("cook", "Bakes.", "1"),
        ("cook", "", "2"),
        ("baker", "Bakes.", "1"),
        ("", "Eats.", "1"),
    ]
    forms = test_forms(pandas.DataFrame(rows, columns=["job_title", "job_duties", "code"]))
    assert forms["title_and_duties"].to_numpy().tolist() == [list(rows[0]), list(rows[1]), list(rows[3])]
    assert forms["title"].to_numpy().tolist() == [["cook", "", "1"], ["cook", "", "2"], ["baker", "", "1"]]
    assert forms["duties"].to_numpy().tolist() == [["", "Cooks.", "1"], ["", "Bakes.", "1"], ["", "Eats.", "1"]]


def test_measures_agree_with_those_worked_by_hand():
    scores = np.array([[0.40, 0.35, 0.25], [0.40, 0.35, 0.25], [0.10, 0.20, 0.70]])
    ancestors = {1: [0, 1, 1], 2: [0, 1, 2]}
    labels = np.array([0, 1, 2])
    summed = measures(scores, labels, ancestors, probabilities=True)
    assert summed["top_1"] == pytest.approx(2 / 3) and summed["top_5"] == 1.0
    assert summed["macro_recall"] == pytest.approx(2 / 3) and summed["level_2"] == pytest.approx(2 / 3)
    assert summed["level_1"] == pytest.approx(2 / 3)  # the first row's largest group is the wrong one
    first = measures(np.log(scores), labels, ancestors, probabilities=False)
    assert first["top_1"] == summed["top_1"] and first["level_1"] == pytest.approx(2 / 3)
    first_two = [measures(scores[:1], labels[:1], ancestors, probabilities=kind)["level_1"] for kind in (True, False)]
    assert first_two == [0.0, 1.0]


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="row 1"):
        measures(np.array([[0.0, 1.0], [np.nan, 1.0]]), np.array([0, 1]), {1: [0, 1]}, probabilities=False)


def test_peers_are_fitted_on_what_our_model_trains_on():
    benchmark = tiny_benchmark()
    arguments = training_arguments({"pairs": 1}, seed=0)
    examples, codes = benchmark_examples(benchmark, arguments)
    parts = {split: as_records(benchmark.splits[split], split) for split in ("train", "validation")}
    ours, _ = labelled_examples(parts["train"], parts["validation"], codes, arguments)
    ours = [*ours, *taxonomy_examples(taxonomy_texts(benchmark.taxonomy, codes), codes)]
    texts = [[(item.job_title, item.job_duties, item.label) for item in part] for part in (examples, ours)]
    assert texts[0] == texts[1]


def test_a_peer_that_cannot_be_fitted_says_why():
    benchmark = tiny_benchmark()
    assert (
        "at least two"
        in run_peer("tfidf_svm", benchmark, benchmark_examples_of_one_code(), ["1", "2"], None, 0)["refused"]
    )


def benchmark_examples_of_one_code():
    examples, _ = benchmark_examples(tiny_benchmark(), training_arguments({}, seed=0))
    return [item for item in examples if item.label == 0]


def test_settings_are_read_as_json_or_text_and_their_names_are_checked():
    assert parse_settings(["epochs=3", "loss=cdb", 'loss_options={"tau": 1.0}', "encoder=a=b"]) == {
        "epochs": 3,
        "loss": "cdb",
        "loss_options": {"tau": 1.0},
        "encoder": "a=b",
    }
    with pytest.raises(ValueError, match="name=value"):
        parse_settings(["epochs"])
    with pytest.raises(ValueError, match=r"no setting epoch; allowed: .*epochs"):
        training_arguments({"epoch": 3}, seed=0)
    assert training_arguments({"epochs": 3}, seed=7).seed == 7


def test_our_model_is_trained_saved_loaded_and_measured(tmp_path, encoder_folder):
    small = vars(tiny_arguments(encoder_folder, epochs=4)) | {"mode": "frozen"}
    settings = {name: value for name, value in small.items() if name != "seed"}
    result = run_ours(tiny_benchmark(), settings, 1, tmp_path / "model", tmp_path / "cache")
    test = tiny_benchmark().splits["test"]
    assert result["forms"]["title"]["rows"] == len(test)
    assert result["forms"]["title_and_duties"]["rows"] == (test["job_duties"] != "").sum()
    assert 0.5 < result["forms"]["title"]["top_5"] <= 1.0
    assert not (tmp_path / "model").exists()


def test_the_predictions_are_those_of_the_saved_model_whatever_the_batch(model_folder, monkeypatch):
    from transformers import AutoTokenizer

    from occ_autocoder.model.modeling_occupation import OccupationForSequenceClassification

    model = OccupationForSequenceClassification.from_pretrained(model_folder).eval()
    predict = predictor(model, AutoTokenizer.from_pretrained(model_folder))
    titles, duties = ["cook", "", "night nurse"], ["", "Drives a city bus", "Gives medicine to patients"]
    whole = predict(titles, duties)
    monkeypatch.setattr("benchmarks.ours.BATCH", 1)
    np.testing.assert_allclose(predict(titles, duties), whole, atol=1e-5)
    np.testing.assert_allclose(whole.sum(axis=1), 1.0)
    assert [model.config.id2label[place] for place in whole.argmax(axis=1)] == ["5120", "8331", "2221"]


def test_a_run_writes_results_and_tables_and_takes_up_results_about_the_same_data(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(run.BENCHMARKS, "tiny", lambda data: tiny_benchmark())
    monkeypatch.setattr(run, "shared_encoder", lambda *_: None)
    options = ["--data", str(tmp_path), "--output", str(tmp_path / "out"), "--only", "peers", "--peers", "tfidf_svm"]
    run.main(options, benchmarks=["tiny"])
    assert "| tfidf_svm | **" in capsys.readouterr().out
    file = tmp_path / "out" / "tiny" / "tfidf_svm.json"
    result = json.loads(file.read_text())
    assert result["forms"]["title"]["rows"] == len(tiny_benchmark().splits["test"])
    assert (tmp_path / "out" / "tiny" / "results.md").read_text().startswith("# tiny")

    changed = json.dumps(result | {"fit_seconds": 1234})
    file.write_text(changed)
    run.main([*options, "--reuse"], benchmarks=["tiny"])
    assert file.read_text() == changed and "1234 s" in capsys.readouterr().out
    file.write_text(json.dumps(result | {"fit_seconds": 1234, "data": "other"}))
    run.main([*options, "--reuse"], benchmarks=["tiny"])
    assert json.loads(file.read_text())["fit_seconds"] < 1234


def result(coder: str, top_1: float, seed: int | None = None) -> dict:
    forms = {"title": {"top_1": top_1, "top_5": 0.9, "rows": 10, "predict_seconds": 1.0}}
    return {"coder": coder, "seed": seed, "fit_seconds": 2.0, "forms": forms}


def test_a_table_marks_the_best_peer_and_says_where_ours_stands():
    results = [result("nearest", 0.5), result("fusion", 0.6), result("ours", 0.6, 0), result("ours", 0.7, 1)]
    text = benchmark_tables("tiny", [*results, {"coder": "setfit", "seed": 0, "refused": "too many texts"}])
    assert "| ours | 65.0 (60.0..70.0) | 90.0 (90.0..90.0) | 2 s | 1 s |" in text
    assert "| fusion | **60.0** | 90.0 | 2 s | 1 s |" in text
    assert "| nearest | 50.0 | **90.0** | 2 s | 1 s |" in text
    assert "- top-1: at or above the best peer, fusion (+5.0 points)" in text
    assert "setfit was not run: too many texts." in text
    worse = benchmark_tables("tiny", [result("nearest", 0.7), result("ours", 0.6, 0)])
    assert "- top-1: below the best peer, nearest (-10.0 points)" in worse


def test_the_command_line_of_each_benchmark_is_about_that_one():
    assert "--benchmark" in run.parser().format_help()
    assert "--benchmark" not in run.parser(["onet"]).format_help()
