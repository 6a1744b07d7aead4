from __future__ import annotations

import numpy as np
import pytest
import torch

from skmlp.network.products import layer_products

SHAPES = [
    # K, B, fan_in, fan_out
    (1, 32, 10, 1),
    (1, 32, 1, 10),
    (6, 32, 10, 1),
    (6, 32, 50, 1),
    (6, 32, 1, 10),
    (6, 32, 1, 50),
    (6, 32, 1, 1),
    (6, 1, 10, 1),
    (6, 32, 10, 3),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_those_of_matrices(shape):
    K, B, p, m = shape
    rng = np.random.default_rng(0)
    inputs, weights, delta = (rng.normal(size=s) for s in [(K, B, p), (K, p, m), (K, B, m)])
    x, w, d = map(torch.from_numpy, (inputs, weights, delta))
    products = layer_products(K, B, p, m)
    outs = [torch.empty(s, dtype=torch.float64) for s in [(K, B, m), (K, p, m), (K, B, p)]]
    found = [
        products.forward(x, w, out=outs[0]),
        products.weight_gradient(x, d, outs[1]),
        products.backward(d, w.mT, out=outs[2]),
    ]
    expected = [inputs @ weights, inputs.swapaxes(1, 2) @ delta, delta @ weights.swapaxes(1, 2)]
    for result, out, right in zip(found, outs, expected, strict=True):
        np.testing.assert_allclose(out, right, atol=1e-12)
        np.testing.assert_array_equal(result, out)
        assert result.data_ptr() == out.data_ptr()
    np.testing.assert_allclose(products.forward(x, w), expected[0], atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "n_thin"),
    [((6, 32, 10, 1), 2), ((6, 32, 50, 1), 1), ((6, 32, 1, 10), 1), ((6, 32, 10, 3), 0)],
)
def test_networks_with_one_output_have_products_of_their_own(shape, n_thin):
    usual = layer_products(1, 100, 64, 10)
    pairs = zip(layer_products(*shape), usual, strict=True)
    assert sum(one is not other for one, other in pairs) == n_thin
