import warnings

import numpy as np
import pytest
from comparison_helpers import NearestMean, numbered
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skmlp import MLPClassifier, MLPRegressor
from skmlp.comparison import Contestant
from skmlp.comparison.metrics import make_metrics
from skmlp.comparison.tuning import Rows, fit, is_fused, one_line, tune
from skmlp.fusion import fused

rng = np.random.default_rng(0)
y = np.arange(90) % 2
X = rng.normal(size=(90, 3)) + 0.7 * y[:, None]
SPLITS = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y))
FOLDS = [Rows(X[a], y[a], X[b], y[b]) for a, b in SPLITS]
[ACCURACY] = make_metrics("accuracy", numbered())
[LOG_LOSS] = make_metrics("neg_log_loss", numbered())


class Picky(NearestMean):
    """Fails for one setting, and does not converge for another."""

    def __init__(self, mood="good"):
        super().__init__()
        self.mood = mood

    def fit(self, X, y):
        if self.mood == "bad":
            raise ArithmeticError("diverged\nat once")
        if self.mood == "slow":
            warnings.warn("not there yet", ConvergenceWarning, stacklevel=1)
        return super().fit(X, y)


def contestant(estimator, grid):
    return Contestant("one", estimator, grid)


def test_the_search_is_scikit_learns():
    grid = {"n_neighbors": [1, 5, 25], "weights": ["uniform", "distance"]}
    found = tune(contestant(KNeighborsClassifier(), grid), FOLDS, ACCURACY, 1)
    search = GridSearchCV(KNeighborsClassifier(), grid, cv=SPLITS).fit(X, y)
    assert [one.parameters for one in found.candidates] == search.cv_results_["params"]
    means = search.cv_results_["mean_test_score"]
    np.testing.assert_allclose([one.mean for one in found.candidates], means)
    assert found.best.parameters == search.best_params_
    assert found.fits == 18
    assert found.seconds > 0


def test_two_processes_find_the_same():
    tried = contestant(KNeighborsClassifier(), {"n_neighbors": [1, 5, 25]})
    one, two = (tune(tried, FOLDS, ACCURACY, n_jobs) for n_jobs in (1, 2))
    assert one.candidates == two.candidates


def test_networks_train_together_and_become_what_they_become_alone(monkeypatch):
    together = []
    original = fused.run_together

    def counted(calls, admit, **others):
        together.append(len(calls))
        return original(calls, admit)

    monkeypatch.setattr(fused, "run_together", counted)
    mlp = MLPClassifier((4,), max_iter=5, random_state=0)
    found = tune(contestant(mlp, {"alpha": [0.1, 1.0]}), FOLDS, ACCURACY, 2)
    assert together == [6]
    alone = GridSearchCV(mlp, {"alpha": [0.1, 1.0]}, cv=SPLITS).fit(X, y)
    means = alone.cv_results_["mean_test_score"]
    np.testing.assert_allclose([one.mean for one in found.candidates], means)


def test_networks_are_found_inside_other_estimators():
    assert is_fused(contestant(TransformedTargetRegressor(MLPRegressor()), {}))
    assert not is_fused(contestant(SVC(), {}))


def test_a_setting_that_fails_is_not_chosen_and_ends_nothing():
    found = tune(contestant(Picky(), {"mood": ["bad", "good"]}), FOLDS, ACCURACY, 1)
    bad, good = found.candidates
    assert bad.error == "ArithmeticError: diverged"
    assert np.isnan(bad.mean)
    assert found.best is good


def test_a_diverging_network_fails_alone():
    mlp = MLPClassifier((4,), optimizer="sgd", max_iter=30, random_state=0)
    found = tune(contestant(mlp, {"learning_rate_init": [1e30, 0.1]}), FOLDS, ACCURACY, 1)
    assert found.candidates[0].error
    assert found.best.parameters == {"learning_rate_init": 0.1}


def test_if_all_fail_the_search_does():
    found = tune(contestant(Picky(), {"mood": ["bad"]}), FOLDS, ACCURACY, 1)
    with pytest.raises(RuntimeError, match="no setting could be fitted; ArithmeticError"):
        _ = found.best


@pytest.mark.filterwarnings("error")
def test_convergence_warnings_are_counted_not_shown():
    found = tune(contestant(Picky(), {"mood": ["slow", "good"]}), FOLDS, ACCURACY, 1)
    assert [one.unconverged for one in found.candidates] == [3, 0]


def test_other_warnings_are_passed_on():
    class Noisy(NearestMean):
        def fit(self, X, y):
            warnings.warn("mind the gap", UserWarning, stacklevel=1)
            return super().fit(X, y)

    with pytest.warns(UserWarning, match="mind the gap"):
        fit(Noisy(), FOLDS[0], probabilities=False)


def test_probability_scores_tune_the_calibrated_machine():
    found = tune(contestant(SVC(random_state=0), {"C": [1e-3, 1.0]}), FOLDS, LOG_LOSS, 1)
    assert all(np.log(0.5) * 1.2 < one.mean < 0 for one in found.candidates)


def test_weights_reach_the_fit_and_the_score():
    class Weighted(ClassifierMixin, BaseEstimator):
        def fit(self, X, y, sample_weight=None):
            self.classes_ = np.unique(y)
            self.label_ = self.classes_[np.bincount(y, sample_weight).argmax()]
            return self

        def predict(self, X):
            return np.full(len(X), self.label_)

    heavy = np.where(y == 1, 9.0, 1.0)
    rows = [Rows(X[a], y[a], X[b], y[b], heavy[a], heavy[b]) for a, b in SPLITS]
    found = tune(contestant(Weighted(), {}), rows, ACCURACY, 1)
    np.testing.assert_allclose(found.candidates[0].scores, 0.9)


def test_an_error_is_one_line():
    assert one_line(ValueError("first\nsecond")) == "ValueError: first"
    assert one_line(KeyError()) == "KeyError"
