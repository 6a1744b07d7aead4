"""Logits of one network for any number of rows, dense or sparse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from .activations import Activation

# Rows per forward pass: a hidden layer of a few hundred units then stays within the cache.
_ROWS_AT_ONCE = 2048


def dense_tensor(X, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """Rows as a dense tensor on the device; sparse rows are filled in."""
    array = X.toarray() if scipy.sparse.issparse(X) else np.ascontiguousarray(X)
    if not array.flags.writeable:
        array = array.copy()  # torch has no read-only tensors
    return torch.from_numpy(array).to(device, dtype)


def device_rows(X, dtype: torch.dtype, device: torch.device):
    """Rows to call `logits_in_parts` with many times: dense ones are moved once."""
    return X if scipy.sparse.issparse(X) else dense_tensor(X, dtype, device)


def logits_in_parts(
    X,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    activations: Sequence[Activation],
    negative_slope: float,
) -> Tensor:
    """Logits (n, m) of one network.

    Parameters
    ----------
    X : Tensor, ndarray or CSR matrix of shape (n, d)
    weights : sequence of Tensor of shape (fan_in, fan_out)
    biases : sequence of Tensor of shape (fan_out,)
    activations : sequence of Activation
        One per hidden layer.
    negative_slope : float
        Slope of leaky_relu below zero.
    """
    like = weights[0]
    parts = []
    for begin in range(0, X.shape[0], _ROWS_AT_ONCE):
        h = X[begin : begin + _ROWS_AT_ONCE]
        if not isinstance(h, Tensor):
            h = dense_tensor(h, like.dtype, like.device)
        for activation, w, b in zip(activations, weights, biases, strict=False):
            h = activation.forward(torch.addmm(b, h, w), negative_slope)
        parts.append(torch.addmm(biases[-1], h, weights[-1]))
    return parts[0] if len(parts) == 1 else torch.cat(parts)
