from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from helpers import OPTIONS

from skmlp.network.loss_forms import Bounded, Groups, Own, Several, loss_of
from skmlp.network.losses import LOSSES, losses_of

BOUNDED = [name for name, row in LOSSES.items() if row.may_be_bounded]


def numbers(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def central_differences(row, z, t, h=1e-6):
    entries = torch.eye(z.shape[-1]).double()
    ends = [torch.stack([row.per_row(z + s * h * e, t) for e in entries]) for s in (1, -1)]
    return (ends[0] - ends[1]).movedim(0, -1) / (2 * h)


def test_names_stand_for_rows_of_the_table():
    assert all(loss_of(name) is row for name, row in LOSSES.items())


@pytest.mark.parametrize("name", losses_of("classes").values())
def test_groups_add_up_the_losses_of_their_columns(name):
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 2, 20), rng.integers(0, 4, 20)
    t = torch.from_numpy(np.hstack([np.eye(2)[classes[0]], np.eye(4)[classes[1]]])).unsqueeze(0)
    z, options = numbers(1, 20, 6), OPTIONS[name]
    row, one = loss_of(Groups(name, (2, 4))).given(options), LOSSES[name].given(options)
    expected = one.per_row(z[..., :2], t[..., :2]) + one.per_row(z[..., 2:], t[..., 2:])
    torch.testing.assert_close(row.per_row(z, t), expected)
    torch.testing.assert_close(row.delta(z, t), central_differences(row, z, t), atol=1e-7, rtol=0)
    torch.testing.assert_close(row.mean(z)[..., 2:], one.mean(z[..., 2:]))
    assert (row.score, row.score_options, row.widths) == ("columns_accuracy", (2.0, 4.0), (2, 4))


@pytest.mark.parametrize("name", BOUNDED)
def test_bounded_losses_are_those_of_what_tanh_leaves(name):
    z, t, low, high = numbers(1, 20, 3), numbers(1, 20, 3, seed=1), -2.5, 4.0
    row = loss_of(Bounded(name)).given([*OPTIONS[name], low, high])
    outputs = low + (high - low) * torch.sigmoid(2 * z)  # another way to write it
    torch.testing.assert_close(row.mean(z), outputs)
    expected = LOSSES[name].given(OPTIONS[name]).per_row(outputs, t)
    torch.testing.assert_close(row.per_row(z, t), expected)
    torch.testing.assert_close(row.delta(z, t), central_differences(row, z, t), atol=1e-7, rtol=0)


def test_networks_have_bounds_of_their_own():
    z, t = numbers(2, 20, 3), numbers(2, 20, 3, seed=1)
    lows, highs = torch.tensor([-9.0, -4.0]).double(), torch.tensor([8.0, 9.0]).double()
    row = loss_of(Bounded("squared_error"))
    together = row.given([lows.view(2, 1, 1), highs.view(2, 1, 1)])
    for k in range(2):
        alone = row.given([lows[k].item(), highs[k].item()])
        for name in ("per_row", "delta"):
            found, expected = getattr(together, name)(z, t)[k], getattr(alone, name)(z, t)[k]
            torch.testing.assert_close(found, expected)


def test_bounds_leave_the_number_of_quantiles():
    row = loss_of(Bounded(Several("quantile")))
    assert row.has_quantile_axis
    assert row.options == ("quantile", "output_range")
    assert row.n_logits(2, (0.1, 0.5, 0.9, -1.0, 1.0)) == 6
    assert not loss_of("quantile").has_quantile_axis


def cubes(z, t):
    return (z - t).abs().pow(3).sum(1)


@dataclass
class Powers:
    power: float

    def __call__(self, z, t):
        return (z - t).abs().pow(self.power).sum(1)


def test_own_losses_have_the_gradient_of_autograd():
    z, t = numbers(2, 20, 3), numbers(2, 20, 3, seed=1)
    row = loss_of(Own(cubes, "numbers"))
    torch.testing.assert_close(row.per_row(z, t), (z - t).abs().pow(3).sum(-1))
    expected = 3 * (z - t).square() * (z - t).sign()
    torch.testing.assert_close(row.gradient(z, t), expected)
    with torch.inference_mode():
        z, t = z.clone(), t.clone()
        torch.testing.assert_close(row.gradient(z, t), expected)


def test_own_losses_may_change_what_they_are_given():
    def in_place(z, t):
        return z.sub_(t).square_().sum(1)

    z, t = numbers(1, 20, 3), numbers(1, 20, 3, seed=1)
    before, row = (z.clone(), t.clone()), loss_of(Own(in_place, "numbers"))
    torch.testing.assert_close(row.gradient(z, t), 2 * (z - t))
    row.per_row(z, t)
    assert torch.equal(z, before[0])
    assert torch.equal(t, before[1])


def test_own_losses_are_equal_where_their_functions_are():
    assert Own(cubes, "numbers") == Own(cubes, "numbers") != Own(cubes, "classes")
    assert Own(Powers(2), "numbers") == Own(Powers(2), "numbers") != Own(Powers(3), "numbers")
    assert hash(Own(Powers(2), "numbers")) == hash(Own(Powers(2), "numbers"))
    assert Own(cubes, "numbers") != "squared_error"
    assert pickle.loads(pickle.dumps(Own(Powers(2), "numbers"))) == Own(Powers(2), "numbers")


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda z, t: ((z - t) ** 2).mean(), r"shape \(\)"),
        (lambda z, t: (z - t) ** 2, r"shape \(40, 3\)"),
        (lambda z, t: 0.0, "a float"),
        (lambda z, t: (z > t).sum(1), "a tensor of torch.int64"),
    ],
)
def test_own_losses_of_another_form_are_refused(function, got):
    row = loss_of(Own(function, "numbers"))
    z = numbers(2, 20, 3)
    for call in (row.per_row, row.gradient):
        with pytest.raises(ValueError, match=rf"must give a tensor.*shape \(40,\), and gave {got}"):
            call(z, z)


def test_own_losses_without_a_gradient_are_refused():
    row = loss_of(Own(lambda z, t: (z.detach() - t).square().sum(1), "numbers"))
    z = numbers(1, 20, 3)
    with pytest.raises(ValueError, match="no gradient in z"):
        row.gradient(z, z)


def test_own_losses_must_be_finite_unless_z_is_not():
    root = loss_of(Own(lambda z, t: (z - t).square().sum(1).sqrt(), "numbers"))
    z = numbers(1, 20, 3)
    assert not root.per_row(z, z).any()
    with pytest.raises(ValueError, match="has a gradient that is not finite"):
        root.gradient(z, z)
    logarithm = loss_of(Own(lambda z, t: (z - z).log().sum(1), "numbers"))
    with pytest.raises(ValueError, match="has a value that is not finite, for z from -"):
        logarithm.per_row(z, z)
    assert root.gradient(z * np.inf, z).isnan().any()
