from __future__ import annotations

import itertools
from itertools import chain

import numpy as np
import pytest
import torch
from helpers import OPTIONS, TARGETS, blocks_of

from skmlp import MLPRegressor
from skmlp.network.activations import ACTIVATIONS
from skmlp.network.architecture import Architecture
from skmlp.network.losses import LOSSES
from skmlp.network.mlp import (
    StackedMLP,
    per_network,
    squares_per_network,
    sum_per_network,
)


def stacked(K=2, sizes=(5, 7, 6, 3), activation="tanh", loss="log_loss"):
    architecture = Architecture(sizes, (activation,) * (len(sizes) - 2))
    module = StackedMLP(K, architecture, loss, OPTIONS[loss], dtype=torch.float64)
    values = np.random.default_rng(0).normal(scale=0.5, size=module.blocks.flat.numel())
    module.blocks.flat.copy_(torch.from_numpy(values))
    return module


def batch(loss, K=2, B=9, d=5):
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(size=(K, B, d)))
    t = torch.from_numpy(np.stack([TARGETS[loss](rng, B) for _ in range(K)]))
    scale = torch.from_numpy(rng.uniform(0.1, 1, size=(K, B, 1)))
    return x, t, scale


@pytest.mark.parametrize(("activation", "loss"), list(itertools.product(ACTIVATIONS, LOSSES)))
def test_gradients_pass_central_differences(activation, loss):
    n_logits = LOSSES[loss].n_logits(3, OPTIONS[loss])
    module = stacked(sizes=(5, 7, 6, n_logits), activation=activation, loss=loss)
    module.blocks.weights[-1].mul_(0.2)  # exponentials of large logits leave no digits
    x, t, scale = batch(loss)
    masks = [
        torch.from_numpy(np.random.default_rng(w).integers(0, 2, (2, 9, w)) * 2.0) for w in (7, 6)
    ]
    module.compute_gradients(x, t, scale, masks)
    gradient = module.gradients.flat.clone()

    def value() -> float:
        logits = module.compute_gradients(x, t, scale, masks)
        return (module.loss.per_row(logits, t).unsqueeze(2) * scale).sum().item()

    flat, h = module.blocks.flat, 1e-5
    for i in np.random.default_rng(2).choice(len(flat), 40, replace=False):
        start = flat[i].item()
        flat[i] = start + h
        above = value()
        flat[i] = start - h
        below = value()
        flat[i] = start
        numeric = (above - below) / (2 * h)
        assert gradient[i].item() == pytest.approx(numeric, rel=1e-6, abs=1e-8)


# Layers of equal widths share memory: each pattern of them.
SIZES = [
    *[(5, 3), (5, 7, 3), (5, 7, 6, 3), (1, 7, 3), (5, 7, 1)],
    *[(5, 7, 7, 3), (5, 7, 7, 7, 3), (5, 6, 7, 7, 3), (5, 7, 7, 6, 6, 3), (5, 7, 6, 7, 3)],
]
SMOOTH = {"tanh": torch.tanh, "silu": torch.nn.functional.silu, "logistic": torch.sigmoid}


@pytest.mark.parametrize("masked", [(), (0,), (1, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize("K", [1, 2])
@pytest.mark.parametrize("sizes", SIZES)
def test_gradients_are_autograds(sizes, K, masked):
    names = ("tanh", "silu", "logistic", "tanh")[: len(sizes) - 2]
    module = StackedMLP(K, Architecture(sizes, names), "squared_error", dtype=torch.float64)
    rng = np.random.default_rng(0)
    module.blocks.flat.copy_(torch.from_numpy(rng.normal(size=module.blocks.flat.numel())))
    x, t = (torch.from_numpy(rng.normal(size=(K, 9, width))) for width in (sizes[0], sizes[-1]))
    scale = torch.from_numpy(rng.uniform(0.1, 1, size=(K, 9, 1)))
    masks = [
        torch.from_numpy(rng.integers(0, 2, (K, 9, width)) * 2.0) if i in masked else None
        for i, width in enumerate(sizes[1:-1])
    ]
    shifts = [  # of alpha dropout; some networks of a stack have it
        torch.from_numpy(rng.normal(size=(K, 9, width))) if i in masked[:2] else None
        for i, width in enumerate(sizes[1:-1])
    ]
    logits = module.compute_gradients(x, t, scale, masks, shifts)
    weights = [w.clone().requires_grad_() for w in module.blocks.weights]
    biases = [b.clone().requires_grad_() for b in module.blocks.biases]
    h = x
    for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
        h = h @ w + b
        if i < len(names):
            h = SMOOTH[names[i]](h) * (1.0 if masks[i] is None else masks[i])
            h = h if shifts[i] is None else h + shifts[i]
    torch.testing.assert_close(logits, h.detach())
    (module.loss.per_row(h, t).unsqueeze(2) * scale).sum().backward()
    for ours, theirs in zip(module.gradients.all, [*weights, *biases], strict=True):
        torch.testing.assert_close(ours, theirs.grad)


def test_forward_is_what_training_computes_and_what_one_network_predicts():
    module = stacked(K=3)
    x, t, scale = batch("log_loss", K=3)
    logits = module(x)
    torch.testing.assert_close(module.compute_gradients(x, t, scale), logits)
    for k in range(3):
        torch.testing.assert_close(module.logits_of(k, x[k]), logits[k])
    torch.testing.assert_close(module(x[0])[2], module.logits_of(2, x[0]))
    for networks in ([0, 1, 2], [2], [2, 0]):
        torch.testing.assert_close(module.logits(x[networks], networks), logits[networks])


def test_logits_in_parts_equal_the_whole():
    module = stacked(K=1)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(5000, 5)))
    torch.testing.assert_close(module.logits_of(0, x), module(x)[0])


def test_blocks_keep_and_return_each_network():
    blocks = blocks_of(3, (4, 5, 2), normalization="batch")
    assert blocks.flat.numel() == 3 * (
        4 * 5 + 5 * 2 + 2 + 5 + 5
    )  # not the statistics and the first biases
    rng = np.random.default_rng(0)
    networks = [
        (
            [rng.normal(size=(4, 5)), rng.normal(size=(5, 2))],
            [rng.normal(size=5), rng.normal(size=2)],
            {f"{name}.0": rng.normal(size=5) for name in ("scales", "shifts", "means", "variances")}
            | {"counts.0": rng.normal(size=1)},
        )
        for _ in range(3)
    ]
    for k, network in enumerate(networks):
        blocks.set_network(k, *network)
    kept = blocks.take([2, 0])
    for k, original in enumerate([2, 0]):
        *ours, ours_by_name = kept.network(k)
        *theirs, theirs_by_name = networks[original]
        for a, b in zip(chain(*ours), chain(*theirs), strict=True):
            np.testing.assert_array_equal(a, b)
        assert ours_by_name.keys() == theirs_by_name.keys()
        for name, values in ours_by_name.items():
            np.testing.assert_array_equal(values, theirs_by_name[name])
    sums = [
        sum(a.sum() for a in (*coefs, intercepts[1], others["scales.0"], others["shifts.0"]))
        for coefs, intercepts, others in networks
    ]
    np.testing.assert_allclose(sum_per_network(blocks.all).numpy(), sums)


@pytest.mark.parametrize("K", [1, 3])
def test_sums_and_squares_are_those_of_each_network(K):
    blocks = stacked(K=K).blocks
    networks = [np.concatenate([b[k].numpy().ravel() for b in blocks.all]) for k in range(K)]
    sums, squares = sum_per_network(blocks.all), squares_per_network(blocks.all)
    assert sums.shape == squares.shape == (K,)
    np.testing.assert_allclose(sums, [network.sum() for network in networks])
    np.testing.assert_allclose(squares, [(network**2).sum() for network in networks])


def test_numbers_of_networks_lie_along_the_first_axis():
    found = per_network(np.array([1.0, 2.5]), torch.empty(0, dtype=torch.float32))
    assert found.dtype == torch.float32
    assert found.tolist() == [[[1.0]], [[2.5]]]


def test_defaults_are_those_of_the_estimators():
    module = StackedMLP(2, Architecture((3, 2), ()), "squared_error")
    assert module.blocks.flat.dtype == torch.float32
    assert module.negative_slope == MLPRegressor().negative_slope == 0.01
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_gradients_have_as_many_networks_as_the_parameters():
    module = stacked(K=3)
    same = module.gradients
    module.set_blocks(module.blocks.take([2, 1, 0]))
    assert module.gradients is same
    module.set_blocks(module.blocks.take([0, 2]))
    assert module.gradients.n_networks == 2
    x, t, scale = batch("log_loss", K=2)
    torch.testing.assert_close(module.compute_gradients(x, t, scale), module(x))


def test_parameters_have_usual_names_and_share_the_blocks_memory():
    module = stacked(K=1)
    state = module.state_dict()
    assert set(state) == {f"{kind}.{i}" for kind in ("weights", "biases") for i in range(3)}
    module.load_state_dict({name: torch.full_like(value, 0.5) for name, value in state.items()})
    assert (module.blocks.flat == 0.5).all()
    assert all(p.grad is not None for p in module.parameters())


def test_equal_units_stay_equal():
    # zero or equal weights never break the symmetry between the units of a layer
    module = stacked(K=1, sizes=(5, 7, 3))
    module.blocks.flat.fill_(0.1)
    x, t, scale = batch("log_loss", K=1)
    module.compute_gradients(x, t, scale)
    columns = module.gradients.weights[0][0]
    torch.testing.assert_close(columns, columns[:, :1].expand_as(columns))
