"""Coding a file: every row is accounted for, in its order, with the same codes however it is batched."""

import csv
import hashlib
import json
import random

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hostile import good_row, write_hostile_csv
from tiny import tiny_records

import occ_autocoder
from occ_autocoder.data.records import Record, RecordsError, Rejected, iter_records
from occ_autocoder.serving import Coding, code_records, code_rows, judge
from occ_autocoder.spreadsheet import spreadsheet_safe

FIELDS = ("id", "job_title", "job_duties", "code", "source")


@pytest.fixture(scope="module")
def pipeline(model_folder):
    return occ_autocoder.load(model_folder)


def write_csv(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_csv(path, delimiter=","):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


@pytest.fixture
def source(tmp_path):
    """The tiny records and a row without text."""
    return write_csv(tmp_path / "in.csv", [*tiny_records(), {"id": "blank", "code": "5120"}])


def records(count=200, seed=0):
    """Records of very different lengths, each with words of the tiny ones."""
    rng = random.Random(seed)
    words = " ".join(row["job_title"] + " " + row["job_duties"] for row in tiny_records()).split()
    found = []
    for number in range(count):
        title = " ".join(rng.choices(words, k=rng.randint(1, 5)))
        duties = " ".join(rng.choices(words, k=rng.choice((0, 3, 40, 120))))
        found.append(Record(f"r{number}", title, duties, "", "", number + 2))
    return found


# Outputs


def test_csv_has_the_codes_of_the_pipeline_in_the_order_of_the_source(pipeline, source, tmp_path):
    code_records(pipeline, source, tmp_path / "out.csv", top_k=2)
    rows = read_csv(tmp_path / "out.csv")
    expected = ["id", "row", "code", "title", "confidence", "code_2", "title_2", "confidence_2", "truncated"]
    assert list(rows[0]) == expected
    assert [row["id"] for row in rows] == [row["id"] for row in tiny_records()]
    assert [int(row["row"]) for row in rows] == list(range(2, 38))
    for row, record in zip(rows, tiny_records(), strict=True):
        first, second = pipeline(record, top_k=2)
        assert (row["code"], row["title"]) == (first["label"], first["title"])
        assert (row["code_2"], row["title_2"]) == (second["label"], second["title"])
        assert float(row["confidence"]) == pytest.approx(first["score"], abs=1e-5)
        assert row["truncated"] == "false"


def test_every_kind_of_file_says_the_same_and_codes_keep_their_zeros(pipeline, source, tmp_path):
    for name in ("o.csv", "o.tsv", "o.jsonl", "o.parquet"):
        code_records(pipeline, source, tmp_path / name, top_k=3)
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    nested = [[(item["code"], item["confidence"]) for item in line["occupations"]] for line in lines]
    tables = {
        "csv": read_csv(tmp_path / "o.csv"),
        "tsv": read_csv(tmp_path / "o.tsv", "\t"),
        "parquet": pq.read_table(tmp_path / "o.parquet").to_pylist(),
    }
    for rows in tables.values():
        flat = [[(row[f"code{n}"], float(row[f"confidence{n}"])) for n in ("", "_2", "_3")] for row in rows]
        assert flat == nested
    assert nested[0][0][0] == tables["csv"][0]["code"] == "0110"
    assert list(tables["parquet"][0].values())[:3] == ["0110-0", 2, "0110"]
    assert tables["parquet"][0]["truncated"] is False


def test_fewer_codes_than_top_k_are_as_many_columns(pipeline, source, tmp_path):
    code_records(pipeline, source, tmp_path / "out.csv", top_k=50, level=1)
    row = read_csv(tmp_path / "out.csv")[0]
    assert [name for name in row if name.startswith("code")] == ["code", "code_2", "code_3", "code_4"]
    assert row["code"] == "0"
    assert sum(float(row[f"confidence{n}"]) for n in ("", "_2", "_3", "_4")) == pytest.approx(1, abs=1e-5)


def test_rejected_rows_and_the_ledger_lie_beside_the_output(pipeline, source, tmp_path):
    ledger = code_records(pipeline, source, tmp_path / "sub" / "out.csv", top_k=2, level=2)
    [rejected] = read_csv(tmp_path / "sub" / "out.rejected.csv")
    assert (rejected["row"], rejected["id"], rejected["column"]) == ("38", "blank", "job_title")
    assert "no visible text" in rejected["reason"]
    about = json.loads((tmp_path / "sub" / "out.ledger.json").read_text())
    digest = hashlib.sha256((tmp_path / "sub" / "out.csv").read_bytes()).hexdigest()
    assert about["sha256"] == ledger.sha256 == digest
    assert [about[name] for name in ("in", "coded", "rejected", "truncated")] == [37, 36, 1, 0]
    assert [about[name] for name in ("scheme", "scheme_version", "top_k", "level")] == ["tiny", "1", 2, 2]
    assert about["model"] == str(pipeline.model.name_or_path)
    assert about["versions"]["torch"] == torch.__version__
    assert sorted(path.name for path in (tmp_path / "sub").iterdir()) == [
        "out.csv",
        "out.ledger.json",
        "out.rejected.csv",
    ]


def test_without_rows_there_is_a_header_and_no_rejected(pipeline, tmp_path):
    ledger = code_records(pipeline, write_csv(tmp_path / "in.csv", []), tmp_path / "out.parquet", top_k=2)
    assert (ledger.rows, ledger.coded, ledger.rejected) == (0, 0, 0)
    assert pq.read_table(tmp_path / "out.parquet").schema.names[:3] == ["id", "row", "code"]
    assert (tmp_path / "out.rejected.csv").read_text() == "row,id,column,reason\n"


def test_texts_are_copied_only_when_asked_for(pipeline, source, tmp_path):
    code_records(pipeline, source, tmp_path / "without.csv")
    assert "platoon leader" not in (tmp_path / "without.csv").read_text()
    code_records(pipeline, source, tmp_path / "with.jsonl", keep_text=True)
    line = json.loads((tmp_path / "with.jsonl").read_text().splitlines()[3])
    assert (line["job_title"], line["job_duties"]) == (tiny_records()[3]["job_title"], tiny_records()[3]["job_duties"])


def test_a_record_longer_than_the_model_reads_is_said_to_be_cut(pipeline, tmp_path):
    rows = [{"id": "short", "job_title": "cook"}, {"id": "long", "job_title": "cook", "job_duties": "meals " * 200}]
    ledger = code_records(pipeline, write_csv(tmp_path / "in.csv", rows), tmp_path / "out.csv")
    assert [row["truncated"] for row in read_csv(tmp_path / "out.csv")] == ["false", "true"]
    assert ledger.truncated == 1


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "'=1", "＝1+1", "＠a", "\t=1", "\r=1"])
def test_what_a_spreadsheet_runs_as_a_formula_gets_an_apostrophe_that_can_be_undone(text):
    assert spreadsheet_safe(text) == f"'{text}"
    assert spreadsheet_safe(text).removeprefix("'") == text


@pytest.mark.parametrize("cell", ["cook", "a=1", "7", "", 7, -1.5])
def test_any_other_cell_stays_as_it_is(cell):
    assert spreadsheet_safe(cell) is cell


def test_ids_like_formulas_are_escaped_in_tables_for_spreadsheets_alone(pipeline, tmp_path):
    rows = [{"id": "=1+1", "job_title": "=cook"}, {"id": "@x", "job_title": ""}]
    source = write_csv(tmp_path / "in.csv", rows)
    for name in ("o.csv", "o.tsv", "o.jsonl"):
        code_records(pipeline, source, tmp_path / name, keep_text=True)
    assert (tmp_path / "o.csv").read_text().splitlines()[1].startswith("'=1+1,2,'=cook,")
    assert (tmp_path / "o.tsv").read_text().splitlines()[1].startswith("'=1+1\t2\t'=cook\t")
    assert json.loads((tmp_path / "o.jsonl").read_text())["id"] == "=1+1"
    assert read_csv(tmp_path / "o.rejected.csv")[0]["id"] == "'@x"


# Batches


def test_codes_and_confidences_are_the_same_in_every_batch_size_and_order(pipeline):
    rows = records()
    by_id = {}
    shuffled = random.Random(1).sample(rows, len(rows))
    by_length = sorted(rows, key=lambda row: -len(row.job_duties))
    for batch_size, order in ((1, rows), (7, shuffled), (64, rows), (64, by_length), (7, by_length)):
        coded = list(code_rows(pipeline, order, top_k=None, batch_size=batch_size))
        assert [row.record for row in coded] == order
        for row in coded:
            scores = {item["code"]: item["confidence"] for item in row.occupations}
            first = by_id.setdefault(row.record.id, (row.occupations[0]["code"], scores))
            assert row.occupations[0]["code"] == first[0]
            assert max(abs(first[1][code] - score) for code, score in scores.items()) < 1e-5


def test_rows_are_read_as_they_are_needed(pipeline):
    taken = []
    rows = (taken.append(row.id) or row for row in records(100))
    next(code_rows(pipeline, rows, window=10))
    assert len(taken) == 10


def test_rejected_rows_keep_their_place_among_the_coded(pipeline):
    rows = records(9)
    rows[4] = Rejected(6, "r4", "code", "of another kind")
    coded = list(code_rows(pipeline, rows, batch_size=3))
    assert [isinstance(row, Coding) for row in coded] == [True] * 4 + [False] + [True] * 4
    assert coded[4] is rows[4]


# A model that fails


def fail_on(pipeline, monkeypatch, text, act):
    """Let the model `act(output, place)` on the record with the title `text`, in whatever batch it stands."""
    forward, ids = pipeline.model.forward, pipeline.preprocess(text)["input_ids"][0]

    def failing(**inputs):
        output = forward(**inputs)
        for place, row in enumerate(inputs["input_ids"]):
            if row[: len(ids)].tolist() == ids.tolist():
                act(output, place)
        return output

    monkeypatch.setattr(pipeline.model, "forward", failing)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_a_record_that_the_model_raises_on_is_rejected_alone(pipeline, tmp_path, monkeypatch, batch_size):
    rows = [*tiny_records()[:20], {"id": "poison", "job_title": "cook cook teacher"}, *tiny_records()[20:]]
    source = write_csv(tmp_path / "in.csv", rows)
    code_records(pipeline, source, tmp_path / "well.csv", batch_size=batch_size)

    def explode(output, place):
        raise RuntimeError("no\nsuch kernel")

    fail_on(pipeline, monkeypatch, "cook cook teacher", explode)
    ledger = code_records(pipeline, source, tmp_path / "ill.csv", batch_size=batch_size)
    assert (ledger.rows, ledger.coded, ledger.rejected) == (37, 36, 1)
    [rejected] = read_csv(tmp_path / "ill.rejected.csv")
    assert rejected == {
        "row": "22",
        "id": "poison",
        "column": "",
        "reason": "the model failed: RuntimeError: no such kernel",
    }
    well = {row["id"]: row for row in read_csv(tmp_path / "well.csv")}
    for row in read_csv(tmp_path / "ill.csv"):
        assert row["code"] == well[row["id"]]["code"]
        assert float(row["confidence"]) == pytest.approx(float(well[row["id"]]["confidence"]), abs=1e-5)


def test_a_confidence_that_is_no_number_rejects_its_record_alone(pipeline, tmp_path, monkeypatch):
    rows = [*tiny_records(), {"id": "poison", "job_title": "cook cook teacher"}]

    def spoil(output, place):
        output.logits[place] = float("nan")

    fail_on(pipeline, monkeypatch, "cook cook teacher", spoil)
    ledger = code_records(pipeline, write_csv(tmp_path / "in.csv", rows), tmp_path / "out.csv")
    assert (ledger.coded, ledger.rejected) == (36, 1)
    [rejected] = read_csv(tmp_path / "out.rejected.csv")
    assert (rejected["id"], rejected["reason"]) == ("poison", "the model's confidence is not a number")


def test_a_model_that_codes_nothing_is_an_error_and_not_a_file_of_rejected_rows(
    pipeline, source, tmp_path, monkeypatch
):
    def broken(**inputs):
        raise RuntimeError("broken")

    monkeypatch.setattr(pipeline.model, "forward", broken)
    with pytest.raises(RuntimeError, match="broken"):
        code_records(pipeline, source, tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == [source]


# Runs that fail


def test_a_source_found_damaged_after_rows_were_coded_leaves_the_earlier_output_as_it_was(pipeline, source, tmp_path):
    code_records(pipeline, source, tmp_path / "out.csv")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    lines = "".join(f"{number},cook,meals,,\n" for number in range(1500))
    (tmp_path / "damaged.csv").write_text(f'{",".join(FIELDS)}\n{lines}last,"cook never ends\n')
    for output in ("out.csv", "new.csv"):
        with pytest.raises(RecordsError, match="damaged"):
            code_records(pipeline, tmp_path / "damaged.csv", tmp_path / output)
    (tmp_path / "damaged.csv").unlink()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("output", "settings", "message"),
    [
        ("out.xlsx", {}, r"out\.xlsx: .*allowed: \.csv, \.tsv, \.jsonl, \.parquet"),
        ("in.csv", {}, "over the source"),
        ("folder.csv", {}, "a folder"),
        ("out.csv", {"level": 9}, "level is 9; allowed: 1, 2, 3"),
        ("out.csv", {"top_k": 0}, "top_k is 0"),
        ("out.csv", {"batch_size": 0}, "batch_size is 0"),
        ("out.csv", {"columns": {"job_title": "nope"}}, "missing column"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(pipeline, source, tmp_path, output, settings, message):
    (tmp_path / "folder.csv").mkdir()
    before = source.read_bytes()
    with pytest.raises(ValueError, match=message):
        code_records(pipeline, source, tmp_path / output, **settings)
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.csv", "in.csv"]


def test_rejected_rows_cannot_be_coded_over_themselves(pipeline, source, tmp_path):
    code_records(pipeline, source, tmp_path / "out.csv")
    with pytest.raises(ValueError, match="over the source"):
        code_records(pipeline, tmp_path / "out.rejected.csv", tmp_path / "out.csv")


# Labelled records


def test_labelled_records_come_with_every_codes_probability(pipeline, source):
    judged = judge(pipeline, iter_records(source))
    assert judged.codes == list(pipeline.model.config.id2label.values())
    assert judged.probabilities.shape == (36, 6)
    assert judged.probabilities.sum(axis=1) == pytest.approx(np.ones(36))
    assert [judged.codes[label] for label in judged.labels] == [row["code"] for row in tiny_records()]
    scores = {item["label"]: item["score"] for item in pipeline(tiny_records()[7], top_k=None)}
    assert judged.probabilities[7] == pytest.approx([scores[code] for code in judged.codes], abs=1e-5)
    assert [row.id for row in judged.rejected] == ["blank"]


def test_at_a_level_above_a_record_counts_as_its_ancestor(pipeline, tmp_path):
    rows = [{"job_title": "cook", "code": code} for code in ("5120", "51", "5", "", "9999")]
    judged = judge(pipeline, iter_records(write_csv(tmp_path / "in.csv", rows)), level=2)
    assert [judged.codes[label] for label in judged.labels] == ["51", "51"]
    assert [(row.row, row.column) for row in judged.rejected] == [(4, "code"), (5, "code"), (6, "code")]
    reasons = [row.reason for row in judged.rejected]
    assert "'5' is a group above" in reasons[0] and "no code;" in reasons[1] and "no code '9999'" in reasons[2]


def test_without_a_record_to_judge_the_first_reason_is_given(pipeline, tmp_path):
    source = write_csv(tmp_path / "in.csv", [{"job_title": "cook"}])
    with pytest.raises(ValueError, match=r"1 were rejected; row 2: no code"):
        judge(pipeline, iter_records(source))


# Hostile rows


def test_ten_thousand_hostile_rows_are_coded_or_rejected_and_change_no_neighbour(pipeline, tmp_path):
    """In = coded + rejected, each id once; the good rows among them are coded as they are alone."""
    rows = write_hostile_csv(tmp_path / "in.csv", n=10_000, seed=11)
    ledger = code_records(pipeline, tmp_path / "in.csv", tmp_path / "out.csv", top_k=1, batch_size=64)
    assert ledger.rows == ledger.coded + ledger.rejected == rows > 20_000
    coded, rejected = read_csv(tmp_path / "out.csv"), read_csv(tmp_path / "out.rejected.csv")
    assert (len(coded), len(rejected)) == (ledger.coded, ledger.rejected)
    assert ledger.rejected > 500
    found = {row["id"]: row for row in coded if row["id"].startswith("good-")}
    good = [good_row(number) for number in range(10_000)]
    assert list(found) == [row["id"] for row in good]
    for row in good[::100]:
        alone = pipeline({"job_title": row["job_title"], "job_duties": row["job_duties"]}, top_k=1)[0]
        assert found[row["id"]]["code"] == alone["label"]
        assert float(found[row["id"]]["confidence"]) == pytest.approx(alone["score"], abs=1e-5)
