from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import d2_absolute_error_score, d2_pinball_score, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from skmlp import MLPRegressor, config, fused
from skmlp.network.losses import LOSSES, losses_of


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


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("loss", ["hubert", None]),
        ("huber_delta", [0, -1.0, np.inf, np.nan, "auto"]),
        ("quantile", [0, 1, 1.5, [], [0.1, 1.0], [[0.1]], "ab"]),
        ("output_range", [1.0, (1, 1), (2, 1), (0, np.inf), (0, 1, 2), [True, 2], "ab"]),
        ("tweedie_power", [1, 2, 0, 3.0, None]),
    ],
)
def test_bad_losses_and_options_are_refused(name, values):
    X, y = data()
    for value in values:
        with pytest.raises(ValueError, match=f"The '{name}' parameter of MLPRegressor must be"):
            small(**{name: value}).fit(X, y)


def positive_data():
    X, y = data()
    return X, np.exp(0.3 * y)


NAMES = list(losses_of("numbers"))
SMOOTH = [name for name in NAMES if LOSSES[name].smooth]


@pytest.mark.parametrize("loss", ["absolute_error", "quantile"])
def test_full_batch_methods_refuse_losses_with_a_kink(loss):
    X, y = data()
    pattern = rf"'loss' parameter of MLPRegressor.*optimizer='lbfgs'.*'{loss}'.*such as 'adam'"
    with pytest.raises(ValueError, match=pattern):
        small(loss=loss, optimizer="lbfgs").fit(X, y)


@pytest.mark.parametrize(("loss", "lowest"), [("gamma", 0.0), ("gamma", -1.0), ("tweedie", -1.0)])
def test_targets_outside_of_the_domain_are_refused(loss, lowest):
    X, y = positive_data()
    bad = np.append(y[:-1], lowest)
    with pytest.raises(ValueError, match=rf"loss='{loss}' needs targets of .*; y goes down to"):
        small(loss=loss).fit(X, bad)
    with pytest.raises(ValueError, match=r"y_val goes down to"):
        small(loss=loss).fit(X, y, X_val=X, y_val=bad)
    model = small(loss=loss).partial_fit(X, y)
    with pytest.raises(ValueError, match=r"y goes down to"):
        model.partial_fit(X, bad)


def test_targets_that_become_zero_in_float32_are_refused():
    X, y = positive_data()
    bad = np.append(y[:-1], 1e-60)
    with pytest.raises(ValueError, match=r"loss='gamma'.*; y in float32 goes down to 0"):
        small(loss="gamma", dtype="float32").fit(X, bad)


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_loss_falls_and_is_what_the_row_says(loss, dtype):
    X, y = positive_data()
    Y, weights = np.column_stack([y, y[::-1]]), np.random.default_rng(0).uniform(0.5, 2.0, 100)
    model = small(loss=loss, dtype=dtype, batch_size=100, max_iter=80, learning_rate_init=0.02)
    model.set_params(alpha=0.0, quantile=0.7, huber_delta=0.5, tweedie_power=1.3, warm_start=True)
    model.fit(X, Y, weights)
    assert model.loss_ < model.loss_curve_[0] - 0.05
    assert model.predict(X).shape == Y.shape
    assert model.out_activation_ == LOSSES[loss].out_activation
    row = LOSSES[loss].given([getattr(model, name) for name in LOSSES[loss].options])
    z = torch.from_numpy(model._logits(X).astype("float64"))
    expected = np.average(row.per_row(z, torch.from_numpy(Y)).numpy(), weights=weights)
    again = model.set_params(max_iter=1).fit(X, Y, weights)  # its first loss is that of z
    assert again.loss_curve_[-1] == pytest.approx(
        expected, rel=1e-4 if dtype == "float32" else 1e-9
    )


@pytest.mark.parametrize("loss", NAMES)
def test_every_loss_is_pickled_and_cloned_and_goes_on(loss):
    X, y = positive_data()
    options = {"huber_delta": 0.7, "quantile": 0.3, "tweedie_power": 1.7}
    model = small(loss=loss, max_iter=3, tol=0.0, **options)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    for _ in range(3):
        copy.partial_fit(X, y)
    model.fit(X, y)
    np.testing.assert_allclose(copy.coefs_[0], model.coefs_[0], rtol=1e-9)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict(X), model.predict(X))


@pytest.mark.parametrize("loss", NAMES)
def test_callbacks_see_every_loss_and_change_nothing(loss):
    X, y = positive_data()
    options = {"huber_delta": 0.7, "quantile": 0.3, "tweedie_power": 1.7}
    seen = small(loss=loss, callbacks=[Callback()], max_iter=3, **options)
    seen.fit(X, y, X_val=X, y_val=y)
    alone = clone(seen).set_params(callbacks=None).fit(X, y, X_val=X, y_val=y)
    for ours, theirs in zip(seen.coefs_, alone.coefs_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    np.testing.assert_allclose(seen.history_[:, "valid_loss"], alone.validation_loss_curve_)
    of_the_batch = seen.history_[-1, "batches", -1, "valid_loss"]  # the criterion's
    assert of_the_batch == pytest.approx(alone.validation_loss_curve_[-1])


@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        ("squared_error", r2_score),
        ("huber", r2_score),
        ("gamma", r2_score),
        ("absolute_error", d2_absolute_error_score),
        ("quantile", lambda y, found: d2_pinball_score(y, found, alpha=0.8)),
    ],
)
def test_early_stopping_looks_at_the_score_of_the_loss(loss, metric):
    X, y = positive_data()
    model = small(loss=loss, quantile=0.8, early_stopping=True, max_iter=60, tol=0.0)
    model.set_params(learning_rate_init=0.02).fit(X[:70], y[:70], X_val=X[70:], y_val=y[70:])
    found = metric(y[70:], model.predict(X[70:]))
    assert found == pytest.approx(max(model.validation_scores_)) == model.best_validation_score_


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_a_quantile_has_its_share_of_rows_below(quantile):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 1))
    y = X[:, 0] + (1.5 + X[:, 0]) * rng.normal(size=600)
    model = small(loss="quantile", quantile=quantile, max_iter=300, learning_rate_init=0.01)
    below = y < model.fit(X, y).predict(X)
    assert below.mean() == pytest.approx(quantile, abs=0.03)
    assert below[X[:, 0] > 0].mean() == pytest.approx(quantile, abs=0.06)


# Several quantiles


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("several", [[0.1, 0.5, 0.9], (0.3,), np.array([0.8, 0.2])])
def test_several_quantiles_have_an_axis(several, n_outputs):
    X, y = data()
    Y = y if n_outputs == 1 else np.column_stack([y, -y])
    model = small(loss="quantile", quantile=several, early_stopping=True, tol=0.0).fit(X, Y)
    assert model.predict(X).shape == (*Y.shape, len(several))
    assert model.coefs_[-1].shape == (8, n_outputs * len(several))
    assert model.n_outputs_ == n_outputs
    by_hand = [
        d2_pinball_score(Y, model.predict(X)[..., i], alpha=q) for i, q in enumerate(several)
    ]
    assert model.score(X, Y) == pytest.approx(np.mean(by_hand))
    expected = model.predict(X)
    model.set_params(quantile=0.5)  # as it was fitted
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), expected)
    assert model.score(X, Y) == pytest.approx(np.mean(by_hand))


def test_validation_scores_of_several_quantiles_are_the_estimators():
    X, y = data()
    model = small(loss="quantile", quantile=[0.2, 0.8], early_stopping=True, max_iter=60, tol=0.0)
    model.fit(X[:70], y[:70], X_val=X[70:], y_val=y[70:])
    assert model.score(X[70:], y[70:]) == pytest.approx(model.best_validation_score_)


def test_quantiles_share_a_network_and_have_their_shares_of_rows():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 1))
    y = X[:, 0] + (1.5 + X[:, 0]) * rng.normal(size=600)
    model = small(loss="quantile", quantile=[0.1, 0.5, 0.9], max_iter=300, learning_rate_init=0.01)
    below = y[:, None] < model.fit(X, y).predict(X)
    np.testing.assert_allclose(below.mean(0), [0.1, 0.5, 0.9], atol=0.03)


# A predicted precision


def noisy(n=20_000):
    """Rows on a plane, with noise whose logarithm is another plane."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (n, 2))
    deviation = np.exp(0.8 * X[:, 0] - 0.4 * X[:, 1] - 0.5)
    return X, 1.0 + X @ [2.0, -1.0] + deviation * rng.normal(size=n), deviation


@pytest.mark.parametrize("executor", ["torch", "compiled"])
def test_gaussian_finds_the_planted_noise(executor):
    X, y, deviation = noisy()
    model = MLPRegressor((), loss="gaussian", optimizer="lbfgs", alpha=0.0, max_iter=1000)
    with config(executor=executor):
        mean, found = model.fit(X, y).predict(X, return_std=True)
    np.testing.assert_allclose(found, deviation, rtol=0.05)
    np.testing.assert_allclose(mean, 1.0 + X @ [2.0, -1.0], atol=0.05)
    np.testing.assert_array_equal(mean, model.predict(X))


def test_gaussian_of_a_hidden_layer_finds_the_noise_on_average():
    X, y, deviation = noisy(4000)
    model = small(loss="gaussian", max_iter=100, learning_rate_init=0.01).fit(X, y)
    found = model.predict(X, return_std=True)[1]
    parts = np.digitize(X[:, 0], [-0.5, 0.0, 0.5])
    for part in range(4):
        ratio = found[parts == part].mean() / deviation[parts == part].mean()
        assert ratio == pytest.approx(1.0, abs=0.05)


def test_standard_deviations_are_gaussians_alone():
    X, y = data()
    both = small(loss="gaussian").fit(X, np.column_stack([y, -y]))
    mean, deviation = both.predict(X, return_std=True)
    assert mean.shape == deviation.shape == (100, 2)
    assert (deviation > 0).all()
    with pytest.raises(ValueError, match=r"return_std=True needs loss='gaussian'.*'huber'"):
        small(loss="huber").fit(X, y).predict(X, return_std=True)


# Angles


def turns(n=300):
    """Points around a circle, and the angle a quarter of a turn ahead, from 0 to 2π."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, n)
    X = np.column_stack([np.cos(angle), np.sin(angle)])
    return X, (angle + np.pi / 2) % (2 * np.pi)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_angles_are_learned_across_their_seam(optimizer):
    X, y = turns()
    parameters = {"optimizer": optimizer, "max_iter": 300, "learning_rate_init": 0.02}
    model = small(loss="circular", **parameters).fit(X, y)
    found = model.predict(X)
    assert (np.abs(found) <= np.pi).all()
    assert np.cos(found - y).min() > 0.99
    assert model.score(X, y) > 0.999
    assert model.score(X, y + 2 * np.pi) == pytest.approx(model.score(X, y))
    straight = small(**parameters).fit(X, y).predict(X)
    assert np.cos(straight - y).min() < 0.5


def test_the_score_of_angles_is_that_of_validation():
    X, y = turns()
    Y = np.column_stack([y, -2 * y])
    weights = np.random.default_rng(1).uniform(0.1, 2.0, 100)
    model = small(loss="circular", early_stopping=True, max_iter=60, tol=0.0)
    model.fit(X[:200], Y[:200], X_val=X[200:], y_val=Y[200:], sample_weight_val=weights)
    assert model.predict(X).shape == Y.shape
    found = model.score(X[200:], Y[200:], sample_weight=weights)
    assert found == pytest.approx(model.best_validation_score_)
    constant = small(loss="circular", max_iter=1).fit(X, np.full(300, 7.0))
    assert constant.score(X, np.full(300, 7.0)) == 0.0


# Bounds


@pytest.mark.parametrize("executor", ["torch", "compiled"])
@pytest.mark.parametrize("loss", [name for name in NAMES if LOSSES[name].may_be_bounded])
def test_predictions_keep_bounds(loss, executor):
    X, y = data()
    y, bounds = np.clip(y, -1.0, 0.3), (-1.0, 0.3)
    model = small(loss=loss, output_range=bounds, max_iter=150, learning_rate_init=0.02)
    with config(executor=executor):
        model.set_params(early_stopping=True, tol=0.0).fit(X, y)
    found = model.predict(10 * X)
    assert bounds[0] <= found.min() < -0.99 < 0.29 < found.max() <= bounds[1]
    assert model.out_activation_ == "tanh"
    assert model.score(X, y) > 0.9
    model.set_params(output_range=None)  # as it was fitted
    np.testing.assert_array_equal(model.predict(10 * X), found)


def test_targets_out_of_bounds_are_refused():
    X, y = data()
    y = np.clip(y, -1.0, 2.0)
    message = r"output_range=\(-1, 1\) needs targets within it; y goes from -1 to 2\. Widen"
    with pytest.raises(ValueError, match=message):
        small(output_range=(-1, 1)).fit(X, y)
    with pytest.raises(ValueError, match=r"; y_val goes from"):
        small(output_range=(-1, 2)).fit(X, y, X_val=X, y_val=2 * y)


@pytest.mark.parametrize("loss", ["gaussian", "circular", "gamma", lambda z, t: (z - t).sum(1)])
def test_bounds_are_for_some_losses(loss):
    X, y = positive_data()
    with pytest.raises(ValueError, match=r"'output_range' parameter .* no meaning for loss="):
        small(loss=loss, output_range=(0, 99)).fit(X, y)


# Losses of the user's own


def squares(z, t):
    return 0.5 * (z - t).square().sum(1)


@dataclass
class Expectile:
    share: float

    def __call__(self, z, t):
        difference = z - t
        sides = difference.clamp(min=0) * (1 - self.share) + difference.clamp(max=0) * self.share
        return (difference * sides).sum(1)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs", torch.optim.SGD])
@pytest.mark.parametrize("normalization", [None, "layer"])
def test_own_squares_are_squared_error(optimizer, normalization):
    X, y = data()
    Y = np.column_stack([y, -y])
    parameters = {"optimizer": optimizer, "normalization": normalization, "early_stopping": True}
    own, named = small(loss=squares, **parameters), small(**parameters)
    np.testing.assert_allclose(own.fit(X, Y).coefs_[0], named.fit(X, Y).coefs_[0], rtol=1e-6)
    np.testing.assert_allclose(own.validation_scores_, named.validation_scores_, rtol=1e-6)
    assert own.score(X, Y) == pytest.approx(named.score(X, Y))


def test_own_losses_with_parameters_are_searched_cloned_and_stored():
    X, y = data()
    losses = [Expectile(0.1), Expectile(0.9)]
    search = GridSearchCV(small(learning_rate_init=0.02), {"loss": losses}, refit=False)
    with fused():
        search.fit(X, y)
    low, high = (small(loss=loss, max_iter=200, learning_rate_init=0.02) for loss in losses)
    assert clone(low).loss == low.loss
    share = (y < low.fit(X, y).predict(X)).mean(), (y < high.fit(X, y).predict(X)).mean()
    assert share[0] < 0.5 < share[1]
    restored = pickle.loads(pickle.dumps(low))
    np.testing.assert_array_equal(restored.predict(X), low.predict(X))
    for _ in range(2):
        restored.partial_fit(X, y)


def test_an_own_loss_that_diverges_says_so():
    X, y = data()
    model = small(loss=squares, optimizer="sgd", learning_rate_init=1e6, max_iter=100)
    with pytest.raises(ValueError, match=r"diverged|lower 'learning_rate_init'"):
        model.fit(X, y)
    assert not hasattr(model, "coefs_")
