from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import torch
from helpers import TARGETS, drawn_options, make_task, random_rows
from sklearn.metrics import (
    accuracy_score,
    d2_absolute_error_score,
    d2_pinball_score,
    r2_score,
)

from skmlp.network.loss_forms import Groups, loss_of
from skmlp.network.losses import LOSSES
from skmlp.task import Rows
from skmlp.training import validation
from skmlp.training.stack import build_module
from skmlp.training.validation import (
    SCORES,
    Validation,
    ValidationOneByOne,
    ValidationTogether,
    validation_of,
)

CPU = torch.device("cpu")


def arrays(loss, n=60):
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.1, 2.0, n)
    return rng.normal(size=(n, 3)), TARGETS[loss](rng, n), weights


def score(name, z, t, weights, mean=lambda z: z, of_loss=(), loss="squared_error"):
    """By tensors; the loop must agree."""
    tensors = [torch.from_numpy(a) for a in (z, t, weights)]
    options = SCORES[name].given(loss_of(loss), of_loss)
    found = SCORES[name].of(*tensors, mean, *options).item()
    means = mean(tensors[0]).numpy()
    n, width = means.shape
    by_loop = SCORES[name].loop(
        n, width, t.shape[1], means.ravel(), t.ravel(), weights, np.array(options)
    )
    assert by_loop == pytest.approx(found, rel=1e-12)
    return found


def test_accuracy_is_scikit_learns():
    z, t, w = arrays("log_loss")
    expected = accuracy_score(t.argmax(1), z.argmax(1), sample_weight=w)
    assert score("accuracy", z, t, w) == pytest.approx(expected)


def test_subset_accuracy_is_scikit_learns():
    z, t, w = arrays("binary_log_loss")
    assert score("subset_accuracy", z, t, w) == pytest.approx(
        accuracy_score(t, z > 0, sample_weight=w)
    )


def test_a_logit_of_zero_is_no_label():
    for label in (0.0, 1.0):
        found = score("subset_accuracy", np.zeros((1, 1)), np.array([[label]]), np.ones(1))
        assert found == 1.0 - label


def test_r2_is_scikit_learns():
    z, t, w = arrays("squared_error")
    assert score("r2", z, t, w) == pytest.approx(r2_score(t, z, sample_weight=w))
    rates = np.exp(z)
    assert score("r2", z, t, w, torch.exp) == pytest.approx(r2_score(t, rates, sample_weight=w))


@pytest.mark.parametrize("missed_by", [0.0, 0.1, 1.0])
def test_r2_of_a_constant_target_is_scikit_learns(missed_by):
    t, w = np.full((9, 1), 2.0), np.ones(9)
    z = t + missed_by * np.arange(9.0)[:, None]
    assert score("r2", z, t, w) == r2_score(t, z)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("quantile", [0.03, 0.3, 0.5, 0.95])
def test_d2_of_quantiles_is_scikit_learns(quantile, ties):
    z, t, w = arrays("quantile")
    t = np.round(t) if ties else t
    for weights in (w, np.ones(60)):
        expected = d2_pinball_score(t, z, sample_weight=weights, alpha=quantile)
        assert score("d2_pinball", z, t, weights, of_loss=(quantile,)) == pytest.approx(expected)
        expected = d2_absolute_error_score(t, z, sample_weight=weights)
        assert score("d2_absolute_error", z, t, weights) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_d2_of_numbers_of_any_size(scale):
    z, t, w = arrays("quantile")
    found = score("d2_pinball", z * scale, t * scale, w, of_loss=(0.3,))
    assert found == pytest.approx(score("d2_pinball", z, t, w, of_loss=(0.3,)), rel=1e-10)


@pytest.mark.parametrize("missed_by", [0.0, 0.1])
def test_d2_of_a_constant_target_is_scikit_learns(missed_by):
    t, w = np.full((9, 1), 2.1), np.ones(9)
    z = t + missed_by * np.arange(9.0)[:, None]
    assert score("d2_pinball", z, t, w, of_loss=(0.7,)) == d2_pinball_score(t, z, alpha=0.7)


def test_d2_of_several_quantiles_is_the_mean_of_theirs():
    (z, t, w), several = arrays("quantile"), (0.2, 0.5, 0.7)
    z = np.random.default_rng(1).normal(size=(60, 9))
    expected = [
        d2_pinball_score(t, z[:, i::3], sample_weight=w, alpha=q) for i, q in enumerate(several)
    ]
    found = score("d2_pinball", z, t, w, of_loss=several)
    assert found == pytest.approx(np.mean(expected))
    assert found == score("d2_pinball", z, t, w, of_loss=(*several, -9.0, 9.0))  # bounds


def test_columns_are_right_together():
    rng = np.random.default_rng(0)
    z, w = rng.normal(size=(60, 5)), rng.uniform(0.1, 2.0, 60)
    codes = np.column_stack([rng.integers(0, 2, 60), rng.integers(0, 3, 60)])
    t = np.hstack([np.eye(2)[codes[:, 0]], np.eye(3)[codes[:, 1]]])
    found = np.column_stack([z[:, :2].argmax(1), z[:, 2:].argmax(1)])
    expected = np.average((found == codes).all(1), weights=w)
    assert score(
        "columns_accuracy", z, t, w, loss=Groups("focal", (2, 3)), of_loss=(9.0,)
    ) == pytest.approx(expected)
    assert 0.05 < expected < 0.5


def angle(z):
    return torch.atan2(z[..., 2:], z[..., :2])


def test_circular_score_is_the_share_of_the_cosine_that_is_explained():
    rng = np.random.default_rng(0)
    z, w, t = rng.normal(size=(60, 4)), rng.uniform(0.1, 2.0, 60), rng.normal(size=(60, 2))
    means = angle(torch.from_numpy(z)).numpy()
    by_output = []
    for j in range(2):
        grid = np.linspace(-np.pi, np.pi, 100_001)
        lost = np.average(1 - np.cos(means[:, j] - t[:, j]), weights=w)
        of_constants = np.average(1 - np.cos(grid[:, None] - t[:, j]), axis=1, weights=w)
        by_output.append(1 - lost / of_constants.min())
    found = score("circular", z, t, w, angle)
    assert found == pytest.approx(np.mean(by_output))
    assert score("circular", z, t + 2 * np.pi, w, angle) == pytest.approx(found)


@pytest.mark.parametrize(("off", "expected"), [(0.0, 1.0), (0.1, 0.0)])
def test_circular_score_of_one_angle(off, expected):
    t = np.full((9, 1), 5.0) + 2 * np.pi * np.arange(9)[:, None]
    z = np.column_stack([np.cos(t + off), np.sin(t + off)])

    def angle_of_one(z):
        return torch.atan2(z[..., 1:], z[..., :1])

    assert score("circular", z, t, np.ones(9), angle_of_one) == expected


def test_validation_scores_one_network_of_a_stack():
    tasks = [make_task(validation=random_rows(n=25, seed=5)) for _ in range(2)]
    module = build_module(tasks, torch.float64, torch.device("cpu"))
    values = np.random.default_rng(0).normal(size=module.blocks.flat.numel())
    module.blocks.flat.copy_(torch.from_numpy(values))
    validation_of_one = Validation(tasks[1], torch.float64, torch.device("cpu"))
    assert validation_of_one(module)[:2] == validation_of_one(module, 0)[:2]
    loss, accuracy, z, _ = validation_of_one(module, 1)
    assert loss != validation_of_one(module).loss
    held_out = tasks[1].validation
    expected = module(torch.from_numpy(held_out.X))[1]
    torch.testing.assert_close(z, expected)
    targets = torch.from_numpy(held_out.targets)
    assert loss == pytest.approx(module.loss.per_row(expected, targets).mean().item())
    assert accuracy == accuracy_score(held_out.targets.argmax(1), expected.argmax(1).numpy())


def stack_of_validations(loss, score):
    """Networks with different held-out rows, one without any, and their stacked module."""
    rng = np.random.default_rng(0)
    tasks = []
    for k, n in enumerate([25, 18, 0, 25, 3]):
        rows = random_rows(loss, n=n, seed=k) if n else None
        if k == 3:
            rows.weights = rng.uniform(0.1, 3.0, n)
        if k == 4:
            rows.targets[:] = rows.targets[:1]  # constant
        options = drawn_options(loss, k)
        tasks.append(make_task(loss=loss, validation=rows, score=score, loss_options=options))
    module = build_module(tasks, torch.float64, CPU)
    module.blocks.flat.copy_(torch.from_numpy(rng.normal(size=module.blocks.flat.numel())))
    return tasks, module


def assert_found_alone(found, tasks, module, networks):
    assert list(found) == [k for k in networks if tasks[k].validation is not None]
    for k, ours in found.items():
        alone = Validation(tasks[k], torch.float64, CPU)(module, k)
        assert ours.loss == pytest.approx(alone.loss, rel=1e-12)
        assert ours.score == pytest.approx(alone.score, rel=1e-12)
        torch.testing.assert_close(ours.logits, alone.logits)
        assert torch.equal(ours.targets, alone.targets)


@pytest.mark.parametrize(("loss", "score"), [(name, row.score) for name, row in LOSSES.items()])
@pytest.mark.parametrize("kind", [ValidationTogether, ValidationOneByOne])
def test_networks_of_a_stack_are_validated_as_alone(loss, score, kind):
    tasks, module = stack_of_validations(loss, score)
    together = kind(tasks, torch.float64, CPU)
    for networks in ([0, 1, 2, 3, 4], [1, 3], [2], []):
        assert_found_alone(together(module, networks), tasks, module, networks)
    kept = [0, 2, 4]
    together.keep(kept)
    module.set_blocks(module.blocks.take(kept))
    tasks = [tasks[k] for k in kept]
    for networks in ([0, 1, 2], [2]):
        assert_found_alone(together(module, networks), tasks, module, networks)
    together.keep([1])
    assert together(module, [0]) == {}


def test_small_networks_are_validated_together_and_others_one_by_one(monkeypatch):
    tasks, _ = stack_of_validations("log_loss", "accuracy")

    def kind(tasks):
        return type(validation_of(tasks, torch.float64, CPU))

    assert kind(tasks) is kind(tasks[:2]) is ValidationTogether
    assert kind(tasks[:1]) is kind(tasks[2:3]) is ValidationOneByOne
    rows = tasks[1].validation
    sparse = Rows(scipy.sparse.csr_matrix(rows.X), rows.targets, None, rows.labels)
    assert kind([tasks[0], make_task(validation=sparse)]) is ValidationOneByOne
    monkeypatch.setattr(validation, "_NUMBERS_AT_ONCE", 4 * 25 * 8 - 1)
    assert kind(tasks) is ValidationOneByOne
