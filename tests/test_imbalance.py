"""The profile is what it says, what is measured is the model that is shipped, the tables are worked by hand."""

import json
from collections import Counter

import pandas
import pytest
import torch
from tiny import tiny_arguments, tiny_taxonomy

from benchmarks import imbalance
from benchmarks.imbalance import METHODS, oversampled, undersampled
from benchmarks.imbalance_tables import imbalance_report, mean_interval, measures
from benchmarks.long_tail import BANDS, LARGEST, bare, drawn, long_tailed, profile
from benchmarks.ours import as_records
from benchmarks.records import COLUMNS, Benchmark
from benchmarks.shared_features import prepare, right_by_code, trained
from occ_autocoder.training.train import train

CODES = ("0110", "2221", "2341", "5120", "8322", "8331")
WORDS = ("kitchen", "harbour", "office", "garden", "tunnel", "stable", "bakery", "museum", "quarry", "studio")


def tiny_benchmark() -> Benchmark:
    """Twenty records of each code to train on, two and three for validation and test."""
    sizes = {"train": 20, "validation": 2, "test": 3}
    splits = {
        split: pandas.DataFrame(
            [
                (f"{WORDS[number % 10]} hand {number} {split} {code}", f"Sees to {WORDS[number % 7]} {code}.", code)
                for code in CODES
                for number in range(size)
            ],
            columns=COLUMNS,
        )
        for split, size in sizes.items()
    }
    return Benchmark("tiny", tiny_taxonomy(), splits)


def test_the_profile_falls_exponentially():
    # 100 * 100 ** (-i / 4): 100, 31.6, 10, 3.2, 1
    assert profile(5, 100, 100) == [100, 32, 10, 3, 1]
    # 50 * 10 ** (-i / 2): 50, 15.8, 5
    assert profile(3, 10, 50) == [50, 16, 5]
    assert profile(3, 1, 7) == [7, 7, 7] and profile(1, 10, 20) == [20]
    for factor, largest in LARGEST.items():
        sizes = profile(1016, factor, largest)
        assert sizes[0] == largest and sizes[-1] == largest / factor and sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(("factor", "largest"), [(0.5, 10), (100, 50)])
def test_a_profile_that_ends_below_one_record_is_refused(factor, largest):
    with pytest.raises(ValueError, match="allowed: 1 <= factor <= largest"):
        profile(5, factor, largest)


def test_sizes_go_to_codes_that_have_as_many_records():
    assert drawn({"c": 1, "b": 3, "a": 5}, [4, 2, 1], seed=0) == {"a": 4, "b": 2, "c": 1}
    assert drawn({"a": 5, "b": 3, "c": 1}, [4, 4, 1], seed=0) == {"a": 4, "b": 4, "c": 1}  # b has the most of the rest
    available = {str(code): 40 for code in range(30)}
    firsts = [next(iter(drawn(available, profile(30, 20, 40), seed))) for seed in range(20)]
    assert len(set(firsts)) > 8
    assert drawn(available, [5] * 30, 1) == drawn(dict(reversed(available.items())), [5] * 30, 1)


def test_the_train_split_alone_gets_the_profile():
    benchmark = tiny_benchmark()
    tail = long_tailed(benchmark, 20, 20, seed=0)
    train_split = tail.benchmark.splits["train"]
    # 20 * 20 ** (-i / 5): 20, 10.99, 6.03, 3.31, 1.82, 1
    assert list(tail.wanted.values()) == [20, 11, 6, 3, 2, 1]
    assert Counter(train_split["code"]) == tail.wanted
    assert not train_split.duplicated().any() and len(train_split.merge(benchmark.splits["train"])) == 43
    for split in ("validation", "test"):
        assert tail.benchmark.splits[split] is benchmark.splits[split]
    assert tail.reached() == {"codes": 6, "records": 43, "largest": 20, "smallest": 1, "short": 0}
    assert list(tail.bands) == list(tail.wanted) and list(tail.bands.values()) == [band for band in BANDS for _ in "12"]
    again, other = long_tailed(benchmark, 20, 20, seed=0), long_tailed(benchmark, 20, 20, seed=1)
    assert again.benchmark.splits["train"].equals(train_split) and again.wanted == tail.wanted
    assert list(other.wanted) != list(tail.wanted)


def test_codes_that_have_too_few_records_are_counted():
    benchmark = tiny_benchmark()
    few = benchmark.splits["train"].groupby("code").head(5)
    tail = long_tailed(Benchmark("tiny", benchmark.taxonomy, {"train": few}), 10, 10, seed=0)
    # 10, 6.3, 4, 2.5, 1.6, 1: the first two have 5
    assert tail.reached() == {"codes": 6, "records": 5 + 5 + 4 + 3 + 2 + 1, "largest": 5, "smallest": 1, "short": 2}


def test_a_bare_benchmark_has_titles_alone():
    items = list(bare(tiny_benchmark()).taxonomy)
    assert [item.title for item in items] == [item.title for item in tiny_taxonomy()]
    assert not any(item.definition or item.tasks or item.examples for item in items)


def test_sampling_brings_codes_to_the_mean():
    records = as_records(long_tailed(tiny_benchmark(), 20, 20, seed=0).benchmark.splits["train"], "train")
    mean = 7  # 43 / 6 = 7.2
    counts = sorted(Counter(oversampled(records, 0)["code"]).values())
    assert counts == [mean, mean, mean, mean, 11, 20]
    assert sorted(Counter(undersampled(records, 0)["code"]).values()) == [1, 2, 3, 6, mean, mean]


def test_what_is_measured_is_the_model_that_train_makes(tmp_path, encoder_folder):
    benchmark = long_tailed(tiny_benchmark(), 20, 20, seed=0).benchmark
    records, validation = (as_records(benchmark.splits[split], split) for split in ("train", "validation"))
    options = {"tau": 1.0}
    arguments = tiny_arguments(encoder_folder, epochs=3, loss="cdb", loss_options=options)
    expected = train(benchmark.taxonomy, records, arguments, tmp_path / "model", validation, tmp_path / "cache")
    prepared = prepare(benchmark, records, arguments, tmp_path / "cache")
    weights = {name: value.clone() for name, value in prepared.model.state_dict().items()}
    found = trained(prepared, "cdb", options, arguments)
    for name, value in expected.state_dict().items():
        assert torch.equal(value, found.state_dict()[name]), name
    assert found.config.softmax_temperature == expected.config.softmax_temperature
    after = prepared.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in weights.items())  # the next loss starts anew
    other = trained(prepared, "cross_entropy", {}, arguments)
    assert not torch.equal(other.head.semantic.direct.weight, found.head.semantic.direct.weight)
    features, batch = prepared.test["title"], prepared.test["title"].batch(torch.arange(18))
    right = found(**batch).logits.argmax(-1) == features.labels
    counts = right_by_code(found, features, prepared.codes, {})
    assert {code: rows for code, (_, rows) in counts.items()} == dict.fromkeys(CODES, 3)
    assert sum(hits for hits, _ in counts.values()) == right.sum()


def test_measures_by_hand():
    bands = {"a": "head", "b": "head", "c": "middle", "d": "tail"}
    # Recalls 1, 0.5, 0.25 and, of a code outside the profile, 0; right 4 + 1 + 1 of 4 + 2 + 4 + 2
    found = measures({"a": [4, 4], "b": [1, 2], "c": [1, 4], "x": [0, 2]}, bands)
    assert found == {"top-1": 0.5, "macro recall": 0.4375, "head": 0.75, "middle": 0.25}


def test_the_interval_is_students():
    # Mean 2, standard deviation 1, t of 0.975 with two degrees of freedom 4.30265: 4.30265 / sqrt(3)
    assert mean_interval([1, 2, 3]) == pytest.approx((2, 2.48414), abs=1e-5)
    assert mean_interval([0.4]) == (0.4, None)


def result(method: str, seed: int, head: int, tail: int, benchmark: str = "tiny") -> dict:
    """A result of two codes with 100 test rows each; so many of them are coded right by the heads."""
    heads = {"a": [head, 100], "b": [tail, 100]}
    model = {"a": [50, 100], "b": [50, 100]}
    reached = {"codes": 2, "records": 1100, "largest": 1000, "smallest": 100, "short": 1}
    about = {"benchmark": benchmark, "factor": 10.0, "seed": seed, "method": method, "reached": reached}
    views = {
        view: dict.fromkeys(("title_and_duties", "title"), counts)
        for view, counts in (("heads", heads), ("model", model))
    }
    texts = {"examples": {"a": 2000, "b": 230}, "settings": {"epochs": 5}}
    return about | texts | {"bands": {"a": "head", "b": "tail"}, "views": views}


def test_the_report_is_worked_by_hand():
    results = [result("cross entropy", seed, head, 20) for seed, head in ((0, 60), (1, 61), (2, 62))]
    results += [result("focal", seed, head, 24) for seed, head in ((0, 59), (2, 59))]
    text = imbalance_report(results, list(METHODS))
    assert "| tiny | 10 | 2 | 1,100 | 1,000 | 100 | 1 | 2000, -, 230 | 1, 0, 1 | epochs=5 | 5 |" in text
    section = text.split("## tiny, imbalance 10: title alone, the heads alone")[1].split("##")[0]
    # Head 60, 61, 62: 61 and 2.48 as above; top-1 and macro recall (head + 20) / 2: 40.5 and half of that.
    assert "| cross entropy | 3 | 40.5 ± 1.2 | 40.5 ± 1.2 | 61.0 ± 2.5 | - | 20.0 ± 0.0 |" in section
    # With the seeds 0 and 2: head -1 and -3, so -2, and t of one degree of freedom 12.7062 * 1.41421 / sqrt(2);
    # tail +4 and +4; top-1 +1.5 and +0.5.
    assert "| focal | 2 | +1.0 ± 6.4 | +1.0 ± 6.4 | -2.0 ± 12.7 | - | **+4.0 ± 0.0** |" in section
    whole = text.split("## tiny, imbalance 10: title alone, the whole model")[1]
    assert "| focal | 2 | +0.0 ± 0.0 | +0.0 ± 0.0 | +0.0 ± 0.0 | - | +0.0 ± 0.0 |" in whole


def test_the_overall_table_is_over_all_benchmarks():
    pairs = [("tiny", 0, 20), ("tiny", 1, 22), ("other", 0, 30)]
    results = [result("cross entropy", seed, 60, 20, name) for name, seed, _ in pairs]
    results += [result("focal", seed, 60, tail, name) for name, seed, tail in pairs]
    text = imbalance_report(results, list(METHODS)).split("## Over all")[1]
    # Tail +0, +2, +10: mean 4, standard deviation 5.2915, times 2.48414
    assert "| +0.0 ± 0.0 | - | +4.0 ± 13.1 |" in text and "| focal | 3 |" in text


def test_a_run_end_to_end_and_the_same_again_runs_but_what_is_missing(tmp_path, encoder_folder, capsys):
    small = vars(tiny_arguments(encoder_folder, epochs=2))
    names = ("encoder", "max_seq_length", "epochs", "batch_size", "head_hidden_size", "ngram_buckets", "ngram_dim")
    options = ["--data", tmp_path, "--output", tmp_path / "out", "--cache", tmp_path / "cache"]
    options += ["--benchmark", "tiny", "--factors", 20, "--seeds", 0, "--largest", 20]
    options = [*map(str, options), "--set", *(f"{name}={small[name]}" for name in names)]
    built = {"tiny": lambda data: tiny_benchmark()}
    imbalance.main(options, benchmarks=built)
    files = sorted((tmp_path / "out").glob("*.json"))
    found = [json.loads(file.read_text()) for file in files]
    assert {one["method"] for one in found} == set(METHODS)
    for one in found:
        rows = [sum(rows for _, rows in forms["title"].values()) for forms in one["views"].values()]
        assert rows == [18, 18] and one["bands"].keys() == set(CODES)
    examples = {one["method"]: sum(one["examples"].values()) for one in found}
    assert examples["undersampling"] < examples["cross entropy"] == examples["focal"] < examples["oversampling"]
    report = (tmp_path / "out" / "results.md").read_text()
    assert report in capsys.readouterr().out and "| CDB, smoothed | 1 |" in report

    written = {file.name: file.stat().st_mtime_ns for file in files}
    files[4].unlink()
    imbalance.main(options, benchmarks=built)
    again = {file.name for file in files if file.stat().st_mtime_ns != written[file.name]}
    left = {name: value for name, value in found[4].items() if name != "seconds"}
    assert again == {files[4].name} and left.items() <= json.loads(files[4].read_text()).items()
    imbalance.main([*options, "--only-tables"], benchmarks={"tiny": None})
    assert (tmp_path / "out" / "results.md").read_text() == report
    imbalance.main([*options, "--bare", "--methods", "focal"], benchmarks=built)
    [file] = (tmp_path / "out" / "bare").glob("*.json")
    assert sum(json.loads(file.read_text())["examples"].values()) < examples["focal"]


def test_a_trained_encoder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="allowed: frozen"):
        imbalance.main(["--data", str(tmp_path), "--set", "mode=full"])
