from __future__ import annotations

from functools import partial

import joblib
import numpy as np
import pytest
import sklearn.metrics.pairwise
from helpers import iris, mlp
from joblib.parallel import BatchedCalls
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.ensemble._base import _partition_estimators
from sklearn.impute import KNNImputer
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.model_selection._validation import _fit_and_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.utils.parallel import delayed

import skmlp
from skmlp.fusion.foreign import are_foreign, deals_fits


class Mine(BaseEstimator):
    """It may make a network."""

    def fit(self, X, y):
        return self


def call(*arguments, function=_fit_and_score, **keywords):
    return BatchedCalls([delayed(function)(*arguments, **keywords)], (None, None))


FOREIGN = [
    lambda: SVC(),
    lambda: make_pipeline(KNNImputer(), SVC()),
    lambda: GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 3]}),
    lambda: RandomForestClassifier(3, random_state=0).fit(*iris()),
    lambda: RandomForestClassifier(3, random_state=0).fit(*iris()).estimators_[0].predict_proba,
    lambda: partial(euclidean_distances, squared=True),
]
OURS = [
    lambda: mlp(),
    lambda: make_pipeline(KNNImputer(), mlp()),
    lambda: GridSearchCV(SVC(), {"alpha": [mlp()]}),
    lambda: BaggingClassifier(mlp(), 2, random_state=0).fit(*iris()).estimators_,
    lambda: mlp().predict,
    lambda: partial(cross_val_score, mlp()),
    lambda: {"deep": [(1, {"model": mlp()})]},
    lambda: Mine(),
    lambda: Mine,
]


@pytest.mark.parametrize("make", FOREIGN)
def test_calls_without_a_network_are_foreign(make):
    X, y = iris()
    assert are_foreign([call(make(), X, y), call(X, estimator=make())])


@pytest.mark.parametrize("make", OURS)
def test_calls_that_hold_a_network_or_may_make_one_are_not(make):
    X, y = iris()
    assert not are_foreign([call(make(), X, y)])
    assert not are_foreign([call(SVC(), X, y), call(X, estimator=make())])


def test_methods_of_what_holds_a_network_are_not_foreign():
    X, y = iris()
    for model, foreign in ((SVC(), True), (mlp(), False)):
        method = make_pipeline(KNNImputer(), model).fit(X, y).score
        assert are_foreign([call(X, y, function=method)]) == foreign
        plain = BatchedCalls([joblib.delayed(method)(X, y)], (None, None))
        assert are_foreign([plain]) == foreign


def test_only_scikit_learns_functions_are_known():
    assert not are_foreign([call(1, function=lambda x: x)])
    assert not are_foreign([lambda: 1])


def test_what_refers_to_itself_is_looked_at_once():
    model, other = SVC(), SVC()
    model.other, other.other = other, model
    assert are_foreign([call(model)])
    other.network = mlp()
    assert not are_foreign([call(model)])


def test_no_frame_deals_no_fits():
    assert not deals_fits(None)


def n_jobs_inside(estimator, ask):
    """What ``ask`` finds as the number of jobs when the estimator's ``fit`` runs inside."""

    class Asking(type(estimator)):
        def fit(self, X, y=None):
            self.found = ask()
            return self

    Asking.__module__ = type(estimator).__module__
    asking = clone(estimator)
    asking.__class__ = Asking
    with skmlp.fused(width=7):
        return asking.fit(None).found


@pytest.mark.parametrize(("n_jobs", "found"), [(None, 1), (1, 1), (2, 2)])
def test_who_does_not_deal_fits_is_told_the_jobs_of_outside(n_jobs, found):
    assert joblib.effective_n_jobs(n_jobs) == found
    with skmlp.fused(width=7):
        assert joblib.effective_n_jobs(n_jobs) == found
    assert n_jobs_inside(KNNImputer(), lambda: joblib.effective_n_jobs(n_jobs)) == found


def test_distances_are_computed_in_one_piece(monkeypatch):
    X = np.random.default_rng(0).normal(size=(300, 4))
    pieces = []

    def counted(a, b, **others):
        pieces.append(len(b))
        return euclidean_distances(a, b, **others)

    monkeypatch.setitem(sklearn.metrics.pairwise.PAIRWISE_DISTANCE_FUNCTIONS, "cosine", counted)
    with skmlp.fused():
        pairwise_distances(X[:1], X, metric="cosine")
    assert pieces == [300]


def test_an_ensemble_of_networks_is_told_of_many_jobs():
    class Ensemble(BaggingClassifier):
        def parts(self):
            return _partition_estimators(self.n_estimators, None)[0]

    Ensemble.__module__ = BaggingClassifier.__module__
    with skmlp.fused(width=7):
        assert Ensemble(mlp(), 20).parts() == 7
        assert Ensemble(SVC(), 20).parts() == 1
