"""One network, whoever trains it: compiled loops, torch, alone, in a stack, beside others.

Configurations are drawn at random over everything that both executors do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from helpers import LOSSES_OF_LOOPS, TARGETS, assert_same, drawn_options, every_array

from skmlp import config
from skmlp.network.activations import ACTIVATIONS
from skmlp.network.initialization import INITIALIZATIONS
from skmlp.network.losses import LOSSES
from skmlp.task import FULL_BATCH_OPTIMIZERS, OptimizerSettings, Rows, TrainingTask
from skmlp.training import train
from skmlp.training.compiled.arrays import is_plain
from skmlp.training.optimizers import OPTIMIZERS
from skmlp.training.progress import SCHEDULES, DivergenceError

N_DRAWS, AT_ONCE = 300, 20
SCORES = {name: LOSSES[name].score for name in LOSSES_OF_LOOPS}


def drawn_rows(rng, loss, n, d, dtype, *, weighted, sparse):
    X = rng.normal(size=(n, d)).astype(dtype)
    if sparse:
        X = scipy.sparse.csr_matrix(np.where(rng.uniform(size=(n, d)) < 0.5, 0, X))
    weights = rng.uniform(0.1, 3.0, n) if weighted else None
    return Rows(X, TARGETS[loss](rng, n).astype(dtype), weights)


def drawn_task(seed: int) -> TrainingTask:
    rng = np.random.default_rng(seed)
    choose = rng.choice
    loss = str(choose(list(SCORES)))
    # In float32 the exponential of a bad start leaves no digits, and where gradients cancel (signs
    # do) only a large epsilon keeps what rounding leaves of them from becoming steps.
    narrow = rng.uniform() < 0.2 and LOSSES[loss].out_activation != "exp"
    dtype = "float32" if narrow else "float64"
    hidden = tuple(int(width) for width in rng.integers(1, 12, rng.integers(0, 4)))
    n, d, batch_size = int(rng.integers(7, 50)), int(rng.integers(1, 8)), int(rng.integers(1, 30))
    form = {"weighted": rng.uniform() < 0.4, "sparse": rng.uniform() < 0.15}
    validated = rng.uniform() < 0.4
    full_batch = FULL_BATCH_OPTIMIZERS if LOSSES[loss].smooth else ()
    family = str(choose([*OPTIMIZERS, *full_batch]))
    in_batches = family not in FULL_BATCH_OPTIMIZERS
    return TrainingTask(
        train=drawn_rows(rng, loss, n, d, dtype, **form),
        validation=drawn_rows(rng, loss, 11, d, dtype, **form) if validated else None,
        early_stopping=bool(validated and rng.uniform() < 0.5),
        layer_sizes=(d, *hidden, 3),
        activations=tuple(str(choose(list(ACTIVATIONS))) for _ in hidden),
        negative_slope=float(rng.uniform(0, 0.5)),
        dropout=tuple(float(p) for p in choose([0.0, 0.0, 0.3, 0.6], len(hidden)) * in_batches),
        loss=loss,
        loss_options=drawn_options(loss, seed),
        score=SCORES[loss],
        optimizer=OptimizerSettings(
            family,
            momentum=float(choose([0.0, 0.5, 0.9])),
            nesterovs_momentum=bool(choose([True, False])),
            beta_1=float(choose([0.0, 0.8, 0.9])),
            beta_2=float(choose([0.9, 0.999])),
            epsilon=1e-3 if narrow else float(choose([1e-8, 1e-3])),
        ),
        initialization=str(choose(list(INITIALIZATIONS))),
        bias_initialization=[None, None, "torch", 0.1][seed % 4],
        seed=seed,
        dtype=dtype,
        alpha=float(choose([0.0, 1e-4, 0.1])),
        l1_ratio=float(choose([0.0, 0.5, 1.0])),
        weight_decay=float(choose([0.0, 0.01])) * in_batches,
        max_grad_norm=choose([None, 0.5]),
        max_grad_value=choose([None, 0.05]),
        learning_rate_init=float(choose([1.0 if family == "adadelta" else 1e-3, 1e-2])),
        learning_rate=str(choose(list(SCHEDULES))),
        batch_size=min(batch_size, n),
        shuffle=bool(choose([True, False])),
        max_iter=5,
        tol=float(choose([0.0, 0.5])),
        n_iter_no_change=int(rng.integers(1, 6)),
        keep_checkpoint=bool(in_batches and rng.uniform() < 0.3),
        metric=[None, "loss"][seed % 2],
        validation_every=[1, 2, 1, 3, 7][seed % 5],
        max_time=[None, 1e9][seed % 3 == 0],
    )


def by(executor, tasks):
    with config(executor=executor):
        return train(tasks)


@pytest.mark.parametrize("first", range(0, N_DRAWS, AT_ONCE))
def test_a_network_is_the_same_whoever_trains_it(first):
    tasks = [drawn_task(seed) for seed in range(first, first + AT_ONCE)]
    assert all(map(is_plain, tasks))
    expected = [by("torch", [task])[0] for task in tasks]
    # beside copies of other seeds, they are stacks
    others = [
        replace(t, seed=t.seed + N_DRAWS, loss_options=drawn_options(t.loss, t.seed + N_DRAWS))
        for t in tasks
    ]
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
