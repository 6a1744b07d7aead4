from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import make_task, random_rows

from skmlp.training.batches import RowOrder, RowStore
from skmlp.training.penalties import Clipping, Penalty
from skmlp.training.stack import build_module

CPU = torch.device("cpu")


def setting(tasks):
    module = build_module(tasks, torch.float64, CPU)
    rng = np.random.default_rng(0)
    module.blocks.flat.copy_(torch.from_numpy(rng.normal(size=module.blocks.flat.numel())))
    module.gradients.flat.copy_(torch.from_numpy(rng.normal(size=module.blocks.flat.numel())))
    store = RowStore([t.train for t in tasks], torch.float64, CPU)
    orders = [RowOrder(len(t.train), 16, False, rng) for t in tasks]
    return module, store.chunk(orders, 3)


def value_of(task, coefs, weight_sum):
    l1, l2 = task.alpha * task.l1_ratio, task.alpha * (1 - task.l1_ratio)
    return sum(l1 * np.abs(w).sum() + l2 / 2 * (w**2).sum() for w in coefs) / weight_sum


@pytest.mark.parametrize("alphas", [(0.5,), (0.5, 0.5), (0.5, 0.0, 2.0)])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
def test_gradient_and_value_are_the_elastic_nets(alphas, l1_ratio):
    tasks = [make_task(alpha=alpha, l1_ratio=l1_ratio) for alpha in alphas]
    module, chunk = setting(tasks)
    penalty, before = Penalty(tasks, module), module.gradients.take(range(len(tasks)))
    penalty.start_chunk(chunk)
    penalty.add_gradient(2)  # the last batch has 8 rows
    for k, task in enumerate(tasks):
        for w, new, old in zip(
            module.blocks.weights, module.gradients.weights, before.weights, strict=True
        ):
            added = task.alpha * (l1_ratio * w[k].sign() + (1 - l1_ratio) * w[k]) / 8
            torch.testing.assert_close(new[k] - old[k], added)
        for new, old in zip(module.gradients.biases, before.biases, strict=True):
            assert torch.equal(new[k], old[k])
    for s in range(3):
        penalty.record(s)
    expected = [
        sum(n * value_of(task, module.blocks.network(k)[0], n) for n in (16, 16, 8))
        for k, task in enumerate(tasks)
    ]
    np.testing.assert_allclose(penalty.total(chunk), expected)
    at_two = sum(value_of(t, module.blocks.network(k)[0], 8) for k, t in enumerate(tasks))
    assert penalty.value(2) == pytest.approx(at_two)


def test_penalty_is_divided_by_the_sum_of_weights():
    rows = random_rows()
    rows.weights = np.full(40, 2.5)
    task = make_task(rows=rows, alpha=0.7)
    module, chunk = setting([task])
    module.gradients.flat.zero_()
    penalty = Penalty([task], module)
    penalty.start_chunk(chunk)
    penalty.add_gradient(0)
    torch.testing.assert_close(
        module.gradients.weights[0], 0.7 * module.blocks.weights[0] / (16 * 2.5)
    )


def test_unequal_penalties_of_float32_networks():
    tasks = [make_task(alpha=alpha, dtype="float32") for alpha in (0.5, 2.0)]
    module = build_module(tasks, torch.float32, CPU)
    module.blocks.flat.uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
    store = RowStore([t.train for t in tasks], torch.float32, CPU)
    orders = [RowOrder(40, 16, False, np.random.default_rng(0)) for _ in tasks]
    penalty = Penalty(tasks, module)
    penalty.start_chunk(store.chunk(orders, 1))
    assert {column.dtype for column in penalty._l2_factors.columns} == {torch.float32}
    penalty.add_gradient(0)
    for k, alpha in enumerate((0.5, 2.0)):
        expected = alpha / 16 * module.blocks.weights[0][k]
        torch.testing.assert_close(module.gradients.weights[0][k], expected)


def test_no_penalty_does_nothing():
    task = make_task(alpha=0.0)
    module, chunk = setting([task])
    before = module.gradients.flat.clone()
    penalty = Penalty([task], module)
    penalty.start_chunk(chunk)
    penalty.add_gradient(0)
    penalty.record(0)
    assert torch.equal(module.gradients.flat, before)
    assert penalty.total(chunk).tolist() == [0.0]
    assert penalty.value(0) == 0.0


@pytest.mark.parametrize(("norms", "values"), [((1.0, None, 3.0), None), (None, (0.5, None, 0.1))])
def test_clipping_is_torchs_for_each_network(norms, values):
    tasks = [
        make_task(
            max_grad_norm=norms[k] if norms else None, max_grad_value=values[k] if values else None
        )
        for k in range(3)
    ]
    module, _ = setting(tasks)
    expected = []
    for k in range(3):
        parameters = [torch.nn.Parameter(g[k].clone()) for g in module.gradients.all]
        for p in parameters:
            p.grad = p.detach().clone()
        if norms and norms[k]:
            torch.nn.utils.clip_grad_norm_(parameters, norms[k])
        if values and values[k]:
            torch.nn.utils.clip_grad_value_(parameters, values[k])
        expected.append([p.grad for p in parameters])
    Clipping(tasks, module).apply()
    for k in range(3):
        for ours, theirs in zip(module.gradients.all, expected[k], strict=True):
            torch.testing.assert_close(ours[k], theirs)


def test_values_are_clipped_before_the_norm():
    task = make_task(max_grad_norm=0.5, max_grad_value=0.3)
    module, _ = setting([task])
    parameter = torch.nn.Parameter(module.gradients.flat.clone())
    parameter.grad = parameter.detach().clone()
    torch.nn.utils.clip_grad_value_([parameter], 0.3)
    torch.nn.utils.clip_grad_norm_([parameter], 0.5)
    Clipping([task], module).apply()
    torch.testing.assert_close(module.gradients.flat, parameter.grad)


def test_gradients_below_the_norm_stay():
    task = make_task(max_grad_norm=1e3)
    module, _ = setting([task])
    before = module.gradients.flat.clone()
    Clipping([task], module).apply()
    assert torch.equal(module.gradients.flat, before)


def test_tiny_gradients_are_clipped_as_torchs_are():
    task = make_task(max_grad_norm=1e-6)
    module, _ = setting([task])
    module.gradients.flat.mul_(2e-6 / module.gradients.flat.norm())
    parameter = torch.nn.Parameter(module.gradients.flat.clone())
    parameter.grad = parameter.detach().clone()
    torch.nn.utils.clip_grad_norm_([parameter], 1e-6)
    Clipping([task], module).apply()
    torch.testing.assert_close(module.gradients.flat, parameter.grad, rtol=1e-9, atol=0)
