from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import torch

from skmlp.network.tensors import dense_tensor, device_rows

RNG = np.random.default_rng(0)
X = np.where(RNG.uniform(size=(11, 4)) < 0.5, 0.0, RNG.normal(size=(11, 4)))
FORMS = {"array": X, "csr": scipy.sparse.csr_matrix(X), "fortran": np.asfortranarray(X)}


def read_only():
    rows = X.copy()
    rows.flags.writeable = False
    return rows


@pytest.mark.parametrize("form", ["array", "csr", "fortran"])
def test_a_dense_tensor_has_the_values_of_the_rows(form):
    for dtype in (torch.float32, torch.float64):
        found = dense_tensor(FORMS[form], dtype, "cpu")
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, torch.from_numpy(X).to(dtype))


def test_read_only_rows_are_copied_and_others_are_not():
    found = dense_tensor(read_only(), torch.float64, "cpu")
    np.testing.assert_array_equal(found, X)
    assert np.shares_memory(dense_tensor(X, torch.float64, "cpu").numpy(), X)


@pytest.mark.parametrize("rows", [X[:1][::-1], X[:, :1][:1, ::-1], X[:0][::-1]])
def test_few_rows_may_lie_backwards(rows):
    found = dense_tensor(rows, torch.float64, "cpu")
    np.testing.assert_array_equal(found, rows)


def test_sparse_rows_stay_sparse_and_dense_ones_become_a_tensor():
    sparse = FORMS["csr"]
    assert device_rows(sparse, torch.float64, torch.device("cpu")) is sparse
    found = device_rows(X, torch.float32, torch.device("cpu"))
    assert found.dtype == torch.float32
