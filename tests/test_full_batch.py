from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import torch
from helpers import LOSSES_OF_LOOPS, assert_same, every_array, make_task, random_rows
from sklearn.linear_model import LogisticRegression

from skmlp.network.architecture import NetworkArrays
from skmlp.network.losses import LOSSES
from skmlp.task import FULL_BATCH_METHODS
from skmlp.training import full_batch, train
from skmlp.training.compiled import full_batch as compiled_full_batch
from skmlp.training.compiled.full_batch import CompiledEvaluator
from skmlp.training.full_batch import FullBatchProblem, TorchEvaluator
from skmlp.training.progress import DivergenceError
from skmlp.training.schedules import SCHEDULES
from skmlp.training.stacks import Run
from skmlp.training.validation import Validation

EVALUATORS = [TorchEvaluator, CompiledEvaluator]
UNBOUNDED = [name for name, method in FULL_BATCH_METHODS.items() if not method.takes_bounds]
EVERY_UNBOUNDED = pytest.mark.parametrize("optimizer", UNBOUNDED)


def lbfgs(**others):
    return make_task(optimizer="lbfgs", **others)


def problem_of(evaluator=TorchEvaluator, **others):
    return FullBatchProblem(evaluator(lbfgs(**others)))


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("l1_ratio", [0.0, 0.4])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_passes_central_differences(loss, l1_ratio, evaluator):
    if evaluator is not TorchEvaluator and loss not in LOSSES_OF_LOOPS:
        pytest.skip("trained by torch only")
    rows = random_rows(loss)
    rows.weights = np.random.default_rng(0).uniform(0.5, 2, len(rows))
    problem = problem_of(evaluator, rows=rows, loss=loss, alpha=0.3, l1_ratio=l1_ratio)
    x = problem._start() + np.random.default_rng(1).uniform(0.1, 0.2, len(problem._start()))
    _, gradient = problem.value_and_gradient(x)
    for i in np.random.default_rng(2).choice(len(x), 30, replace=False):
        ends = []
        for h in (1e-5, -1e-5):
            moved = x.copy()
            moved[i] += h
            ends.append(problem.value_and_gradient(moved)[0])
        assert gradient[i] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_rows_in_parts_give_the_same_loss(monkeypatch, evaluator):
    rows = random_rows()
    rows.weights = np.random.default_rng(0).uniform(0.5, 2, len(rows))
    filled = {"rows": rows, "hidden": (4,)}
    whole = problem_of(evaluator, **filled)
    monkeypatch.setattr(full_batch, "_ROWS_AT_ONCE", 7)
    monkeypatch.setattr(compiled_full_batch, "_NUMBERS_AT_ONCE", 35)
    parts = problem_of(evaluator, **filled)
    sparse = problem_of(
        evaluator, **(filled | {"rows": replace(rows, X=scipy.sparse.csr_matrix(rows.X))})
    )
    assert len(parts.evaluator.parts) == 6 > len(whole.evaluator.parts)
    expected, gradient = whole.value_and_gradient(whole._start())
    for problem in (parts, sparse):
        value, other = problem.value_and_gradient(whole._start())
        assert value == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(other, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.4, 1.0])
def test_the_loss_is_a_mean_over_weights_and_so_is_the_penalty(l1_ratio):
    rows = random_rows()
    rows.weights = np.random.default_rng(0).uniform(0.5, 2, len(rows))
    problem = problem_of(rows=rows, hidden=(), alpha=3.0, l1_ratio=l1_ratio)
    plain = problem_of(rows=rows, hidden=())
    value, _ = problem.value_and_gradient(problem._start())
    (coef,), *_ = problem.evaluator.network()
    logits = rows.X @ coef
    losses = np.log(np.exp(logits).sum(1)) - (logits * rows.targets).sum(1)
    mean = np.average(losses, weights=rows.weights)
    penalty = l1_ratio * np.abs(coef).sum() + (1 - l1_ratio) / 2 * (coef**2).sum()
    assert plain.value_and_gradient(plain._start())[0] == pytest.approx(mean, rel=1e-12)
    assert value == pytest.approx(mean + 3.0 * penalty / rows.weights.sum(), rel=1e-12)


def test_with_l1_the_start_has_the_positive_and_the_negative_parts():
    problem = problem_of(alpha=1.0, l1_ratio=0.5)
    n = problem.n_weights
    up, down, biases = np.split(problem._start(), [n, 2 * n])
    flat = problem.evaluator.vector()
    np.testing.assert_array_equal(up - down, flat[:n])
    np.testing.assert_array_equal(np.minimum(up, down), np.zeros(n))
    np.testing.assert_array_equal(biases, flat[n:])


def test_loss_curve_falls_and_reasons_are_told():
    (converged,) = train([lbfgs(hidden=(), alpha=0.1, max_iter=500)])
    assert converged.stopping_reason == "converged"
    assert np.all(np.diff(converged.loss_curve) <= 1e-12)
    assert train([lbfgs(max_iter=3)])[0].stopping_reason == "max_iter"
    assert train([lbfgs(max_iter=500, max_fun=2, tol=0.0)])[0].stopping_reason == "max_fun"


@pytest.mark.parametrize("tol", [1e-2, 1e-4])
def test_it_stops_at_the_first_gradient_within_tol(monkeypatch, tol):
    largest_entries, end_iteration = [], FullBatchProblem._end_iteration

    def seeing(self, intermediate_result):
        _, gradient = self.value_and_gradient(intermediate_result.x)
        largest_entries.append(np.abs(gradient).max())
        end_iteration(self, intermediate_result)

    monkeypatch.setattr(FullBatchProblem, "_end_iteration", seeing)
    (result,) = train([lbfgs(alpha=0.1, max_iter=500, tol=tol)])
    assert result.stopping_reason == "converged"
    assert len(largest_entries) == result.n_iter
    assert largest_entries[-1] <= tol < min(largest_entries[:-1])


def test_the_loss_alone_stops_it_as_it_stops_scikit_learns_logistic_regression(monkeypatch):
    seen, found = [], scipy.optimize.minimize

    def minimize(*arguments, options, **others):
        seen.append(options)
        return found(*arguments, options=options, **others)

    monkeypatch.setattr(scipy.optimize, "minimize", minimize)
    rows = random_rows()
    train([lbfgs(hidden=(), tol=0.01, max_iter=7)])
    LogisticRegression(tol=0.01, max_iter=7).fit(rows.X, rows.targets.argmax(1))
    ours, theirs = seen
    assert {key: ours[key] for key in ("ftol", "gtol", "maxiter")} == {
        key: theirs[key] for key in ("ftol", "gtol", "maxiter")
    }


def test_a_start_that_is_a_minimum_stays():
    rows = random_rows("squared_error")
    coefs, intercepts = [np.ones((5, 3))], [np.arange(3.0)]
    rows.targets = rows.X @ coefs[0] + intercepts[0]
    task = lbfgs(
        rows=rows, loss="squared_error", hidden=(), initial=NetworkArrays(coefs, intercepts, {})
    )
    (result,) = train([task])
    assert (result.n_iter, result.stopping_reason) == (0, "converged")
    assert result.loss_curve == [pytest.approx(0.0, abs=1e-25)]
    assert result.loss == result.best_loss == result.loss_curve[0]
    np.testing.assert_array_equal(result.coefs[0], coefs[0])
    np.testing.assert_array_equal(result.intercepts[0], intercepts[0])


@pytest.mark.parametrize("max_fun", range(3, 15))
def test_the_weights_are_those_that_scipy_found(monkeypatch, max_fun):
    # the last evaluation of a line search need not be the best one
    results, minimize = [], scipy.optimize.minimize
    monkeypatch.setattr(
        scipy.optimize, "minimize", lambda *a, **k: results.append(minimize(*a, **k)) or results[0]
    )
    (result,) = train([lbfgs(alpha=1e-3, max_iter=100, max_fun=max_fun, tol=0.0)])
    (found,) = results
    flat = np.concatenate([a.ravel() for a in [*result.coefs, *result.intercepts]])
    np.testing.assert_array_equal(flat, found.x)


def test_an_earlier_history_goes_on():
    (result,) = train([lbfgs(max_iter=3, history={"t": 80, "loss_curve": [9.0, 8.0]})])
    assert result.loss_curve[:2] == [9.0, 8.0]
    assert (len(result.loss_curve), result.t) == (5, 80 + 3 * 40)


def test_its_seconds_are_those_of_the_clock(monkeypatch, by_torch):
    monkeypatch.setattr(full_batch, "perf_counter", iter([100.0, 103.5]).__next__)
    assert train([lbfgs(max_iter=1)])[0].seconds == 3.5


@pytest.mark.parametrize(
    ("success", "n_evaluations", "n_iterations", "reason"),
    [
        (True, 11, 5, "converged"),
        (False, 11, 5, "max_fun"),
        (False, 10, 5, "max_iter"),
        (False, 10, 4, "line_search"),
    ],
)
def test_the_reason_is_the_bound_that_was_met(success, n_evaluations, n_iterations, reason):
    found = SimpleNamespace(success=success, nfev=n_evaluations, nit=n_iterations)
    assert full_batch._reason(found, lbfgs(max_iter=5, max_fun=10)) == reason


def test_slow_progress_does_not_stop_it_before_its_own_tolerance():
    # n_iter_no_change is for epochs; gtol alone says when a full-batch method has converged
    patient = lbfgs(hidden=(), alpha=0.1, max_iter=500, tol=1e-3, n_iter_no_change=1)
    (result,) = train([patient])
    assert result.stopping_reason == "converged"
    (expected,) = train([lbfgs(hidden=(), alpha=0.1, max_iter=500, tol=1e-3)])
    np.testing.assert_array_equal(result.coefs[0], expected.coefs[0])
    slow = lbfgs(max_iter=40, tol=0.5, n_iter_no_change=1, alpha=0.0)
    assert train([slow])[0].stopping_reason in ("converged", "max_iter")


def test_early_stopping_returns_the_best_weights():
    task = lbfgs(
        validation=random_rows(n=30, seed=9), early_stopping=True, n_iter_no_change=3, max_iter=200
    )
    (result,) = train([task])
    assert result.stopping_reason == "early_stopping"
    assert result.n_iter < 200
    best = int(np.argmax(result.validation_scores))
    (shorter,) = train([lbfgs(max_iter=best + 1)])
    for ours, theirs in zip(result.coefs, shorter.coefs, strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_an_iteration_is_validated_where_it_ended():
    validation = random_rows(n=30, seed=9)
    task = lbfgs(validation=validation, early_stopping=True, max_iter=2)
    problem = FullBatchProblem(TorchEvaluator(task))
    x = np.random.default_rng(0).normal(size=len(problem._start()))
    problem._end_iteration(SimpleNamespace(x=x, fun=1.5))
    expected = Validation(task, torch.float64, torch.device("cpu"))(problem.evaluator.module)
    np.testing.assert_array_equal(problem.evaluator.vector(), x)
    assert problem.progress.validation_loss_curve == [expected.loss]
    assert problem.progress.loss_curve == [1.5]
    with pytest.raises(StopIteration):
        problem._end_iteration(SimpleNamespace(x=x, fun=1.0))


def test_an_iteration_that_diverges_is_told():
    problem = problem_of()
    with pytest.raises(DivergenceError, match="the loss became inf in iteration 1"):
        problem._end_iteration(SimpleNamespace(x=problem._start(), fun=np.inf))


def test_a_schedule_of_rates_means_nothing():
    validation = random_rows(n=30, seed=9)
    stopping = {"validation": validation, "early_stopping": True, "n_iter_no_change": 3}
    results = train([lbfgs(max_iter=200, learning_rate=s, **stopping) for s in SCHEDULES])
    for result in results:
        assert result.validation_scores == results[0].validation_scores


def test_validation_without_early_stopping_is_recorded_and_changes_nothing():
    plain, watched = train([lbfgs(max_iter=9), lbfgs(max_iter=9, validation=random_rows(seed=9))])
    assert len(watched.validation_scores) == len(watched.validation_loss_curve) == 9
    assert_same(watched, plain, rtol=0)


def test_l1_makes_exact_zeros():
    task = lbfgs(hidden=(8,), alpha=5.0, l1_ratio=1.0, max_iter=2000, tol=1e-8)
    (result,) = train([task])
    assert (result.coefs[0] == 0).mean() > 0.5
    # its loss has the penalty of its weights
    plain = problem_of(hidden=(8,), initial=result.arrays)
    loss, _ = plain.value_and_gradient(plain._start())
    penalty = 5.0 / 40 * sum(np.abs(w).sum() for w in result.coefs)
    assert result.loss == pytest.approx(loss + penalty, rel=1e-9)


def test_divergence_is_an_error():
    rows = random_rows("poisson")
    rows.X = rows.X * 1e200
    (result,) = train([lbfgs(rows=rows, loss="poisson", hidden=())])
    assert isinstance(result, DivergenceError)
    assert "the loss became nan in iteration 0." in str(result)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_weights_whose_squares_overflow_are_an_error_without_a_warning(l1_ratio):
    start = NetworkArrays([np.full((5, 3), 1e200)], [np.zeros(3)], {})
    task = lbfgs(hidden=(), alpha=1.0, l1_ratio=l1_ratio, initial=start)
    assert isinstance(train([task])[0], DivergenceError)


def test_float32_weights_come_back_as_float32():
    (result,) = train([lbfgs(dtype="float32")])
    assert {a.dtype.name for a in [*result.coefs, *result.intercepts]} == {"float32"}


def test_an_interrupt_is_heard_at_the_next_evaluation():
    for evaluator in EVALUATORS:
        run = Run()
        problem = FullBatchProblem(evaluator(lbfgs()), run)
        problem.value_and_gradient(problem._start())
        run.stop.set()
        with pytest.raises(InterruptedError):
            problem.minimize()


def value_at(result, **others):
    """Value and gradient of a problem where a network ended."""
    problem = problem_of(initial=result.arrays, **others)
    return problem.value_and_gradient(problem._start())


CONVEX = [
    {"hidden": (), "loss": "log_loss", "alpha": 5.0},
    {"hidden": (), "loss": "squared_error", "alpha": 0.1},
    {"hidden": (), "loss": "poisson", "alpha": 0.1},
]


@pytest.mark.parametrize("others", CONVEX, ids=str)
@EVERY_UNBOUNDED
def test_every_method_finds_the_same_minimum(optimizer, others):
    expected, found = train(
        [
            make_task(optimizer="lbfgs", tol=1e-9, max_iter=2000, **others),
            make_task(optimizer=optimizer, tol=1e-7, max_iter=2000, **others),
        ]
    )
    assert_same_minimum(found, expected)


@EVERY_UNBOUNDED
def test_every_method_finds_the_minimum_that_is_near(optimizer):
    same = {"max_iter": 5000, "loss": "squared_error", "hidden": (3,), "alpha": 2.0}
    (expected,) = train([lbfgs(tol=1e-9, **same)])
    problem = problem_of(**same, initial=expected.arrays)
    x = problem._start()
    H = np.column_stack([problem.product(x, e) for e in np.eye(len(x))])
    assert np.linalg.eigvalsh(H).min() > 0.01  # convex there
    problem.evaluator.set_vector(x + np.random.default_rng(0).uniform(-0.01, 0.01, len(x)))
    near = problem.evaluator.network()
    (found,) = train([make_task(optimizer=optimizer, initial=near, tol=1e-8, **same)])
    assert_same_minimum(found, expected)


def assert_same_minimum(found, expected):
    assert found.stopping_reason == expected.stopping_reason == "converged"
    assert found.loss == pytest.approx(expected.loss, rel=1e-10)
    for ours, theirs in zip(every_array(found), every_array(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@EVERY_UNBOUNDED
def test_every_method_ends_where_the_largest_entry_is_within_tol(optimizer, dtype):
    task = make_task(optimizer=optimizer, alpha=0.1, max_iter=500, tol=1e-3, dtype=dtype)
    (result,) = train([task])
    assert result.stopping_reason == "converged"
    _, gradient = value_at(result, alpha=0.1)
    assert np.abs(gradient).max() <= 1e-3 * (1 + 1e-3)
    # scipy's trust region looks at the norm, which is larger: it would go on
    (stricter,) = train([replace(task, tol=1e-5)])
    assert result.n_iter < stricter.n_iter
    assert np.all(np.diff(result.loss_curve) <= 1e-12)
    assert {a.dtype.name for a in every_array(result)} == {dtype}


@pytest.mark.parametrize("max_fun", [1, 2, 7, 30])
@EVERY_UNBOUNDED
def test_max_fun_is_kept_to_the_last_evaluation(monkeypatch, optimizer, max_fun):
    counts = []

    def counting(method):
        return lambda self, *arguments: counts.append(method) or method(self, *arguments)

    for name in ("value_and_gradient", "product"):
        monkeypatch.setattr(FullBatchProblem, name, counting(getattr(FullBatchProblem, name)))
    (result,) = train([make_task(optimizer=optimizer, max_iter=500, max_fun=max_fun, tol=0.0)])
    assert result.stopping_reason == "max_fun"
    assert max_fun <= len(counts) <= max_fun + 1  # a product that is refused is counted here
    monkeypatch.undo()
    value, _ = value_at(result)
    assert result.loss == pytest.approx(value, rel=1e-12)


@EVERY_UNBOUNDED
def test_every_method_is_stopped_as_lbfgs_is(optimizer):
    assert train([make_task(optimizer=optimizer, max_iter=3)])[0].stopping_reason == "max_iter"
    task = make_task(
        optimizer=optimizer,
        validation=random_rows(n=30, seed=9),
        early_stopping=True,
        n_iter_no_change=2,
        max_iter=200,
    )
    (result,) = train([task])
    assert result.stopping_reason == "early_stopping"
    assert len(result.validation_scores) == result.n_iter < 200
    best = int(np.argmax(result.validation_scores))
    (shorter,) = train([make_task(optimizer=optimizer, max_iter=best + 1)])
    for ours, theirs in zip(result.coefs, shorter.coefs, strict=True):
        np.testing.assert_allclose(ours, theirs)


@EVERY_UNBOUNDED
def test_a_minimum_stays_whatever_the_method(optimizer):
    rows = random_rows("squared_error")
    start = NetworkArrays([np.ones((5, 3))], [np.arange(3.0)], {})
    rows.targets = rows.X @ start.coefs[0] + start.intercepts[0]
    of_zero_gradient = {"loss": "squared_error", "hidden": (), "initial": start, "rows": rows}
    (result,) = train([make_task(optimizer=optimizer, tol=1e-12, **of_zero_gradient)])
    assert (result.n_iter, result.stopping_reason) == (0, "converged")
    np.testing.assert_array_equal(result.coefs[0], start.coefs[0])


@EVERY_UNBOUNDED
def test_every_method_tells_of_divergence_and_hears_an_interrupt(optimizer):
    rows = random_rows("poisson")
    rows.X = rows.X * 1e200
    (result,) = train([make_task(optimizer=optimizer, rows=rows, loss="poisson", hidden=())])
    assert isinstance(result, DivergenceError)
    run = Run()
    run.stop.set()
    with pytest.raises(InterruptedError):
        FullBatchProblem(TorchEvaluator(make_task(optimizer=optimizer)), run).minimize()


@pytest.mark.parametrize("normalization", [None, "layer"])
@EVERY_UNBOUNDED
def test_sparse_rows_weights_and_normalization(optimizer, normalization):
    rows = random_rows()
    rows.weights = np.random.default_rng(0).uniform(0.5, 2, len(rows))
    sparse = replace(rows, X=scipy.sparse.csr_matrix(rows.X))
    same = {"alpha": 1.0, "max_iter": 4, "normalization": normalization, "optimizer": optimizer}
    dense, filled = (train([make_task(rows=r, **same)])[0] for r in (rows, sparse))
    assert_same(filled, dense)
    assert dense.loss_curve[-1] < dense.loss_curve[0]


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("tol", [1e-2, 1e-3])
def test_the_iteration_that_converges_is_validated(evaluator, tol):
    task = lbfgs(
        validation=random_rows(n=30, seed=9), alpha=0.5, max_iter=500, tol=tol, validation_every=4
    )
    result = FullBatchProblem(evaluator(task)).minimize()
    every = FullBatchProblem(evaluator(replace(task, validation_every=1))).minimize()
    assert result.stopping_reason == "converged"
    places = sorted({*range(4, result.n_iter + 1, 4), result.n_iter})
    assert result.validation_scores == [every.validation_scores[n - 1] for n in places]


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_its_time_is_looked_at_after_each_iteration(evaluator, monkeypatch):
    chosen = evaluator(lbfgs(max_iter=500, tol=0.0, max_time=2.5))
    clock = iter(range(100))
    monkeypatch.setattr(full_batch, "perf_counter", lambda: float(next(clock)))
    result = FullBatchProblem(chosen).minimize()
    assert (result.n_iter, result.stopping_reason) == (3, "max_time")
    shorter = FullBatchProblem(evaluator(lbfgs(max_iter=3, tol=0.0))).minimize()
    assert_same(replace(result, stopping_reason="max_iter"), shorter, rtol=0)


def test_a_scorer_that_fails_fails_its_own_network_only(by_torch):
    def failing(task, logits, arrays, epoch):
        calls.append(epoch)
        raise KeyError("no such thing")

    calls: list[int] = []
    rows = random_rows(n=30, seed=9)
    tasks = [lbfgs(validation=rows, metric=metric) for metric in (None, failing, "loss")]
    first, error, last = train(tasks)
    assert isinstance(error, KeyError)
    assert calls == [1]
    assert_same(first, last)
    assert last.validation_scores == [-loss for loss in last.validation_loss_curve]
