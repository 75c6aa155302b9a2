"""The losses on reviews: worked by hand, and equal to those of trl where a reply is one token."""

import math

import pytest
import torch

from occ_autocoder.feedback.losses import (
    correction_loss,
    dpo_loss,
    kl_divergence,
    kto_loss,
    likelihood_loss,
    reinforce_loss,
)

LOGITS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.5, 1.0]])
BEFORE = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
FIRST, SECOND = torch.tensor([0, 2]), torch.tensor([1, 1])
ACCEPTED = torch.tensor([True, False])


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def log_softmax(row, place):
    return row[place] - math.log(sum(map(math.exp, row)))


def log_ratios(labels=(0, 2)):
    rows = zip(LOGITS.tolist(), BEFORE.tolist(), labels)
    return [log_softmax(new, place) - log_softmax(old, place) for new, old, place in rows]


def test_cross_entropy_and_divergence_by_hand():
    expected = -(log_softmax([2, 1, 0], 0) + log_softmax([0, 0.5, 1], 2)) / 2
    assert correction_loss(LOGITS, FIRST).item() == pytest.approx(expected)
    rows = [
        sum(math.exp(log_softmax(old, k)) * (log_softmax(old, k) - log_softmax(new, k)) for k in range(3))
        for new, old in zip(LOGITS.tolist(), BEFORE.tolist())
    ]
    assert kl_divergence(BEFORE, LOGITS).item() == pytest.approx(sum(rows) / 2, abs=1e-6)
    assert kl_divergence(LOGITS, LOGITS).item() == pytest.approx(0, abs=1e-7)


def test_dpo_is_a_margin_loss_on_two_logits():
    found = dpo_loss(LOGITS, BEFORE, FIRST, SECOND, beta=0.5)
    expected = -(math.log(sigmoid(0.5 * (1 - 0))) + math.log(sigmoid(0.5 * (0.5 - 0)))) / 2
    assert found.item() == pytest.approx(expected)
    log_probabilities = dpo_loss(LOGITS.log_softmax(-1), BEFORE.log_softmax(-1), FIRST, SECOND, beta=0.5)
    assert log_probabilities.item() == pytest.approx(expected)
    logits = LOGITS.clone().requires_grad_()
    dpo_loss(logits, BEFORE, FIRST, SECOND).backward()
    assert logits.grad[0, 2] == logits.grad[1, 0] == 0, "a third logit got a gradient"
    smoothed = dpo_loss(LOGITS, BEFORE, FIRST, SECOND, 0.5, label_smoothing=0.5)
    swapped = dpo_loss(LOGITS, BEFORE, SECOND, FIRST, 0.5)
    assert smoothed.item() == pytest.approx((expected + swapped.item()) / 2)


def test_reinforce_by_hand():
    ratios, rewards = log_ratios(), ACCEPTED.float()
    weights = [min(2.0, math.exp(ratio)) for ratio in ratios]
    logs = [log_softmax([2, 1, 0], 0), log_softmax([0, 0.5, 1], 2)]
    expected = -(weights[0] * (1 - 0) * logs[0] + weights[1] * (0 - 1) * logs[1]) / 2
    assert reinforce_loss(LOGITS, BEFORE, FIRST, rewards).item() == pytest.approx(expected, abs=1e-6)
    plain = -weights[0] * logs[0] / 2
    assert reinforce_loss(LOGITS, BEFORE, FIRST, rewards, baseline=False).item() == pytest.approx(plain, abs=1e-6)
    far = LOGITS + torch.tensor([5.0, 0.0, 0.0])
    clipped = -1.0 * (1 - 0) * log_softmax([7, 1, 0], 0)
    one = reinforce_loss(far[:1], BEFORE[:1], FIRST[:1], rewards[:1], clip=1.0)
    assert one.item() == pytest.approx(clipped, abs=1e-6)


def test_the_importance_weight_is_constant():
    logits = BEFORE.clone().requires_grad_()
    reinforce_loss(logits, BEFORE, FIRST, torch.tensor([1.0, 0.0])).backward()
    probability = BEFORE[0].softmax(-1)
    assert logits.grad[0].tolist() == pytest.approx(((probability - torch.tensor([1.0, 0, 0])) / 2).tolist())


def test_kto_by_hand():
    ratios = log_ratios()
    moved = (LOGITS.softmax(-1) * (LOGITS.log_softmax(-1) - BEFORE.log_softmax(-1))).sum(-1).mean().item()
    expected = (1 - sigmoid(0.3 * (ratios[0] - moved))) + 2 * (1 - sigmoid(-0.3 * (ratios[1] - moved)))
    found = kto_loss(LOGITS, BEFORE, FIRST, ACCEPTED, beta=0.3, rejected_weight=2.0)
    assert found.item() == pytest.approx(expected / 2, abs=1e-6)


def test_the_likelihood_of_accepted_and_rejected_codes_by_hand():
    expected = -log_softmax([2, 1, 0], 0) - math.log(1 - math.exp(log_softmax([0, 0.5, 1], 2)))
    assert likelihood_loss(LOGITS, FIRST, ACCEPTED).item() == pytest.approx(expected / 2, abs=1e-6)
    sure = torch.tensor([[50.0, 0.0, 0.0]], requires_grad=True)
    loss = likelihood_loss(sure, torch.tensor([0]), torch.tensor([False]))
    loss.backward()
    assert torch.isfinite(loss) and sure.grad.isfinite().all() and sure.grad[0, 0] == pytest.approx(1.0)


@pytest.fixture(scope="module")
def tuned_gemma(tmp_path_factory):
    """A trainer of either method on replies of one token, its adapter moved away from the model: (trainer, batch)."""
    pytest.importorskip("trl")
    from datasets import Dataset
    from tiny_gemma import question, trained_gemma

    from occ_autocoder.feedback.llm_preferences import new_trainer
    from occ_autocoder.llm.adapter import open_tokenizer
    from occ_autocoder.llm.arguments import AdapterArguments

    arguments = AdapterArguments(model=str(trained_gemma()), batch_size=3, lora_rank=4, lora_dropout=0.0)
    tokenizer = open_tokenizer(arguments)
    prompts = [tokenizer.encode(question(title)) for title in ("nurse", "cook", "teacher")]

    def made(method: str, rows):
        data = Dataset.from_list([{"prompt_ids": prompt, **row} for prompt, row in zip(prompts, rows)])
        folder = tmp_path_factory.mktemp(method)
        trainer = new_trainer(arguments, tokenizer, data, folder, method, 0.3, None)
        torch.manual_seed(0)
        for name, weight in trainer.model.named_parameters():
            if "lora_B" in name:
                weight.data.normal_(std=0.05)
        trainer.model.eval()
        batch = trainer.data_collator(list(data))
        with torch.no_grad():
            own = last_logits(trainer.model, prompts)
            with trainer.model.disable_adapter():
                before = last_logits(trainer.model, prompts)
            return trainer.compute_loss(trainer.model, batch).item(), own, before

    return made


def last_logits(model, prompts) -> torch.Tensor:
    return torch.stack([model(input_ids=torch.tensor([prompt])).logits[0, -1] for prompt in prompts])


def test_dpo_is_that_of_trl(tuned_gemma):
    chosen, rejected = [10, 20, 30], [11, 21, 31]
    rows = [{"chosen_ids": [one], "rejected_ids": [other]} for one, other in zip(chosen, rejected)]
    expected, own, before = tuned_gemma("dpo", rows)
    found = dpo_loss(own, before, torch.tensor(chosen), torch.tensor(rejected), beta=0.3)
    assert found.item() == pytest.approx(expected, abs=1e-5) and abs(expected - math.log(2)) > 1e-3


def test_kto_is_that_of_trl_with_its_estimate_of_the_divergence(tuned_gemma):
    shown, labels = [10, 20, 30], [True, False, True]
    rows = [
        {"completion_ids": [shown[place]], "KL_completion_ids": [shown[place - 1]], "label": labels[place]}
        for place in range(3)
    ]
    expected, own, before = tuned_gemma("kto", rows)
    other = torch.tensor([[30], [10], [20]])
    moved = (own.log_softmax(-1) - before.log_softmax(-1)).gather(1, other).mean()
    found = kto_loss(own, before, torch.tensor(shown), torch.tensor(labels), beta=0.3, kl=moved)
    assert found.item() == pytest.approx(expected, abs=1e-5) and abs(expected - 0.5) > 1e-3
