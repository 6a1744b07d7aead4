"""Products with the Hessian matrix are differences of gradients."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import make_task, random_rows

from skmlp.network.activations import ACTIVATIONS
from skmlp.network.architecture import NetworkArrays
from skmlp.network.losses import LOSSES
from skmlp.training import full_batch
from skmlp.training.full_batch import FullBatchProblem, TorchEvaluator

SMOOTH = [name for name, loss in LOSSES.items() if loss.smooth]


def problem_of(loss="log_loss", **others):
    rows = random_rows(loss, n=20)
    rows.weights = np.random.default_rng(0).uniform(0.5, 2, len(rows))
    task = make_task(rows=rows, loss=loss, optimizer="newton-cg", alpha=0.3, **others)
    return FullBatchProblem(TorchEvaluator(task))


def difference_of_gradients(problem, x, v, h=1e-5):
    ends = [problem.value_and_gradient(x + sign * h * v)[1] for sign in (1, -1)]
    return (ends[0] - ends[1]) / (2 * h)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", SMOOTH)
def test_products_are_differences_of_gradients(loss, activation):
    problem = problem_of(loss, hidden=(4, 3), activations=(activation,) * 2, negative_slope=0.2)
    rng = np.random.default_rng(1)
    x = problem._start() + rng.uniform(0.05, 0.1, len(problem._start()))
    v = rng.normal(size=len(x))
    expected = difference_of_gradients(problem, x, v)
    found = problem.product(x, v)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("others", [{"hidden": ()}, {"normalization": "layer"}])
def test_so_they_are_of_other_networks(others):
    problem = problem_of(**others)
    x = problem._start() + 0.1
    v = np.random.default_rng(1).normal(size=len(x))
    np.testing.assert_allclose(
        problem.product(x, v), difference_of_gradients(problem, x, v), rtol=1e-5, atol=1e-7
    )


def test_the_matrix_of_a_linear_network_is_the_design_matrixs_square():
    problem = problem_of("squared_error", hidden=())
    rows, n = problem.task.train, len(problem._start())
    H = np.column_stack([problem.product(problem._start(), e) for e in np.eye(n)])
    X = np.column_stack([rows.X, np.ones(len(rows))])
    total = rows.weights.sum()
    square = (X.T * rows.weights) @ X / total
    penalty = np.r_[np.full(15, 0.3 / total), np.zeros(3)]
    # of each of the three outputs: weights (5, 3) row by row, then three biases
    order = np.r_[np.arange(15).reshape(5, 3), 15 + np.arange(3)[None]]
    for j in range(3):
        of_output = np.ix_(order[:, j], order[:, j])
        np.testing.assert_allclose(H[of_output], square + np.diag(penalty)[of_output], rtol=1e-10)
    np.testing.assert_allclose(H, H.T, atol=1e-14)


@pytest.mark.parametrize(("loss", "curvature"), [("binary_log_loss", 0.25), ("log_cosh", 1.0)])
def test_where_the_loss_is_written_with_a_kink_there_is_none(loss, curvature):
    # all logits are zero, and so are the residuals
    start = NetworkArrays([np.zeros((5, 3))], [np.zeros(3)], {})
    problem = problem_of(loss, hidden=(), initial=start)
    if loss == "log_cosh":
        problem.task.train.targets[:] = 0.0
        problem = FullBatchProblem(TorchEvaluator(problem.task))
    bias = np.eye(18)[15]
    assert problem.product(problem._start(), bias)[15] == pytest.approx(curvature)


def test_rows_in_parts_give_the_same_products(monkeypatch):
    whole = problem_of()
    monkeypatch.setattr(full_batch, "_ROWS_AT_ONCE", 7)
    parts = problem_of()
    assert len(parts.evaluator.parts) == 3
    x, v = whole._start(), np.random.default_rng(1).normal(size=len(whole._start()))
    np.testing.assert_allclose(parts.product(x, v), whole.product(x, v), rtol=1e-10, atol=1e-14)


def test_the_network_is_left_as_it_was():
    problem = problem_of()
    x = problem._start()
    _, gradient = problem.value_and_gradient(x)
    problem.product(x, np.ones_like(x))
    np.testing.assert_array_equal(problem.evaluator.vector(), x)
    np.testing.assert_array_equal(problem.value_and_gradient(x)[1], gradient)
