from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skmlp import Constant, MLPClassifier, MLPRegressor, Normal

MESSAGE = "starts all units of a hidden layer equal"
X = np.random.default_rng(0).normal(size=(60, 3))
Y = X[:, 0] - X[:, 1] ** 2


def fitted(model, *more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, Y, *more)


def network(hidden=(5, 4), rule=None, **parameters):
    return MLPRegressor(
        hidden,
        initialization=Constant(0.1) if rule is None else rule,
        random_state=0,
        **{"activation": "tanh", "max_iter": 30, "learning_rate_init": 0.02, **parameters},
    )


def n_different_units(model):
    """In each hidden layer: different columns of its weights, with its biases."""
    return [
        len(np.unique(np.round(np.vstack([w, b]), 9), axis=1).T)
        for w, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True)
    ]


@pytest.mark.parametrize("rule", [Constant(0.1), Constant(-0.5), Constant()])
@pytest.mark.parametrize(
    "parameters", [{}, {"bias_initialization": 0.5}, {"bias_initialization": "zeros"}]
)
def test_units_that_start_equal_stay_equal_and_a_fit_warns_of_it(rule, parameters):
    with pytest.warns(UserWarning, match=MESSAGE) as caught:
        model = fitted(network(rule=rule, **parameters))
    assert [w.filename for w in caught if MESSAGE in str(w.message)] == [__file__]
    assert n_different_units(model) == [1, 1]


# Each with the least number of different units of the hidden layers after training.
DIFFERENT = [
    (network((1, 1)), [1, 1]),
    (network(()), []),
    (network(rule=Normal(0.1)), [5, 4]),
    (network(bias_initialization="torch"), [5, 4]),
    (network(rule=Constant(), bias_initialization="sklearn"), [5, 4]),
    (network(dropout=0.3), [5, 4]),
    (network((5, 1), dropout=[0.3, 0.0]), [5, 1]),
]


@pytest.mark.parametrize(("model", "n_different"), DIFFERENT)
def test_no_warning_where_units_become_different(model, n_different):
    assert n_different_units(fitted(model)) == n_different


@pytest.mark.parametrize(
    "model",
    [
        network(dropout=[0.3, 0.0]),
        network(rule=Constant(), dropout=0.3),
    ],
)
def test_dropout_helps_its_own_layer_and_no_weights_of_zero(model):
    with pytest.warns(UserWarning, match=MESSAGE):
        fitted(model)
    assert n_different_units(model)[1] == 1


def test_only_a_start_warns_not_going_on():
    model = MLPClassifier((4,), initialization=Constant(0.1), random_state=0)
    with pytest.warns(UserWarning, match=MESSAGE):
        model.partial_fit(X, Y > 0, classes=[False, True])
    model.partial_fit(X, Y > 0)
