"""Codes that a model was never trained on, the memory that finds them, and the weights of the evidence."""

import copy

import pytest
import torch
from datasets import Dataset
from tiny import tiny_arguments, tiny_records, tiny_taxonomy
from torch.nn import functional as F

import occ_autocoder
from occ_autocoder.data.records import RECORD_FEATURES
from occ_autocoder.model.configuration_occupation import OccupationConfig
from occ_autocoder.model.head_occupation import EVIDENCE, Fusion
from occ_autocoder.model.remember_occupation import remember
from occ_autocoder.model.text_occupation import FORMS
from occ_autocoder.training.fusion import cross_fitted_temperature, fitted
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


def test_the_temperature_mends_weights_that_suit_their_own_records_too_well():
    """Forty records, ten weights: on others they are too sure, on the whole of several draws by what is found."""
    prior, losses = Fusion.prior()[0], []
    for seed in range(8):
        torch.manual_seed(seed)
        evidence = torch.rand(40 + 2000, 40, len(EVIDENCE))
        true = prior * torch.randn(len(prior)).mul(0.7).exp()
        labels = torch.multinomial((evidence @ true).softmax(-1), 1).squeeze(-1)
        temperature = cross_fitted_temperature(evidence[:40], labels[:40], prior)
        others = evidence[40:] @ fitted(evidence[:40], labels[:40], prior)
        losses.append([F.cross_entropy(others / scale, labels[40:]).item() for scale in (1.0, temperature)])
    without, with_temperature = torch.tensor(losses).mean(0)
    assert with_temperature < without - 0.02


def test_each_form_has_its_temperature(coder):
    model = copy.deepcopy(coder.model).eval()
    records = ({"job_title": "bus driver", "job_duties": "drives a bus"}, "bus driver", {"job_duties": "drives a bus"})
    batches = [{k: v for k, v in coder.preprocess(record).items() if k != "truncated"} for record in records]
    temperatures = dict(zip(FORMS, (0.5, 2.0, 4.0), strict=True))
    with torch.no_grad():
        model.config.softmax_temperature, model.config.doubt = 1.0, 0.0
        plain = [model(**batch).logits for batch in batches]
        model.config.softmax_temperature = temperatures
        scaled = [model(**batch).logits for batch in batches]
        model.config.doubt = dict(zip(FORMS, (0.0, 0.1, 0.2), strict=True))
        doubtful = [model(**batch).logits for batch in batches]
    for before, after, temperature in zip(plain, scaled, temperatures.values(), strict=True):
        assert torch.allclose((before / temperature).softmax(-1), after.softmax(-1), atol=1e-6)
    for before, after, doubt in zip(scaled, doubtful, model.config.doubt.values(), strict=True):
        assert torch.allclose((1 - doubt) * before.softmax(-1) + doubt / 6, after.softmax(-1), atol=1e-6)


@pytest.mark.parametrize("given", [0.0, {"title": 1.0}, {**dict.fromkeys(FORMS, 1.0), "duties": -1.0}])
def test_a_temperature_that_is_none_is_refused(given):
    with pytest.raises(ValueError, match="allowed: above 0, one or for each of title_and_duties, title, duties"):
        OccupationConfig(softmax_temperature=given)


@pytest.mark.parametrize("given", [1.0, -0.1, {"title": 0.1}])
def test_a_doubt_that_is_none_is_refused(given):
    with pytest.raises(ValueError, match="allowed: from 0 to below 1, one or for each of title_and_duties"):
        OccupationConfig(doubt=given)


def test_in_training_the_logits_are_the_heads_alone(coder):
    model = copy.deepcopy(coder.model).train()
    batch = {name: value for name, value in coder.preprocess("bus driver").items() if name != "truncated"}
    with torch.no_grad():
        found = model(**batch, labels=torch.tensor([5]))
    assert torch.allclose(found.logits, F.log_softmax(found.head_logits, dim=-1).sum(1))
    assert torch.allclose(found.loss, F.cross_entropy(found.logits, torch.tensor([5])))
