"""Files as people have them: what is wrong with one row costs that row, what is wrong with the file is an error."""

import gzip
import json
import os
import re
import zipfile
from pathlib import Path

import datasets
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from occ_autocoder.data.records import Record, RecordsError, iter_records

HEADER = "id,job_title,job_duties,code\n"
NURSE = "1,Nurse,gives care,2221\n"
COOK = "2,Cook,makes meals,5120\n"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(path: Path, **settings) -> tuple[list[str], list[tuple[int, str]]]:
    """The titles that were accepted, and the row and reason of each rejection."""
    rows = list(iter_records(path, **settings))
    accepted = [row.job_title for row in rows if isinstance(row, Record)]
    return accepted, [(row.row, row.reason) for row in rows if not isinstance(row, Record)]


MALFORMED_CSV = {
    "too few cells": (b"9,x\n", "2 cells; allowed: 4"),
    "too many cells": (b"9,x,y,5120,z\n", "5 cells; allowed: 4"),
    "text after a quote": (b'9,"Cook" helper,x,5120\n', "line 3: ',' expected after '\"'"),
    "Latin-1": ("9,Købmand,x,5221\n".encode("latin-1"), "line 3: byte 0xf8 is not UTF-8"),
    "Latin-1 over two lines": (b'9,"K\xf8b\nmand",x,5221\n', "line 3: byte 0xf8 is not UTF-8"),
    "NUL": (b"9,Co\x00ok,x,5120\n", "a NUL byte"),
    "blank": (b"\n", "the row is blank"),
    "header again": (HEADER.encode(), "the header again"),
    "over 10 MB": (b"9," + b"a" * 10_100_000 + b",x,5120\n", "more than 10,000,000 characters"),
    "over 10 MB with a line break": (b'9,"' + b"a" * 10_100_000 + b'\nb",x,5120\n', "more than 10,000,000 characters"),
}


@pytest.mark.parametrize(("line", "reason"), MALFORMED_CSV.values(), ids=MALFORMED_CSV)
def test_a_malformed_csv_row_costs_only_itself(tmp_path, line, reason):
    path = write(tmp_path / "r.csv", HEADER.encode() + NURSE.encode() + line + COOK.encode())
    accepted, rejected = rows_of(path)
    assert accepted == ["Nurse", "Cook"]
    assert [number for number, _ in rejected] == [3]
    assert reason in rejected[0][1]


MALFORMED_JSON = {
    "cut": (b'{"job_title": "Co', "not JSON"),
    "list": (b"[1]", "a list"),
    "null": (b"null", "a NoneType"),
    "text": (b'"Cook"', "a str"),
    "key twice": (b'{"job_title": "Cook", "job_title": "Nurse"}', "a key is given twice"),
    "NaN": (b'{"job_title": NaN}', "NaN is not JSON"),
    "deep": (b"[" * 100_000, "recursion"),
    "long number": (b'{"job_title": ' + b"1" * 5000 + b"}", "4300 digits"),
    "Latin-1": (b'{"job_title": "K\xf8bmand"}', "line 2: byte 0xf8 is not UTF-8"),
    "NUL": (b'{"job_title": "Co\x00ok"}', "a NUL byte"),
    "blank": (b"", "the row is blank"),
    "two titles": (b'{"job_title": "Cook", "title": "Chef"}', "'job_title' and 'title' may each be job_title"),
    "no text": (b'{"id": "7"}', "no column with titles or duties"),
}


@pytest.mark.parametrize(("line", "reason"), MALFORMED_JSON.values(), ids=MALFORMED_JSON)
def test_a_malformed_json_line_costs_only_itself(tmp_path, line, reason):
    path = write(tmp_path / "r.jsonl", b'{"job_title": "Nurse"}\n' + line + b'\n{"title": "Cook"}\n\n')
    accepted, rejected = rows_of(path)
    assert accepted == ["Nurse", "Cook"]
    assert [number for number, _ in rejected] == [2]
    assert reason in rejected[0][1]


BROKEN_FILES = {
    "quote open to the end": ("r.csv", HEADER + NURSE + '2,"Cook,x,5120\n' + "3,Nurse,x,2221\n" * 50, "line 3"),
    "quote open in the last row": ("r.csv", HEADER + NURSE + '2,"Cook,x,5120\n', "line 3"),
    "quote open over 10 MB": ("r.csv", HEADER + '2,"Cook,x,5120\n' + "3,Nurse,x,2221\n" * 800_000, "line 2"),
    "quote that closes wrongly": ("r.csv", HEADER + NURSE + '2,"Cook,x,5120\n3,"Chef",y,5120\n', "line 3"),
    "quote that swallows half a row": ("r.csv", HEADER + NURSE + '2,"Cook\n3,"Chef",y,5120\n' + COOK, "line 3"),
    "two rows in a quote": ("r.csv", HEADER + NURSE + '2,"Cook,x,5120\n3,Chef",y,5120\n', "line 3.*lines 3 to 4"),
    "rows in a quote, ragged": ("r.csv", HEADER + NURSE + '2,"Cook,x,5120\n3,Chef,y",5120\n', "line 3"),
    "many rows in a quote": ("r.csv", "title,duties\n" + '"a,b\n' + "c,d\n" * 20 + 'e",f\n', "line 2"),
    "empty": ("r.csv", "", "row 1: empty"),
    "blank header": ("r.csv", "\n" + NURSE, "row 1: empty"),
    "column twice": ("r.csv", "title,title\na,b\n", r"doubled column\(s\) title"),
    "header twice": ("r.csv", HEADER + HEADER + NURSE, "row 2: the header again"),
    "no header": ("r.csv", NURSE + COOK, "no column with titles or duties; found: '1', 'Nurse'"),
    "other delimiter": ("r.csv", HEADER.replace(",", ";"), "is its delimiter right"),
    "Latin-1 header": ("r.csv", "title,l\u00f8n\n".encode("latin-1"), "row 1: line 1: byte 0xf8"),
    "UTF-16": ("r.csv", (HEADER + NURSE).encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": ("r.jsonl", '{"title": "Cook"}\n'.encode("utf-16-le"), "UTF-16"),
    "not gzip": ("r.csv.gz", b"\x1f\x8bnot gzip at all", "damaged"),
    "not Parquet": ("r.parquet", b"PAR1 nothing PAR1", "not a readable Parquet"),
    "not Excel": ("r.xlsx", b"PK\x03\x04 nothing", "not a readable Excel"),
    "empty JSON lines": ("r.jsonl", "", "empty"),
    "JSON lines of something else": ("r.jsonl", '{"name": "Cook"}\n{"name": "x"}\n', "found: 'name'"),
    "other kind": ("r.docx", "Cook", "allowed: .csv"),
}


@pytest.mark.parametrize(("name", "content", "message"), BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_a_broken_file_is_an_error_that_names_file_and_line(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    with pytest.raises(RecordsError, match=message) as error:
        list(iter_records(path))
    assert str(path) in str(error.value)


def test_line_breaks_that_were_meant_are_read(tmp_path):
    cells = ['1,Nurse,"gives care,\nlifts, washes",2221', '2,"Cook\r\nChef","fries\n\nboils, bakes\n",5120']
    accepted, rejected = rows_of(write(tmp_path / "r.csv", HEADER + "\n".join(cells) + "\n"))
    assert (accepted, rejected) == (["Nurse", "Cook Chef"], [])
    two = 'title,duties\nCook,"fries\nserves, cleans"\nWaiter,"serves, pours\nbills, cleans"\n'
    assert rows_of(write(tmp_path / "two.csv", two)) == (["Cook", "Waiter"], [])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_byte_order_mark_and_blank_end(tmp_path, end):
    text = "\ufeff" + (HEADER + NURSE + COOK + "\n\n").replace("\n", end)
    assert [(row.id, row.job_title) for row in iter_records(write(tmp_path / "r.csv", text))] == [
        ("1", "Nurse"),
        ("2", "Cook"),
    ]


def test_a_long_cell_is_read(tmp_path):
    path = write(tmp_path / "r.csv", HEADER + NURSE + '2,Cook,"' + "makes meals, " * 50_000 + '",5120\n')
    assert rows_of(path) == (["Nurse", "Cook"], [])


def test_a_gzip_that_was_cut_gives_its_rows_and_then_an_error(tmp_path):
    lines = HEADER + "".join(f"{number},Cook,x,5120\n" for number in range(3000))
    path = write(tmp_path / "r.csv.gz", gzip.compress(lines.encode()))
    assert len(list(iter_records(path))) == 3000
    rows = iter_records(write(path, path.read_bytes()[:-9]))
    assert isinstance(next(rows), Record)
    with pytest.raises(RecordsError, match=r"r\.csv\.gz, line \d+: the file is damaged"):
        list(rows)


def test_a_cut_parquet_or_excel_file_is_an_error(tmp_path):
    pq.write_table(pa.table({"title": ["Cook"] * 5000}), tmp_path / "r.parquet")
    book = openpyxl.Workbook()
    for row in [["title"], *[["Cook"]] * 500]:
        book.active.append(row)
    book.save(tmp_path / "r.xlsx")
    for name in ("r.parquet", "r.xlsx"):
        content = (tmp_path / name).read_bytes()
        assert len(list(iter_records(tmp_path / name))) in (500, 5000)
        with pytest.raises(RecordsError, match=name):
            list(iter_records(write(tmp_path / name, content[: len(content) // 2])))


def test_row_numbers_are_those_a_spreadsheet_shows(tmp_path):
    pq.write_table(pa.table({"title": [f"t{row}" for row in range(2, 3502)]}), tmp_path / "r.parquet")
    assert all(row.job_title == f"t{row.row}" for row in iter_records(tmp_path / "r.parquet"))
    path = write(tmp_path / "r.csv", 'title\n"a\nb"\nc\n')
    assert [(row.row, row.job_title) for row in iter_records(path)] == [(2, "a b"), (3, "c")]
    path = write(tmp_path / "r.jsonl", '{"title": "a"}\n{"title": "b"}')
    assert [(row.row, row.job_title) for row in iter_records(path)] == [(1, "a"), (2, "b")]


def test_excel_rows_beyond_the_stated_size_and_blank_ones(tmp_path):
    book = openpyxl.Workbook()
    for row in (["title", "code"], ["Cook", "5120"], [], ["Nurse", "2221"], [], [None, None]):
        book.active.append(row)
    book.save(tmp_path / "r.xlsx")
    with zipfile.ZipFile(tmp_path / "r.xlsx") as old, zipfile.ZipFile(tmp_path / "short.xlsx", "w") as new:
        parts = {name: old.read(name) for name in old.namelist()}
        sheet = parts["xl/worksheets/sheet1.xml"]
        parts["xl/worksheets/sheet1.xml"], stated = re.subn(rb'dimension ref="A1:B\d"', b'dimension ref="A1:A2"', sheet)
        assert stated == 1
        for name, part in parts.items():
            new.writestr(name, part)
    for name in ("r.xlsx", "short.xlsx"):
        rows = list(iter_records(tmp_path / name))
        assert [row.code for row in rows if isinstance(row, Record)] == ["5120", "2221"]
        assert rows_of(tmp_path / name) == (["Cook", "Nurse"], [(3, "the row is blank")])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for a dataset; datasets keeps its cache outside it."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_a_folder_is_read_by_split_and_class_labels_are_codes(folder):
    features = datasets.Features(
        {"title": datasets.Value("string"), "code": datasets.ClassLabel(names=["0110", "5120"])}
    )
    for split, title in (("train", "Officer"), ("test", "NA")):
        columns = {"title": [title, "Cook", "x"], "code": [0, 1, None]}
        datasets.Dataset.from_dict(columns, features=features).to_parquet(folder / f"{split}.parquet")
    for split, title in (("train", "Officer"), ("test", "NA")):
        rows = [(row.job_title, row.code, row.row) for row in iter_records(folder, split=split)]
        assert rows == [(title, "0110", 2), ("Cook", "5120", 3), ("x", "", 4)]
    with pytest.raises(RecordsError, match="split 'validation'"):
        iter_records(folder, split="validation")


def test_a_folder_that_changed_is_read_anew(folder):
    for title in ("Cook", "Chef"):
        pq.write_table(pa.table({"title": [title]}), folder / "train.parquet")
        assert rows_of(folder) == ([title], [])


def test_a_folder_of_csv_is_refused_since_datasets_would_change_codes(folder):
    write(folder / "train.csv", "title,code\nNA,0110\n")
    with pytest.raises(RecordsError, match="allowed: the CSV file itself"):
        iter_records(folder)


def test_what_is_not_there_is_named(tmp_path, monkeypatch):
    with pytest.raises(RecordsError, match=r"nothing\.csv: no such file"):
        iter_records(tmp_path / "nothing.csv")
    with pytest.raises(RecordsError, match="nothing: no such file"):
        iter_records(tmp_path / "nothing")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    with pytest.raises(RecordsError, match=r"no-one/nothing, split 'train': no dataset that can be read"):
        iter_records("no-one/nothing")


def test_json_lines_may_lack_keys_but_a_named_column_must_be_somewhere(tmp_path):
    lines = [{"job_title": "Cook"}, {"duties": "cares"}, {"id": "z", "title": None, "description": "cuts hair"}]
    path = write(tmp_path / "r.jsonl", "\n".join(map(json.dumps, lines)))
    rows = [(row.id, row.job_title, row.job_duties) for row in iter_records(path)]
    assert rows == [("1", "Cook", ""), ("2", "", "cares"), ("z", "", "cuts hair")]
    assert len(list(iter_records(path, columns={"id": "id"}))) == 3
    with pytest.raises(RecordsError, match=r"column\(s\) 'isco' are in no line"):
        list(iter_records(path, columns={"code": "isco"}))
