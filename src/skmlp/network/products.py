"""Batched products of a layer, each by the operation that is fast for its shape.

For matrices of one row or column `torch.bmm` can be slow on CPUs: below 400 multiplications a
matrix it runs a plain loop, and above, a product with one column takes several times as long as
its transpose, a product with one row. Networks with one output (two classes, one target) or one
feature have such products at every step; ``python benchmarks/products.py`` measures them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

# Multiplications of one matrix product below which torch.bmm runs a plain loop.
_PLAIN_LOOP = 400

Product = Callable[..., Tensor]


class LayerProducts(NamedTuple):
    """The three products of a layer with weights W (K, p, m), for inputs (K, B, p).

    Attributes
    ----------
    forward : callable
        ``forward(inputs, W, out=None)``: inputs · W, shape (K, B, m).
    weight_gradient : callable
        ``weight_gradient(inputs, delta, out)``: inputsᵀ · delta, shape (K, p, m).
    backward : callable
        ``backward(delta, Wᵀ, out=...)``: delta · Wᵀ, shape (K, B, p).
    """

    forward: Product
    weight_gradient: Product
    backward: Product


def layer_products(n_networks: int, n_rows: int, fan_in: int, fan_out: int) -> LayerProducts:
    """The operations for a layer's shape."""
    plain_loop = n_rows * max(fan_in, fan_out) < _PLAIN_LOOP
    forward: Product = torch.bmm
    weight_gradient: Product = _weight_gradient
    backward: Product = torch.bmm
    if fan_out == 1 and n_networks > 1:
        weight_gradient = _weighted_sum if plain_loop else _weight_gradient_as_rows
    if plain_loop and fan_in == 1:
        forward = torch.mul
    if plain_loop and fan_out == 1:
        backward = torch.mul
    return LayerProducts(forward, weight_gradient, backward)


def _weight_gradient(inputs: Tensor, delta: Tensor, out: Tensor) -> Tensor:
    return torch.bmm(inputs.mT, delta, out=out)


def _weight_gradient_as_rows(inputs: Tensor, delta: Tensor, out: Tensor) -> Tensor:
    return torch.bmm(delta.mT, inputs, out=out.mT).mT


def _weighted_sum(inputs: Tensor, delta: Tensor, out: Tensor) -> Tensor:
    return torch.sum(inputs * delta, 1, keepdim=True, out=out.mT).mT
