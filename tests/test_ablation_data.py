"""The ablation of synthetic and paraphrased records: what is held out stays unseen, the arms differ as they say."""

import json

import numpy as np
import pandas
import pytest
from datasets import Dataset
from tiny import tiny_arguments, tiny_taxonomy

from benchmarks import ablation_data, ablation_sample
from benchmarks.ablation_sample import RARE, TAIL, first_of_each, long_tailed, parts_of, tail_sizes
from benchmarks.ablation_tables import ablation_report, band_of, bootstrap
from benchmarks.ours import as_records
from benchmarks.records import COLUMNS, Benchmark
from benchmarks.rewordings import reword, rewordings
from occ_autocoder.data.embedded import load_isco08_records
from occ_autocoder.data.records import RECORD_FEATURES

CODES = ("0110", "2221", "2341", "5120", "8322", "8331")
WORK = ("kitchen", "harbour", "office", "garden", "tunnel", "stable", "bakery", "museum", "quarry", "studio")
TASKS = ("paints", "counts", "mends", "guards", "sorts", "washes", "packs", "tests", "moves", "plans")


def many_records(codes=CODES, occupations=20) -> pandas.DataFrame:
    """Occupations of each code with three titles and one description."""
    rows = [
        (
            f"{WORK[number % 10]} {kind} {code} {number}",
            f"{TASKS[number // 2]} goods. Sees to {number} of {code}.",
            code,
        )
        for code in codes
        for number in range(occupations)
        for kind in ("worker", "manager", "assistant")
    ]
    return pandas.DataFrame(rows, columns=COLUMNS)


def tiny_ablation(data=None) -> Benchmark:
    """Of each code's occupations most are to train on, and one each for validation and test."""
    table = many_records()
    number = table["job_title"].str.split().str[-1].astype(int)
    parts = {"train": number > 1, "validation": number == 1, "test": number == 0}
    return Benchmark(
        "tiny", tiny_taxonomy(), {name: table[part].reset_index(drop=True) for name, part in parts.items()}
    )


def spelling(texts):
    """Unit vectors of the letters: an encoder of no time."""
    counts = np.array([[text.casefold().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz "] for text in texts])
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def test_the_tail_has_most_codes_with_few_records_and_some_with_many():
    sizes = list(tail_sizes([str(number) for number in range(2000)], seed=0).values())
    for share, least, most in TAIL:
        assert np.mean([least <= size <= most for size in sizes]) == pytest.approx(share, abs=0.03)
    assert tail_sizes(["a", "b", "c"], 1) == tail_sizes(["a", "b", "c"], 1)


def test_a_sample_has_test_occupations_that_are_neither_trained_nor_validated_on(monkeypatch):
    monkeypatch.setattr(ablation_sample, "TAIL", ((1.0, 30, 30),))
    sample = long_tailed(tiny_ablation(), seed=0)
    parts = [set(sample.train["job_duties"]), set(sample.validation["job_duties"]), set(sample.test["job_duties"])]
    assert all(parts) and not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert len(sample.train) + len(sample.validation) == 30 * len(CODES)
    assert len(sample.test) == 2 * 2 * len(CODES)  # two titles of an occupation, one of each of the two splits
    again, other = long_tailed(tiny_ablation(), seed=0), long_tailed(tiny_ablation(), seed=1)
    assert again.train.to_dict() == sample.train.to_dict() != other.train.to_dict()


def test_rare_codes_alone_get_records_and_none_of_them_is_in_the_test(monkeypatch):
    monkeypatch.setattr(ablation_sample, "TAIL", ((0.5, 3, 3), (0.5, 40, 40)))
    sample = long_tailed(tiny_ablation(), seed=0)
    assert 0 < len(sample.rare) < len(CODES)
    leaked = as_records(sample.test, "leaked")
    offered = [row for row in leaked if row["code"] in sample.rare]
    parts, asides = parts_of(sample, leaked, reword, spelling, seed=0)
    assert len(parts["synthetic"]) == 0 and asides["synthetic"].total() == len(offered)
    assert parts["real"].to_dict() == sample.train.to_dict()
    assert set(parts["paraphrased"]["code"]) <= sample.rare
    titles = set(sample.test["job_title"])
    assert len(parts["paraphrased"]) and not titles & set(parts["paraphrased"]["job_title"])


def test_the_synthetic_records_are_the_first_of_each_rare_code():
    sample = ablation_sample.Sample(tiny_taxonomy(), *(as_records(many_records(CODES[:1]), "a"),) * 2, many_records())
    parts, _ = parts_of(sample, load_isco08_records(), reword, None, seed=0)
    counts = pandas.Series(parts["synthetic"]["code"]).value_counts()
    assert len(many_records(CODES[:1])) > RARE and set(counts.index) == set(CODES[1:])
    assert counts.max() <= 12 and all(parts["synthetic"]["job_duties"])
    assert parts["synthetic"].features == RECORD_FEATURES


def test_the_first_of_each_code_are_in_their_order():
    found = first_of_each(as_records(many_records(CODES[:2], 3), "a"), 2)
    assert found["id"] == ["a-0", "a-1", "a-9", "a-10"]
    assert len(first_of_each(found.select([]), 2)) == 0


def test_rewordings_keep_the_code_change_the_title_and_do_not_depend_on_the_order():
    records = as_records(many_records(CODES[:2], 4), "real")
    found = reword(records, seed=0)
    assert found.features == RECORD_FEATURES and len(found) == 2 * len(records) == len(set(found["id"]))
    by_id = {row["id"]: row for row in records}
    for row in found:
        real = by_id[row["id"].split("-reworded")[0]]
        assert row["code"] == real["code"] and row["job_title"] != real["job_title"]
        assert set(row["job_duties"]) <= set(real["job_duties"]) and row["source"] == "reworded by rules"
    turned = reword(records.select(range(len(records))[::-1]), seed=0)
    assert sorted(turned["job_title"]) == sorted(found["job_title"])
    assert list(reword(records, seed=1)["job_title"]) != list(found["job_title"])


def test_rewordings_by_hand():
    record = {"id": "a", "job_title": "Maintenance manager", "job_duties": "Mends pumps. Orders parts.", "code": "1"}
    titles = {row["job_title"] for seed in range(20) for row in rewordings(record, seed, 3)}
    assert {"maint mgr", "manager, Maintenance", "senior Maintenance manager"} <= titles
    duties = {row["job_duties"] for seed in range(20) for row in rewordings(record, seed, 3)}
    assert duties == {"Mends pumps.", "Orders parts.", "Orders parts. Mends pumps."}
    assert rewordings({**record, "job_title": ""}, 0, 2) == []
    assert [row["job_duties"] for row in rewordings({**record, "job_duties": ""}, 0, 3)] == ["", "", ""]


def test_the_bootstrap_is_of_the_codes():
    same = bootstrap(np.array([0.5, 1.0, 1.5]), np.array([1, 2, 3]))
    assert same == pytest.approx((0.5, 0.5, 0.5))
    mean, low, high = bootstrap(np.array([1.0] * 50 + [0.0] * 50), np.ones(100))
    assert mean == 0.5 and low == pytest.approx(0.4, abs=0.02) and high == pytest.approx(0.6, abs=0.02)


def test_a_code_is_in_the_band_of_its_real_records():
    assert [band_of(number) for number in (0, 1, 2, 3, 9, 10, 60)] == [
        "0",
        "1 to 2",
        "1 to 2",
        "3 to 9",
        "3 to 9",
        "10 or more",
        "10 or more",
    ]


def result(data, handling, seed, support, **right):
    forms = {"title": {code: [number, 4] for code, number in right.items()}}
    return {"data": data, "handling": handling, "seed": seed, "rows": 5, "support": support, "forms": forms}


def test_the_report_has_the_recalls_and_differences_worked_by_hand():
    results = [
        result("real", "none", 0, {"b": 20}, a=0, b=4),
        result("real", "none", 1, {"a": 5, "b": 20}, a=2, b=4),
        result("real + synthetic", "none", 0, {"b": 20}, a=2, b=4),
        result("real + synthetic", "none", 1, {"a": 5, "b": 20}, a=1, b=4),
    ]
    text = ablation_report(results, {"synthetic": ablation_data.Counter({"official title": 3})}, ["A note."])
    assert "- A note." in text and "| synthetic | official title | 3 |" in text
    assert "0: 1; 3 to 9: 1; 10 or more: 2; all: 4" in text
    lines = [line for line in text.splitlines() if line.startswith("| real")]
    assert "| real | none | 0.0 (0.0 to 0.0) | 50.0 (50.0 to 50.0) | 100.0 (100.0 to 100.0) | 62.5" in lines[2]
    assert lines[3].startswith("| real + synthetic | none | 50.0 (50.0 to 50.0) | 25.0 (25.0 to 25.0) | 100.0")
    [gains] = lines[4:]
    assert "**+50.0 (+50.0 to +50.0)** | **-25.0 (-25.0 to -25.0)** | +0.0 (+0.0 to +0.0) | +6.2" in gains


def test_all_arms_run_and_a_second_call_runs_but_what_is_missing(tmp_path, encoder_folder, monkeypatch, capsys):
    monkeypatch.setattr(ablation_sample, "TAIL", ((0.5, 4, 4), (0.5, 24, 24)))
    small = vars(tiny_arguments(encoder_folder, epochs=2))
    names = ("encoder", "max_seq_length", "epochs", "batch_size", "head_hidden_size", "ngram_buckets", "ngram_dim")
    settings = [f"{name}={small[name]}" for name in (*names, "checkpoint_steps")]
    options = ["--data", tmp_path, "--seeds", 0, "--output", tmp_path / "out", "--cache", tmp_path / "cache"]
    options = [*map(str, options), "--set", *settings]
    ablation_data.main(options, build=tiny_ablation)
    files = sorted((tmp_path / "out").glob("seed*.json"))
    assert len(files) == 9 and not list((tmp_path / "out").glob("model*"))
    found = [json.loads(file.read_text()) for file in files]
    assert len({(one["data"], one["handling"]) for one in found}) == 9
    rows = {one["data"]: one["rows"] for one in found if one["handling"] == "none"}
    assert rows["real"] < rows["real + synthetic"] < rows["real + synthetic + paraphrased"]
    assert {sum(rows for _, rows in one["forms"]["title"].values()) for one in found} == {24}
    report = (tmp_path / "out" / "results.md").read_text()
    assert report in capsys.readouterr().out and "not by a language model" in report

    written = {file.name: file.stat().st_mtime_ns for file in files}
    files[4].unlink()
    ablation_data.main(options, build=tiny_ablation)
    again = {file.name for file in files if file.stat().st_mtime_ns != written[file.name]}
    assert again == {files[4].name} and json.loads(files[4].read_text()) == found[4]
    assert (tmp_path / "out" / "results.md").read_text() == report


def test_oversampling_gives_rare_codes_more_rows():
    records = as_records(pandas.concat([many_records(CODES[:1], 20), many_records(CODES[1:2], 2)]), "real")
    counts = pandas.Series(ablation_data.oversampled(records, 0)["code"]).value_counts()
    assert counts[CODES[1]] > 6 and isinstance(ablation_data.oversampled(records, 0), Dataset)
