"""Transformers of numbers: their formulas, their inverses, and scikit-learn's checks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmlp.preprocessing import PeriodicEncoder, PiecewiseLinearEncoder, SmoothClipScaler

TRANSFORMERS = [SmoothClipScaler(), PiecewiseLinearEncoder(), PeriodicEncoder()]


@pytest.fixture(autouse=True)
def globals_untouched():
    """scikit-learn's checks set the global generators' seeds."""


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return np.column_stack([rng.normal(3.0, 2.0, 200), rng.exponential(10.0, 200)])


@parametrize_with_checks(TRANSFORMERS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_scaling_is_the_formula(X):
    first, median, third = np.quantile(X, [0.25, 0.5, 0.75], axis=0)
    z = (X - median) / (third - first)
    scaler = SmoothClipScaler(limit=2.0).fit(X)
    assert_allclose(scaler.transform(X), z / np.sqrt(1 + (z / 2.0) ** 2), rtol=1e-12)
    assert_allclose(scaler.inverse_transform(scaler.transform(X)), X, rtol=1e-9)


def test_outliers_approach_the_limit_in_order():
    X = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 1e3, 1e6, 1.7e308, -1.7e308])[:, None]
    scaled = SmoothClipScaler().fit(X[:5]).transform(X)[:, 0]
    assert (np.diff(scaled[:7]) > 0).all()
    assert_allclose(scaled[5:], [3.0, 3.0, 3.0, -3.0], rtol=1e-4)


def test_columns_without_a_spread():
    """Mostly zeros: half of the range; constant: only centred; missing: as it is."""
    X = np.column_stack([np.zeros(9), np.full(9, 7.0), np.full(9, np.nan)])
    X[0, 0] = 4.0
    scaler = SmoothClipScaler().fit(X)
    assert_array_equal(scaler.scale_, [2.0, 1.0, 1.0])
    scaled = scaler.transform(X)
    assert_allclose(scaled[0, 0], 2.0 / np.sqrt(1 + (2 / 3) ** 2))
    assert_array_equal(scaled[:, 1], 0.0)
    assert np.isnan(scaled[:, 2]).all()


def test_missing_values_do_not_count(X):
    with_gaps = X.copy()
    with_gaps[::7, 0] = np.nan
    scaler = SmoothClipScaler().fit(with_gaps)
    present = SmoothClipScaler().fit(X[~np.isnan(with_gaps[:, 0])])
    assert scaler.center_[0] == present.center_[0]
    assert_array_equal(np.isnan(scaler.transform(with_gaps)), np.isnan(with_gaps))


def test_the_largest_numbers_do_not_overflow():
    X = np.array([[-1.7e308], [0.0], [1.0], [1.7e308]])
    for transformer in TRANSFORMERS[:2]:
        assert np.isfinite(transformer.fit(X).transform(X)).all()


def test_only_scaled_values_are_scaled_back():
    with pytest.raises(ValueError, match="X has 4, but scaled values are between -limit and limit"):
        SmoothClipScaler().fit(np.arange(5.0)[:, None]).inverse_transform([[4.0]])


def test_bins_are_quantiles_and_columns_ramps(X):
    encoder = PiecewiseLinearEncoder(4, center=False).fit(X)
    edges = np.quantile(X[:, 0], [0, 0.25, 0.5, 0.75, 1])
    assert_allclose(encoder.bin_edges_[0], edges)
    points = np.append(edges, edges[2] / 2 + edges[1] / 2)[:, None].repeat(2, axis=1)
    expected = np.vstack([np.tri(5, 4, -1), [1, 0.5, 0, 0]])
    assert_allclose(encoder.transform(points)[:, :4], expected, atol=1e-12)


def test_centre_and_gain(X):
    plain = PiecewiseLinearEncoder(4, center=False).fit_transform(X)
    encoded = PiecewiseLinearEncoder(4, gain=3.0).fit_transform(X)
    assert_allclose(encoded, 3.0 * (plain - plain.mean(axis=0)), atol=1e-12)


@pytest.mark.parametrize("parameters", [{}, {"n_bins": 1}, {"center": False, "gain": 0.2}])
def test_bins_are_undone_within_the_seen_range(X, parameters):
    encoder = PiecewiseLinearEncoder(**parameters).fit(X)
    assert_allclose(encoder.inverse_transform(encoder.transform(X)), X, rtol=1e-9)
    beyond = encoder.inverse_transform(encoder.transform(X[:2] + 1e6))
    assert_allclose(beyond, np.tile(X.max(axis=0), (2, 1)))


def test_equal_quantiles_are_one_edge_and_constants_have_no_columns():
    X = np.column_stack([np.repeat([0.0, 1.0], [13, 4]), np.full(17, 3.0)])
    encoder = PiecewiseLinearEncoder(8, center=False).fit(X)
    assert_array_equal(encoder.transform(X), X[:, :1])
    assert_array_equal(encoder.get_feature_names_out(), ["x0_bin0"])
    assert_allclose(encoder.inverse_transform(X[:, :1]), X)
    with pytest.raises(ValueError, match="X has 3 columns, but the numbers were spread over 1"):
        encoder.inverse_transform(np.zeros((2, 3)))


def test_a_linear_model_of_ramps_is_a_piecewise_linear_function():
    x = np.linspace(0, 1, 101)[:, None]
    y = np.abs(x[:, 0] - 0.5)
    model = make_pipeline(PiecewiseLinearEncoder(2), LinearRegression()).fit(x, y)
    assert_allclose(model.predict(x), y, atol=1e-12)


def test_waves_are_the_formula(X):
    encoder = PeriodicEncoder(3, center=False, random_state=0).fit(X)
    w, b = encoder.frequencies_, encoder.phases_
    expected = [
        np.sqrt(2) * np.cos(2 * np.pi * X[:, j] * w[j, i] + b[j, i])
        for j in range(2)
        for i in range(3)
    ]
    assert_allclose(encoder.transform(X), np.transpose(expected), atol=1e-12)
    centred = PeriodicEncoder(3, random_state=0).fit_transform(X)
    assert_allclose(centred, np.transpose(expected) - np.mean(expected, axis=1), atol=1e-12)


def test_frequencies_have_their_spread_and_phases_all_angles():
    encoder = PeriodicEncoder(2000, sigma=0.3, random_state=0).fit(np.zeros((2, 1)))
    assert_allclose(encoder.frequencies_.std(), 0.3, rtol=0.05)
    assert_allclose(np.quantile(encoder.phases_, [0, 0.5, 1]), [-np.pi, 0, np.pi], atol=0.15)


def test_frequencies_may_be_given(X):
    for given in ([0.5, 1.0, 2.0], [[0.5, 1.0, 2.0]] * 2):
        encoder = PeriodicEncoder(frequencies=given).fit(X)
        assert_array_equal(encoder.frequencies_, [[0.5, 1.0, 2.0]] * 2)
        assert encoder.transform(X).shape == (200, 6)
    with pytest.raises(ValueError, match=r"frequencies has shape \(1, 3\).*each of the 2 columns"):
        PeriodicEncoder(frequencies=[[0.5, 1.0, 2.0]]).fit(X)


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda t: type(t).__name__)
def test_names_and_frames(X, transformer):
    table = pd.DataFrame(X, columns=["age", "income"])
    found = transformer.set_output(transform="pandas").fit_transform(table)
    transformer.set_output(transform="default")
    assert list(found.columns) == list(transformer.get_feature_names_out())
    assert all(name.startswith(("age", "income")) for name in found.columns)


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda t: type(t).__name__)
def test_float32_stays_float32(X, transformer):
    double, single = (transformer.fit(each).transform(each) for each in (X, X.astype(np.float32)))
    assert (double.dtype, single.dtype) == (np.float64, np.float32)
    if not isinstance(transformer, PeriodicEncoder):  # which draws anew
        assert_allclose(single, double, atol=1e-4)


def test_in_front_of_an_svm(X):
    y = np.sin(X[:, 0] * 2) > 0
    plain, encoded = (
        make_pipeline(*steps, SVC(kernel="linear")).fit(X, y).score(X, y)
        for steps in ([SmoothClipScaler()], [PiecewiseLinearEncoder(32)])
    )
    assert encoded > plain + 0.2
