"""Tables of tagged tokens: what is read from every kind of file, and what is told of rows that cannot be used."""

import gzip
import json

import pytest
from datasets import Dataset

from occ_autocoder.data.tagged import TaggedError, read_tagged, tag_columns, tagged_spans

ROWS = [
    {"tokens": ["Knits", "socks", "with", "wool"], "tags_skill": ["B", "I", "O", "O"], "tags_knowledge": list("OOOB")},
    {"tokens": ["Smiles", "🧶"], "tags_skill": ["O", "O"], "tags_knowledge": ["O", "B"]},
]


def written(path, rows):
    """The rows in a file of the kind that its name tells; lists joined by blanks where it is a text."""
    joined = [{name: " ".join(cell) if isinstance(cell, list) else cell for name, cell in row.items()} for row in rows]
    if ".csv" in path.name or ".tsv" in path.name:
        import pandas

        pandas.DataFrame(joined).to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    elif path.suffix == ".parquet":
        Dataset.from_list(rows).to_parquet(str(path))
    else:
        path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "a.jsonl", "a.parquet"])
def test_every_kind_of_file_gives_the_same_lists(tmp_path, name):
    dataset = read_tagged(written(tmp_path / name, ROWS))
    assert dataset.to_list() == ROWS and tag_columns(dataset) == ["tags_skill", "tags_knowledge"]


def test_other_columns_are_left_out_and_one_column_of_tags_is_enough(tmp_path):
    rows = [{"split": "train", "tokens": "cuts hair", "tags": "B I", "tagger": "x"}]
    assert read_tagged(written(tmp_path / "a.jsonl", rows)).to_list() == [
        {"tokens": ["cuts", "hair"], "tags": ["B", "I"]}
    ]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"tags_skill": "B I O"}, "row 3, column tags_skill: 3 tags; allowed: 4, one for each token"),
        ({"tags_knowledge": "O O X O"}, "row 3, column tags_knowledge: tag 'X'; allowed: B, I, O"),
        ({"tags_skill": "O I O O"}, "row 3, column tags_skill: tag 2 is I after O; allowed: I after B or I"),
        ({"tokens": " "}, "row 3, column tokens: empty; allowed: one token or more"),
        ({"tags_skill": ""}, "row 3, column tags_skill: empty; allowed: one tag or more"),
    ],
)
def test_a_row_that_is_not_usable_is_an_error_with_its_place_or_is_set_aside(tmp_path, changed, fault):
    path = written(tmp_path / "a.csv", [ROWS[1], {**ROWS[0], **changed}])
    with pytest.raises(TaggedError) as error:
        read_tagged(path)
    assert str(error.value) == f"{path}, {fault}"
    rejected = []
    assert read_tagged(path, rejected).to_list() == [ROWS[1]] and rejected == [f"{path}, {fault}"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"tokens": [], "tags": []}', "column tokens: empty"),
        ('{"tokens": ["a", 1], "tags": ["O", "O"]}', "column tokens: a part that is blank or no text; allowed: texts"),
        ('{"tokens": ["a"], "tags": [0]}', "column tags: a part that is blank or no text"),
        ('{"tokens": {"a": 1}, "tags": ["O"]}', "column tokens: a dict; allowed: text, or a list of texts"),
        ('{"tokens": ["a"]}', "column tags: empty"),
        ('{"tokens": ["a"], ', "not JSON"),
        ("[1]", "JSON, but a list"),
    ],
)
def test_hostile_lines_are_told_by_their_number(tmp_path, line, fault):
    path = tmp_path / "a.jsonl"
    path.write_text('{"tokens": ["a"], "tags": ["B"]}\n' + line + "\n")
    with pytest.raises(TaggedError, match=r"a\.jsonl, row 2") as error:
        read_tagged(path)
    assert fault in str(error.value)


def test_a_column_of_tags_that_only_some_lines_have_is_told(tmp_path):
    path = written(tmp_path / "a.jsonl", [{"tokens": ["a"], "tags": ["B"]}, ROWS[1] | {"tags": ["O", "O"]}])
    with pytest.raises(TaggedError, match="row 1, column tags_skill: empty; allowed: one tag or more"):
        read_tagged(path)


def test_at_most_ten_faults_are_told_and_the_others_counted(tmp_path):
    path = written(tmp_path / "a.csv", [{"tokens": "a b", "tags": "O"}] * 14)
    with pytest.raises(TaggedError) as error:
        read_tagged(path)
    assert len(str(error.value).splitlines()) == 11 and str(error.value).endswith("\n4 more")
    with pytest.raises(TaggedError, match="no usable row; allowed: at least one"):
        read_tagged(path, [])


def test_what_is_no_such_table_is_told(tmp_path):
    with pytest.raises(TaggedError, match=r"none\.csv: no such file; allowed: \.csv"):
        read_tagged(tmp_path / "none.csv")
    with pytest.raises(TaggedError, match=r"columns 'words', 'tags'; allowed: tokens, and tags or one or more tags_"):
        read_tagged(written(tmp_path / "a.csv", [{"words": "a", "tags": "O"}]))
    (tmp_path / "a.doc").write_text("tokens")
    with pytest.raises(TaggedError, match="files of this kind are not read"):
        read_tagged(tmp_path / "a.doc")
    with gzip.open(tmp_path / "empty.jsonl.gz", "wt"):
        pass
    with pytest.raises(TaggedError, match="empty"):
        read_tagged(tmp_path / "empty.jsonl.gz")


@pytest.mark.parametrize(
    ("tags", "spans"), [("OO", []), ("BIOB", [(0, 2), (3, 4)]), ("BBII", [(0, 1), (1, 4)]), ("", [])]
)
def test_tags_are_read_as_spans(tags, spans):
    assert tagged_spans(list(tags)) == spans
