"""The optimizers of the table; `test_stack_optimizer` has what stacks make of them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from skmlp.task import OptimizerSettings
from skmlp.training.optimizers import OPTIMIZERS, FusedAdam, is_optimizer_class

RATE = 0.02
WITH_LOOPS = [name for name, row in OPTIMIZERS.items() if row.loop is not None]


def steps_of(loop_or_class, family, settings, n_steps=12, n=7):
    """Parameters after some steps with given gradients, and the memory of a loop."""
    row, rng = OPTIMIZERS[family], np.random.default_rng(0)
    start, gradients = rng.normal(size=n), rng.normal(size=(n_steps, n))
    if loop_or_class is torch:
        parameter = torch.nn.Parameter(torch.from_numpy(start))
        optimizer = row.make([parameter], lr=RATE, **row.arguments(settings))
        for gradient in gradients:
            parameter.grad = torch.from_numpy(gradient)
            optimizer.step()
        state = optimizer.state[parameter]
        return parameter.detach().numpy(), {k: np.asarray(v) for k, v in state.items()}
    memory, numbers = np.zeros((3, n)), np.array([*row.settings(settings), 0.0])
    for gradient in gradients:
        numbers[-1] += 1
        row.loop(n, numbers[-1], RATE, numbers, start, gradient.copy(), *memory)
    found = dict(zip(row.state, memory, strict=False))
    return start, {**found, **{name: numbers[at] for name, at in row.counts.items()}}


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"beta_1": 0.7, "beta_2": 0.95, "epsilon": 1e-3, "momentum": 0.5},
        {"momentum": 0.0},
        {"nesterovs_momentum": False},
        {"beta_2": 0.5},  # so that radam soon trusts the variance, and adamax forgets
    ],
    ids=str,
)
@pytest.mark.parametrize("family", WITH_LOOPS)
def test_loops_make_torchs_steps_and_keep_torchs_state(family, others):
    settings = OptimizerSettings(family, **others)
    ours, memory = steps_of("loop", family, settings)
    theirs, state = steps_of(torch, family, settings)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    for name, values in state.items():
        if values.dtype != object:  # sgd without momentum keeps None
            np.testing.assert_allclose(memory[name], values, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fused_adam_is_torch_adam(dtype, amsgrad):
    start = torch.from_numpy(np.random.default_rng(0).normal(size=1000)).to(dtype)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    classes = ((ours, FusedAdam), (theirs, torch.optim.Adam))
    pairs = [(p, kind([p], lr=0.01, amsgrad=amsgrad)) for p, kind in classes]
    for step in range(10):
        for p, optimizer in pairs:
            gradient = np.random.default_rng(step).normal(size=1000)
            p.grad = torch.from_numpy(gradient).to(dtype)
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        (torch.optim.SGD, True),
        (partial(torch.optim.SGD, momentum=0.5), True),
        (torch.optim.Optimizer, False),
        (dict, False),
        (partial(dict), False),
        (torch.optim.SGD([torch.zeros(1)]), False),
        ("sgd", False),
    ],
)
def test_is_optimizer_class(value, accepted):
    assert is_optimizer_class(value) == accepted


def test_adam_falls_back_to_torchs_own_without_the_fused_kernel():
    assert OPTIMIZERS["adam"].make is (
        FusedAdam if hasattr(torch, "_fused_adam_") else torch.optim.Adam
    )
