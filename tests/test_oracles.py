"""The estimators against scikit-learn's models."""

from __future__ import annotations

import itertools
import warnings
from functools import partial

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import sklearn.neural_network
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    TweedieRegressor,
)
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from skmlp import MLPClassifier, MLPRegressor

EXACT = {"hidden_layer_sizes": (), "optimizer": "lbfgs", "max_iter": 10_000, "tol": 1e-9}


def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


# Linear models are networks without a hidden layer. alpha = 1 / C: both penalties stand beside a
# sum over rows.


def test_no_hidden_layer_is_logistic_regression(breast_cancer):
    X, y = breast_cancer
    ours = MLPClassifier(**EXACT, alpha=2.0).fit(X, y)
    theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.intercepts_[0], theirs.intercept_, atol=1e-4)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-3)


def test_no_hidden_layer_is_multinomial_logistic_regression():
    X, y = iris()
    ours = MLPClassifier(**EXACT, alpha=1.0).fit(X, y)
    theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)


def test_class_weights_are_logistic_regressions(breast_cancer):
    X, y = breast_cancer
    sample_weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    for class_weight in ("balanced", {0: 3.0, 1: 0.5}):
        ours = MLPClassifier(**EXACT, alpha=1.0, class_weight=class_weight)
        theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000, class_weight=class_weight)
        weights = None if class_weight == "balanced" else sample_weight
        ours.fit(X, y, weights)
        theirs.fit(X, y, weights)
        np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=1e-4)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_no_hidden_layer_is_ridge(diabetes, n_outputs):
    X, y = diabetes
    Y = y if n_outputs == 1 else np.column_stack([y, X[:, 0] - 2 * y])
    ours = MLPRegressor(**EXACT, alpha=3.0).fit(X, Y)
    theirs = Ridge(alpha=3.0, tol=1e-12).fit(X, Y)
    np.testing.assert_allclose(ours.coefs_[0].T, np.atleast_2d(theirs.coef_), atol=1e-4)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-4)


def test_no_hidden_layer_is_poisson_regressor(diabetes):
    X, _ = diabetes
    y = np.random.default_rng(0).poisson(np.exp(0.5 * X[:, 0] - 0.3 * X[:, 1]))
    ours = MLPRegressor(**EXACT, loss="poisson", alpha=2.0).fit(X, y)
    theirs = PoissonRegressor(alpha=2.0 / len(y), tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0][:, 0], theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("loss", "theirs"),
    [("gamma", GammaRegressor), ("tweedie", partial(TweedieRegressor, power=1.5, link="log"))],
)
def test_no_hidden_layer_is_the_generalized_linear_model(diabetes, loss, theirs, weighted):
    X, _ = diabetes
    rng = np.random.default_rng(0)
    y = np.exp(0.5 * X[:, 0] - 0.3 * X[:, 1]) * rng.gamma(2.0, size=len(X))
    if loss == "tweedie":
        y[::7] = 0.0
    weights = rng.uniform(0.5, 2.0, len(X)) if weighted else None
    ours = MLPRegressor(**EXACT, loss=loss, alpha=0.0).fit(X, y, weights)
    theirs = theirs(alpha=0.0, tol=1e-10, max_iter=10_000).fit(X, y, weights)
    np.testing.assert_allclose(ours.coefs_[0][:, 0], theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-4)


def outlying(n=60):
    """Rows on a plane, but for noise that is large here and there."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2))
    return X, 1.0 + X @ [1.0, -2.0] + 0.5 * rng.standard_t(1.5, n)


def lowest(X, loss_of):
    """Coefficients and intercept where scipy finds the mean loss of the residuals lowest."""

    def value(w):
        return loss_of(X @ w[:-1] + w[-1]).mean()

    return scipy.optimize.minimize(value, np.zeros(X.shape[1] + 1), tol=1e-12).x


@pytest.mark.parametrize(
    ("parameters", "loss_of"),
    [
        ({"loss": "huber", "huber_delta": 0.5}, lambda r: scipy.special.huber(0.5, r)),
        ({"loss": "log_cosh"}, lambda r: np.log(np.cosh(r))),
    ],
)
def test_no_hidden_layer_is_the_robust_regression_that_scipy_finds(parameters, loss_of):
    X, y = outlying()
    ours = MLPRegressor(**EXACT, **parameters, alpha=0.0).fit(X, y)
    expected = lowest(X, lambda z: loss_of(z - y))
    np.testing.assert_allclose([*ours.coefs_[0][:, 0], *ours.intercepts_[0]], expected, atol=1e-4)


def test_no_hidden_layer_is_huber_regressor_of_the_scale_it_finds():
    X, y = outlying()
    theirs = HuberRegressor(epsilon=1.35, alpha=0.0, tol=1e-8).fit(X, y)
    ours = MLPRegressor(**EXACT, loss="huber", huber_delta=1.35 * theirs.scale_, alpha=0.0)
    np.testing.assert_allclose(ours.fit(X, y).coefs_[0][:, 0], theirs.coef_, atol=1e-3)


def at_falling_rates(model, X, y):
    """Fit again and again, at rates that are a quarter of the one before: for losses with kinks."""
    model.set_params(max_iter=2000, tol=0.0, n_iter_no_change=2000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for rate in 0.1 / 4.0 ** np.arange(6):
            model.set_params(learning_rate_init=rate).fit(X, y)


@pytest.mark.parametrize(
    "parameters",
    [{"loss": "absolute_error"}, *({"loss": "quantile", "quantile": q} for q in (0.2, 0.5, 0.9))],
)
def test_no_hidden_layer_is_quantile_regressor(parameters):
    X, y = outlying()
    quantile = parameters.get("quantile", 0.5)
    theirs = QuantileRegressor(alpha=0.0, quantile=quantile).fit(X, y)
    ours = MLPRegressor((), batch_size=len(y), alpha=0.0, random_state=0, warm_start=True)
    at_falling_rates(ours.set_params(**parameters), X, y)
    np.testing.assert_allclose(ours.coefs_[0][:, 0], theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.intercepts_[0], theirs.intercept_, atol=1e-3)


def test_no_hidden_layer_is_quantile_regressors_of_several_quantiles():
    X, y = outlying()
    several = [0.2, 0.5, 0.9]
    ours = MLPRegressor((), batch_size=len(y), alpha=0.0, random_state=0, warm_start=True)
    ours.set_params(loss="quantile", quantile=several)
    at_falling_rates(ours, X, y)
    for i, quantile in enumerate(several):
        theirs = QuantileRegressor(alpha=0.0, quantile=quantile).fit(X, y)
        np.testing.assert_allclose(ours.coefs_[0][:, i], theirs.coef_, atol=1e-3)
        np.testing.assert_allclose(ours.intercepts_[0][i], theirs.intercept_, atol=1e-3)


def two_sides(n=80):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2))
    return X, (X @ [1.0, -2.0] + rng.normal(size=n) > 0.3).astype(int)


def test_no_hidden_layer_is_the_linear_support_vector_machine():
    X, y = two_sides()
    theirs = SVC(kernel="linear", C=0.5, tol=1e-8, random_state=0).fit(X, y)
    ours = MLPClassifier((), batch_size=len(y), alpha=2.0, random_state=0, warm_start=True)
    at_falling_rates(ours.set_params(loss="hinge"), X, y)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=5e-3)


def test_no_hidden_layer_is_the_linear_support_vector_machine_of_squared_hinge():
    X, y = two_sides()
    scaling = 1e3  # its penalty on the intercept is divided by the square of it
    theirs = LinearSVC(C=0.5, dual=False, intercept_scaling=scaling, tol=1e-10, random_state=0)
    theirs.set_params(max_iter=100_000).fit(X, y)
    ours = MLPClassifier(**EXACT, loss="squared_hinge", alpha=2.0).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.intercepts_[0], theirs.intercept_, atol=1e-4)


def test_no_hidden_layer_and_a_pair_of_logits_are_the_regressions_of_sine_and_cosine():
    X, y = outlying()
    ours = MLPRegressor(**EXACT, loss="circular", alpha=3.0).fit(X, y)
    theirs = Ridge(alpha=3.0, tol=1e-12).fit(X, np.column_stack([np.cos(y), np.sin(y)]))
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=1e-4)
    x, y = theirs.predict(X).T
    np.testing.assert_allclose(ours.predict(X), np.arctan2(y, x), atol=1e-4)


@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
def test_l1_ratio_is_elastic_nets(diabetes, l1_ratio):
    X, y = diabetes
    ours = MLPRegressor(**EXACT, alpha=0.1 * len(y), l1_ratio=l1_ratio).fit(X, y)
    theirs = ElasticNet(
        alpha=0.1, l1_ratio=l1_ratio, tol=1e-12, max_iter=100_000, random_state=0
    ).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0][:, 0], theirs.coef_, atol=1e-4)
    np.testing.assert_array_equal(ours.coefs_[0][:, 0] == 0, theirs.coef_ == 0)


# scikit-learn's MLP from the same starting weights. Without shuffling the batches are equal too.


def starting_from(weights):
    drawn = iter(zip(*weights, strict=True))
    return lambda shape, rng: next(drawn)


def scikit_learns_start(estimator, X, y):
    """Weights before the first step: after a step whose length is next to nothing."""
    estimator = sklearn.base.clone(estimator)
    estimator.set_params(learning_rate_init=1e-300, max_iter=1).fit(X, y)
    return [w.copy() for w in estimator.coefs_], [b.copy() for b in estimator.intercepts_]


def problems():
    X, y = iris()
    rng = np.random.default_rng(0)
    return {
        "binary": (X, (y == 2).astype(int)),
        "multiclass": (X, y),
        "multilabel": make_multilabel_classification(150, 6, n_classes=3, random_state=0),
        "regression": (X, X[:, 0] ** 2 + rng.normal(size=150)),
        "multioutput": (X, np.column_stack([X[:, 0] ** 2, X[:, 1] - X[:, 2]])),
        "poisson": (X, rng.poisson(np.exp(0.3 * X[:, 0]))),
    }


def both(problem, **parameters):
    X, y = problems()[problem]
    shared = {
        "hidden_layer_sizes": (12, 7),
        "shuffle": False,
        "max_iter": 5,
        "batch_size": 32,
        "tol": 0.0,
        "n_iter_no_change": 1000,
        "random_state": 0,
        "learning_rate_init": 0.02,
        **parameters,
    }
    solver = shared.pop("solver", "sgd")
    kind = "Classifier" if problem in ("binary", "multiclass", "multilabel") else "Regressor"
    if problem == "poisson":
        shared["loss"] = "poisson"
    theirs = getattr(sklearn.neural_network, f"MLP{kind}")(solver=solver, **shared)
    start = scikit_learns_start(theirs, X, y)
    ours = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[f"MLP{kind}"]
    ours = ours(optimizer=solver, initialization=starting_from(start), **shared)
    return ours.fit(X, y), theirs.fit(X, y)


def assert_equal_weights(ours, theirs, atol=1e-6):
    for a, b in zip(
        [*ours.coefs_, *ours.intercepts_], [*theirs.coefs_, *theirs.intercepts_], strict=True
    ):
        np.testing.assert_allclose(a, b, atol=atol)


@pytest.mark.parametrize("momentum", [(0.0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("problem", problems())
def test_sgd_reaches_scikit_learns_weights(problem, momentum):
    ours, theirs = both(problem, momentum=momentum[0], nesterovs_momentum=momentum[1], alpha=0.5)
    assert_equal_weights(ours, theirs)
    assert ours.n_iter_ == theirs.n_iter_ == 5
    assert ours.t_ == theirs.t_
    assert ours.n_layers_ == theirs.n_layers_
    assert ours.n_outputs_ == theirs.n_outputs_
    assert ours.out_activation_ == theirs.out_activation_
    if problem != "multioutput":  # scikit-learn's loss is a mean over outputs, its gradient a sum
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-6)
        assert ours.best_loss_ == pytest.approx(theirs.best_loss_, rel=1e-6)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_every_activation_of_scikit_learn_is_its(activation):
    assert_equal_weights(*both("multiclass", activation=activation))


@pytest.mark.parametrize("schedule", ["invscaling", "adaptive"])
def test_schedules_are_scikit_learns(schedule):
    ours, theirs = both(
        "multiclass",
        learning_rate=schedule,
        max_iter=60,
        learning_rate_init=0.3,
        tol=0.05,
        n_iter_no_change=1,
        power_t=0.2,
    )
    assert ours.n_iter_ == theirs.n_iter_
    assert_equal_weights(ours, theirs)


def test_adam_is_close_to_scikit_learns():
    # scikit-learn adds epsilon before its bias correction, torch and the paper after it
    assert_equal_weights(*both("multiclass", solver="adam", epsilon=1e-12, activation="tanh"))


def test_sample_weights_are_scikit_learns(breast_cancer):
    X, y = breast_cancer
    weights = np.random.default_rng(0).uniform(0.1, 3, len(y))
    parameters = {
        "shuffle": False,
        "max_iter": 5,
        "batch_size": 50,
        "random_state": 0,
        "alpha": 1.0,
    }
    theirs = sklearn.neural_network.MLPClassifier((9,), solver="sgd", **parameters)
    start = scikit_learns_start(theirs, X, y)
    ours = MLPClassifier((9,), optimizer="sgd", initialization=starting_from(start), **parameters)
    assert_equal_weights(ours.fit(X, y, weights), theirs.fit(X, y, weights))
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-6)


def test_early_stopping_scores_and_stops_as_scikit_learns(breast_cancer):
    X, y = breast_cancer
    theirs = sklearn.neural_network.MLPClassifier(
        (9,), early_stopping=True, random_state=0, n_iter_no_change=5
    ).fit(X, y)
    ours = MLPClassifier((9,), early_stopping=True, random_state=0, n_iter_no_change=5).fit(X, y)
    for model in (ours, theirs):
        scores = model.validation_scores_
        assert model.best_loss_ is None
        assert model.best_validation_score_ == max(scores)
        # the patience is counted in the same way
        last = max(i for i, s in enumerate(scores) if s >= max([-1, *scores[:i]]) + model.tol)
        assert model.n_iter_ == last + 1 + 6


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_default_accuracy_is_scikit_learns(digits, solver):
    X, y = digits
    scores = [
        cls((40,), max_iter=30, random_state=0, learning_rate_init=0.01, **{name: solver})
        .fit(X[:1000], y[:1000])
        .score(X[1000:], y[1000:])
        for cls, name in [
            (MLPClassifier, "optimizer"),
            (sklearn.neural_network.MLPClassifier, "solver"),
        ]
    ]
    assert scores[0] > scores[1] - 0.02


@pytest.mark.parametrize(
    ("optimizer", "sparse"), list(itertools.product(["adam", "sgd", "lbfgs"], [False, True]))
)
@pytest.mark.filterwarnings("ignore:Got batch_size")
def test_integer_weights_equal_repetition(breast_cancer, optimizer, sparse):
    from scipy.sparse import csc_matrix, csr_matrix

    X, y = breast_cancer[0][:120], breast_cancer[1][:120]
    weights = np.random.default_rng(0).integers(0, 4, 120)
    repeated = np.repeat(np.arange(120), weights)
    X_weighted = csc_matrix(X) if sparse else X
    X_repeated = csr_matrix(X[repeated]) if sparse else X[repeated]
    parameters = {"optimizer": optimizer, "batch_size": 10_000, "random_state": 0, "max_iter": 20}
    weighted = MLPClassifier((6,), **parameters).fit(X_weighted, y, weights)
    plain = MLPClassifier((6,), **parameters).fit(X_repeated, y[repeated])
    # the penalty is divided by the sum of weights, so it is the same too
    assert_equal_weights(weighted, plain, atol=1e-8)


def test_weight_zero_equals_absence_in_batches_too(digits):
    X, y = digits
    weights = np.random.default_rng(0).choice([0.0, 1.0], len(y))
    model = MLPClassifier((10,), max_iter=5, random_state=0, batch_size=32)
    with_zeros = sklearn.base.clone(model).fit(X, y, weights)
    without = sklearn.base.clone(model).fit(X[weights > 0], y[weights > 0], weights[weights > 0])
    assert_equal_weights(with_zeros, without, atol=0)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_renaming_the_classes_in_order_changes_only_the_names(optimizer):
    X, y = iris()
    names = np.array(["apple", "banana", "cherry"])
    model = MLPClassifier((8,), random_state=0, max_iter=30, optimizer=optimizer)
    numbers = sklearn.base.clone(model).fit(X, y)
    strings = sklearn.base.clone(model).fit(X, names[y])
    assert_equal_weights(numbers, strings, atol=0)
    np.testing.assert_array_equal(strings.classes_, names)
    np.testing.assert_array_equal(strings.predict(X), names[numbers.predict(X)])
