"""Products of small matrices by blocks are NumPy's, and write nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

import numba

from skmlp.training.compiled.pieces import address_of, call
from skmlp.training.compiled.products import product


@numba.njit
def called(address, n_rows, n, m, a, a_row, a_column, b, c, start):
    call(address, n_rows, n, m, a, a_row, a_column, b, c, start)


def shapes():
    """All remainders of rows and of vectors, and some larger ones."""
    rng = np.random.default_rng(0)
    edges = [(n_rows, 3, m) for n_rows in (1, 3, 4, 5, 8, 9) for m in range(1, 60)]
    return [*edges, (7, 1, 5), *map(tuple, rng.integers(1, 90, (60, 3)).tolist())]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_numpys_product_with_a_row_added(dtype, transposed):
    address, rng = address_of(product, "product", dtype), np.random.default_rng(1)
    for n_rows, n, m in shapes():
        a, b = rng.normal(size=(n_rows, n)).astype(dtype), rng.normal(size=(n, m)).astype(dtype)
        start, c = rng.normal(size=m).astype(dtype), np.full(n_rows * m + 20, 7, dtype)
        steps = (1, n_rows) if transposed else (n, 1)
        given = np.ascontiguousarray(a.T if transposed else a).ravel()
        called(address, n_rows, n, m, given, *steps, b.ravel(), c[10:-10], start)
        expected = a.astype(float) @ b.astype(float) + start
        tolerance = 8 * n * np.finfo(dtype).eps
        found = c[10:-10].reshape(n_rows, m)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=4 * tolerance)
        assert (c[:10] == 7).all()
        assert (c[-10:] == 7).all()


def test_a_row_does_not_depend_on_those_beside_it():
    address, rng = address_of(product, "product", "float64"), np.random.default_rng(2)
    a, b, start = rng.normal(size=(9, 11)), rng.normal(size=(11, 30)), np.zeros(30)
    together, alone = np.empty(270), np.empty(30)
    called(address, 9, 11, 30, a.ravel(), 11, 1, b.ravel(), together, start)
    for i in range(9):
        called(address, 1, 11, 30, a[i], 11, 1, b.ravel(), alone, start)
        np.testing.assert_array_equal(together[30 * i : 30 * (i + 1)], alone)
