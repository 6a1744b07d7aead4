"""Logits of networks: of K side by side, and of one for any number of rows, dense or sparse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .layers import PREDICTION, Layer, Step
from .tensors import dense_tensor

# Numbers in the widest layer's output per forward pass: it then stays within the cache.
_NUMBERS_AT_ONCE = 1 << 18


def forward(layers: Sequence[Layer], arrays: Mapping[str, Tensor], x: Tensor, step: Step) -> Tensor:
    """Logits (K, B, m) of rows x (K, B, d).

    Parameters
    ----------
    layers : sequence of Layer
    arrays : mapping of str to Tensor
        By the names of the layers' slots.
    x : Tensor of shape (K, B, d)
    step : Step
    """
    for layer in layers:
        x = layer.forward(x, [arrays[slot.name] for slot in layer.slots], step)
    return x


def logits_in_parts(X, layers: Sequence[Layer], arrays: Mapping[str, Tensor]) -> Tensor:
    """Logits (n, m) of one network, as it predicts.

    Parameters
    ----------
    X : Tensor, ndarray or CSR matrix of shape (n, d)
    layers : sequence of Layer
    arrays : mapping of str to Tensor
        With a leading axis of one, on the device and in the dtype of the arithmetic.
    """
    like = arrays["weights.0"]
    widest = max(max(array.shape[1:]) for array in arrays.values())
    rows_at_once, parts = max(1, _NUMBERS_AT_ONCE // widest), []
    for begin in range(0, max(1, X.shape[0]), rows_at_once):
        x = X[begin : begin + rows_at_once]
        if not isinstance(x, Tensor):
            x = dense_tensor(x, like.dtype, like.device)
        parts.append(forward(layers, arrays, x.unsqueeze(0), PREDICTION)[0])
    return torch.cat(parts)
