"""The commands that make a dataset: what goes in comes out masked, split, balanced and assembled, and loads again."""

import json

import pytest
from commands import fail, succeed
from datasets import ClassLabel, Dataset, DatasetDict, Features, load_dataset
from huggingface_hub import DatasetCard
from tiny import tiny_records, tiny_taxonomy

pytest.importorskip("imblearn")

from occ_autocoder.data.assembly import assemble, check_folder, read_taxonomy_rows, write_repository
from occ_autocoder.data.card import dataset_readme
from occ_autocoder.data.cleaning import CLEANED_FEATURES
from occ_autocoder.data.records import RECORD_FEATURES

LEAVES = [item.code for item in tiny_taxonomy().leaves]
SECRET = "ann@example.org"


def records(rows=None, prefix="") -> Dataset:
    rows = tiny_records() if rows is None else rows
    return Dataset.from_list([row | {"id": prefix + row["id"]} for row in rows], features=RECORD_FEATURES)


def cleaned() -> Dataset:
    """Records as cleaning returns them: one kept, one relabelled, one for a person."""
    rows = []
    for row, decision, code in zip(
        tiny_records()[:3], ("keep", "relabel", "person"), ("0110", "8331", ""), strict=True
    ):
        about = dict.fromkeys(CLEANED_FEATURES) | {"decision": decision, "cleaned_code": code, "candidates": LEAVES[:2]}
        rows.append({**row, **about, "selected_reason": f"write to {SECRET}", "relevance": [0.9, 0.1]})
    return Dataset.from_list(rows, features=Features({**RECORD_FEATURES, **CLEANED_FEATURES}))


@pytest.fixture
def files(tmp_path):
    """A taxonomy and records with personal data in one of them."""
    tiny_taxonomy().save(tmp_path / "tiny.parquet")
    rows = tiny_records()
    rows[0]["job_duties"] = f"leads soldiers, call +65 9123 4567 or {SECRET}"
    with (tmp_path / "records.jsonl").open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in [*rows, {"id": "bad", "job_title": "cook", "code": "9999"}])
    return tmp_path


def load(folder, config, tmp_path, **options):
    return load_dataset(str(folder), config, cache_dir=str(tmp_path / "cache"), **options)


def test_mask_writes_records_without_personal_data_and_counts_it(files):
    output = succeed("dataset", "mask", files / "records.jsonl", files / "out", "--format", "jsonl")
    text = (files / "out" / "records.jsonl").read_text()
    assert SECRET not in text and "9123" not in text and "leads soldiers, call <PHONE> or <EMAIL>" in text
    assert "EMAIL" in output and len(text.splitlines()) == 37


def test_split_then_balance_then_build_and_load(files, tmp_path):
    taxonomy = ["--taxonomy", files / "tiny.parquet"]
    output = succeed("dataset", "split", files / "records.jsonl", files / "splits", *taxonomy, "--test", "0.2")
    assert "36 records, 1 rejected" in output and "9999" in (files / "splits" / "rejected.csv").read_text()
    assert "| 8331 |" in (files / "splits" / "report.md").read_text()
    balanced = succeed(
        "dataset",
        "balance",
        files / "splits" / "train.parquet",
        files / "balanced",
        *taxonomy,
        "--min-records",
        "8",
        "--strategy",
        "over",
    )
    assert "copies" in balanced and (files / "balanced" / "class_counts.png").read_bytes().startswith(b"\x89PNG")
    assert "| all | 6 |" in (files / "balanced" / "class_counts.md").read_text()
    records(prefix="s-").to_parquet(files / "synthetic.parquet")
    cleaned().to_parquet(files / "cleaned.parquet")
    parts = [
        "--records",
        files / "splits",
        "--synthetic",
        files / "synthetic.parquet",
        "--cleaned",
        files / "cleaned.parquet",
    ]
    output = succeed("dataset", "build", files / "repository", *taxonomy, *parts, "--license", "cc0-1.0")
    assert "EMAIL 1, PHONE 1" in output and "EMAIL 3" in output
    splits = load(files / "repository", "records", tmp_path)
    assert {name: len(part) for name, part in splits.items()}.keys() == {"train", "validation", "test"}
    assert sum(map(len, splits.values())) == 36
    for config in ("records", "synthetic", "cleaned"):
        assert load(files / "repository", config, tmp_path)["train"].features["code"] == ClassLabel(names=LEAVES)
    for path in (files / "repository").rglob("*.parquet"):
        assert SECRET.encode() not in path.read_bytes()


def test_what_is_loaded_is_what_was_assembled_also_when_streamed(tmp_path):
    parts = {"records": DatasetDict(train=records(), test=records(prefix="t-")), "cleaned": cleaned()}
    assembled = assemble(tiny_taxonomy(), parts)
    write_repository(assembled, tmp_path / "repository", dataset_readme(assembled, "Tiny"))
    for config, splits in assembled.parts.items():
        loaded = load(tmp_path / "repository", config, tmp_path)
        assert loaded.keys() == splits.keys()
        for name, part in splits.items():
            assert loaded[name].features == part.features and loaded[name].to_list() == part.to_list()
            assert list(load(tmp_path / "repository", config, tmp_path, split=name, streaming=True)) == part.to_list()


def test_the_taxonomy_comes_back_from_its_config():
    rows = assemble(tiny_taxonomy(), {"records": records()}).parts["taxonomy"]["train"]
    found = read_taxonomy_rows(rows)
    assert list(found) == list(tiny_taxonomy()) and found.fingerprint == tiny_taxonomy().fingerprint


def test_a_cleaned_record_has_its_cleaned_code_and_the_given_one_beside():
    rows = assemble(tiny_taxonomy(), {"cleaned": cleaned()}).parts["cleaned"]["train"]
    assert rows["given_code"] == ["0110"] * 3
    assert rows["code"] == [LEAVES.index("0110"), LEAVES.index("8331"), None]
    assert "cleaned_code" not in rows.column_names and rows["selected_reason"] == ["write to <EMAIL>"] * 3


def test_the_card_tells_the_hub_the_configs_and_people_what_is_in_them(tmp_path):
    parts = {"records": records(), "synthetic": records(prefix="s-"), "cleaned": cleaned()}
    assembled = assemble(tiny_taxonomy(), parts)
    readme = dataset_readme(assembled, "Tiny records", "cc0-1.0")
    (tmp_path / "README.md").write_text(readme)
    data = DatasetCard.load(tmp_path / "README.md").data.to_dict()
    assert data["license"] == "cc0-1.0" and data["pretty_name"] == "Tiny records" and data["size_categories"] == "n<1K"
    assert {config["config_name"] for config in data["configs"]} == {"records", "synthetic", "cleaned", "taxonomy"}
    assert [config["config_name"] for config in data["configs"] if config.get("default")] == ["records"]
    info = {about["config_name"]: about for about in data["dataset_info"]}
    assert info["synthetic"]["splits"][0]["num_examples"] == 36
    assert {"occupation-coding", "tiny", "synthetic"} <= {*data["tags"]}
    assert "| classification | tiny 1, 6 codes |" in readme and "| cleaned | EMAIL 3, PHONE 0, ID 0, URL 0 |" in readme
    assert "decision: keep (1), relabel (1), person (1)" in readme
    assert dataset_readme(assembled, "Tiny records", "cc0-1.0") == readme


def test_building_again_replaces_what_was_built_and_nothing_else(files):
    taxonomy, folder = ["--taxonomy", files / "tiny.parquet"], files / "repository"
    records().to_parquet(files / "records.parquet")
    succeed("dataset", "build", folder, *taxonomy, "--records", files / "records.parquet")
    first = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    succeed("dataset", "build", folder, *taxonomy, "--records", files / "records.parquet")
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first
    (folder / "notes.txt").write_text("mine")
    message = fail("dataset", "build", folder, *taxonomy, "--records", files / "records.parquet")
    assert "holds notes.txt; allowed: a new folder" in message and (folder / "notes.txt").read_text() == "mine"


def test_a_build_that_was_killed_between_its_names_is_taken_back(tmp_path):
    folder = tmp_path / "repository"
    assembled = assemble(tiny_taxonomy(), {"records": records()})
    write_repository(assembled, folder, "first")
    folder.rename(tmp_path / "repository.old")
    write_repository(assembled, folder, "second")
    assert (folder / "README.md").read_text() == "second" and [path.name for path in tmp_path.iterdir()] == [
        "repository"
    ]


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="a file; allowed: a folder"):
        check_folder(tmp_path / "file")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "no records at all"),
        ({"real": records()}, "part real; allowed: records, synthetic, cleaned"),
        ({"records": records().remove_columns("code")}, "records, train: no column code"),
        ({"cleaned": records()}, "no column cleaned_code"),
        (
            {"records": records([{**tiny_records()[0], "code": "99"}])},
            "records, train, row 1: code '99'; allowed: a leaf",
        ),
        ({"records": records(tiny_records()[:1] * 2)}, "id '0110-0' in 2 records"),
        ({"records": DatasetDict(train=records(), test=records())}, "in 2 records"),
    ],
)
def test_what_cannot_be_published_is_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        assemble(tiny_taxonomy(), parts)


def test_records_without_a_code_are_published_without_one():
    rows = assemble(tiny_taxonomy(), {"records": records([{**tiny_records()[0], "code": ""}])}).parts["records"][
        "train"
    ]
    assert rows["code"] == [None]


def test_a_source_that_is_none_is_told(files):
    message = fail(
        "dataset", "build", files / "out", "--taxonomy", files / "tiny.parquet", "--records", files / "none.parquet"
    )
    assert "none.parquet: no records there; allowed: a .parquet or .jsonl file" in message
