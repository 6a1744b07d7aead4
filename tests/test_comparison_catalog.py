import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.svm import SVC, SVR

from skmlp.comparison import MissingExtraError, default_contestants
from skmlp.comparison.catalog import LARGE

TASKS = ["classification", "regression"]
KERNELS = ["linear", "rbf", "poly 2", "poly 3", "sigmoid"]


@pytest.fixture(autouse=True)
def globals_untouched():
    """SVR has no random_state, and draws a seed from NumPy's global generator."""


def test_the_contestants_are_the_mlp_and_five_kernels():
    contestants = default_contestants(random_state=3)
    assert [one.name for one in contestants] == ["MLP", *(f"SVC {kernel}" for kernel in KERNELS)]
    assert contestants[0].estimator.random_state == 3
    kernels = [(one.estimator.kernel, one.estimator.degree) for one in contestants[1:]]
    assert kernels == [("linear", 3), ("rbf", 3), ("poly", 2), ("poly", 3), ("sigmoid", 3)]


def test_regression_scales_the_target_for_all_alike():
    for contestant in default_contestants("regression"):
        assert isinstance(contestant.estimator, TransformedTargetRegressor)
    y = np.random.default_rng(0).normal(size=60)
    X = np.stack([y + 0.1, np.sin(y)], axis=1)
    for contestant in default_contestants("regression"):
        small, large = (
            contestant.build().fit(X, unit * y).score(X, unit * y) for unit in (1e-4, 1e4)
        )
        assert small == pytest.approx(large, abs=1e-4), contestant.name


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("n_rows", [100, LARGE])
@pytest.mark.parametrize("quick", [False, True])
def test_every_candidate_is_a_setting_of_its_estimator(task, n_rows, quick):
    for contestant in default_contestants(task, n_rows, quick=quick):
        for candidate in contestant.settings:
            assert clone(contestant.estimator).set_params(**candidate)


def test_quick_halves_the_settings():
    for quick, full in zip(default_contestants(quick=True), default_contestants(), strict=True):
        assert quick.candidates <= full.candidates / 2


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("n_rows", [100, LARGE])
def test_every_contestant_learns_two_clouds(task, n_rows):
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    X = (rng.normal(size=(400, 2)) + 4 * np.eye(2)[y]) / 2
    for contestant in default_contestants(task, n_rows):
        scores = [contestant.build(**s).fit(X, y).score(X, y) for s in contestant.settings[-3:]]
        assert max(scores) > (0.95 if task == "classification" else 0.5), contestant.name


def test_many_rows_get_approximate_kernels_and_no_exact_one():
    names = [one.name for one in default_contestants("classification", LARGE)]
    assert names[:3] == ["MLP", "LinearSVC", "Nystroem rbf + LinearSVC"]
    assert not any(name.startswith("SVC") for name in names)
    assert default_contestants("classification", LARGE - 1)[1].name == "SVC linear"


def test_the_approximation_is_that_of_the_kernel():
    X = np.random.default_rng(0).normal(size=(200, 2))
    approximate = default_contestants("classification", LARGE)[3].build(nystroem__coef0=1)
    features = approximate[0].set_params(n_components=200).fit_transform(X)
    # gamma=None is 1/d
    np.testing.assert_allclose(features @ features.T, (X @ X.T / 2 + 1) ** 2, atol=1e-6)


def test_intelex_is_taken_only_when_asked_for(monkeypatch):
    Fast, FastRegressor = type("SVC", (SVC,), {}), type("SVR", (SVR,), {})

    monkeypatch.setitem(sys.modules, "sklearnex", SimpleNamespace())
    svm = SimpleNamespace(SVC=Fast, SVR=FastRegressor)
    monkeypatch.setattr(sys.modules["sklearnex"], "svm", svm, raising=False)
    monkeypatch.setitem(sys.modules, "sklearnex.svm", svm)
    assert not any(isinstance(one.estimator, Fast) for one in default_contestants())
    asked = default_contestants(intelex=True)
    assert all(isinstance(one.estimator, Fast) for one in asked[1:])
    assert asked[1].name == "SVC linear (intelex)"
    [first, *_] = default_contestants("regression", intelex=True)[1:]
    assert isinstance(first.estimator.regressor, FastRegressor)


def test_missing_intelex_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearnex", None)
    with pytest.raises(MissingExtraError, match="pip install scikit-learn-intelex"):
        default_contestants(intelex=True)
