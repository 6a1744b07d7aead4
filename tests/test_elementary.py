"""The compiled elementary functions, compared with NumPy's and SciPy's in float64."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

pytest.importorskip("numba")

import numba

from skmlp.network import elementary
from skmlp.training.compiled import pieces  # noqa: F401  tells numba how to compile them

ORACLES = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "erf": scipy.special.erf,
}
# In units of the dtype's precision, relative; erf's is absolute.
MOST_ULP = {"exp": 2, "expm1": 3, "log1p": 4, "tanh": 3, "erf": 16}


@pytest.fixture(scope="module")
def compiled():
    """Functions of arrays that call the elementary ones in a loop."""

    def of_array(function):
        @numba.njit
        def loop(values):
            found = np.empty_like(values)
            for i in range(values.size):
                found[i] = function(values[i])
            return found

        return loop

    functions = {name: getattr(elementary, name) for name in ORACLES}
    return {name: of_array(function) for name, function in functions.items()}


def places(name, dtype):
    if name == "log1p":
        return np.concatenate([np.linspace(0, 1, 2001), np.logspace(-30, 0, 200)]).astype(dtype)
    widest = 80 if dtype == np.float32 else 700
    near_zero = np.logspace(-12, 0, 300)
    values = [np.linspace(-widest, widest, 5001), np.linspace(-9, 9, 5001), near_zero, -near_zero]
    return np.concatenate(values).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ORACLES)
def test_they_are_exact_to_a_few_units_in_the_last_place(compiled, name, dtype):
    v = places(name, dtype)
    found, expected = compiled[name](v), ORACLES[name](v.astype(np.float64))
    assert found.dtype == dtype
    scale = 1.0 if name == "erf" else np.abs(expected) + (expected == 0)
    error = np.abs(found - expected) / scale / np.finfo(dtype).eps
    assert error.max() <= MOST_ULP[name]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_beyond_the_range_and_not_a_number(compiled, dtype):
    v = np.array([-np.inf, -1e30, 1e30, np.inf], dtype)
    tiny = np.finfo(dtype).tiny
    low, zero, *high = compiled["exp"](v)
    assert 0 <= low < 2 * tiny
    assert 0 <= zero < 2 * tiny
    assert np.isinf(high).all()
    assert compiled["expm1"](v).tolist() == [-1, -1, np.inf, np.inf]
    for name in ("tanh", "erf"):
        assert compiled[name](v).tolist() == [-1, -1, 1, 1]
    for name in ORACLES:
        assert np.isnan(compiled[name](np.array([np.nan, np.nan], dtype))).all()


@pytest.mark.parametrize(("dtype", "largest"), [(np.float32, 88.37), (np.float64, 709.43)])
def test_just_below_the_largest_number_exp_becomes_infinite(compiled, dtype, largest):
    v = np.linspace(largest - 1, largest + 2, 100_001).astype(dtype)
    finite = v <= dtype(largest)
    for name in ("exp", "expm1"):
        found = compiled[name](v)
        assert np.isposinf(found[~finite]).all()
        expected = np.exp(v[finite].astype(np.float64))
        np.testing.assert_allclose(found[finite], expected, rtol=4 * np.finfo(dtype).eps)


def test_without_a_compiler_they_are_maths():
    for name, oracle in ORACLES.items():
        assert getattr(elementary, name)(0.7) == pytest.approx(oracle(0.7), rel=1e-15)
