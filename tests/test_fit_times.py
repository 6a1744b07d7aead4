from __future__ import annotations

import warnings
from dataclasses import replace
from time import perf_counter, sleep
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import make_task
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, _validation

import skmlp
from skmlp import training
from skmlp.fusion import meeting
from skmlp.fusion.fit_times import with_own_fit_time


def test_only_the_fit_time_of_a_single_fit_changes():
    entry = {"fit_time": 3.0, "score_time": 1.0}
    assert with_own_fit_time([entry], 2.0) == [{"fit_time": 1.0, "score_time": 1.0}]
    assert entry["fit_time"] == 3.0
    assert with_own_fit_time([entry], 5.0)[0]["fit_time"] == 0.0
    for result in ([entry, entry], entry, [1.0], [], None):
        assert with_own_fit_time(result, 2.0) is result


def searched(model):
    X, y = load_iris(return_X_y=True)
    grid = {"alpha": [0.1, 1.0]}
    with skmlp.fused(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few epochs do not converge
        found = GridSearchCV(model, grid, cv=4, refit=False).fit(X, y)
    return found.cv_results_["mean_fit_time"]


def test_fit_times_of_a_search_are_shares_of_its_stack(monkeypatch):
    outcome = training.Conductor.outcome

    def of_a_thousand_seconds(conductor, ticket):
        return replace(outcome(conductor, ticket), seconds=1000.0)

    monkeypatch.setattr(training.Conductor, "outcome", of_a_thousand_seconds)
    times = searched(skmlp.MLPClassifier((4,), max_iter=2, random_state=0))
    assert times == pytest.approx(1000.0, abs=10)


class Clock:
    """Stands still but where a test lets time pass."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_fit_time_is_the_preparation_and_the_share_of_each_step(monkeypatch, by_torch):
    clock, advance = Clock(), training.stack.Stack.advance

    class Timed(skmlp.MLPClassifier):
        def fit(self, X, y):
            clock.now += 1.0
            return super().fit(X, y)

    def advance_for_six_seconds(stack):
        clock.now += 6.0
        advance(stack)

    for module in (meeting, training.stack):
        monkeypatch.setattr(module, "perf_counter", clock)
    monkeypatch.setattr(_validation, "time", SimpleNamespace(time=clock))
    monkeypatch.setattr(training.stack.Stack, "advance", advance_for_six_seconds)
    times = searched(Timed((4,), max_iter=2, random_state=0, batch_size=100))
    # One second of preparation; two epochs, which all eight networks share.
    np.testing.assert_allclose(times, 1.0 + 2 * 6.0 / 8)


class SlowToPrepare(skmlp.MLPClassifier):
    def fit(self, X, y):
        sleep(0.1)
        return super().fit(X, y)


def test_waiting_for_others_is_not_part_of_a_fit_time():
    times = searched(SlowToPrepare((4,), max_iter=2, random_state=0))
    # The first of eight waits for 0.7 s while the others prepare.
    assert times.min() >= 0.1
    assert times.max() < 0.5


@pytest.mark.parametrize("executor", ["compiled", "torch"])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_networks_tell_how_long_they_took(executor, optimizer):
    start = perf_counter()
    with skmlp.config(executor=executor):
        results = training.train([make_task(optimizer=optimizer, seed=k) for k in range(3)])
    elapsed = perf_counter() - start
    assert all(0 < result.seconds <= elapsed for result in results)
