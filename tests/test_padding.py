from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import assert_same, make_task, random_rows, trained_alone

from skmlp.network.activations import ACTIVATIONS
from skmlp.task import OptimizerSettings, Rows
from skmlp.training import padding, stacks, train
from skmlp.training.optimizers import OPTIMIZERS
from skmlp.training.padding import may_pad, padded

pytestmark = pytest.mark.usefixtures("by_torch")

SIZES = [(3, 7), (6, 2), (5, 5)]


@pytest.fixture(autouse=True)
def padding_pays(monkeypatch):
    monkeypatch.setattr(padding, "_FLOPS_PER_STACK", np.inf)


@pytest.fixture
def n_stacks(monkeypatch):
    """How many stacks were made."""
    made, original = [], stacks.Stack
    monkeypatch.setattr(stacks, "Stack", lambda tasks: made.append(1) or original(tasks))
    return lambda: len(made)


def unequal(**others):
    return [make_task(hidden=hidden, seed=k, **others) for k, hidden in enumerate(SIZES)]


@pytest.mark.parametrize(
    "optimizer", [name for name, row in OPTIMIZERS.items() if not row.by_array]
)
def test_padded_networks_become_what_they_become_alone(optimizer, n_stacks):
    changes = [
        {"alpha": 0.1, "l1_ratio": 0.5},
        {"weight_decay": 0.1, "max_grad_norm": 0.1},
        {"validation": random_rows(seed=9), "early_stopping": True},
    ]
    tasks = [replace(t, **c) for t, c in zip(unequal(optimizer=optimizer), changes, strict=True)]
    together = train(tasks)
    assert n_stacks() == 1
    for task, one, alone in zip(tasks, together, trained_alone(tasks), strict=True):
        assert [w.shape for w in one.coefs] == [w.shape for w in alone.coefs]
        assert task.layer_sizes[1] == one.coefs[0].shape[1]
        assert_same(one, alone)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_padded_that_are_zero_at_zero(activation):
    at_zero = ACTIVATIONS[activation].forward(torch.zeros(1), 0.01).item()
    tasks = [replace(t, activations=(activation,) * 2) for t in unequal()]
    assert may_pad(tasks[0]) == (at_zero == 0)
    for one, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(one, alone)


def test_given_starting_weights_are_padded_too(n_stacks):
    first = trained_alone(unequal(max_iter=1))
    tasks = [
        replace(task, initial=result.arrays) for task, result in zip(unequal(), first, strict=True)
    ]
    for one, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(one, alone)
    assert n_stacks() == 7  # six of them alone


@pytest.mark.parametrize(
    "change",
    [
        {"dropout": (0.2, 0.0)},
        {"optimizer": OptimizerSettings(torch.optim.SGD)},
        {"optimizer": OptimizerSettings("lbfgs")},
        {"optimizer": OptimizerSettings("muon")},
        {"keep_checkpoint": True},
        {"batch_size": 7},
    ],
)
def test_networks_that_cannot_be_padded_keep_their_sizes(change):
    first, *others = unequal()
    changed = replace(first, **change)
    tasks = padded([changed, *others])
    assert tasks[0].layer_sizes == first.layer_sizes
    assert tasks[1].layer_sizes == tasks[2].layer_sizes == (5, 6, 5, 3)


def test_padding_is_only_done_where_it_pays(monkeypatch):
    small, larger = make_task(hidden=(10,)), make_task(hidden=(12,))
    large = make_task(hidden=(500,))
    monkeypatch.setattr(padding, "_FLOPS_PER_STACK", 1e5)
    sizes = [task.layer_sizes[1] for task in padded([large, small, larger, large, small])]
    assert sizes == [500, 12, 12, 500, 12]
    monkeypatch.setattr(padding, "_FLOPS_PER_STACK", 0.0)
    assert padded([small, larger]) == [small, larger]


def hidden_sizes(sizes, stack_costs_as_much_as, monkeypatch):
    """To what padding brings one hidden layer; a stack costs as much as some units of one."""
    unit = 6 * 16 * (5 + 3)
    monkeypatch.setattr(padding, "_FLOPS_PER_STACK", stack_costs_as_much_as * unit)
    return [t.layer_sizes[1] for t in padded([make_task(hidden=(size,)) for size in sizes])]


def test_stacks_are_joined_with_the_next_larger_one(monkeypatch):
    assert hidden_sizes([10, 500, 12, 505], 6, monkeypatch) == [12, 505, 12, 505]
    assert hidden_sizes([505, 12, 500, 10], 6, monkeypatch) == [505, 12, 505, 12]


def test_padding_costs_what_all_networks_get_and_saves_all_stacks_but_one(monkeypatch):
    # two units for one network, or for two
    assert hidden_sizes([10, 12], 2.1, monkeypatch) == [12, 12]
    assert hidden_sizes([10, 12], 1.9, monkeypatch) == [10, 12]
    assert hidden_sizes([10, 10, 12], 4.1, monkeypatch) == [12, 12, 12]
    assert hidden_sizes([10, 10, 12], 3.9, monkeypatch) == [10, 10, 12]
    # 10 + 8 units in place of two stacks
    assert hidden_sizes([10, 12, 20], 9.1, monkeypatch) == [20, 20, 20]
    assert hidden_sizes([10, 12, 20], 8.9, monkeypatch) == [12, 12, 20]


def test_only_hidden_layers_are_padded():
    base = random_rows()
    narrow_input = Rows(base.X[:, :4], base.targets)
    narrow_output = Rows(base.X, base.targets[:, :2])
    tasks = [
        make_task(rows=rows, hidden=(3 + k,))
        for k, rows in enumerate([base, narrow_input, narrow_output])
    ]
    assert padded(tasks) == tasks


def test_every_activation_that_is_zero_at_zero_may_be_there_at_once():
    names = tuple(name for name in ACTIVATIONS if name not in ("logistic", "softplus"))
    assert may_pad(make_task(hidden=(2,) * len(names), activations=names))


def test_an_error_of_a_padded_network_is_its_own():
    tasks = unequal()
    tasks[0] = replace(tasks[0], learning_rate_init=np.inf)
    outcomes = train(tasks)
    assert isinstance(outcomes[0], Exception)
    for one, alone in zip(outcomes[1:], trained_alone(tasks[1:]), strict=True):
        assert_same(one, alone)
