"""Hostile rows among good ones: all are accounted for, the good ones come through, no reason shows a text."""

import json

import pytest
from hostile import good_row, hostile_rows, write_hostile_csv, write_hostile_jsonl

from occ_autocoder.data.records import read_records
from occ_autocoder.model.text_occupation import normalize


@pytest.mark.parametrize(("name", "write"), [("h.csv", write_hostile_csv), ("h.jsonl", write_hostile_jsonl)])
def test_ten_thousand_hostile_rows_are_all_accounted_for(tmp_path, name, write):
    rows = write(tmp_path / name, n=5000, seed=7)
    accepted, rejected = read_records(tmp_path / name)
    assert len(accepted) + len(rejected) == rows > 10_000
    good = {row["id"]: row for row in accepted if row["id"].startswith("good-")}
    assert list(good.values()) == [good_row(number) for number in range(5000)]
    assert 500 < len(rejected) < 2500
    assert all(normalize(title) == title for title in accepted["job_title"])


def test_reasons_never_show_titles_or_duties(tmp_path):
    secret = "Zyxwv"
    odd = ["", None, True, 1.5, [secret], {secret: 1}, f"\ud800{secret}"]
    rows = [{"id": "1", "title": f"{secret} {number}", "duties": value} for number, value in enumerate(odd)]
    with (tmp_path / "r.jsonl").open("wb") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows).encode())
        file.write(f'{{"title": "{secret}\n"{secret}"\n{{"title": "{secret}", "title": 1}}\n'.encode() + b'{"\xff"}\n')
    (tmp_path / "r.csv").write_text(f'title,duties,code\n"{secret}" x,y,z\n{secret}\n{secret},x,{secret} {secret}\n')
    for name in ("r.jsonl", "r.csv"):
        _, rejected = read_records(tmp_path / name)
        assert len(rejected) >= 3
        assert secret not in str(rejected.to_list())


def test_hostile_rows_are_the_same_for_a_seed_and_of_many_kinds():
    rows = hostile_rows(400, seed=3)
    assert repr(rows) == repr(hostile_rows(400, seed=3)) != repr(hostile_rows(400, seed=4))
    assert len({row["source"] for row in rows}) >= 30
    assert {type(row["job_title"]) for row in rows} > {str, bytes}
