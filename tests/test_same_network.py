"""One network, whoever trains it: compiled loops, torch, alone, in a stack, beside others.

Configurations are drawn at random over everything that both executors do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.sparse
from helpers import (
    LOSSES_OF_LOOPS,
    RANGES,
    TARGETS,
    assert_same,
    drawn_options,
    every_array,
)

from skmlp import FeatureSwap, GaussianNoise, Mixup, config
from skmlp.network.activations import ACTIVATIONS
from skmlp.network.initialization import INITIALIZATIONS
from skmlp.network.loss_forms import Bounded, Groups, Several, loss_of
from skmlp.network.losses import LOSSES
from skmlp.task import FULL_BATCH_METHODS, OptimizerSettings, Rows, TrainingTask
from skmlp.training import train
from skmlp.training.compiled.arrays import is_plain
from skmlp.training.dropout_schedules import DROPOUT_SCHEDULES
from skmlp.training.optimizers import OPTIMIZERS
from skmlp.training.progress import DivergenceError
from skmlp.training.schedules import MOMENTA, SCHEDULES

N_DRAWS, AT_ONCE = 300, 20
WITH_LOOPS = [name for name, row in OPTIMIZERS.items() if row.loop is not None]
SCORES = {name: LOSSES[name].score for name in LOSSES_OF_LOOPS}


class Drawn(NamedTuple):
    """A loss, in a form or as it is."""

    loss: Any
    n_logits: int
    targets: Callable[..., np.ndarray]
    options: Callable[[int], tuple[float, ...]]


def drawn_loss(name: str, rng) -> Drawn:
    row = LOSSES[name]
    if row.problem == "classes" and rng.uniform() < 0.5:
        widths = tuple(int(width) for width in rng.integers(1, 4, rng.integers(1, 4)))

        def of_columns(rng, n):
            return np.hstack([np.eye(width)[rng.integers(0, width, n)] for width in widths])

        return Drawn(
            Groups(name, widths), sum(widths), of_columns, lambda seed: drawn_options(name, seed)
        )
    bounds = (-9.0, 7.5) if row.may_be_bounded and rng.uniform() < 0.4 else ()
    several = 2 if name == "quantile" and rng.uniform() < 0.6 else 1

    def options(seed):
        numbers = [v for i in range(several) for v in drawn_options(name, seed + i)]
        return (*numbers, *bounds)

    key: Any = Several(name) if several > 1 else name
    key = Bounded(key) if bounds else key
    return Drawn(key, loss_of(key).n_logits(3, options(0)), TARGETS[name], options)


def drawn_rows(rng, drawn, n, d, dtype, *, weighted, sparse):
    X = rng.normal(size=(n, d)).astype(dtype)
    if sparse:
        X = scipy.sparse.csr_matrix(np.where(rng.uniform(size=(n, d)) < 0.5, 0, X))
    weights = rng.uniform(0.1, 3.0, n) if weighted else None
    return Rows(X, drawn.targets(rng, n).astype(dtype), weights)


def drawn_layer_rates(rng, n_layers):
    if rng.uniform() < 0.7:
        return ()
    return tuple(float(rate) for rate in rng.choice([0.0, 0.5, 1.0, 2.0], n_layers))


def takes_mixtures(loss: Any) -> bool:
    row = loss_of(loss)
    return not row.periodic if row.problem == "numbers" else row.has_probabilities


def drawn_noise(seed: int, loss: Any, *, sparse: bool) -> dict:
    """All that is random in training, but for the order of rows and what is dropped."""
    rng = np.random.default_rng([seed, 1])
    mixing = [Mixup(0.5), FeatureSwap(0.5, True)] if takes_mixtures(loss) else [None, None]
    rules = [None, None, GaussianNoise(0.3), mixing[0], FeatureSwap(0.3), mixing[1]]
    return {
        "dropout_type": str(rng.choice(["standard", "standard", "alpha"])),
        "dropout_schedule": str(rng.choice(list(DROPOUT_SCHEDULES))),
        "dropout_cutoff": int(rng.integers(1, 5)),
        "input_dropout": float(rng.choice([0.0, 0.0, 0.2])),
        "augmentation": None if sparse else rules[rng.integers(len(rules))],
    }


def drawn_activations(rng, loss: str, n: int) -> tuple[str, ...]:
    drawn = tuple(str(rng.choice(list(ACTIVATIONS))) for _ in range(n))
    if LOSSES[loss].smooth:
        return drawn
    # Gradients that are signs cancel, but for rounding; where all units below are dropped, what is
    # left in a bias would decide on which side of a kink its unit is.
    return tuple("elu" if name in ("relu", "leaky_relu") else name for name in drawn)


def drawn_task(seed: int) -> TrainingTask:
    rng = np.random.default_rng(seed)
    choose = rng.choice
    loss = str(choose(list(SCORES)))
    drawn = drawn_loss(loss, rng)
    # In float32 the exponential of a bad start leaves no digits, and where gradients cancel (signs
    # do) only a large epsilon keeps what rounding leaves of them from becoming steps.
    narrow = rng.uniform() < 0.2 and LOSSES[loss].out_activation != "exp"
    dtype = "float32" if narrow else "float64"
    hidden = tuple(int(width) for width in rng.integers(1, 12, rng.integers(0, 4)))
    n, d, batch_size = int(rng.integers(7, 50)), int(rng.integers(1, 8)), int(rng.integers(1, 30))
    form = {"weighted": rng.uniform() < 0.4, "sparse": rng.uniform() < 0.15}
    validated = rng.uniform() < 0.4
    in_loops = [name for name, m in FULL_BATCH_METHODS.items() if not m.takes_products]
    full_batch = in_loops if LOSSES[loss].smooth else []
    # rmsprop and others, whose epsilon is none of ours, go by signs alone
    families = ["sgd", "adam"] if narrow and not full_batch else [*WITH_LOOPS, *full_batch]
    family = str(choose(families))
    in_batches = family not in FULL_BATCH_METHODS
    averages = not in_batches or OPTIMIZERS[family].evaluated is not None
    return TrainingTask(
        train=drawn_rows(rng, drawn, n, d, dtype, **form),
        validation=drawn_rows(rng, drawn, 11, d, dtype, **form) if validated else None,
        early_stopping=bool(validated and rng.uniform() < 0.5),
        layer_sizes=(d, *hidden, drawn.n_logits),
        activations=drawn_activations(rng, loss, len(hidden)),
        negative_slope=float(rng.uniform(0, 0.5)),
        dropout=tuple(float(p) for p in choose([0.0, 0.0, 0.3, 0.6], len(hidden)) * in_batches),
        loss=drawn.loss,
        loss_options=drawn.options(seed),
        score=loss_of(drawn.loss).score,
        optimizer=OptimizerSettings(
            family,
            momentum=float(choose([0.0, 0.5, 0.9])),
            nesterovs_momentum=bool(choose([True, False])),
            beta_1=float(choose([0.0, 0.8, 0.9])),
            beta_2=float(choose([0.9, 0.999])),
            epsilon=1e-3 if narrow else float(choose([1e-8, 1e-3])),
        ),
        initialization=[str(choose(list(INITIALIZATIONS))), "lsuv"][seed % 8 == 5],
        bias_initialization=[None, None, "torch", 0.1][seed % 4],
        seed=seed,
        dtype=dtype,
        alpha=float(choose([0.0, 1e-4, 0.1])),
        l1_ratio=float(choose([0.0, 0.5, 1.0])) * (family != "cg"),
        weight_decay=float(choose([0.0, 0.01])) * in_batches,
        max_grad_norm=choose([None, 0.5]),
        max_grad_value=choose([None, 0.05]),
        learning_rate_init=float(choose([1.0 if family == "adadelta" else 1e-3, 1e-2])),
        learning_rate=str(choose(list(SCHEDULES))),
        power_t=float(choose([0.5, 3.0])),
        warmup=[0, 0, 2, 0.3][seed % 4] * in_batches,
        learning_rate_period=[0.25, 2][seed % 2],
        period_multiplier=float(choose([1.0, 2.0])),
        learning_rate_end=float(choose([0.0, 0.2])),
        base_momentum=choose([None, 0.0, 0.3]) if family in MOMENTA else None,
        layer_learning_rates=drawn_layer_rates(rng, len(hidden) + 1) if in_batches else (),
        bias_learning_rate=float(choose([1.0, 1.0, 0.5, 0.0])) if in_batches else 1.0,
        batch_size=min(batch_size, n),
        shuffle=bool(choose([True, False])),
        averaging=None if averages else [None, None, "swa", "ema"][seed // 4 % 4],
        averaging_horizon=float(10 ** rng.uniform(-1, 1)),
        averaging_wait=int(rng.integers(0, 5)),
        max_iter=5,
        tol=float(choose([0.0, 0.5])),
        n_iter_no_change=int(rng.integers(1, 6)),
        keep_checkpoint=bool(in_batches and rng.uniform() < 0.3),
        **(drawn_noise(seed, drawn.loss, sparse=form["sparse"]) if in_batches else {}),
        metric=[None, "loss"][seed % 2],
        validation_every=[1, 2, 1, 3, 7][seed % 5],
        max_time=[None, 1e9][seed % 3 == 0],
    )


def other_options(task: TrainingTask) -> tuple[float, ...]:
    """Other values of the loss' options."""
    (name, *_), values = (*loss_of(task.loss).options, ""), task.loss_options
    own = values[: len(values) - 2 * loss_of(task.loss).is_bounded]
    rng = np.random.default_rng(task.seed + N_DRAWS)
    drawn = (float(rng.uniform(*RANGES[name])) for _ in own)
    return (*drawn, *(2 * bound for bound in values[len(own) :]))


def beside(task: TrainingTask) -> TrainingTask:
    """A network that may be in one stack with the task's."""
    seed = task.seed + N_DRAWS
    in_batches = task.optimizer.family not in FULL_BATCH_METHODS
    sparse = scipy.sparse.issparse(task.train.X)
    noise = drawn_noise(seed, task.loss, sparse=sparse) if in_batches else {}
    return replace(task, seed=seed, loss_options=other_options(task), **noise)


def by(executor, tasks):
    with config(executor=executor):
        return train(tasks)


@pytest.mark.parametrize("first", range(0, N_DRAWS, AT_ONCE))
def test_a_network_is_the_same_whoever_trains_it(first):
    tasks = [drawn_task(seed) for seed in range(first, first + AT_ONCE)]
    assert all(map(is_plain, tasks))
    expected = [by("torch", [task])[0] for task in tasks]
    # beside copies of other seeds, they are stacks
    others = [beside(task) for task in tasks]
    together = by("torch", [*tasks, *others])[:AT_ONCE]
    ways = {
        "compiled": [by("compiled", [task])[0] for task in tasks],
        "compiled beside others": by("compiled", [*tasks, *others])[:AT_ONCE],
        "in a stack": together,
    }
    for way, found in ways.items():
        for task, ours, theirs in zip(tasks, found, expected, strict=True):
            try:
                assert_same_outcome(ours, theirs, task.dtype)
            except AssertionError as error:
                raise AssertionError(f"{way}: draw {task.seed}") from error


def assert_same_outcome(ours, theirs, dtype):
    if isinstance(theirs, DivergenceError):
        assert str(ours) == str(theirs)
    elif dtype == "float64":
        assert_same(ours, theirs, rtol=1e-9)
        assert (ours.validation_scores is None) == (theirs.validation_scores is None)
        if ours.validation_scores is not None:
            np.testing.assert_allclose(ours.validation_scores, theirs.validation_scores, rtol=1e-7)
    else:
        assert (ours.n_iter, ours.stopping_reason) == (theirs.n_iter, theirs.stopping_reason)
        for a, b in zip(every_array(ours), every_array(theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())
