"""Hidden occupations: what is taken away and what stays, the measures by hand, and a run from end to end."""

import json

import numpy as np
import pandas
import pytest
from tiny import TITLES, tiny_arguments, tiny_taxonomy

pytest.importorskip("sklearn")

from benchmarks import novelty
from benchmarks.novelty import emerging_codes, hide, mahalanobis, some_codes
from benchmarks.novelty_measures import TOGETHER, auroc, cell, fpr, groups, judged, judged_together, separated
from benchmarks.records import COLUMNS, Benchmark
from occ_autocoder.taxonomy import Occupation, Taxonomy

WORDS = ("night", "city", "old", "new", "east", "west", "north", "south", "rural", "chief")


def benchmark() -> Benchmark:
    """Sixty titles a code: thirty for training, fifteen each for validation and test."""
    rows = [(f"{word} {title}", "", code) for code, titles in TITLES.items() for title in titles for word in WORDS]
    table = pandas.DataFrame(rows, columns=COLUMNS)
    places = table.index % 4
    parts = {"train": places > 1, "validation": places == 1, "test": places == 0}
    return Benchmark(
        "tiny", tiny_taxonomy(), {name: table[part].reset_index(drop=True) for name, part in parts.items()}
    )


@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_hidden_code_is_nowhere_but_among_the_novel(split):
    full = benchmark()
    found = hide(full, {"5120"}, split)
    assert "5120" not in found.benchmark.taxonomy
    assert all("5120" not in set(part["code"]) for part in found.benchmark.splits.values())
    assert set(found.novel["code"]) == {"5120"} and len(found.novel) == 15
    held, known = set(found.benchmark.splits["validation"]["job_title"]), set(found.known["job_title"])
    assert not held & known and len(known) == (75 if split == "test" else 37)


def test_a_tenth_of_the_codes_and_those_broken_out_of_others():
    assert len(some_codes(benchmark(), 0)) == 1 and some_codes(benchmark(), 0) <= set(TITLES)
    codes = ("15-1299.00", "15-1299.08", "11-1011.03", "11-1011.00", "13-1041.02")
    items = [Occupation(code, code, 1) for code in codes]
    assert emerging_codes(Benchmark("", Taxonomy(items, "onet"), {})) == {"15-1299.08", "11-1011.03"}


def test_measures_by_hand():
    known, novel = np.array([0.1, 0.2, 0.3, 0.8]), np.array([0.25, 0.9])
    assert auroc(known, novel) == pytest.approx(6 / 8)
    assert fpr(known, np.linspace(0, 1, 21)) == pytest.approx(1.0)
    assert fpr(known, novel) == pytest.approx(0.5)  # from 0.2825 on
    drawn = groups(["a"] * 5 + ["b"], seed=0)
    assert len(drawn) == 20 and all(sorted(places) == [0, 1, 2, 3, 4] for places in drawn)
    few = judged([known, novel], [[], []])
    assert few["auroc"] == auroc(known, novel) and few["group_auroc"] is None and cell([None, 0.5]) == "-"
    parts = [
        {"combination": np.array([0.1, 0.9, 0.2]), "confidence": np.array([0.4, 0.5, 0.6])},
        {"combination": np.array([0.8, 0.7]), "confidence": np.array([0.3, 0.9])},
    ]
    assert separated(*parts) == {"recall": 0.5, "before": pytest.approx(1 / 3), "after": 0.0}


def test_a_group_that_one_code_explains_is_less_novel_than_one_that_is_spread():
    novelty, confidences = np.full(6, 0.6), np.tile([0.5, 0.3], (6, 1))
    agreed = novelty, np.tile([1, 2], (6, 1)), confidences
    spread = novelty, np.arange(12).reshape(6, 2), confidences
    found = judged_together([agreed, spread], [groups(["a"] * 6, 0), groups(["b"] * 6, 0)])
    assert found == {"auroc": None, "fpr95": None, "group_auroc": 1.0, "group_fpr95": 0.0}


def test_the_metric_is_shared_by_the_codes():
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    narrow = torch.randn(400, 2, generator=generator) * torch.tensor([1.0, 0.1])
    vectors, labels = narrow + torch.tensor([[0.0, 0.0], [9.0, 0.0]]).repeat(200, 1), torch.arange(400) % 2
    along, across = mahalanobis(vectors, labels, torch.tensor([[2.0, 0.0], [0.0, 2.0]]))
    assert along == pytest.approx(4.0, rel=0.2) and across > 40 * along  # the covariance is shrunk a little


def test_a_run_end_to_end(tmp_path, encoder_folder, monkeypatch, capsys):
    monkeypatch.setitem(novelty.BENCHMARKS, "tiny", lambda data: benchmark())
    small = vars(tiny_arguments(encoder_folder, epochs=3))
    names = ("encoder", "max_seq_length", "epochs", "batch_size", "head_hidden_size", "ngram_buckets", "ngram_dim")
    options = ["--data", tmp_path, "--output", tmp_path / "out", "--cache", tmp_path / "cache", "--benchmark", "tiny"]
    options += ["--seeds", 0, 1, "--set", *(f"{name}={small[name]}" for name in names)]
    novelty.main([*map(str, options)])
    found = json.loads((tmp_path / "out" / "novelty.json").read_text())
    assert [item["title"]["rows"] for item in found] == [[75, 15], [75, 15]] and list(found[0]) == ["title"]
    scores = found[0]["title"]
    assert {"maximum softmax", "energy", "Mahalanobis", "k nearest neighbours", "combination"} <= set(scores)
    assert all(0 <= scores["combination"][name] <= 1 for name in ("auroc", "fpr95", "group_auroc", "group_fpr95"))
    assert scores[TOGETHER]["auroc"] is None and 0 <= scores[TOGETHER]["group_auroc"] <= 1
    assert "## title: 75 known, 15 novel texts, 2 seeds" in capsys.readouterr().out
