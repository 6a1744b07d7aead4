from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from skmlp.network import loss_of_numbers
from skmlp.network.losses import LOSSES


def numbers(*shape, seed=0, scale=1.0):
    return torch.from_numpy(np.random.default_rng(seed).normal(scale=scale, size=shape))


def test_gaussian_is_minus_the_logarithm_of_the_density():
    z, t = numbers(1, 30, 4), numbers(1, 30, 2, seed=1)
    mean, deviation = z[..., :2].numpy(), np.exp(-0.5 * z[..., 2:].numpy())
    expected = -scipy.stats.norm.logpdf(t.numpy(), mean, deviation).sum(-1)
    np.testing.assert_allclose(loss_of_numbers.gaussian(z, t).numpy(), expected)
    torch.testing.assert_close(loss_of_numbers.gaussian_mean(z), z[..., :2])


def test_circular_is_the_cosine_and_a_pull_to_length_one():
    z, t = numbers(1, 30, 4), numbers(1, 30, 2, seed=1, scale=9.0)
    length, angle = z[..., :2].hypot(z[..., 2:]), loss_of_numbers.circular_mean(z)
    expected = (length * (1 - (angle - t).cos()) + 0.5 * (length - 1) ** 2).sum(-1)
    torch.testing.assert_close(loss_of_numbers.circular(z, t), expected)


def test_circular_does_not_see_whole_turns():
    z, t = numbers(1, 30, 4), numbers(1, 30, 2, seed=1)
    for of in (loss_of_numbers.circular, loss_of_numbers.circular_delta):
        torch.testing.assert_close(of(z, t + 4 * np.pi), of(z, t), rtol=1e-12, atol=1e-12)
    exact = torch.cat([t.cos(), t.sin()], -1)
    turned = loss_of_numbers.circular_mean(exact) - t
    torch.testing.assert_close(turned.sin(), torch.zeros_like(t))
    assert (turned.cos() > 0).all()


def test_circular_has_a_gradient_at_zero_and_none_that_is_longer_than_its_way():
    zero, t = torch.zeros(1, 1, 2).double(), torch.tensor([[[2.0]]]).double()
    pull = loss_of_numbers.circular_delta(zero, t)
    assert pull.norm().item() == pytest.approx(1.0)
    far = 1e6 * torch.ones(1, 1, 2).double()
    assert loss_of_numbers.circular_delta(far, t).norm() <= far.norm() + 1


def test_several_quantiles_are_the_sum_of_each():
    several = (0.1, 0.5, 0.9)
    z, t = numbers(1, 30, 6), numbers(1, 30, 2, seed=1)
    row, alone = LOSSES["quantile"].given(several), z.view(1, 30, 2, 3).unbind(-1)
    each = [LOSSES["quantile"].given([q]) for q in several]
    expected = sum(one.per_row(part, t) for one, part in zip(each, alone, strict=True))
    torch.testing.assert_close(row.per_row(z, t), expected)
    deltas = [one.delta(part, t) for one, part in zip(each, alone, strict=True)]
    torch.testing.assert_close(row.delta(z, t), torch.stack(deltas, -1).view_as(z))
    d, scale = np.empty(z.numel()), np.full(60, 0.5)
    arrays = z.numpy().ravel(), t.numpy().ravel(), scale, np.array(several)
    total = loss_of_numbers.quantiles_loop(30, 6, 2, *arrays, d)
    assert total == pytest.approx(expected.sum().item() / 2)
    np.testing.assert_allclose(d, row.delta(z, t).numpy().ravel() / 2)
    assert LOSSES["quantile"].n_logits(2, several) == 6
