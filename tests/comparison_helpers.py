"""Cheap estimators and data for the tests of the comparison."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from skmlp.comparison import Contestant, make_dataset, make_plan

NEIGHBOURS = Contestant("neighbours", KNeighborsClassifier(), {"n_neighbors": [1, 15]})
TREE = Contestant("tree", DecisionTreeClassifier(random_state=0), {"max_depth": [2, 5]})


class NearestMean(ClassifierMixin, BaseEstimator):
    """The class with the nearest mean, of some of the columns."""

    def __init__(self, columns=None):
        self.columns = columns

    def _rows(self, X):
        X = np.asarray(X)
        return X if self.columns is None else X[:, self.columns]

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means_ = np.stack([self._rows(X)[y == label].mean(axis=0) for label in self.classes_])
        return self

    def predict(self, X):
        distances = ((self._rows(X)[:, None] - self.means_) ** 2).sum(axis=2)
        return self.classes_[distances.argmin(axis=1)]


class Recorder(NearestMean):
    """Keeps the rows of every fit; the list is shared by all clones of a name."""

    seen: dict[str, list] = {}

    def __init__(self, name="a", shift=0):
        super().__init__()
        self.name = name
        self.shift = shift

    def fit(self, X, y):
        self.seen.setdefault(self.name, []).append((np.array(X), np.array(y)))
        return super().fit(np.asarray(X), y)


class Failing(NearestMean):
    """Fails where row number ``without``, in the first column, is not among the training rows."""

    def __init__(self, without=None):
        super().__init__()
        self.without = without

    def fit(self, X, y):
        if self.without is None or self.without not in np.asarray(X)[:, 0]:
            raise RuntimeError("no luck [here]\nand more")
        return super().fit(np.asarray(X), y)


class Mean(RegressorMixin, BaseEstimator):
    """The mean of the training targets."""

    def fit(self, X, y, sample_weight=None):
        self.mean_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def numbered(n=60, classes=2, seed=0, **options):
    """A data set whose first column is the row's number."""
    X = np.random.default_rng(seed).normal(size=(n, 3))
    frame = pd.DataFrame({"row": np.arange(n, dtype=float), "a": X[:, 0], "b": X[:, 1]})
    return make_dataset(frame, np.arange(n) % classes, task="classification", **options)


def plan_of(dataset, *contestants, **options):
    """A plan with 3 folds and 2 inner folds, the rows as they are."""
    settings = {"cv": 3, "inner_cv": 2, "preprocessing": "passthrough", "random_state": 0}
    return make_plan(dataset, list(contestants), **{**settings, **options})


class InPlace(NearestMean):
    """Overwrites rows, targets and weights that it is given, after it has read them."""

    def fit(self, X, y, sample_weight=None):
        super().fit(X.copy(), y.copy())
        X[:], y[:] = -7, y[0]
        if sample_weight is not None:
            sample_weight[:] = 0
        return self

    def predict(self, X):
        found = super().predict(X.copy())
        X[:] = -7
        return found

    def predict_proba(self, X):
        return (self.predict(X)[:, None] == self.classes_).astype(float)
