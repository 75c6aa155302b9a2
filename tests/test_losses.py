"""Every loss agrees with its paper's formula, worked by hand on two rows and three classes."""

import math

import pytest
import torch
from torch import Tensor

from occ_autocoder.training.losses import LOSSES, build_loss, cdb_weights, dynamic_tau, smoothed_accuracies

# Logits that are log probabilities: their softmax is the probabilities themselves.
LOGITS = torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.5, 0.25]]).log()
LABELS = torch.tensor([0, 2])
# Cross entropies: -ln 0.7 = 0.3566749, -ln 0.25 = 1.3862944.
COUNTS = torch.tensor([1, 2, 4])
ACCURACIES = torch.tensor([0.9, 0.5, 0.2])
TEN_EACH = torch.tensor([10, 10, 10])


def close(value: Tensor | float, expected: float | list[float]) -> bool:
    return torch.allclose(torch.as_tensor(value).double(), torch.tensor(expected).double(), atol=2e-6, rtol=0)


def cdb(**options) -> torch.nn.Module:
    loss = build_loss("cdb", counts=COUNTS, **options)
    loss.update(ACCURACIES, TEN_EACH)
    return loss


def test_cross_entropy_is_the_mean_over_rows():
    loss = build_loss("cross_entropy", counts=COUNTS)
    assert close(loss(LOGITS, LABELS), 0.8714847)  # (0.3566749 + 1.3862944) / 2
    # (3 * 0.3566749 + 1 * 1.3862944) / 4
    assert close(loss(LOGITS, LABELS, torch.tensor([3.0, 1.0])), 0.6140798)


def test_focal():
    # (0.3 ** 2 * 0.3566749 + 0.75 ** 2 * 1.3862944) / 2 = (0.0321007 + 0.7797906) / 2
    assert close(build_loss("focal", counts=COUNTS)(LOGITS, LABELS), 0.4059457)
    # (0.3 * 0.3566749 + 0.75 * 1.3862944) / 2
    assert close(build_loss("focal", counts=COUNTS, gamma=1)(LOGITS, LABELS), 0.5733616)


def test_class_balanced():
    # 1 - 0.5 ** n = 0.5, 0.75, 0.9375; inverses 2, 1.3333333, 1.0666667, sum 4.4; times 3 / 4.4.
    loss = build_loss("class_balanced", counts=COUNTS, beta=0.5)
    assert close(loss.class_weights, [1.3636364, 0.9090909, 0.7272727])
    # (1.3636364 * 0.3566749 + 0.7272727 * 1.3862944) / 2 = (0.4863749 + 1.0082141) / 2
    assert close(loss(LOGITS, LABELS), 0.7472945)
    # 1.4945890 / (1.3636364 + 0.7272727)
    normalized = build_loss("class_balanced", counts=COUNTS, beta=0.5, normalize_by_weights=True)
    assert close(normalized(LOGITS, LABELS), 0.7148035)


def test_class_balanced_default_beta():
    expected = [1 / (1 - 0.999**n) for n in (5, 50, 500)]
    expected = [3 * weight / sum(expected) for weight in expected]
    assert close(build_loss("class_balanced", counts=torch.tensor([5, 50, 500])).class_weights, expected)


def test_balanced_softmax():
    # p * n: 0.7, 0.4, 0.4 -> -ln(0.7 / 1.5) = 0.7621401; 0.25, 1, 1 -> -ln(1 / 2.25) = 0.8109302
    assert close(build_loss("balanced_softmax", counts=COUNTS)(LOGITS, LABELS), 0.7865351)


def test_logit_adjustment():
    assert close(build_loss("logit_adjustment", counts=COUNTS)(LOGITS, LABELS), 0.7865351)  # tau 1: balanced softmax
    # p * sqrt(n): 0.7, 0.2828427, 0.2 -> -ln(0.7 / 1.1828427) = 0.5245954
    # 0.25, 0.7071068, 0.5 -> -ln(0.5 / 1.4571068) = 1.0696004
    loss = build_loss("logit_adjustment", counts=COUNTS, tau=0.5)
    assert close(loss(LOGITS, LABELS), 0.7970979)
    # With p the train prior itself, logits log p - tau * log p are uniform: -ln(1 / 3).
    prior = torch.tensor([[1 / 7, 2 / 7, 4 / 7]]).log()
    assert close(build_loss("logit_adjustment", counts=COUNTS)(-prior, LABELS[:1]), 1.0986123)


def test_cdb_with_fixed_tau():
    # Difficulties 0.1, 0.5, 0.8. tau 1: over their mean 1.4 / 3. tau 2: 0.01, 0.25, 0.64 over their mean 0.3.
    assert close(cdb(tau=1).class_weights, [0.2142857, 1.0714286, 1.7142857])
    assert close(cdb(tau=2).class_weights, [0.0333333, 0.8333333, 2.1333333])
    # (0.2142857 * 0.3566749 + 1.7142857 * 1.3862944) / 2 = (0.0764303 + 2.3765047) / 2
    assert close(cdb(tau=1)(LOGITS, LABELS), 1.2264675)


def test_cdb_with_dynamic_tau():
    # 0.9 / (0.2 + 0.01) - 1 = 3.2857143; sigmoid 0.9639354; tau 1.9278708
    assert close(dynamic_tau(ACCURACIES), 1.9278708)
    # 0.1 ** tau = 0.0118067, 0.5 ** tau = 0.2628167, 0.8 ** tau = 0.6503842; over their mean 0.9250077 / 3
    assert close(cdb().class_weights, [0.0382917, 0.8523715, 2.1093367])
    assert close(cdb()(LOGITS, LABELS), 1.4689097)


def test_cdb_dynamic_tau_stays_below_two_and_is_about_one_for_like_classes():
    assert dynamic_tau(torch.tensor([0.6, 0.6])) == pytest.approx(1, abs=0.01)
    assert dynamic_tau(torch.tensor([0.9, 0.0])) == pytest.approx(2)


def test_cdb_reductions():
    # 2.4529350 / (0.2142857 + 1.7142857): the mean of torch's own weighted cross entropy.
    loss = cdb(tau=1, normalize_by_weights=True)
    assert close(loss(LOGITS, LABELS), 1.2718922)
    torchs = torch.nn.CrossEntropyLoss(weight=loss.class_weights)
    assert torch.allclose(loss(LOGITS, LABELS), torchs(LOGITS, LABELS))
    # With row weights 2 and 1: (2 * 0.0764303 + 2.3765047) / (2 * 0.2142857 + 1.7142857), else / 3.
    rows = torch.tensor([2.0, 1.0])
    assert close(loss(LOGITS, LABELS, rows), 1.1803704)
    assert close(cdb(tau=1)(LOGITS, LABELS, rows), 0.8431218)


def test_cdb_is_cross_entropy_until_the_first_validation():
    loss = build_loss("cdb", counts=COUNTS)
    assert close(loss.class_weights, [1.0, 1.0, 1.0]) and close(loss(LOGITS, LABELS), 0.8714847)


def test_cdb_follows_the_last_validation_only():
    loss = cdb(tau=1)
    loss.update(torch.tensor([0.2, 0.5, 0.9]), TEN_EACH)
    assert close(loss.class_weights, [1.7142857, 1.0714286, 0.2142857])


def test_cdb_of_classes_that_are_all_right():
    loss = build_loss("cdb", counts=COUNTS, tau=1)
    loss.update(torch.tensor([1.0, 1.0, 0.5]), TEN_EACH)
    assert close(loss.class_weights, [0.0, 0.0, 3.0])
    loss.update(torch.ones(3), TEN_EACH)
    assert close(loss.class_weights, [1.0, 1.0, 1.0])


def test_cdb_minimum_weight_is_taken_before_the_mean_is_made_one():
    loss = build_loss("cdb", counts=COUNTS, tau=1, minimum_weight=0.25)
    loss.update(torch.tensor([1.0, 0.5, 0.25]), TEN_EACH)
    # 0.25 for 0, 0.5, 0.75; sum 1.5
    assert close(loss.class_weights, [0.5, 1.0, 1.5])


def test_cdb_gives_a_class_without_validation_records_the_mean_accuracy():
    loss = build_loss("cdb", counts=COUNTS, tau=1)
    loss.update(torch.tensor([0.8, math.nan, 0.4]), torch.tensor([10, 0, 30]))
    # Mean over the classes 0.6; difficulties 0.2, 0.4, 0.6, mean 0.4
    assert close(loss.class_weights, [0.5, 1.0, 1.5])


def test_cdb_shrinkage_adds_records_of_mean_accuracy():
    # 1 of 1, 0 of 4, none: the mean is 0.5. (1 + 2 * 0.5) / 3, (0 + 2 * 0.5) / 6, 0.5
    smoothed = smoothed_accuracies(torch.tensor([1.0, 0.0, math.nan]), torch.tensor([1, 4, 0]), shrinkage=2)
    assert close(smoothed, [0.6666667, 0.1666667, 0.5])
    loss = build_loss("cdb", counts=COUNTS, tau=1, shrinkage=2)
    loss.update(torch.tensor([1.0, 0.0, math.nan]), torch.tensor([1, 4, 0]))
    # Difficulties 0.3333333, 0.8333333, 0.5; mean 0.5555556
    assert close(loss.class_weights, [0.6, 1.5, 0.9])


def test_cdb_quantiles_stand_for_the_least_and_the_largest_accuracy():
    # Of 0, 0.2, 0.4, 0.6, 1 the quantiles 0.25 and 0.75 are 0.2 and 0.6: 0.6 / 0.21 - 1 = 1.8571429, sigmoid 0.8649636
    accuracies = torch.tensor([0.6, 0.0, 1.0, 0.2, 0.4])
    assert close(dynamic_tau(accuracies, 0.25), 1.7299272)
    # Between ranks, 0.1 and 0.9 are 0.08 and 0.84: 0.84 / 0.09 - 1 = 8.3333333, sigmoid 0.9997597
    assert close(dynamic_tau(accuracies, 0.1), 1.9995193)
    assert close(dynamic_tau(accuracies, 0), 2.0)  # 1 / 0.01 - 1 = 99


def test_cdb_with_shrinkage_and_quantile():
    # 5 records each and 5 of the mean 0.44 beside: 0.22, 0.32, 0.42, 0.52, 0.72. The quantiles are 0.32 and 0.52:
    # 0.52 / 0.33 - 1 = 0.5757576, sigmoid 0.6400906; tau 1.2801813
    counts = torch.tensor([5, 5, 5, 5, 5, 0])
    accuracies = torch.tensor([0.6, 0.0, 1.0, 0.2, 0.4, math.nan])  # what has no records does not move the quantiles
    loss = build_loss("cdb", counts=counts, shrinkage=5, quantile=0.25)
    loss.update(accuracies, counts)
    expected = [(1 - accuracy) ** 1.2801813 for accuracy in (0.52, 0.22, 0.72, 0.32, 0.42, 0.44)]
    assert close(loss.class_weights, [6 * weight / sum(expected) for weight in expected])


def test_cdb_of_hundreds_of_classes_has_a_tau_of_two_unless_it_is_smoothed():
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(1, 9, (1000,), generator=generator)
    difficulty = 0.2 + 0.6 * torch.rand(1000, generator=generator)
    accuracies = torch.binomial(counts.float(), difficulty, generator=generator) / counts
    assert dynamic_tau(accuracies) == pytest.approx(2)
    assert dynamic_tau(accuracies, 0.1) == pytest.approx(2)  # more than a tenth of the classes are at 0
    smoothed = smoothed_accuracies(accuracies, counts, shrinkage=5)
    assert 1.2 < dynamic_tau(smoothed, 0.1) < dynamic_tau(smoothed) < 1.9


def test_cdb_weights_have_mean_one_whatever_the_accuracies():
    generator = torch.Generator().manual_seed(0)
    for tau in (0, 0.5, 1.5, 5, "dynamic"):
        for classes in (1, 2, 7, 1000):
            weights = cdb_weights(torch.rand(classes, generator=generator), tau, minimum_weight=0.05)
            assert weights.mean() == pytest.approx(1) and (weights >= 0).all()


@pytest.mark.parametrize("name", ["balanced_softmax", "logit_adjustment", "class_balanced"])
def test_uniform_counts_leave_cross_entropy(name):
    assert close(build_loss(name, counts=TEN_EACH)(LOGITS, LABELS), 0.8714847)


@pytest.mark.parametrize(("name", "option"), [("focal", "gamma"), ("class_balanced", "beta"), ("cdb", "tau")])
def test_the_option_0_leaves_cross_entropy(name, option):
    loss = build_loss(name, counts=COUNTS, **{option: 0})
    loss.update(ACCURACIES, TEN_EACH)
    assert close(loss(LOGITS, LABELS), 0.8714847)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_flows_only_through_the_logits(name):
    loss = build_loss(name, counts=COUNTS)
    loss.update(ACCURACIES, TEN_EACH)
    logits, weights = LOGITS.clone().requires_grad_(), torch.tensor([1.0, 2.0], requires_grad=True)
    loss(logits, LABELS, weights).backward()
    assert logits.grad.abs().min() > 0 and weights.grad is None
    assert not list(loss.parameters()) and not any(buffer.requires_grad for buffer in loss.buffers())


def test_gradient_of_cdb_is_the_class_weight_times_that_of_cross_entropy():
    logits = LOGITS.clone().requires_grad_()
    cdb(tau=1)(logits, LABELS).backward()
    # w / 2 * (p - 1 of the right class): w 0.2142857 and 1.7142857
    assert close(logits.grad[0], [-0.0321429, 0.0214286, 0.0107143])
    assert close(logits.grad[1], [0.2142857, 0.4285714, -0.6428571])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [1e3, 1e9, 1e30])
def test_extreme_logits_stay_finite(name, size):
    loss = build_loss(name, counts=COUNTS)
    loss.update(torch.tensor([1.0, 0.0, 0.5]), TEN_EACH)
    logits = torch.tensor([[size, -size, 0], [-size, size, 0], [0, 0, size], [size, size, size]], requires_grad=True)
    value = loss(logits, torch.tensor([0, 0, 1, 2]))
    value.backward()
    assert value.isfinite() and logits.grad.isfinite().all()


@pytest.mark.parametrize("gamma", [0, 0.1, 0.5, 1, 5])
def test_focal_gradient_is_finite_where_the_probability_is_one(gamma):
    logits = torch.tensor([[200.0, 0, 0], [17.0, 0, 0]], requires_grad=True)
    build_loss("focal", counts=COUNTS, gamma=gamma)(logits, torch.tensor([0, 0])).backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_computed_in_float32(name, dtype):
    loss = build_loss(name, counts=COUNTS)
    half = LOGITS.to(dtype)
    assert loss(half, LABELS).dtype == torch.float32
    assert torch.equal(loss(half, LABELS), loss(half.float(), LABELS))


@pytest.mark.parametrize("name", LOSSES)
def test_a_restored_loss_goes_on_with_the_same_weights(name):
    loss, restored = build_loss(name, counts=COUNTS), build_loss(name, counts=COUNTS + 1)
    loss.update(ACCURACIES, TEN_EACH)
    restored.load_state_dict(loss.state_dict())
    assert loss.state_dict() and torch.equal(restored(LOGITS, LABELS), loss(LOGITS, LABELS))


@pytest.mark.parametrize("name", ["class_balanced", "balanced_softmax", "logit_adjustment"])
def test_a_class_without_train_records_counts_as_one(name):
    empty, one = (build_loss(name, counts=torch.tensor([n, 2, 4])) for n in (0, 1))
    assert torch.equal(empty(LOGITS, LABELS), one(LOGITS, LABELS))


def test_rows_and_classes_that_weigh_nothing_give_zero_not_nan():
    loss = build_loss("cdb", counts=COUNTS, normalize_by_weights=True)
    loss.update(torch.tensor([1.0, 0.5, 1.0]), TEN_EACH)
    assert loss(LOGITS, LABELS) == 0
    assert build_loss("cross_entropy", counts=COUNTS)(LOGITS, LABELS, torch.zeros(2)) == 0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cdbb", {}, "'cdbb': allowed are cross_entropy, cdb, focal, class_balanced, balanced_softmax, "),
        ("focal", {"gama": 1}, "'focal' has no option 'gama': allowed are gamma"),
        ("cross_entropy", {"gamma": 1}, "'gamma': allowed are none"),
        ("cdb", {"tau": "auto"}, "tau is 'auto': allowed is a number, 0 or more, or 'dynamic'"),
        ("cdb", {"tau": -1}, "tau is -1"),
        ("cdb", {"shrinkage": -1}, "shrinkage is -1: allowed is a number, 0 or more"),
        ("cdb", {"minimum_weight": math.nan}, "minimum_weight is nan"),
        ("cdb", {"quantile": 0.5}, "quantile is 0.5: allowed is 0 to below 0.5"),
        ("cdb", {"quantile": -0.1}, "quantile is -0.1"),
        ("focal", {"gamma": -1}, "gamma is -1"),
        ("class_balanced", {"beta": 1}, "beta is 1: allowed is 0 to below 1"),
    ],
)
def test_wrong_settings_say_what_is_allowed(name, options, message):
    with pytest.raises(ValueError) as error:
        build_loss(name, counts=COUNTS, **options)
    assert message in str(error.value)


@pytest.mark.parametrize("counts", [[], [-1, 2], [math.nan, 1], [[1, 2]]])
def test_wrong_counts_are_refused(counts):
    with pytest.raises(ValueError, match="counts must be one number of records"):
        build_loss("cross_entropy", counts=torch.tensor(counts))


@pytest.mark.parametrize(
    ("labels", "weights", "message"),
    [
        ([0, 3], None, "row 1 of the batch has label 3: allowed is 0 to 2"),
        ([-100, 0], None, "row 0 of the batch has label -100"),
        ([0], None, r"logits \(2, 3\) and labels \(1,\): allowed are \[B, 3\] and \[B\]"),
        ([0, 1], [1.0], "weights"),
        ([0, 1], [1.0, -1.0], "weights"),
    ],
)
def test_a_wrong_batch_is_refused(labels, weights, message):
    loss = build_loss("cross_entropy", counts=COUNTS)
    with pytest.raises(ValueError, match=message):
        loss(LOGITS, torch.tensor(labels), None if weights is None else torch.tensor(weights))


def test_an_empty_batch_and_one_of_other_classes_are_refused():
    loss = build_loss("cross_entropy", counts=COUNTS)
    for logits, labels in [(torch.empty(0, 3), torch.empty(0, dtype=torch.long)), (torch.zeros(2, 4), LABELS)]:
        with pytest.raises(ValueError, match="allowed are"):
            loss(logits, labels)


@pytest.mark.parametrize(
    ("accuracies", "counts", "message"),
    [
        ([0.5, 1.5, 0.5], [1, 1, 1], "class 1 has accuracy 1.5: allowed is 0 to 1"),
        ([0.5, 0.5, math.nan], [1, 1, 1], "class 2 has accuracy nan"),
        ([0.5, 0.5, 0.5], [0, 0, 0], "no class has validation records"),
        ([0.5, 0.5], [1, 1], "2 class accuracies for 3 classes"),
        ([0.5, 0.5, 0.5], [1, 1], "shape"),
    ],
)
def test_a_wrong_validation_is_refused_and_the_weights_stay(accuracies, counts, message):
    loss = cdb(tau=1)
    with pytest.raises(ValueError, match=message):
        loss.update(torch.tensor(accuracies), torch.tensor(counts))
    assert close(loss.class_weights, [0.2142857, 1.0714286, 1.7142857])
