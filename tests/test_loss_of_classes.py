from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from skmlp.network import loss_of_classes
from skmlp.network.losses import LOSSES

# Scores of three rows, whose classes are 0, 1 and 2.
SCORES = torch.tensor([[[2.3, 4.1, -2.1], [1.7, 5.4, 2.3], [1.7, 1.4, -1.3]]]).double()
CLASSES = torch.eye(3).double().unsqueeze(0)


def by_loop(name, z, t, options=()):
    """Loss and gradient of all rows, as the loop has them."""
    n, m, k = z.shape[1], z.shape[2], t.shape[2]
    d, scale = np.empty(z.numel()), np.ones(t.numel())
    arrays = z.numpy().ravel(), t.numpy().ravel()
    return LOSSES[name].loop(n, m, k, *arrays, scale, np.array(options), d), d.reshape(n, m)


def test_hinge_of_three_rows_worked_out_by_hand():
    losses = loss_of_classes.hinge(SCORES, CLASSES)[0]
    assert losses.tolist() == pytest.approx([2.8, 0.0, 7.7])
    assert losses.mean().item() == pytest.approx(3.5)
    total, d = by_loop("hinge", SCORES, CLASSES)
    assert total / 3 == pytest.approx(3.5)
    assert d.tolist() == [[-1, 1, 0], [0, 0, 0], [1, 1, -2]]
    squares = loss_of_classes.squared_hinge(SCORES, CLASSES)[0]
    assert squares.tolist() == pytest.approx([2.8**2, 0.0, 4.0**2 + 3.7**2])


def test_hinge_of_labels_is_what_lacks_to_a_margin_of_one():
    z = torch.tensor([[[-2.0], [0.5], [1.0], [3.0]]]).double()
    for label, lacking in [(1.0, [3.0, 0.5, 0.0, 0.0]), (0.0, [0.0, 1.5, 2.0, 4.0])]:
        t = torch.full_like(z, label)
        assert loss_of_classes.binary_hinge(z, t)[0].tolist() == lacking
        assert loss_of_classes.binary_squared_hinge(z, t)[0].tolist() == [v * v for v in lacking]


@pytest.mark.parametrize("name", ["hinge", "squared_hinge"])
def test_a_margin_that_is_met_pulls_no_more(name):
    met = torch.tensor([[[3.0, 2.0, -5.0]]]).double()
    t = torch.tensor([[[1.0, 0.0, 0.0]]]).double()
    assert not LOSSES[name].delta(met, t).any()
    assert not by_loop(name, met, t)[1].any()
    side = torch.ones(1, 1, 1).double()
    assert not LOSSES[f"binary_{name}"].delta(side, side).any()
    assert not by_loop(f"binary_{name}", side, side)[1].any()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_is_the_formula(gamma):
    rng = np.random.default_rng(0)
    z, t = rng.normal(size=(1, 40, 3)), np.eye(3)[rng.integers(0, 3, 40)][None]
    p = (softmax(z, -1) * t).sum(-1)
    found = loss_of_classes.focal(torch.from_numpy(z), torch.from_numpy(t), gamma)
    np.testing.assert_allclose(found.numpy(), -((1 - p) ** gamma) * np.log(p))
    labels = rng.integers(0, 2, (1, 40, 3)).astype(float)
    p = np.where(labels > 0, expit(z), expit(-z))
    found = loss_of_classes.binary_focal(torch.from_numpy(z), torch.from_numpy(labels), gamma)
    np.testing.assert_allclose(found.numpy(), (-((1 - p) ** gamma) * np.log(p)).sum(-1))


def test_focal_without_focus_is_log_loss():
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.normal(scale=5.0, size=(1, 50, 4)))
    shares = torch.from_numpy(rng.dirichlet(np.ones(4), 50)).unsqueeze(0)
    for prefix in ("", "binary_"):
        focal, log_loss = LOSSES[f"{prefix}focal"].given([0.0]), LOSSES[f"{prefix}log_loss"]
        torch.testing.assert_close(focal.per_row(z, shares), log_loss.per_row(z, shares))
        torch.testing.assert_close(focal.delta(z, shares), log_loss.delta(z, shares))
        torch.testing.assert_close(focal.mean(z), log_loss.mean(z))


def test_focal_of_two_classes_is_that_of_one_label():
    z = torch.linspace(-30, 30, 41).double().view(1, 41, 1)
    both = torch.cat([torch.zeros_like(z), z], -1)
    for label in (0.0, 1.0):
        t = torch.full_like(z, label)
        pair = torch.cat([1 - t, t], -1)
        one = loss_of_classes.binary_focal(z, t, 0.7)
        torch.testing.assert_close(
            loss_of_classes.focal(both, pair, 0.7), one, rtol=1e-12, atol=1e-300
        )
        delta = loss_of_classes.binary_focal_delta(z, t, 0.7)
        of_pair = loss_of_classes.focal_delta(both, pair, 0.7)[..., 1:]
        torch.testing.assert_close(of_pair, delta, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("prefix", ["", "binary_"])
def test_focal_is_finite_for_huge_logits(prefix, gamma):
    z = torch.tensor([[[900.0, -900.0, 0.0], [0.0, 0.0, 0.0]]]).double()
    row = LOSSES[f"{prefix}focal"].given([gamma])
    for t in torch.eye(3).double().unbind():
        t = t.expand(1, 2, 3).contiguous()
        value, delta = row.per_row(z, t), row.delta(z, t)
        assert value.isfinite().all()
        assert delta.isfinite().all()
        total, d = by_loop(f"{prefix}focal", z, t, [gamma])
        assert total == pytest.approx(value.sum().item())
        np.testing.assert_allclose(d, delta[0].numpy(), rtol=1e-12, atol=1e-15)
