"""Rows as tensors, dense or sparse."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import torch
from torch import Tensor


def dense_tensor(X, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """Rows as a dense tensor on the device; sparse rows are filled in."""
    array = X.toarray() if scipy.sparse.issparse(X) else np.ascontiguousarray(X)
    if not array.flags.writeable or min(array.strides) < 0:
        array = array.copy()  # torch's tensors are neither read-only nor backwards
    return torch.from_numpy(array).to(device, dtype)


def device_rows(X, dtype: torch.dtype, device: torch.device):
    """Rows to call `logits_in_parts` with many times: dense ones are moved once."""
    return X if scipy.sparse.issparse(X) else dense_tensor(X, dtype, device)
