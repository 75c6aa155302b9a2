"""Records are read as they were written, and every row comes back: accepted, or rejected with a reason."""

import csv
import datetime
import json
import math
import os
import pickle
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from occ_autocoder.data.records import (
    RECORD_FEATURES,
    REJECTED_FEATURES,
    Record,
    RecordsError,
    Rejected,
    iter_records,
    read_records,
)
from occ_autocoder.model.text_occupation import normalize

TITLES = ["NA", "None", "null", "nan", "n/a", "N/A", "#N/A", "-", "7", "true", "Købmand"]
CODE = "0110"


def write_csv(path: Path, rows: list[dict], delimiter: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_parquet(path: Path, rows: list[dict]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


def write_excel(path: Path, rows: list[dict]) -> None:
    book = openpyxl.Workbook()
    book.active.append(list(rows[0]))
    for row in rows:
        book.active.append(list(row.values()))
    for cell in (cell for cells in book.active.iter_rows() for cell in cells if isinstance(cell.value, str)):
        cell.data_type = "s"  # else openpyxl takes #N/A for an error
    book.save(path)


WRITERS = {
    "r.csv": write_csv,
    "r.tsv": lambda path, rows: write_csv(path, rows, "\t"),
    "r.jsonl": write_json,
    "r.parquet": write_parquet,
    "r.xlsx": write_excel,
}


@pytest.fixture
def read(tmp_path):
    """Writes rows as JSON lines and reads them, as records and rejections."""

    def read_back(*rows: dict, **kwargs) -> list[Record | Rejected]:
        write_json(tmp_path / "rows.jsonl", list(rows))
        return list(iter_records(tmp_path / "rows.jsonl", **kwargs))

    return read_back


@pytest.mark.parametrize("name", WRITERS)
def test_titles_like_na_and_codes_with_zeros_stay(tmp_path, name):
    WRITERS[name](tmp_path / name, [{"job_title": title, "code": CODE} for title in TITLES])
    accepted, rejected = read_records(tmp_path / name)
    assert accepted["job_title"] == TITLES
    assert set(accepted["code"]) == {CODE}
    assert len(rejected) == 0


def test_numbers_are_their_digits_as_excel_shows_them(tmp_path):
    book = openpyxl.Workbook()
    for row in (["job_title", "code"], [911, 110], ["Cook", 110], ["Chef", 5120.0]):
        book.active.append(row)
    book.active["B2"].number_format = "0000"
    book.save(tmp_path / "r.xlsx")
    rows = [(row.job_title, row.code) for row in iter_records(tmp_path / "r.xlsx")]
    assert rows == [("911", "0110"), ("Cook", "110"), ("Chef", "5120")]


@pytest.mark.parametrize("name", WRITERS)
def test_empty_cells(tmp_path, name):
    rows = [{"id": "a", "job_title": title, "job_duties": "cooks"} for title in ("", None, " ", "\u200b\u00a0")]
    WRITERS[name](tmp_path / name, rows)
    found = list(iter_records(tmp_path / name, columns={"id": None}))
    assert {(row.job_title, row.job_duties, row.code, row.source) for row in found} == {("", "cooks", "", "")}


def test_texts_are_normalised_and_cut(read):
    record, long = read({"title": " Ｃｏｏｋ\u202e\n chef ", "duties": "a\ud800b"}, {"title": "a" * 30_000})
    assert (record.job_title, record.job_duties) == ("Cook chef", "ab")
    assert len(long.job_title) == 20_000


def test_a_row_without_visible_text_is_rejected(read):
    rows = read({"id": "a", "job_title": " ", "job_duties": "\u200b"}, {"title": ""}, {"title": "Cook"})
    reason = "job_title and job_duties have no visible text; allowed: text in at least one"
    assert rows[0] == Rejected(1, "a", "job_title", reason)
    assert [type(row) for row in rows] == [Rejected, Rejected, Record]


@pytest.mark.parametrize("field", ["id", "job_title", "job_duties", "code", "source"])
@pytest.mark.parametrize(
    ("value", "named"),
    [
        (True, "a bool"),
        (["x"], "a list"),
        ({"x": 1}, "a dict"),
        (b"x", "a bytes"),
        (1.5, "a float with a fraction"),
        (math.nan, "a float (nan)"),
        (math.inf, "a float (inf)"),
        (datetime.date(2024, 3, 1), "a date"),
        (datetime.datetime(2024, 3, 1), "a datetime"),
    ],
)
def test_a_cell_of_another_type_is_rejected_by_name(tmp_path, field, value, named):
    rows = [{"id": "1", "job_title": "Cook", "job_duties": "x", "code": "5120", "source": "s"} | {field: value}]
    write_parquet(tmp_path / "r.parquet", rows)
    (row,) = iter_records(tmp_path / "r.parquet")
    assert (row.row, row.column, row.reason) == (2, field, f"{named}; allowed: text or a whole number")


def test_parquet_text_that_is_not_utf8_is_rejected_alone(tmp_path):
    titles = pa.array([b"Cook", b"K\xf8bmand"]).view(pa.string())
    pq.write_table(pa.table({"job_title": titles, "job_duties": ["x", "y"]}), tmp_path / "r.parquet")
    good, bad = iter_records(tmp_path / "r.parquet")
    assert (good.job_title, bad.row, bad.column) == ("Cook", 3, "job_title")
    assert "UTF-8" in bad.reason


def test_a_formula_is_rejected(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["title", "duties"])
    book.active.append(["=1+1", "x"])
    book.save(tmp_path / "r.xlsx")
    (row,) = iter_records(tmp_path / "r.xlsx")
    assert (row.column, row.reason) == ("job_title", "a formula or an error; allowed: its value")


def test_ids(read, tmp_path):
    rows = read(*({"id": id_, "title": "Cook"} for id_ in ("a", "", "b", "a", None, 7, "row-2", "\u200b", "x" * 300)))
    assert [row.id for row in rows] == ["a", "row-2", "b", "a", "row-5", "7", "row-2", "", ""]
    assert [(row.row, row.column, row.reason.split(";")[0]) for row in rows if isinstance(row, Rejected)] == [
        (4, "id", "the id of row 1 again"),
        (7, "id", "the id of row 2 again"),
        (8, "id", "an id with control or invisible characters"),
        (9, "id", "an id of 300 characters"),
    ]
    write_csv(tmp_path / "r.csv", [{"title": "Cook"}, {"title": "Cook"}])
    assert [row.id for row in iter_records(tmp_path / "r.csv")] == ["2", "3"]


def test_codes_outside_the_allowed_ones_are_rejected_with_the_nearest(tmp_path):
    write_csv(tmp_path / "r.csv", [{"title": "x", "code": code} for code in ("0110", "110", "zzz", "")])
    accepted, rejected = read_records(tmp_path / "r.csv", codes=["0110", "5223"])
    assert accepted["code"] == ["0110", ""]
    assert rejected.to_list() == [
        {"row": 3, "id": "3", "column": "code", "reason": "code '110' is not allowed; nearest: 0110"},
        {"row": 4, "id": "4", "column": "code", "reason": "code 'zzz' is not allowed; no allowed one is near"},
    ]
    accepted, rejected = read_records(tmp_path / "r.csv", need_code=True)
    assert [(row["row"], row["reason"]) for row in rejected] == [(5, "no code; allowed: one on every row")]
    with pytest.raises(TypeError, match=r"taxonomy\.codes"):
        read_records(tmp_path / "r.csv", codes="0110")


def test_what_cannot_be_a_code_is_rejected(read):
    codes = ("２２２１", "O110", "22 21", "5" * 101)
    assert {row.column for row in read(*({"title": "x", "code": code} for code in codes))} == {"code"}


def test_columns_by_alias_by_name_and_none(tmp_path):
    write_csv(tmp_path / "r.csv", [{"Job Title": "Cook", "Description": "fries", "what": "bakes", "code": "bad code"}])
    (row,) = iter_records(tmp_path / "r.csv", columns={"code": None})
    assert (row.job_title, row.job_duties, row.code) == ("Cook", "fries", "")
    (row,) = iter_records(tmp_path / "r.csv", columns={"job_duties": "what", "code": None})
    assert row.job_duties == "bakes"


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        ("name,code", None, "no column with titles or duties; found: 'name', 'code'"),
        ("title,job_title", None, "columns 'title' and 'job_title' may each be job_title"),
        ("title,duties,description", None, "'duties' and 'description' may each be job_duties"),
        ("title,code", {"code": "isco"}, r"missing column\(s\) 'isco'; found: 'title', 'code'"),
        ("title", {"name": "title"}, r"unknown field\(s\) name; allowed: id, job_title"),
        ("title", {"job_title": None, "job_duties": None}, "neither job_title nor job_duties"),
    ],
)
def test_columns_that_are_not_clear_are_an_error_at_once(tmp_path, header, columns, message):
    (tmp_path / "r.csv").write_text(header + "\n")
    with pytest.raises(RecordsError, match=message):
        iter_records(tmp_path / "r.csv", columns=columns)


def test_the_datasets_have_the_features_and_work_as_datasets_do(tmp_path):
    (tmp_path / "r.csv").write_text("title\n")
    accepted, rejected = read_records(tmp_path / "r.csv")
    assert (accepted.features, rejected.features) == (RECORD_FEATURES, REJECTED_FEATURES)
    assert len(accepted) == len(rejected) == 0
    write_csv(tmp_path / "r.csv", [{"title": f"t{number}"} for number in range(2500)])
    accepted, _ = read_records(tmp_path / "r.csv")
    assert accepted["job_title"] == [f"t{number}" for number in range(2500)]
    mapped = accepted.map(lambda row: {"form": row["job_title"].upper()})
    assert pickle.loads(pickle.dumps(mapped))[2499]["form"] == "T2499"


def test_a_changed_file_is_read_anew_and_what_was_read_stays(tmp_path):
    read = []
    for title in ("Cook", "Chef"):
        write_csv(tmp_path / "r.csv", [{"title": title}])
        os.utime(tmp_path / "r.csv", (1, 1))
        read.append(read_records(tmp_path / "r.csv")[0])
    (tmp_path / "r.csv").unlink()
    assert [dataset.map(dict)["job_title"] for dataset in read] == [["Cook"], ["Chef"]]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
ROWS = st.lists(st.fixed_dictionaries({"job_title": TEXT, "job_duties": TEXT, "code": st.sampled_from(["0110", "9"])}))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS.filter(bool), name=st.sampled_from(["r.csv", "r.tsv", "r.jsonl", "r.parquet"]))
def test_what_was_written_is_what_is_read(tmp_path, rows, name):
    WRITERS[name](tmp_path / name, rows)
    accepted, rejected = read_records(tmp_path / name)
    texts = [(normalize(row["job_title"]), normalize(row["job_duties"]), row["code"]) for row in rows]
    assert list(zip(*(accepted[field] for field in ("job_title", "job_duties", "code")), strict=True)) == [
        text for text in texts if any(text[:2])
    ]
    first = 1 if name == "r.jsonl" else 2
    assert rejected["row"] == [number for number, text in enumerate(texts, first) if not any(text[:2])]
