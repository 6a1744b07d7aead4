from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import TARGETS, make_task, random_rows
from sklearn.metrics import accuracy_score, r2_score

from skmlp.training.stack import build_module
from skmlp.training.validation import SCORES, Validation


def arrays(loss, n=60):
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.1, 2.0, n)
    return rng.normal(size=(n, 3)), TARGETS[loss](rng, n), weights


def score(name, z, t, weights, mean=lambda z: z):
    tensors = [torch.from_numpy(a) for a in (z, t, weights / weights.sum())]
    return SCORES[name](*tensors, mean).item()


def test_accuracy_is_scikit_learns():
    z, t, w = arrays("log_loss")
    expected = accuracy_score(t.argmax(1), z.argmax(1), sample_weight=w)
    assert score("accuracy", z, t, w) == pytest.approx(expected)


def test_subset_accuracy_is_scikit_learns():
    z, t, w = arrays("binary_log_loss")
    assert score("subset_accuracy", z, t, w) == pytest.approx(
        accuracy_score(t, z > 0, sample_weight=w)
    )


def test_r2_is_scikit_learns():
    z, t, w = arrays("squared_error")
    assert score("r2", z, t, w) == pytest.approx(r2_score(t, z, sample_weight=w))
    rates = np.exp(z)
    assert score("r2", z, t, w, torch.exp) == pytest.approx(r2_score(t, rates, sample_weight=w))


@pytest.mark.parametrize("met", [True, False])
def test_r2_of_a_constant_target_is_scikit_learns(met):
    t, w = np.full((9, 1), 2.0), np.ones(9)
    z = t.copy() if met else t + np.arange(9.0)[:, None]
    assert score("r2", z, t, w) == r2_score(t, z)


def test_validation_scores_one_network_of_a_stack():
    tasks = [make_task(validation=random_rows(n=25, seed=5)) for _ in range(2)]
    module = build_module(tasks, torch.float64, torch.device("cpu"))
    values = np.random.default_rng(0).normal(size=module.blocks.flat.numel())
    module.blocks.flat.copy_(torch.from_numpy(values))
    loss, accuracy, z = Validation(tasks[1], torch.float64, torch.device("cpu"))(module, 1)
    held_out = tasks[1].validation
    expected = module(torch.from_numpy(held_out.X))[1]
    torch.testing.assert_close(z, expected)
    targets = torch.from_numpy(held_out.targets)
    assert loss == pytest.approx(module.loss.per_row(expected, targets).mean().item())
    assert accuracy == accuracy_score(held_out.targets.argmax(1), expected.argmax(1).numpy())
