"""Learning rates of layers, against torch's parameter groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import assert_same, every_array, iris, make_task, mlp

from skmlp import MLPClassifier, config
from skmlp.network.architecture import NetworkArrays
from skmlp.network.rules import Orthogonal
from skmlp.training import train
from skmlp.training.layer_rates import has_layer_rates, rate_factor
from skmlp.training.optimizers import OPTIMIZERS
from skmlp.training.stack import random_streams
from skmlp.training.starting import starting_weights

RATES = {"layer_learning_rates": (0.5, 0.0, 2.0), "bias_learning_rate": 0.1}
HARD = {"weight_decay": 0.1, "alpha": 0.5, "l1_ratio": 0.5, "max_grad_norm": 0.1}
EXECUTORS = ["compiled", "torch"]


def by(executor, tasks):
    with config(executor=executor):
        return train(tasks)


def start_of(task):
    return starting_weights(task, random_streams(task)[0])


def test_biases_and_shifts_have_a_factor_of_their_own():
    task = make_task(**RATES)
    names = ["weights.0", "biases.0", "scales.0", "shifts.0", "biases.1", "weights.2", "biases.2"]
    assert [rate_factor(task, name) for name in names] == [0.5, 0.05, 0.5, 0.05, 0.0, 2.0, 0.2]
    assert rate_factor(make_task(bias_learning_rate=0.1), "biases.1") == 0.1
    assert [has_layer_rates(t) for t in (task, make_task(bias_learning_rate=0.5))] == [True] * 2
    assert not has_layer_rates(make_task(layer_learning_rates=(1.0, 1.0, 1.0)))


def test_what_a_block_has_besides_goes_with_its_last_layer():
    task = make_task(
        hidden=(4, 5, 6, 7),
        residual=2,
        layer_learning_rates=(1, 2, 3, 4, 5),
        bias_learning_rate=0.1,
    )
    names = ["projections.0", "multipliers.0", "projections.1", "linear_offsets.2"]
    assert [rate_factor(task, name) for name in names] == [3, 3, 4, 0.1 * 3]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("family", ["sgd", "adam"])
def test_layers_are_torchs_parameter_groups(family, schedule):
    settings = {"settings": {"nesterovs_momentum": False}} if family == "sgd" else {}
    task = make_task(
        loss="squared_error", score="r2", optimizer=family, shuffle=False, max_iter=8,
        learning_rate_init=0.05, learning_rate=schedule, **settings, **RATES,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    coefs = [rng.normal(size=shape) / 3 for shape in [(5, 8), (8, 6), (6, 3)]]
    task = replace(task, initial=NetworkArrays(coefs, [rng.normal(size=n) for n in (8, 6, 3)], {}))
    expected = by_parameter_groups(task, family, schedule)
    for executor in EXECUTORS:
        coefs, intercepts, _ = by(executor, [task])[0].arrays
        for ours, theirs in zip([*coefs, *intercepts], expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def by_parameter_groups(task, family, schedule):
    w, b = ([torch.nn.Parameter(torch.tensor(a)) for a in part] for part in task.initial[:2])
    names = [f"{kind}.{i}" for kind in ("weights", "biases") for i in range(3)]
    groups = [
        {"params": [parameter], "lr": 0.05 * rate_factor(task, name)}
        for parameter, name in zip([*w, *b], names, strict=True)
    ]
    if family == "sgd":
        optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9)
    else:
        optimizer = torch.optim.Adam(groups, lr=0.05)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 24)
    X, y = torch.tensor(task.train.X), torch.tensor(task.train.targets)
    for _ in range(8):
        for rows in torch.arange(len(X)).split(16):
            h = torch.tanh(torch.tanh(X[rows] @ w[0] + b[0]) @ w[1] + b[1])
            optimizer.zero_grad()
            ((h @ w[2] + b[2] - y[rows]) ** 2).sum(1).mean().mul(0.5).backward()
            optimizer.step()
            if schedule == "cosine":
                scheduler.step()
    return [p.detach().numpy() for p in [*w, *b]]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("family", [name for name, row in OPTIMIZERS.items() if not row.evaluated])
def test_a_frozen_layer_stays_as_it_starts(family, dtype):
    tasks = [
        make_task(optimizer=family, dtype=dtype, seed=seed, layer_learning_rates=rates, **HARD)
        for seed, rates in enumerate([(0.0, 1.0, 1.0), (1.0, 0.0, 0.3), (0.0, 0.0, 1.0), ()])
    ]
    ways = [[by("torch", [task])[0] for task in tasks], by("torch", tasks)]
    if OPTIMIZERS[family].loop is not None:
        ways.append(by("compiled", tasks))
    for results in ways:
        for task, result in zip(tasks, results, strict=True):
            start, rates = start_of(task), task.layer_learning_rates or (1.0,) * 3
            for i, rate in enumerate(rates):
                for now, before in (
                    (result.arrays.coefs[i], start.coefs[i]),
                    (result.arrays.intercepts[i], start.intercepts[i]),
                ):
                    assert np.array_equal(now, before.astype(dtype)) == (rate == 0)


@pytest.mark.parametrize("family", ["adam", "sgd", "nadam"])
def test_rates_are_each_networks_own(family):
    rates = [(), (0.5, 0.0, 2.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.0)]
    tasks = [
        make_task(optimizer=family, seed=k, layer_learning_rates=r, bias_learning_rate=b, **HARD)
        for k, (r, b) in enumerate(zip(rates, [1.0, 1.0, 0.0, 3.0], strict=True))
    ]
    alone = [by("torch", [task])[0] for task in tasks]
    for results in (by("torch", tasks), by("compiled", tasks)):
        for ours, theirs in zip(results, alone, strict=True):
            assert_same(ours, theirs)
    # What others do leaves no bit of a network without rates different.
    plain = [replace(task, layer_learning_rates=(), bias_learning_rate=1.0) for task in tasks]
    for ours, theirs in zip(by("torch", tasks)[:1], by("torch", plain)[:1], strict=True):
        for one, other in zip(every_array(ours), every_array(theirs), strict=True):
            np.testing.assert_array_equal(one, other)


def test_networks_of_unequal_widths_share_a_stack():
    tasks = [make_task(hidden=hidden, **RATES) for hidden in [(8, 6), (5, 6), (8, 2)]]
    for ours, task in zip(by("torch", tasks), tasks, strict=True):
        assert_same(ours, by("torch", [task])[0])


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_a_frozen_layers_normalization_is_frozen_too(normalization):
    start = make_task(normalization=normalization, layer_learning_rates=(0.0, 1.0, 1.0))
    (result,) = by("torch", [start])
    assert (result.arrays.others["scales.0"] == 1).all()
    assert (result.arrays.others["shifts.0"] == 0).all()
    assert (result.arrays.others["scales.1"] != 1).any()
    (unshifted,) = by("torch", [make_task(normalization=normalization, bias_learning_rate=0.0)])
    assert (unshifted.arrays.others["shifts.1"] == 0).all()
    assert (unshifted.arrays.others["scales.1"] != 1).any()


def test_users_optimizers_have_layers_too():
    task = make_task(optimizer=torch.optim.SGD, learning_rate_init=0.1, **RATES)
    pair = [task, replace(task, seed=5)]
    for each, result in zip(pair, by("torch", pair), strict=True):
        assert_same(result, by("torch", [each])[0])
        assert np.array_equal(result.arrays.coefs[1], start_of(each).coefs[1])
        named = make_task(optimizer="sgd", settings={"momentum": 0.0}, learning_rate_init=0.1)
        assert_same(result, by("torch", [replace(named, seed=each.seed, **RATES)])[0])


@pytest.mark.parametrize("executor", EXECUTORS)
def test_estimators_freeze_layers(executor):
    X, y = iris()
    with config(executor=executor):
        rule = Orthogonal(gain=2.0)
        model = mlp(
            initialization=rule, bias_initialization=0.1, layer_learning_rates=np.array([0.0, 1.0])
        )
        model.fit(X, y)
        first = model.coefs_[0].copy()
        np.testing.assert_allclose(first @ first.T, 4 * np.eye(4), atol=1e-12)
        assert (model.intercepts_[0] == 0.1).all()
        assert (model.intercepts_[1] != 0.1).all()
        # the head first, then all: as transfer learning goes
        model.set_params(layer_learning_rates=[0.1, 1.0], warm_start=True).fit(X, y)
        assert not np.array_equal(model.coefs_[0], first)
        whole = MLPClassifier((6,), max_iter=8, random_state=0, **RATES_OF_TWO).fit(X, y)
        parts = MLPClassifier((6,), max_iter=8, random_state=0, **RATES_OF_TWO)
        for _ in range(8):
            parts.partial_fit(X, y, classes=np.unique(y))
        np.testing.assert_array_equal(whole.coefs_[1], parts.coefs_[1])


RATES_OF_TWO = {"layer_learning_rates": [0.0, 0.5], "bias_learning_rate": 0.0, "tol": 0.0}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"layer_learning_rates": [1.0]}, r"'layer_learning_rates'.*one value per hidden.*\(2\)"),
        ({"layer_learning_rates": [0, 0.0]}, "'layer_learning_rates'.*nothing does"),
        ({"optimizer": "lbfgs", "layer_learning_rates": [1, 0]}, "'layer_learning_rates'.*meaning"),
        ({"optimizer": "lbfgs", "bias_learning_rate": 0.5}, "'bias_learning_rate'.*no meaning"),
        (
            {"layer_learning_rates": [1, 100.0], "weight_decay": 1.0, "learning_rate_init": 0.02},
            r"'weight_decay'.*at most 1 / the largest learning rate of a layer = 0\.5",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        mlp(**parameters).fit(*iris())
