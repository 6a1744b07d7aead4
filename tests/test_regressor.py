from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler

from skmlp import MLPRegressor


def small(**parameters):
    defaults = {"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0}
    return MLPRegressor(**{**defaults, **parameters})


def data(n=100):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    return X, X[:, 0] - 2 * X[:, 1] + 0.5 * X[:, 2] ** 2


def test_learns_a_smooth_function():
    X, y = data(400)
    model = small(hidden_layer_sizes=(40,), max_iter=500, learning_rate_init=0.01)
    assert model.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.98


@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_outputs_have_the_shape_of_y(n_outputs):
    X, y = data()
    Y = np.column_stack([y, -y, y**2])[:, :n_outputs]
    model = small().fit(X, Y[:, 0] if n_outputs == 1 else Y)
    assert model.predict(X).shape == ((100,) if n_outputs == 1 else Y.shape)
    assert model.n_outputs_ == n_outputs
    assert np.isfinite(model.score(X, Y))


def test_column_y_warns_and_works():
    X, y = data()
    with pytest.warns(sklearn.exceptions.DataConversionWarning):
        column = small().fit(X, y[:, None])
    assert column.predict(X).shape == (100,)
    np.testing.assert_array_equal(column.coefs_[0], small().fit(X, y).coefs_[0])


def test_targets_of_other_types():
    X, y = data()
    expected = small().fit(X, np.round(y)).coefs_[0]
    for targets in (np.round(y).astype(int), pd.Series(np.round(y)), list(np.round(y))):
        np.testing.assert_array_equal(small().fit(X, targets).coefs_[0], expected)
    with pytest.raises(ValueError, match=r"could not convert|Unknown|numeric"):
        small().fit(X, np.full(100, "a"))


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_poisson_predicts_positive_means(optimizer):
    X, _ = data()
    y = np.random.default_rng(0).poisson(np.exp(X[:, 0]))
    model = small(loss="poisson", optimizer=optimizer, max_iter=200).fit(X, y)
    assert model.out_activation_ == "exp"
    assert (model.predict(X) > 0).all()
    assert model.predict(X).mean() == pytest.approx(y.mean(), rel=0.15)


def test_poisson_refuses_negative_targets():
    X, y = data()
    with pytest.raises(ValueError, match=r"loss='poisson'.*at least zero.*goes down to -"):
        small(loss="poisson").fit(X, y)
    with pytest.raises(ValueError, match=r"y_val goes down to -"):
        small(loss="poisson").fit(X, np.abs(y), X_val=X, y_val=y)


def test_loss_is_half_the_mean_square_without_penalty():
    X, y = data()
    model = small(optimizer="lbfgs", alpha=0.0).fit(X, y)
    assert model.loss_ == pytest.approx(np.mean((model.predict(X) - y) ** 2) / 2, rel=1e-6)
    assert model.loss_curve_[-1] == model.loss_


def test_validation_must_have_as_many_outputs():
    X, y = data()
    with pytest.raises(ValueError, match=r"y_val has 2 outputs.*fitted for 1"):
        small().fit(X, y, X_val=X, y_val=np.column_stack([y, y]))
    with pytest.raises(ValueError, match="y has 2 outputs"):
        small(warm_start=True).fit(X, y).fit(X, np.column_stack([y, y]))


def test_changing_the_loss_after_fitting_does_not_change_predictions():
    X, y = data()
    model = small().fit(X, np.abs(y))
    expected = model.predict(X)
    np.testing.assert_array_equal(model.set_params(loss="poisson").predict(X), expected)


def test_scaled_targets():
    X, y = data()
    model = TransformedTargetRegressor(
        small(max_iter=300, learning_rate_init=0.02), transformer=StandardScaler()
    )
    assert model.fit(X, 1e6 * y + 3e7).score(X, 1e6 * y + 3e7) > 0.9


def test_bad_loss_is_refused():
    X, y = data()
    with pytest.raises(ValueError, match="The 'loss' parameter of MLPRegressor must be"):
        small(loss="huber").fit(X, y)
