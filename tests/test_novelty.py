"""Novelty: features worked by hand, records without the evidence for their own code, and a score that tells them."""

import pytest
import torch
from tiny import tiny_records

import occ_autocoder
from occ_autocoder.model.head_occupation import EVIDENCE
from occ_autocoder.model.novelty_occupation import FEATURES, novelty_features, novelty_score
from occ_autocoder.training.fusion import fit_fusion
from occ_autocoder.training.inputs import featurize
from occ_autocoder.training.novelty import fitted, without
from occ_autocoder.training.recalibration import own_examples

KINDS = list(EVIDENCE)


def evidence_of(**columns) -> torch.Tensor:
    """Evidence [1, 3, K] for three codes, 0 but for these columns."""
    found = torch.zeros(1, 3, len(KINDS))
    for name, values in columns.items():
        found[0, :, KINDS.index(name)] = torch.tensor(values)
    return found


def test_features_worked_by_hand():
    evidence = evidence_of(
        title_nearest_title=[0.2, 0.9, 0.7], semantic_head=torch.tensor([0.5, 0.25, 0.25]).log().tolist()
    )
    logits = torch.tensor([[1.0, 3.0, 2.0]])
    found = dict(zip(FEATURES, novelty_features(evidence, logits)[0].tolist(), strict=True))
    probabilities = torch.tensor([1.0, 3.0, 2.0]).softmax(0)
    assert found["confidence"] == pytest.approx(probabilities[1].log().item())
    assert found["margin"] == pytest.approx(1.0)
    assert found["entropy"] == pytest.approx(-(probabilities * probabilities.log()).sum().item())
    assert found["energy"] == pytest.approx(logits.exp().sum().log().item())
    assert found["agreement"] == pytest.approx(1 / len(KINDS))  # ties are the first code's, which is not the best
    assert found["title_nearest_title_largest"] == pytest.approx(0.9)
    assert found["title_nearest_title_lead"] == pytest.approx(0.2)
    assert found["title_nearest_title_of_best"] == pytest.approx(0.9)
    assert found["semantic_head_confidence"] == pytest.approx(torch.tensor(0.5).log().item())
    assert found["semantic_head_of_best"] == pytest.approx(torch.tensor(0.25).log().item())
    assert found["semantic_head_entropy"] == pytest.approx(1.5 * torch.tensor(2.0).log().item())


def test_without_a_records_own_code_the_others_are_as_they_were_and_the_heads_add_up():
    evidence = torch.randn(4, 5, len(KINDS))
    heads = [KINDS.index(name) for name in ("semantic_head", "lexical_head")]
    evidence[..., heads] = evidence[..., heads].log_softmax(1)
    found = without(evidence, torch.tensor([0, 2, 4, 4]))
    torch.testing.assert_close(found[1, :, 0], evidence[1, [0, 1, 3, 4], 0])
    torch.testing.assert_close(found[..., heads].exp().sum(1), torch.ones(4, 2))
    torch.testing.assert_close(found[1, 0, heads] - found[1, 1, heads], evidence[1, 0, heads] - evidence[1, 1, heads])


def test_the_regression_tells_what_can_be_told_and_is_a_half_between():
    torch.manual_seed(0)
    known, novel = torch.randn(400, 2), torch.randn(400, 2) + torch.tensor([3.0, 0.0])
    fit = fitted(known, novel)
    assert novelty_score(torch.tensor([[1.5, 0.0]]), fit).item() == pytest.approx(0.5, abs=0.1)
    assert novelty_score(known, fit).mean() < 0.2 < 0.8 < novelty_score(novel, fit).mean()
    assert abs(fit["weights"][1]) < 0.2 * fit["weights"][0]


def test_it_is_fitted_with_the_evidence_and_travels_with_the_model(model_folder, tmp_path):
    coder = occ_autocoder.load(model_folder)
    rows = [{**row, "id": f"{row['id']}-{n}", "job_duties": ""} for n in range(2) for row in tiny_records()]
    features = featurize(own_examples(rows, coder.model.config.label2id), coder.model, coder.tokenizer, None)
    fit_fusion(coder.model, features.batch, features.forms, features.labels)
    found = coder.model.config.novelty
    assert found["title_and_duties"] is None and len(found["title"]["weights"]) == len(FEATURES)
    coder.model.save_pretrained(tmp_path)
    assert type(coder.model).from_pretrained(tmp_path).config.novelty == found


def test_the_pipeline_gives_the_score_of_forms_that_have_one(model_folder):
    coder = occ_autocoder.load(model_folder)
    fitted = {"weights": [0.1] * len(FEATURES), "bias": -1.0}
    coder.model.config.novelty = {"title": fitted, "duties": None, "title_and_duties": None}
    texts = [{"job_title": "cook"}, {"job_duties": "drives a bus"}, {"job_title": "nurse", "job_duties": "cares"}]
    answers = coder(texts, return_novelty=True, batch_size=3)
    assert [answer["novelty"] is None for answer in answers] == [False, True, True]
    assert [answer["occupations"] for answer in answers] == coder(texts, batch_size=3)
    output = coder.model(**coder._ensure_tensor_on_device(coder.preprocess("cook"), "cpu"), output_evidence=True)
    features = novelty_features(output.evidence, coder.model.fusion(output.evidence, torch.tensor([1])))
    assert answers[0]["novelty"] == pytest.approx(novelty_score(features, fitted).item(), abs=1e-5)
    assert answers[0]["similarity"] == pytest.approx(1.0, abs=1e-4)  # a title that it knows
    assert answers[2]["embeddings"].norm(dim=-1).tolist() == pytest.approx([1.0, 1.0], abs=1e-4)
