"""Rows, dense or sparse, and networks as tensors."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from .architecture import NetworkArrays


def dense_tensor(X, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """Rows as a dense tensor on the device; sparse rows are filled in."""
    array = X.toarray() if scipy.sparse.issparse(X) else np.ascontiguousarray(X)
    if not array.flags.writeable or min(array.strides) < 0:
        array = array.copy()  # torch's tensors are neither read-only nor backwards
    return torch.from_numpy(array).to(device, dtype)


def device_rows(X, dtype: torch.dtype, device: torch.device):
    """Rows to call `logits_in_parts` with many times: dense ones are moved once."""
    return X if scipy.sparse.issparse(X) else dense_tensor(X, dtype, device)


def network_tensors(
    arrays: NetworkArrays, dtype: torch.dtype, device: torch.device | str
) -> dict[str, Tensor]:
    """A network's arrays by the names of their slots, with a leading axis of one; not copied."""
    named = {f"weights.{i}": w for i, w in enumerate(arrays.coefs)}
    named |= {f"biases.{i}": b[None] for i, b in enumerate(arrays.intercepts)}
    named |= {name: a if a.ndim > 1 else a[None] for name, a in arrays.others.items()}
    return {name: dense_tensor(a, dtype, device).unsqueeze(0) for name, a in named.items()}
