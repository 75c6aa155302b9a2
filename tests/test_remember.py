"""Codes that a model was never trained on, the memory that finds them, and the weights of the evidence."""

import copy

import pytest
import torch
from datasets import Dataset
from tiny import tiny_arguments, tiny_records, tiny_taxonomy
from torch.nn import functional as F

import occ_autocoder
from occ_autocoder.data.records import RECORD_FEATURES
from occ_autocoder.model.head_occupation import EVIDENCE, Fusion
from occ_autocoder.model.remember_occupation import remember
from occ_autocoder.training.fusion import fitted
from occ_autocoder.training.train import train

PLUMBER = {
    "code": "7126",
    "title": "Plumbers",
    "parent": "8",
    "level": 3,
    "definition": "Fit and mend water pipes and drains",
    "examples": ["plumber", "pipe fitter"],
}


@pytest.fixture
def coder(model_folder):
    """A pipeline over a tiny model of the test's own."""
    return occ_autocoder.load(str(model_folder))


def test_a_code_added_from_its_definition_wins_for_its_titles_and_duties(coder, tmp_path):
    before = coder("staff nurse", top_k=None)
    coder.model.add_occupations(coder.tokenizer, [PLUMBER])
    assert coder("plumber")[0]["label"] == "7126"
    assert coder({"job_duties": "Fit and mend water pipes and drains"})[0]["label"] == "7126"
    after = coder("staff nurse", top_k=None)
    assert [row["label"] for row in after if row["label"] != "7126"] == [row["label"] for row in before]
    assert coder("plumber", level=1)[0]["title"] == "Drivers and machine operators"
    coder.save_pretrained(tmp_path)
    rows = zip(
        occ_autocoder.load(str(tmp_path))("pipe fitter", top_k=None), coder("pipe fitter", top_k=None), strict=True
    )
    assert all(again == {**once, "score": pytest.approx(once["score"], abs=1e-6)} for again, once in rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"code": "2221"}, "code '2221' is there already"), ({"parent": "9"}, "parent '9' is not in tiny")],
)
def test_a_code_that_cannot_be_added_is_refused_and_changes_nothing(coder, change, message):
    with pytest.raises(ValueError, match=message):
        coder.model.add_occupations(coder.tokenizer, [{**PLUMBER, **change}])
    assert coder.model.config.num_labels == len(coder("cook", top_k=None)) == 6


def test_a_code_without_any_record_is_found_by_its_definition(tmp_path, encoder_folder):
    """Buses have no record: the taxonomy's own text has to do."""
    records = Dataset.from_list([row for row in tiny_records() if row["code"] != "8331"], features=RECORD_FEATURES)
    arguments = tiny_arguments(encoder_folder)
    train(tiny_taxonomy(), records, arguments, tmp_path, cache=encoder_folder.parent / "cache")
    coder = occ_autocoder.load(str(tmp_path))
    assert coder({"job_title": "bus driver", "job_duties": "Drive a bus on its route"})[0]["label"] == "8331"


def test_the_nearest_known_title_is_found_among_all(coder):
    """Memory against the plain definition of its scores: the best cosine over the texts of each code."""
    model, tokenizer = coder.model, coder.tokenizer
    titles = [("cook", 3), ("grill cook", 3), ("bus driver", 5)]
    remember(model, tokenizer, titles, [])
    query = F.normalize(torch.randn(2, model.config.encoder_config.hidden_size), dim=-1)
    cosines = query @ model.titles.embeddings.T
    nearest, central = model.titles.nearest(query), model.titles.central(query)
    assert torch.allclose(nearest[:, 3], cosines[:, :2].amax(1)) and torch.allclose(nearest[:, 5], cosines[:, 2])
    assert torch.allclose(central[:, 3], query @ F.normalize(model.titles.embeddings[:2].sum(0), dim=0), atol=1e-6)
    assert not nearest[:, [0, 1, 2, 4]].any() and not central[:, [0, 1, 2, 4]].any()


def test_the_fit_of_the_fusion_finds_what_the_labels_follow():
    """Labels drawn from known weights: their likelihood under the fitted weights beats that under the prior."""
    torch.manual_seed(0)
    evidence = torch.rand(2000, 12, len(EVIDENCE))
    prior = Fusion.prior()[0]
    true = prior * torch.tensor([2.0, 0.25, 1.0, 1.0, 0.5, 1.0, 3.0, 1.0, 1.0, 0.5])
    labels = torch.multinomial((evidence @ true).softmax(-1), 1).squeeze(-1)
    found = fitted(evidence, labels, prior)
    losses = {
        name: F.cross_entropy(evidence @ weight, labels).item()
        for name, weight in {"prior": prior, "found": found}.items()
    }
    assert losses["found"] < losses["prior"] - 0.05
    assert torch.allclose(found[6], true[6], rtol=0.15)
    assert (found > 0).all()


def test_with_few_labels_the_fusion_stays_near_what_was_known():
    torch.manual_seed(0)
    prior = Fusion.prior()[0]
    found = fitted(torch.rand(3, 5, len(EVIDENCE)), torch.tensor([0, 1, 2]), prior)
    assert ((found / prior).log().abs() < 2.0).all()


def test_in_training_the_logits_are_the_heads_alone(coder):
    model = copy.deepcopy(coder.model).train()
    batch = {name: value for name, value in coder.preprocess("bus driver").items() if name != "truncated"}
    with torch.no_grad():
        found = model(**batch, labels=torch.tensor([5]))
    assert torch.allclose(found.logits, F.log_softmax(found.head_logits, dim=-1).sum(1))
    assert torch.allclose(found.loss, F.cross_entropy(found.logits, torch.tensor([5])))
