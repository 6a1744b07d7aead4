"""Compiled loops give the networks that the torch executor gives."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse
from helpers import LOSSES_OF_LOOPS, assert_same, make_task, random_rows

from skmlp import GaussianNoise, Mixup, MLPClassifier, config
from skmlp.augmentation import ByFunction
from skmlp.network.activations import ACTIVATIONS
from skmlp.network.losses import LOSSES
from skmlp.task import TrainingResult
from skmlp.training import train
from skmlp.training.compiled import is_plain, network
from skmlp.training.optimizers import OPTIMIZERS
from skmlp.training.progress import DivergenceError
from skmlp.training.schedules import SCHEDULES

WITH_LOOPS = [name for name, row in OPTIMIZERS.items() if row.loop is not None]


def both_ways(task, rtol=1e-9):
    """The result of the compiled loops, compared with that of the torch executor."""
    with config(executor="torch"):
        (expected,) = train([task])
    with config(executor="compiled"):
        (found,) = train([task])
    assert_same(found, expected, rtol)
    for name in ("validation_loss_curve", "validation_scores"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(ours, theirs, rtol=max(rtol, 1e-9), atol=1e-12)
    assert found.t == expected.t
    assert found.no_improvement_count == expected.no_improvement_count
    return found


def small(loss="log_loss", *, n=30, weights=False, **others):
    """Few rows: without a compiler the loops run in Python."""
    rows = random_rows(loss, n=n)
    if weights:
        rows = replace(rows, weights=np.random.default_rng(1).uniform(0.2, 3.0, n))
    others = {
        "score": LOSSES[loss].score,
        "batch_size": 8,
        "hidden": (4, 3),
        "max_iter": 3,
        **others,
    }
    return make_task(rows=rows, loss=loss, **others)


def validated(task, weights=False, seed=5):
    rows = random_rows(task.loss, n=21, seed=seed)
    if weights:
        rows = replace(rows, weights=np.random.default_rng(2).uniform(0.2, 3.0, 21))
    return replace(task, validation=rows)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation, dropout):
    both_ways(small(activations=(activation, activation), dropout=dropout, negative_slope=0.2))


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("loss", LOSSES_OF_LOOPS)
def test_losses_and_scores(loss, weights):
    both_ways(validated(small(loss, weights=weights), weights))


@pytest.mark.parametrize("l1_ratio", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("loss", LOSSES_OF_LOOPS)
def test_lbfgs(loss, weights, l1_ratio):
    """Few iterations: rounding in a line search grows with each one."""
    task = validated(small(loss, optimizer="lbfgs", weights=weights, alpha=0.2, l1_ratio=l1_ratio))
    rows, dense = sparse(task)
    both_ways(dense)
    assert_same(both_ways(rows), both_ways(dense))


def test_lbfgs_in_float32_has_the_arithmetic_of_float64():
    task = validated(small(optimizer="lbfgs", max_iter=10))
    X = task.train.X.astype(np.float32)
    task = replace(task, train=replace(task.train, X=X))
    narrow, wide = (both_ways(replace(task, dtype=dtype)) for dtype in ("float32", "float64"))
    assert narrow.coefs[0].dtype == np.float32
    np.testing.assert_array_equal(narrow.coefs[0], wide.coefs[0].astype(np.float32))
    assert narrow.loss_curve == wide.loss_curve


def test_lbfgs_stops_early_with_the_best_weights():
    task = validated(small(optimizer="lbfgs", max_iter=100, early_stopping=True))
    found = both_ways(replace(task, n_iter_no_change=3), rtol=1e-6)
    assert found.stopping_reason == "early_stopping"
    assert found.best_validation_score == max(found.validation_scores)


@pytest.mark.parametrize("name", WITH_LOOPS)
@pytest.mark.parametrize("learning_rate", SCHEDULES)
def test_optimizers_and_schedules(name, learning_rate):
    settings = {"momentum": 0.8, "beta_1": 0.85, "beta_2": 0.97, "epsilon": 1e-6}
    task = small(
        optimizer=name,
        settings=settings,
        learning_rate=learning_rate,
        learning_rate_init=0.02,
        max_iter=6,
        tol=10.0,
        n_iter_no_change=1,
    )
    both_ways(replace(task, n_iter_no_change=1))


@pytest.mark.parametrize(
    "settings", [{"momentum": 0.0}, {"momentum": 0.9, "nesterovs_momentum": False}]
)
def test_sgd_without_nesterov(settings):
    both_ways(small(optimizer="sgd", settings=settings, learning_rate_init=0.05))


@pytest.mark.parametrize(
    "rule",
    [
        {"alpha": 0.3},
        {"alpha": 0.3, "l1_ratio": 0.4},
        {"alpha": 0.3, "l1_ratio": 1.0},
        {"weight_decay": 0.5, "learning_rate_init": 0.1},
        {"max_grad_value": 0.02},
        {"max_grad_norm": 0.1},
        {"max_grad_value": 0.03, "max_grad_norm": 0.05, "alpha": 0.1, "weight_decay": 0.2},
    ],
    ids=str,
)
@pytest.mark.parametrize("weights", [False, True])
def test_penalties_clipping_and_decay(rule, weights):
    both_ways(small(weights=weights, **rule))


@pytest.mark.parametrize("hidden", [(), (1,), (5,), (3, 4, 5)])
@pytest.mark.parametrize("loss", ["binary_log_loss", "squared_error"])
def test_shapes_down_to_one_feature_and_one_output(hidden, loss):
    wide = random_rows(loss)
    for rows in (wide, replace(wide, X=wide.X[:, :1], targets=wide.targets[:, :1])):
        both_ways(make_task(rows=rows, hidden=hidden, loss=loss, score="r2", max_iter=2))


def test_products_of_every_size():
    """Those of few multiplications are loops, the others BLAS's."""
    rows = random_rows(n=120, d=40)
    for hidden in ((60, 50), (1, 70), (70, 1)):
        both_ways(make_task(rows=rows, hidden=hidden, batch_size=50, dropout=0.2), rtol=1e-8)


@pytest.mark.parametrize("batch_size", [1, 7, 30])
def test_batches_of_any_size_in_any_order(batch_size):
    both_ways(small(batch_size=batch_size, dropout=0.2))
    both_ways(small(batch_size=batch_size, shuffle=False))


def test_layers_with_and_without_dropout():
    task = small(hidden=(4, 5, 3), activations=("relu", "gelu", "tanh"))
    both_ways(replace(task, dropout=(0.0, 0.4, 0.2)))


def test_dropout_draws_again_when_its_levels_are_used_up(monkeypatch):
    from skmlp.training import draws

    monkeypatch.setattr(draws, "_ENTRIES_PER_DRAW", 100)
    both_ways(small(dropout=0.3))


def test_early_stopping_gives_back_the_best_weights():
    task = validated(small(max_iter=40, early_stopping=True, learning_rate_init=0.1))
    found = both_ways(replace(task, n_iter_no_change=3))
    assert found.stopping_reason == "early_stopping"
    assert found.best_validation_score == max(found.validation_scores)


def test_a_run_that_no_longer_improves_ends():
    found = both_ways(replace(small(tol=10.0, max_iter=50), n_iter_no_change=2))
    assert found.stopping_reason == "no_improvement"


@pytest.mark.parametrize("loss", LOSSES_OF_LOOPS)
def test_float32_to_its_precision(loss):
    task = validated(small(loss, dtype="float32", dropout=0.2, learning_rate_init=0.01))
    for name in ("train", "validation"):
        rows = getattr(task, name)
        X, targets = rows.X.astype(np.float32), rows.targets.astype(np.float32)
        task = replace(task, **{name: replace(rows, X=X, targets=targets)})
    with config(executor="torch"):
        (expected,) = train([task])
    with config(executor="compiled"):
        (found,) = train([task])
    for ours, theirs in zip(found.coefs, expected.coefs, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.loss_curve, expected.loss_curve, rtol=1e-4)


@pytest.mark.parametrize("optimizer", WITH_LOOPS)
@pytest.mark.parametrize(("first", "then"), [("torch", "compiled"), ("compiled", "torch")])
def test_training_goes_on_in_the_other_executor(optimizer, first, then):
    task = small(optimizer=optimizer, dropout=0.2, learning_rate_init=0.02, max_iter=1)
    task = replace(task, keep_checkpoint=True)

    def after_three(executors):
        resumed = task
        for executor in executors:
            with config(executor=executor):
                (result,) = train([resumed])
            assert isinstance(result, TrainingResult)
            history = {"t": result.t, "loss_curve": list(result.loss_curve)}
            resumed = replace(
                task,
                initial=result.arrays,
                history=history,
                resume=result.checkpoint,
            )
        return result

    assert_same(after_three([first, then, first]), after_three(["torch"] * 3))


def test_divergence_is_its_own_error():
    tasks = [
        small("squared_error", optimizer="sgd", activations=("identity",) * 2, max_iter=30, seed=k)
        for k in range(2)
    ]
    rates = zip(tasks, (0.01, 10.0), strict=True)
    tasks = [replace(task, learning_rate_init=rate) for task, rate in rates]
    with config(executor="compiled"):
        fine, diverged = train(tasks)
    assert isinstance(fine, TrainingResult)
    assert isinstance(diverged, ValueError)
    assert "diverged" in str(diverged)


def test_whatever_building_raises_is_its_own_error():
    def raising(shape, rng):
        raise ArithmeticError("mine")

    with config(executor="compiled"):
        fine, failed = train([small(), small(initialization=raising)])
    assert isinstance(fine, TrainingResult)
    assert isinstance(failed, ArithmeticError)


def test_bits_do_not_depend_on_who_trains_beside(monkeypatch):
    import torch

    tasks = [small(seed=k, hidden=[(4,), (6, 2)][k % 2], dropout=0.2) for k in range(9)]
    with config(executor="compiled"):
        alone = [train([task])[0] for task in tasks]
        monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
        together = train(tasks)
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(one.coefs, other.coefs, strict=True):
            np.testing.assert_array_equal(a, b)
        assert one.loss_curve == other.loss_curve


def test_read_only_and_strided_rows_are_taken_as_they_are():
    task = small()
    X = np.asfortranarray(task.train.X)
    X.flags.writeable = False
    with config(executor="compiled"):
        (found,) = train([replace(task, train=replace(task.train, X=X))])
        (expected,) = train([task])
    np.testing.assert_array_equal(found.coefs[0], expected.coefs[0])


def sparse(task, form=scipy.sparse.csr_array, wide=0):
    """The task with three quarters of its entries zero, as sparse rows and as dense ones."""

    def both(rows, seed):
        kept = np.random.default_rng(seed).random(rows.X.shape) < 0.25
        dense = np.pad(rows.X * kept, ((0, 0), (0, wide)))
        return replace(rows, X=form(dense)), replace(rows, X=dense)

    train, validation = both(task.train, 1), both(task.validation, 2)
    sizes = (task.layer_sizes[0] + wide, *task.layer_sizes[1:])
    pairs = zip(train, validation, strict=True)
    return [replace(task, train=t, validation=v, layer_sizes=sizes) for t, v in pairs]


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("loss", LOSSES_OF_LOOPS)
def test_sparse_rows_train_as_dense_ones_do(loss, weights):
    task = validated(small(loss, weights=weights, dropout=0.2, alpha=0.1), weights)
    rows, dense = sparse(replace(task, early_stopping=True, max_iter=6), wide=20)
    found = both_ways(rows)
    with config(executor="compiled"):
        assert_same(found, train([dense])[0])


def test_partial_fit_goes_on_with_sparse_rows():
    (task, dense), models = sparse(validated(small())), []
    y = task.train.targets.argmax(1)
    for rows in (task, dense):
        models.append(MLPClassifier((4,), dropout=0.2, random_state=0))
        with config(executor="compiled"):
            for _ in range(3):
                models[-1].partial_fit(rows.train.X, y, classes=range(3))
    for ours, theirs in zip(models[0].coefs_, models[1].coefs_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("hidden", [(), (1,), (60,)])
def test_sparse_rows_for_one_layer_and_for_wide_ones(hidden):
    both_ways(sparse(validated(small(hidden=hidden, batch_size=7)), wide=50)[0])


def test_sparse_rows_in_float32():
    task = validated(small(dtype="float32"))
    rows, dense = sparse(task, lambda X: scipy.sparse.csr_matrix(X.astype(np.float32)))
    with config(executor="compiled"):
        found, expected = train([rows, dense])
    np.testing.assert_allclose(found.coefs[0], expected.coefs[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.validation_scores, expected.validation_scores, rtol=1e-4)


@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_sparse_rows_in_any_form_are_taken_as_they_are(index):
    """Duplicates are summed, columns need no order; the user's matrix stays as it was."""
    (tidy, _), rng = sparse(validated(small())), np.random.default_rng(0)
    X, untidy = tidy.train.X, scipy.sparse.csr_array(tidy.train.X.shape)
    pieces = [np.repeat(rng.permutation(np.arange(*ends)), 2) for ends in pairwise(X.indptr)]
    order = np.concatenate(pieces).astype(int)
    untidy.data, untidy.indices = X.data[order] / 2, X.indices[order].astype(index)
    untidy.indptr = (2 * X.indptr).astype(index)
    before = [array.copy() for array in (untidy.data, untidy.indices, untidy.indptr)]
    with config(executor="compiled"):
        found, expected = train([replace(tidy, train=replace(tidy.train, X=untidy)), tidy])
    assert_same(found, expected)
    for array, was in zip((untidy.data, untidy.indices, untidy.indptr), before, strict=True):
        assert array.dtype == was.dtype
        np.testing.assert_array_equal(array, was)


def test_sparse_rows_whose_columns_do_not_exist_are_an_error():
    (task, _) = sparse(validated(small()))
    task.train.X.indices[3] = 99
    with config(executor="compiled"):
        (found,) = train([task])
    assert isinstance(found, ValueError)
    assert "must be < 5" in str(found)


def test_what_is_plain():
    task = small()
    assert is_plain(task)
    assert is_plain(validated(task))
    assert not is_plain(replace(task, device="cuda"))
    for form, known in ((scipy.sparse.csr_matrix, True), (scipy.sparse.csc_matrix, False)):
        sparse = replace(task.train, X=form(task.train.X))
        assert is_plain(replace(task, train=sparse)) == known
        assert is_plain(replace(task, validation=sparse)) == known
    assert is_plain(small(optimizer="lbfgs"))
    rows = replace(task.train, X=scipy.sparse.csr_matrix(task.train.X))
    assert is_plain(replace(task, augmentation=Mixup()))
    assert is_plain(replace(task, train=rows, input_dropout=0.1))
    assert not is_plain(replace(task, train=rows, augmentation=Mixup()))
    assert not is_plain(replace(task, augmentation=ByFunction(lambda X, rng: X)))


def test_the_penalty_of_tiny_weights_is_an_error_where_float32_cannot_hold_it():
    task = small(dtype="float32", alpha=0.1)
    rows = replace(task.train, weights=np.full(30, 1e-45))
    with config(executor="compiled"):
        (found,) = train([replace(task, train=rows)])
    assert "too large for float32" in str(found)


# Epochs that come for certain are one call


def loops(tasks):
    with config(executor="compiled"):
        return train(tasks)


def calls_of_loops(monkeypatch):
    """How many epochs each call of the loop was for."""
    seen = []
    original = network.take_steps

    def counted(*arguments):
        seen.append(len(arguments[-3]))
        return original(*arguments)

    monkeypatch.setattr(network, "take_steps", counted)
    return seen


def test_epochs_that_come_for_certain_are_one_call(monkeypatch):
    seen = calls_of_loops(monkeypatch)
    loops([make_task(max_iter=30)])  # with endless patience
    assert seen == [30]
    seen.clear()
    (result,) = loops([make_task(max_iter=30, tol=10.0, n_iter_no_change=4)])
    assert result.stopping_reason == "no_improvement"
    assert seen == [5, 1]  # the first loss is an improvement over none
    assert result.n_iter == 6


@pytest.mark.parametrize(
    ("schedule", "epochs"),
    [("early", [4, 26]), ("late", [4, 26]), ("early_linear", [1] * 4 + [26])],
)
def test_a_call_ends_where_dropout_changes(monkeypatch, schedule, epochs):
    seen = calls_of_loops(monkeypatch)
    task = make_task(max_iter=30, dropout=0.3, batch_size=40, rows=random_rows(n=40))
    loops([replace(task, dropout_schedule=schedule, dropout_cutoff=4)])
    assert seen == epochs


def test_rows_that_are_made_for_a_call_are_bounded(monkeypatch):
    seen = calls_of_loops(monkeypatch)
    task = make_task(rows=random_rows(n=40, d=5), max_iter=10, augmentation=GaussianNoise())
    loops([task])
    assert seen == [10]
    seen.clear()
    monkeypatch.setattr(network, "_MOST_SHOWN", 40 * 5 * 4)
    loops([task])
    assert seen == [4, 4, 2]


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("sparse_rows", [False, True])
def test_noise_in_small_and_large_networks(by_columns, sparse_rows):
    """Alpha dropout has a form for each; rows that are made for a call, one for both."""
    task = small(
        hidden=(4, 3) if by_columns else (70, 60),
        activations=("selu",) * 2,
        dropout=0.4,
        dropout_type="alpha",
        input_dropout=0.3,
        dropout_schedule="early_linear",
        dropout_cutoff=3,
        augmentation=None if sparse_rows else Mixup(),
        max_iter=5,
    )
    both_ways(sparse(validated(task))[0] if sparse_rows else task, rtol=1e-8)


def test_validated_epochs_are_one_call_until_patience_could_end(monkeypatch):
    seen = calls_of_loops(monkeypatch)
    task = validated(make_task(early_stopping=True, tol=10.0, n_iter_no_change=4, max_iter=30))
    (result,) = loops([task])
    assert seen == [5, 1]
    assert result.stopping_reason == "early_stopping"
    assert len(result.validation_scores) == 6


def test_many_held_out_rows_are_few_epochs_a_call(monkeypatch):
    """So that an interrupt is heard soon."""
    seen = calls_of_loops(monkeypatch)
    monkeypatch.setattr(network, "_MOST_ROWS", 40 * 10)
    loops([make_task(max_iter=20)])
    assert seen == [10, 10]
    seen.clear()
    loops([make_task(max_iter=20, validation=random_rows(n=160))])
    assert seen == [2] * 10


@pytest.mark.parametrize(
    "others",
    [
        {"learning_rate": "invscaling"},
        {"verbose": 1},
    ],
)
def test_what_happens_after_each_epoch_is_between_two_calls(monkeypatch, capsys, others):
    seen = calls_of_loops(monkeypatch)
    loops([make_task(max_iter=3, **others)])
    assert set(seen) == {1}


@pytest.mark.parametrize("batch_size", [40, 16, 7])
@pytest.mark.parametrize(
    "others",
    [
        {},
        {"shuffle": False, "optimizer": "sgd"},
        {"tol": 0.1, "n_iter_no_change": 2},
        {"tol": 0.1, "n_iter_no_change": 2, "learning_rate": "adaptive", "optimizer": "sgd"},
        {"rows": replace(random_rows(), weights=np.linspace(0.1, 2, 40)), "alpha": 0.1},
        {"dropout": 0.3},
        {"validation": random_rows(seed=1)},
        {
            "validation": random_rows(seed=1),
            "early_stopping": True,
            "n_iter_no_change": 3,
            "learning_rate_init": 0.1,
            "dropout": 0.1,
        },
    ],
)
def test_several_epochs_are_those_one_after_the_other(monkeypatch, batch_size, others):
    task = make_task(max_iter=40, batch_size=batch_size, **others)
    (together,) = loops([task])
    monkeypatch.setattr(network, "_MOST_ROWS", 0)
    seen = calls_of_loops(monkeypatch)
    (one_by_one,) = loops([task])
    assert set(seen) == {1}
    assert_same(together, one_by_one, rtol=0)
    assert together.validation_scores == one_by_one.validation_scores
    assert together.loss_curve == one_by_one.loss_curve


def test_a_loss_that_diverges_is_that_of_its_epoch():
    task = make_task(loss="poisson", learning_rate_init=1e3, optimizer="sgd", max_iter=50)
    (error,), (same,) = loops([task]), loops([replace(task, verbose=1)])
    assert isinstance(error, DivergenceError)
    assert str(error) == str(same)


# Threads and processes of the user's


def test_fits_of_eight_threads_are_what_they_are_alone():
    tasks = [make_task(seed=k, hidden=(7,) * (k % 3 + 1), max_iter=20) for k in range(8)]
    alone = [loops([task])[0] for task in tasks]
    with ThreadPoolExecutor(8) as pool:
        beside = list(pool.map(lambda task: loops([task])[0], tasks))
    for ours, theirs in zip(beside, alone, strict=True):
        assert_same(ours, theirs, rtol=0)


FORK = """
import os, sys
import numpy as np
from skmlp import MLPClassifier, fused
from sklearn.model_selection import GridSearchCV

X = np.random.default_rng(0).normal(size=(60, 3))
y = X[:, 0] > 0


def scores():
    search = GridSearchCV(
        MLPClassifier((4,), max_iter=400, tol=1e-3, random_state=0), {"alpha": [0.1, 1.0]}, cv=2
    )
    with fused():
        return search.fit(X, y).cv_results_["mean_test_score"]


before = scores()
child = os.fork()
same = bool((scores() == before).all())
if not child:
    os._exit(0 if same else 1)
sys.exit(os.waitpid(child, 0)[1] or not same)
"""


def test_a_process_forked_after_a_fit_fits():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


# Validations every few epochs, metrics, and a limit of time


def counted_validations(monkeypatch):
    """How many sets of numbers each call of the loop was to find on held-out rows."""
    seen, original = [], network.take_steps

    def counted(*arguments):
        seen.append(len(arguments[-2]))
        return original(*arguments)

    monkeypatch.setattr(network, "take_steps", counted)
    return seen


@pytest.mark.parametrize(("every", "expected"), [(1, 30), (4, 8), (30, 1), (100, 1)])
def test_epochs_between_validations_cost_none(monkeypatch, every, expected):
    seen, asked = counted_validations(monkeypatch), []
    monkeypatch.setattr(network, "validate", lambda *given: asked.append(given))
    (result,) = loops([validated(make_task(max_iter=30, validation_every=every))])
    assert sum(seen) == len(result.validation_scores) == expected
    assert len(seen) < 5
    assert asked == []


def test_patience_of_validations_is_foreseen(monkeypatch):
    seen = calls_of_loops(monkeypatch)
    task = validated(make_task(early_stopping=True, tol=10.0, n_iter_no_change=4, max_iter=30))
    (result,) = loops([replace(task, validation_every=3)])
    assert seen == [15, 3]
    assert (result.n_iter, result.stopping_reason) == (18, "early_stopping")


def test_the_loss_as_metric_stays_in_the_loop(monkeypatch):
    seen = calls_of_loops(monkeypatch)
    task = validated(make_task(early_stopping=True, max_iter=30, metric="loss"))
    (result,) = loops([task])
    assert seen == [30]
    assert result.validation_scores == [-loss for loss in result.validation_loss_curve]


@pytest.mark.parametrize("every", [1, 4])
def test_a_scorer_is_asked_between_two_calls(monkeypatch, every):
    seen, asked = calls_of_loops(monkeypatch), []

    def scorer(task, logits, arrays, epoch):
        asked.append(epoch)
        values = task.validation.X
        for weights, biases in zip(arrays.coefs, arrays.intercepts, strict=True):
            values = (np.tanh(values) if weights is not arrays.coefs[0] else values) @ weights
            values = values + biases
        np.testing.assert_allclose(logits, values, rtol=1e-12)
        return float(epoch)

    task = validated(make_task(max_iter=10, metric=scorer, validation_every=every))
    (result,) = loops([task])
    assert asked == ([*range(1, 11)] if every == 1 else [4, 8, 10])
    assert seen == ([1] * 10 if every == 1 else [4, 4, 2])
    assert result.validation_scores == [float(epoch) for epoch in asked]


@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("metric", [None, "loss", lambda task, z, arrays, epoch: float(z.max())])
def test_metrics_and_pauses_between_validations(metric, early_stopping, every):
    task = validated(small(max_iter=12, metric=metric, validation_every=every))
    both_ways(replace(task, early_stopping=early_stopping, n_iter_no_change=2, tol=0.0))


@pytest.mark.parametrize("metric", [None, "loss", lambda task, z, arrays, epoch: float(z.max())])
def test_lbfgs_with_metrics_and_pauses_between_validations(metric):
    task = small(optimizer="lbfgs", max_iter=7, metric=metric, validation_every=3)
    both_ways(validated(task), rtol=1e-7)


def test_calls_are_as_long_as_the_clock_allows(monkeypatch):
    """A first epoch tells how long one takes; calls of 0.1 s follow, until time is over."""
    seconds = [0.0]
    monkeypatch.setattr("skmlp.training.progress.perf_counter", lambda: seconds[0])
    seen, original = [], network.take_steps

    def timed(*arguments):
        seen.append(len(arguments[-3]) * (arguments[7] > 0))
        seconds[0] += seen[-1] / 64
        return original(*arguments)

    monkeypatch.setattr(network, "take_steps", timed)
    (result,) = loops([make_task(max_iter=10**6, max_time=0.45)])
    assert seen == [0, 1, 6, 6, 6, 6, 3, 1]  # the first, without a step, has it compiled
    assert (result.n_iter, result.stopping_reason) == (29, "max_time")


def test_a_limit_of_time_does_not_count_what_comes_before_training(monkeypatch):
    seconds, original = [0.0], network.take_steps
    monkeypatch.setattr("skmlp.training.progress.perf_counter", lambda: seconds[0])

    def slow_at_first(*arguments):
        seconds[0] += 0.0 if arguments[7] else 100.0
        return original(*arguments)

    monkeypatch.setattr(network, "take_steps", slow_at_first)
    (result,) = loops([make_task(max_iter=7, max_time=1.0)])
    assert result.stopping_reason == "max_iter"
