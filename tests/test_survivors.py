"""Stochastic depth: the draws, what they do in training, and what predictions make of them."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import assert_same, iris, make_task, random_rows, trained_alone
from sklearn.base import clone

from skmlp import MLPClassifier, MLPRegressor
from skmlp.network.depth import survival_probabilities
from skmlp.training import train
from skmlp.training.stack import Stack
from skmlp.training.survivors import Survivors, survivor_stream, survivors_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = iris()
DEEP = {"hidden": (6,) * 7, "residual": 2}


def draws_of(survivors, n_steps, k=0):
    """Which blocks network k's steps go through, (steps, blocks)."""

    def value(block):
        return float(block) if isinstance(block, bool) else block[k].item()

    return np.array([[value(b) for b in survivors.next_step()] for _ in range(n_steps)])


@pytest.mark.parametrize(("n_blocks", "last"), [(1, 0.5), (10, 0.5), (54, 0.2)])
def test_the_mean_depth_of_many_draws_is_the_expected_one(n_blocks, last):
    n = 10_000
    survivors = Survivors(
        [last], n_blocks, [np.random.default_rng(0)], torch.float64, torch.device("cpu")
    )
    draws = draws_of(survivors, n)
    p = survival_probabilities(n_blocks, last)
    error = np.sqrt((p * (1 - p)).sum() / n)
    expected = n_blocks - (1 - last) * (n_blocks + 1) / 2
    assert abs(draws.sum(1).mean() - expected) < 4 * error
    assert np.all(np.abs(draws.mean(0) - p) < 5 * np.sqrt(p * (1 - p) / n) + 1e-12)
    if n_blocks > 1:  # blocks are dropped independently of one another
        assert abs(np.corrcoef(draws[:, -1], draws[:, -2])[0, 1]) < 0.05


def test_draws_are_the_networks_own():
    tasks = [make_task(**DEEP, seed=i, stochastic_depth=p) for i, p in enumerate((0.5, 1, 0.2))]
    cpu = torch.device("cpu")
    alone = [draws_of(survivors_of([task], torch.float64, cpu), 20) for task in tasks]
    for k in range(3):
        together = survivors_of(tasks, torch.float64, cpu)
        np.testing.assert_array_equal(draws_of(together, 20, k), alone[k])
    together = survivors_of(tasks, torch.float64, cpu)
    first = draws_of(together, 7, 2)
    together.keep([2])
    np.testing.assert_array_equal(np.vstack([first, draws_of(together, 13)]), alone[2])
    assert alone[1].all()
    assert 0 < alone[2].mean() < alone[0].mean() < 1


def test_a_block_that_all_or_none_of_the_networks_have_needs_no_product():
    task = make_task(**DEEP, stochastic_depth=0.5)
    alone = survivors_of([task], torch.float64, torch.device("cpu"))
    found = [block for _ in range(20) for block in alone.next_step()]
    assert all(isinstance(block, bool) for block in found)
    assert {True, False} == set(found)
    beside = survivors_of(
        [task, replace(task, stochastic_depth=1.0)], torch.float64, torch.device("cpu")
    )
    for block in beside.next_step():
        assert block is True or block.ravel().tolist() == [0.0, 1.0]
    assert beside.active
    beside.keep([1])
    assert not beside.active


def test_the_stream_is_no_other_source_of_draws():
    task = make_task(seed=3)
    expected = np.random.default_rng(np.random.SeedSequence(3).spawn(5)[4])
    assert survivor_stream(task).random() == expected.random()


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_networks_of_unequal_depth_are_one_stack_and_what_they_are_alone(normalization):
    base = {**DEEP, "normalization": normalization}
    tasks = [
        make_task(**base, stochastic_depth=1.0),
        make_task(**base, stochastic_depth=0.5, seed=1, dropout=0.2),
        make_task(**base, stochastic_depth=0.2, seed=2, rows=random_rows(n=33, seed=3)),
        make_task(**base, stochastic_depth=0.2, seed=3, max_iter=2),  # leaves first
        make_task(
            **base, stochastic_depth=0.8, seed=4, validation=random_rows(n=11), tol=10.0,
            early_stopping=True, n_iter_no_change=1,
        ),
    ]  # fmt: skip
    assert len({task.stack_key for task in tasks}) == 1
    for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(together, alone)


def test_batches_that_a_block_does_not_see_leave_its_averages_alone():
    (found,) = train([make_task(**DEEP, normalization="batch", stochastic_depth=0.1, max_iter=20)])
    counts = [found.arrays.others[f"counts.{i}"][0] for i in range(7)]
    n_steps = 20 * 3
    assert counts[6] == n_steps  # behind the blocks
    assert counts[0] == counts[1] > counts[2] == counts[3] > counts[4] == counts[5]
    assert counts[4] < 0.3 * n_steps


def test_dropped_branches_have_no_gradient_and_do_not_change_the_sum():
    stack = Stack([make_task(**DEEP)])
    x, targets = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 1, 9, 5))).unbind()
    targets, arrays, gradients = targets[..., :3], stack.module.blocks.arrays, {}
    logits = {}
    for survivors in [(True, False, True), (torch.ones(1, 1, 1), torch.zeros(1, 1, 1), True)]:
        stack.module.survivors = survivors
        key = isinstance(survivors[0], bool)
        with torch.no_grad():
            logits[key] = stack.module.compute_gradients(x, targets, 1 / 9)
        gradients[key] = stack.module.gradients.flat.clone()
        assert not stack.module.gradients.arrays["weights.3"].any()
        assert stack.module.gradients.arrays["weights.1"].any()
    torch.testing.assert_close(logits[True], logits[False])
    torch.testing.assert_close(gradients[True], gradients[False])
    with torch.no_grad():
        arrays["weights.3"].mul_(5.0)
        torch.testing.assert_close(stack.module.compute_gradients(x, targets, 1 / 9), logits[False])


def test_predictions_take_branches_times_their_probability():
    model = MLPRegressor(
        (4, 4), residual=True, stochastic_depth=0.25, activation="tanh", max_iter=3, random_state=0
    ).fit(X, X[:, 0])
    assert model.parameters_["survivals.0"] == [0.25]
    w, b = model.coefs_, model.intercepts_
    z = X @ w[0] + b[0]
    z = z + 0.25 * (np.tanh(z) @ w[1] + b[1])
    expected = (np.tanh(z) @ w[2] + b[2]).ravel()
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-9)
    assert model.expected_depth_ == 0.25


def test_other_draws_are_what_they_are_without_it():
    task = make_task(**DEEP, dropout=0.3, keep_checkpoint=True)
    plain, dropping = train([task, replace(task, stochastic_depth=0.5)])
    for name in ("order", "dropout", "dropout_steps"):
        assert getattr(plain.checkpoint.random, name) == getattr(dropping.checkpoint.random, name)
    assert plain.checkpoint.random.depth is None
    assert dropping.checkpoint.random.depth is not None


def test_partial_fits_are_one_fit_and_pickles_go_on():
    whole = MLPClassifier(
        (8,) * 6, residual=True, stochastic_depth=0.5, normalization="batch", dropout=0.1,
        max_iter=4, tol=0, random_state=0,
    )  # fmt: skip
    parts = clone(whole)
    whole.fit(X, y)
    for _ in range(4):
        parts = pickle.loads(pickle.dumps(parts)).partial_fit(X, y, classes=range(3))
    np.testing.assert_allclose(parts.predict_proba(X), whole.predict_proba(X), rtol=1e-9)


def test_what_was_pickled_before_goes_on_from_the_streams_start():
    model = MLPClassifier((8,) * 5, residual=True, random_state=0).partial_fit(
        X, y, classes=range(3)
    )
    del model._checkpoint.random.__dict__["depth"]
    model = pickle.loads(pickle.dumps(model)).set_params(stochastic_depth=0.5).partial_fit(X, y)
    assert model._checkpoint.random.depth is not None


def test_going_on_with_another_probability_predicts_with_it():
    model = MLPClassifier((8,) * 5, residual=True, max_iter=1, warm_start=True, random_state=0)
    model.fit(X, y)
    assert model.expected_depth_ == 2
    model.set_params(stochastic_depth=0.5).fit(X, y)
    assert [model.parameters_[f"survivals.{i}"][0] for i in range(2)] == [0.75, 0.5]
    assert model.expected_depth_ == 1.25


def test_what_has_no_blocks_cannot_drop_them():
    with pytest.raises(ValueError, match=r"'stochastic_depth' .* drops residual blocks.*=True"):
        MLPClassifier((8, 8), stochastic_depth=0.5).fit(X, y)
    with pytest.raises(ValueError, match=r"'stochastic_depth' .* no meaning for .*'lbfgs'"):
        MLPClassifier((8, 8), residual=True, stochastic_depth=0.5, optimizer="lbfgs").fit(X, y)
    with pytest.raises(ValueError, match=r"'stochastic_depth' parameter .* \(0.0, 1.0\]"):
        MLPClassifier((8, 8), residual=True, stochastic_depth=0.0).fit(X, y)
    MLPClassifier((8, 8), stochastic_depth=1.0, max_iter=1).fit(X, y)
