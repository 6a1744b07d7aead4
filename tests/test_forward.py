from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import torch

from skmlp.network import forward
from skmlp.network.architecture import Architecture
from skmlp.network.forward import logits_in_parts
from skmlp.network.layers import layers_of, slots_of
from skmlp.network.mlp import Blocks

RNG = np.random.default_rng(0)
X = np.where(RNG.uniform(size=(11, 4)) < 0.5, 0.0, RNG.normal(size=(11, 4)))
WEIGHTS = [RNG.normal(size=shape) for shape in [(4, 6), (6, 5), (5, 2)]]
BIASES = [RNG.normal(size=n) for n in (6, 5, 2)]
FORMS = {
    "array": X,
    "tensor": torch.from_numpy(X),
    "csr": scipy.sparse.csr_matrix(X),
    "fortran": np.asfortranarray(X),
}


def logits(rows, layers=slice(None), dtype=torch.float64):
    weights, biases = WEIGHTS[layers], BIASES[layers]
    sizes = (4, *(len(b) for b in biases))
    chain = layers_of(Architecture(sizes, ("tanh", "leaky_relu")[: len(sizes) - 2], 0.2))
    blocks = Blocks(1, slots_of(chain), torch.empty(0, dtype=dtype))
    blocks.set_network(0, weights, biases)
    return logits_in_parts(rows, chain, blocks.arrays)


def expected():
    h = np.tanh(X @ WEIGHTS[0] + BIASES[0])
    z = h @ WEIGHTS[1] + BIASES[1]
    return np.where(z > 0, z, 0.2 * z) @ WEIGHTS[2] + BIASES[2]


@pytest.mark.parametrize("at_once", [1, 6, 7, 5 * 6, 11 * 6, 1 << 18])
@pytest.mark.parametrize("form", FORMS)
def test_logits_are_the_formula_in_parts_of_any_size(monkeypatch, form, at_once):
    monkeypatch.setattr(forward, "_NUMBERS_AT_ONCE", at_once)
    np.testing.assert_allclose(logits(FORMS[form]), expected())
    linear = logits(FORMS[form], slice(0, 1))
    np.testing.assert_allclose(linear, X @ WEIGHTS[0] + BIASES[0])


@pytest.mark.parametrize("at_once", [5 * 6, 11 * 6])
def test_a_part_has_the_numbers_of_the_widest_layer(monkeypatch, at_once):
    monkeypatch.setattr(forward, "_NUMBERS_AT_ONCE", at_once)
    sizes, original = [], forward.dense_tensor
    monkeypatch.setattr(
        forward, "dense_tensor", lambda X, *others: sizes.append(len(X)) or original(X, *others)
    )
    logits(X)
    assert sizes == [5, 5, 1] if at_once == 5 * 6 else [11]


def test_rows_wider_than_all_layers_count_too(monkeypatch):
    monkeypatch.setattr(forward, "_NUMBERS_AT_ONCE", 5 * 4)
    sizes, original = [], forward.dense_tensor
    monkeypatch.setattr(
        forward, "dense_tensor", lambda X, *others: sizes.append(len(X)) or original(X, *others)
    )
    blocks = Blocks(1, slots_of(layers_of(Architecture((4, 2), ()))), torch.empty(0))
    logits_in_parts(X, layers_of(Architecture((4, 2), ())), blocks.arrays)
    assert sizes == [5, 5, 1]


@pytest.mark.parametrize("form", FORMS)
def test_no_rows_have_no_logits_but_as_many_outputs(form):
    found = logits(FORMS[form][:0])
    assert found.shape == (0, 2)
    assert found.dtype == torch.float64


def test_rows_take_the_dtype_of_the_weights():
    for form in ("array", "csr"):
        found = logits(FORMS[form], dtype=torch.float32)
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found, expected(), rtol=1e-4, atol=1e-5)
