"""Schedules against torch's, and networks against torch modules that torch's schedulers train."""

from __future__ import annotations

import math
import pickle
import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers import assert_same, every_array, iris, make_task, mlp, random_rows
from torch.optim import lr_scheduler

import skmlp
from skmlp import MLPClassifier, MLPRegressor, config
from skmlp.network.architecture import NetworkArrays
from skmlp.task import OptimizerSettings
from skmlp.training import train
from skmlp.training.optimizers import OPTIMIZERS
from skmlp.training.schedules import MOMENTA, SCHEDULES, Course, course_of

# 40 rows in batches of 16: 3 steps an epoch, 24 in all.
EPOCHS, PER_EPOCH, STEPS = 8, 3, 24


def hill(fraction):
    return 4 * fraction * (1 - fraction)


def sinking(fraction):
    return (1 - fraction) ** 3


def constant(optimizer):
    return lr_scheduler.ConstantLR(optimizer, 1.0)


def after(n_steps, first, second):
    """One of torch's schedulers for some steps, then another."""
    return lambda o: lr_scheduler.SequentialLR(o, [first(o), second(o)], [n_steps])


def rising(n_steps):
    return lambda o: lr_scheduler.LinearLR(o, 1 / (n_steps + 1), total_iters=n_steps)


def cosine(n_steps, end=0.0):
    return lambda o: lr_scheduler.CosineAnnealingLR(o, n_steps, eta_min=end * rate_of(o))


def cycle(rise, end, **momentum):
    return lambda o: lr_scheduler.OneCycleLR(
        o,
        rate_of(o),
        total_steps=STEPS,
        pct_start=rise / STEPS,
        final_div_factor=1 / 25 / end if end else math.inf,
        **(momentum or {"cycle_momentum": False}),
    )


def rate_of(optimizer):
    return optimizer.param_groups[0].setdefault("initial_lr", optimizer.param_groups[0]["lr"])


CASES = {
    "constant": ({}, constant),
    "step": (
        {"learning_rate_period": 2, "learning_rate_decay": 0.3},
        lambda o: lr_scheduler.StepLR(o, 6, 0.3),
    ),
    "exponential": (
        {"learning_rate_period": 2, "learning_rate_decay": 0.3},
        lambda o: lr_scheduler.ExponentialLR(o, 0.3 ** (1 / 6)),
    ),
    "linear": (
        {"learning_rate_end": 0.1},
        lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, total_iters=STEPS),
    ),
    "polynomial": ({"power_t": 4}, lambda o: lr_scheduler.PolynomialLR(o, STEPS, 4)),
    "cosine": ({"learning_rate_end": 0.2}, cosine(STEPS, 0.2)),
    "flat_cosine": ({"learning_rate_period": 0.25}, after(18, constant, cosine(6))),
    "restarts": (
        {"learning_rate_period": 1, "period_multiplier": 2, "learning_rate_end": 0.1},
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 2, eta_min=0.1 * rate_of(o)),
    ),
    "one_cycle": ({"warmup": 0.25, "learning_rate_end": 1e-4}, cycle(6, 1e-4)),
    hill: ({}, lambda o: lr_scheduler.LambdaLR(o, lambda s: hill(s / STEPS))),
}
WARM = {
    "constant": after(6, rising(6), constant),
    "cosine": after(6, rising(6), cosine(18)),
    sinking: after(6, rising(6), lambda o: lr_scheduler.LambdaLR(o, lambda s: sinking(s / 18))),
}


def name_of(learning_rate):
    return getattr(learning_rate, "__name__", learning_rate)


def task_of(learning_rate="constant", **others):
    parameters = {**CASES[learning_rate][0], "learning_rate_init": 0.05, **others}
    return make_task(learning_rate=learning_rate, max_iter=EPOCHS, **parameters)


def torchs(optimizer, make_scheduler, n_steps, step=lambda: None):
    """The group's rate and momentum at each step."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR warns of what it does itself
        scheduler = make_scheduler(optimizer)
        for _ in range(n_steps):
            group = optimizer.param_groups[0]
            found.append((group["lr"], group.get("betas", [group.get("momentum")])[0]))
            step()
            optimizer.step()
            scheduler.step()
    return np.array(found, float).T


def test_every_schedule_has_an_oracle_or_is_scikit_learns():
    assert {*CASES} == {*SCHEDULES, hill} - {"invscaling", "adaptive"}


@pytest.mark.parametrize("learning_rate", CASES, ids=name_of)
def test_factors_are_torchs(learning_rate):
    course = Course(task_of(learning_rate))
    expected, _ = torchs(torch.optim.SGD([torch.zeros(1)], lr=1.0), CASES[learning_rate][1], STEPS)
    ours = course.factors(0, 0, STEPS)
    np.testing.assert_allclose(np.ones(STEPS) if ours is None else ours, expected, atol=1e-12)


@pytest.mark.parametrize("warmup", [2, 0.25])
@pytest.mark.parametrize("learning_rate", WARM, ids=name_of)
def test_warm_ups_are_torchs(learning_rate, warmup):
    course = course_of(make_task(learning_rate=learning_rate, max_iter=EPOCHS, warmup=warmup))
    expected, _ = torchs(torch.optim.SGD([torch.zeros(1)], lr=1.0), WARM[learning_rate], STEPS)
    np.testing.assert_allclose(course.factors(0, 0, STEPS), expected, atol=1e-12)


def test_a_warm_up_is_of_every_schedule():
    """Its steps are equal, none is wasted on a rate of 0, and the full rate comes after them."""
    for learning_rate in {*SCHEDULES, hill} - {"one_cycle", hill}:
        course = course_of(make_task(learning_rate=learning_rate, max_iter=EPOCHS, warmup=3))
        np.testing.assert_allclose(course.factors(0, 0, 10), np.arange(1, 11) / 10)


@pytest.mark.parametrize("learning_rate", [c for c in CASES if c != "constant"], ids=name_of)
def test_factors_are_the_same_in_whatever_parts_they_are_asked_for(learning_rate):
    course = Course(task_of(learning_rate))
    whole = course.factors(0, 0, STEPS)
    parts = [course.factors(0, 0, 2), course.factors(0, 2, 1), course.factors(1, 0, 21)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(course.last_factors(2, 4), whole[[8, 11, 14, 17]])


@pytest.mark.parametrize("learning_rate", CASES, ids=name_of)
def test_after_all_training_the_last_factor_holds(learning_rate):
    course = Course(task_of(learning_rate, base_momentum=0.5))
    for values in (course.factors, course.momenta):
        if (whole := values(0, 0, STEPS)) is not None:
            np.testing.assert_array_equal(values(EPOCHS, 0, 5), whole[-1])


@pytest.mark.parametrize("multiplier", [1, 1.5, 3])
def test_restarts_begin_at_the_first_rate(multiplier):
    task = make_task(
        learning_rate="restarts", max_iter=40, learning_rate_period=2, period_multiplier=multiplier
    )
    factors = Course(task).factors(0, 0, 40 * PER_EPOCH)
    begins = [0, *(np.flatnonzero(np.diff(factors) > 0) + 1)]
    expected = np.cumsum([0.0, *(6 * multiplier ** np.arange(19))])
    np.testing.assert_array_equal(begins, np.ceil(expected[expected < 120]))
    if multiplier != 1.5:
        assert (factors[begins] == 1).all()


@pytest.mark.parametrize("learning_rate", CASES, ids=name_of)
@pytest.mark.parametrize("warmup", [0, 1, 0.9])
@pytest.mark.parametrize("max_iter", [1, 2])
def test_short_trainings_have_factors_too(learning_rate, warmup, max_iter):
    parameters = {"learning_rate": learning_rate, "warmup": warmup, "base_momentum": 0.5}
    course = Course(make_task(batch_size=40, max_iter=max_iter, **parameters))
    factors = course.factors(0, 0, max_iter)
    assert factors is None or (np.isfinite(factors).all() and (factors >= 0).all())
    momenta = course.momenta(0, 0, max_iter)
    assert momenta is None or ((momenta >= 0.5) & (momenta <= 0.9)).all()


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, "a", None])
def test_a_function_must_return_factors(value):
    X, y = iris()
    model = mlp(learning_rate=lambda f: value if f > 0.4 else 1.0, max_iter=6)
    for executor in ("compiled", "torch"):
        with (
            config(executor=executor),
            pytest.raises(ValueError, match=r"'learning_rate' function must.*at fraction 0\.5 of"),
        ):
            model.fit(X, y)


def test_a_function_may_not_turn_weights():
    model = mlp(learning_rate=lambda f: 1 + 100 * f, learning_rate_init=0.1, weight_decay=1.0)
    with pytest.raises(ValueError, match=r"returned 13\.5 at fraction 0\.125.*'weight_decay'"):
        model.fit(*iris())


# Networks


def torch_trained(task, make_optimizer, make_scheduler):
    """The task's network of tanh units, trained by torch's optimizers and schedulers."""
    parameters = [
        torch.nn.Parameter(torch.tensor(array))
        for pair in zip(*task.initial[:2], strict=True)
        for array in pair
    ]
    X, y = torch.tensor(task.train.X), torch.tensor(task.train.targets)
    batches = list(torch.arange(len(X)).split(task.batch_size)) * task.max_iter
    optimizer = make_optimizer(parameters)

    def gradients():
        rows = batches.pop(0)
        h = X[rows]
        for w, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            h = torch.tanh(h @ w + b)
        optimizer.zero_grad()
        errors = h @ parameters[-2] + parameters[-1] - y[rows]
        (errors**2).sum(1).mean().mul(0.5).backward()

    torchs(optimizer, make_scheduler, len(batches), gradients)
    return [p.detach().numpy() for p in parameters]


def in_order(task):
    rng = np.random.default_rng(1)
    shapes = list(pairwise(task.layer_sizes))
    coefs = [rng.normal(size=shape) / 3 for shape in shapes]
    initial = NetworkArrays(coefs, [rng.normal(size=n) / 3 for _, n in shapes], {})
    return replace(task, shuffle=False, initial=initial)


TORCHS_OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05),
}


def assert_is_torchs(task, optimizer, make_scheduler):
    expected = torch_trained(task, optimizer, make_scheduler)
    for executor in ("compiled", "torch"):
        with config(executor=executor):
            (result,) = train([task])
        ours = [a for pair in zip(*result.arrays[:2], strict=True) for a in pair]
        for one, other in zip(ours, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("family", TORCHS_OPTIMIZERS)
@pytest.mark.parametrize("learning_rate", CASES, ids=name_of)
def test_trained_networks_are_torchs(learning_rate, family):
    task = in_order(task_of(learning_rate, loss="squared_error", optimizer=family, score="r2"))
    assert_is_torchs(task, TORCHS_OPTIMIZERS[family], CASES[learning_rate][1])


MOMENTUM_OPTIMIZERS = {
    **TORCHS_OPTIMIZERS,
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.05),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.05),
    "adamax": lambda p: torch.optim.Adamax(p, lr=0.05),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.0),
}


@pytest.mark.parametrize("family", MOMENTUM_OPTIMIZERS)
def test_the_momentum_cycles_as_torchs(family):
    parameters = {"loss": "squared_error", "score": "r2", "base_momentum": 0.6}
    task = in_order(task_of("one_cycle", optimizer=family, **parameters))
    cycled = cycle(6, 1e-4, base_momentum=0.6, max_momentum=0.9)
    optimizer = MOMENTUM_OPTIMIZERS[family]
    _, momenta = torchs(optimizer([torch.zeros(1)]), cycled, STEPS)
    np.testing.assert_allclose(Course(task).momenta(0, 0, STEPS), momenta)
    assert_is_torchs(task, optimizer, cycled)


def test_momenta_are_those_of_the_optimizers():
    arguments = {name: row.arguments(OptimizerSettings(name)) for name, row in OPTIMIZERS.items()}
    for name, found in arguments.items():
        expected = "beta_1" if "betas" in found else "momentum" if "momentum" in found else None
        # Muon has two, and averages of steps rest on one that stays.
        has_one = not OPTIMIZERS[name].by_array and OPTIMIZERS[name].evaluated is None
        assert MOMENTA.get(name) == (expected if has_one else None)


def mixed_tasks(optimizer, **others):
    """Networks of one stack, each with a schedule of its own."""
    tasks = [
        task_of(learning_rate, seed=seed, optimizer=optimizer, warmup=warmup, **others)
        for seed, (learning_rate, warmup) in enumerate(
            [(name, warmup) for name in CASES for warmup in (0, 0.3)]
        )
    ]
    shorter = replace(tasks[2], max_iter=3, train=random_rows(n=25))
    cycles = [
        replace(tasks[0], learning_rate="one_cycle", base_momentum=b, seed=9) for b in (0.5, 0.8)
    ]
    layers = replace(tasks[4], layer_learning_rates=(0.0, 1.0, 0.3), bias_learning_rate=2.0)
    scikit_learns = [
        replace(tasks[0], learning_rate=name, warmup=1) for name in ("invscaling", "adaptive")
    ]
    return [*tasks, shorter, *cycles, layers, *scikit_learns]


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "nadam"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_schedules_are_each_networks_own(optimizer, dtype):
    tasks = mixed_tasks(optimizer, dtype=dtype, learning_rate_init=0.01)
    assert len({task.stack_key for task in tasks}) == 1
    with config(executor="torch"):
        together, alone = train(tasks), [train([task])[0] for task in tasks]
    with config(executor="compiled"):
        compiled = train(tasks)
    for fused, single, loop in zip(together, alone, compiled, strict=True):
        for other in (fused, loop):
            if dtype == "float64":
                assert_same(other, single)
            else:
                for a, b in zip(every_array(other), every_array(single), strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(other.learning_rates, single.learning_rates, rtol=1e-9)


def test_users_optimizers_take_schedules_in_a_stack():
    tasks = [
        task_of(name, optimizer=torch.optim.Adamax, seed=seed)
        for seed, name in enumerate(["cosine", "constant", "step"])
    ]
    alone = [train([replace(task, optimizer=OptimizerSettings("adamax"))])[0] for task in tasks]
    for ours, theirs in zip(train(tasks), alone, strict=True):
        assert_same(ours, theirs)


def test_epochs_of_one_call_have_their_own_rates(monkeypatch):
    """Schedules that are known in advance do not cost a call for each epoch."""
    from skmlp.training.compiled import network

    calls = []
    monkeypatch.setattr(
        network, "take_steps", lambda *a, of=network.take_steps: (calls.append(1), of(*a))[1]
    )
    with config(executor="compiled"):
        (result,) = train([task_of("cosine")])
    assert len(calls) == 1
    assert result.n_iter == EPOCHS


# Estimators


@pytest.mark.parametrize("executor", ["compiled", "torch"])
@pytest.mark.parametrize(
    "parameters",
    [
        {"learning_rate": "cosine"},
        {"learning_rate": "one_cycle", "base_momentum": 0.5},
        {"learning_rate": "adaptive", "warmup": 4},
        {"learning_rate": hill, "optimizer": "sgd"},
        {"learning_rate": "restarts", "learning_rate_period": 2, "warmup": 0.25},
    ],
)
def test_partial_fits_are_one_fit(parameters, executor):
    X, y = iris()
    with config(executor=executor):
        whole = mlp(tol=0.0, n_iter_no_change=100, **parameters).fit(X, y)
        parts = mlp(tol=0.0, n_iter_no_change=100, **parameters)
        for i in range(8):
            parts.partial_fit(X, y, classes=np.unique(y))
            parts = pickle.loads(pickle.dumps(parts)) if i == 3 else parts
    np.testing.assert_array_equal(whole.coefs_[0], parts.coefs_[0])
    np.testing.assert_array_equal(whole.learning_rates_, parts.learning_rates_)
    parts.partial_fit(X, y)  # beyond the last epoch
    if parameters["learning_rate"] != "adaptive":
        np.testing.assert_allclose(parts.learning_rates_[-1], whole.learning_rates_[-1])


def test_a_warm_start_begins_the_schedule_anew():
    X, y = iris()
    model = mlp(learning_rate="cosine", warm_start=True)
    first = model.fit(X, y).learning_rates_
    assert model.fit(X, y).learning_rates_ == first * 2


def test_rates_of_the_epochs_are_told():
    X, y = iris()  # one step an epoch
    for executor in ("compiled", "torch"):
        with config(executor=executor):
            model = mlp(learning_rate="linear", learning_rate_init=0.8).fit(X, y)
        np.testing.assert_allclose(model.learning_rates_, 0.8 - 0.1 * np.arange(8))
        assert mlp(optimizer="lbfgs").fit(X, y).learning_rates_ is None


def test_divergence_names_the_rate_of_the_epoch():
    X, y = iris()
    for executor in ("compiled", "torch"):
        model = MLPRegressor(
            (4,), optimizer="sgd", learning_rate="linear", learning_rate_init=1e300, max_iter=4
        )
        with (
            config(executor=executor),
            pytest.raises(ValueError, match=r"epoch 2 with learning rate 7\.5e\+299"),
        ):
            model.fit(X, y.astype(float))


def test_callbacks_change_the_rate_that_the_schedule_multiplies():
    from skorch.callbacks import Callback

    class Halve(Callback):
        def on_epoch_end(self, net, **others):
            net.optimizer_.param_groups[0]["lr"] *= 0.5

    X, y = iris()
    model = mlp(learning_rate="linear", callbacks=[Halve()], learning_rate_init=0.8).fit(X, y)
    expected = (0.8 - 0.1 * np.arange(8)) * 0.5 ** np.arange(8)
    np.testing.assert_allclose(model.learning_rates_, expected)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"optimizer": "lbfgs", "learning_rate": "cosine"}, "'learning_rate'.*no meaning.*lbfgs"),
        ({"optimizer": "lbfgs", "learning_rate": hill}, "'learning_rate'.*no meaning.*lbfgs"),
        ({"optimizer": "lbfgs", "warmup": 1}, "'warmup'.*no meaning.*lbfgs"),
        ({"warmup": 9}, r"'warmup'.*at most max_iter=8.*Got 9"),
        (
            {"learning_rate": "one_cycle", "base_momentum": 0.5, "optimizer": "rmsprop"},
            "'base_momentum'.*no meaning.*rmsprop.*Got 0.5",
        ),
        (
            {"learning_rate": "one_cycle", "base_momentum": 0.95},
            "'base_momentum'.*at most beta_1=0.9.*Got 0.95",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        mlp(**parameters).fit(*iris())


def test_full_batch_leaves_scikit_learns_schedules_unread():
    X, y = iris()
    start = mlp(optimizer="lbfgs").fit(X, y)
    for learning_rate in ("invscaling", "adaptive"):
        same = mlp(optimizer="lbfgs", learning_rate=learning_rate).fit(X, y)
        np.testing.assert_array_equal(same.coefs_[0], start.coefs_[0])


def test_a_search_over_schedules_is_one_stack_and_finds_the_same():
    from sklearn.model_selection import GridSearchCV

    X, y = iris()
    grid = [
        {"learning_rate": ["constant", "cosine", "one_cycle", hill], "warmup": [0, 2]},
        {"layer_learning_rates": [None, (0.0, 1.0), [1, 0.1]], "bias_learning_rate": [1.0, 0.0]},
    ]
    model = MLPClassifier((5,), max_iter=5, learning_rate_init=0.1, random_state=0)
    search = GridSearchCV(model, grid, cv=3, scoring="neg_log_loss")
    for executor in ("compiled", "torch"):
        with config(executor=executor), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alone = search.fit(X, y).cv_results_["mean_test_score"]
            with skmlp.fused():
                fused = search.fit(X, y).cv_results_["mean_test_score"]
        np.testing.assert_allclose(fused, alone)
        assert len(set(alone)) > 4
