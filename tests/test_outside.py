from __future__ import annotations

import os
import threading

import joblib
import pytest
from helpers import iris
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.svm import SVC

import skmlp
from skmlp.fusion.outside import outside_backend


@pytest.fixture(autouse=True)
def globals_untouched():
    """scikit-learn's estimators may use the global generators."""


class Traced(SVC):
    """Notes where it was fitted."""

    def fit(self, X, y):
        self.where_ = os.getpid(), threading.current_thread().name
        return super().fit(X, y)


Traced.__module__ = "sklearn.svm"  # foreign: scikit-learn's own


def places(run):
    return {model.where_ for model in run()}


def fitted(n_jobs=None):
    X, y = iris()
    return cross_validate(Traced(), X, y, cv=4, n_jobs=n_jobs, return_estimator=True)["estimator"]


def test_without_jobs_it_runs_in_this_thread():
    here = {(os.getpid(), threading.current_thread().name)}
    with skmlp.fused():
        assert places(fitted) == here


def test_inside_a_block_of_threads_it_runs_in_those_threads():
    with joblib.parallel_config("threading", n_jobs=2), skmlp.fused():
        names = {name for _, name in places(fitted)}
    assert threading.current_thread().name not in names
    assert len(names) <= 2


def test_blocks_in_blocks_have_one_outside():
    with (
        joblib.parallel_config("threading", n_jobs=2),
        skmlp.fused(),
        skmlp.fused(width=3),
    ):
        assert threading.current_thread().name not in {name for _, name in places(fitted)}


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_results_and_errors_are_those_of_outside(n_jobs):
    X, y = iris()
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0, 10.0]}, n_jobs=n_jobs)
    forest = RandomForestClassifier(10, random_state=0, n_jobs=n_jobs)
    expected = clone(search).fit(X, y).cv_results_["mean_test_score"]
    grown = clone(forest).fit(X, y).predict_proba(X)
    with skmlp.fused():
        assert (clone(search).fit(X, y).cv_results_["mean_test_score"] == expected).all()
        assert (clone(forest).fit(X, y).predict_proba(X) == grown).all()
        with pytest.raises(ValueError, match="'C' parameter of"):
            cross_val_score(SVC(C=-1.0), X, y, n_jobs=n_jobs, error_score="raise")


def test_hints_choose_the_backend_as_joblib_does():
    assert type(outside_backend(None)).__name__ == "LokyBackend"
    assert type(outside_backend(None, prefer="threads")).__name__ == "ThreadingBackend"
    assert type(outside_backend({}, require="sharedmem")).__name__ == "ThreadingBackend"
    given = outside_backend(None, prefer="threads")
    assert outside_backend({"backend": given}) is given
