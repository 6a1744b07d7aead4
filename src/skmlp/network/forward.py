"""Logits of one network for any number of rows, dense or sparse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from .activations import Activation

# Numbers in the widest layer's output per forward pass: it then stays within the cache.
_NUMBERS_AT_ONCE = 1 << 18


def dense_tensor(X, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """Rows as a dense tensor on the device; sparse rows are filled in."""
    array = X.toarray() if scipy.sparse.issparse(X) else np.ascontiguousarray(X)
    if not array.flags.writeable or min(array.strides, default=0) < 0:
        array = array.copy()  # torch's tensors are neither read-only nor backwards
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
    rows_at_once = max(1, _NUMBERS_AT_ONCE // max(max(w.shape) for w in weights))
    for begin in range(0, X.shape[0], rows_at_once):
        h = X[begin : begin + rows_at_once]
        if not isinstance(h, Tensor):
            h = dense_tensor(h, like.dtype, like.device)
        for activation, w, b in zip(activations, weights, biases, strict=False):
            h = activation.forward(torch.mm(h, w).add_(b), negative_slope)
        parts.append(torch.mm(h, weights[-1]).add_(biases[-1]))
    return torch.cat(parts) if parts else like.new_empty(0, biases[-1].shape[0])
