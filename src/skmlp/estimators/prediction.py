"""What a fitted network predicts, from its NumPy weights. Torch is imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..machine.device import usual_torch
from ..machine.processor import one_thread
from ..network.architecture import Architecture, NetworkArrays
from ..network.loss_forms import Key, loss_of
from ..task import Matrix

# Below this many floating-point operations one core predicts: it takes less than a millisecond,
# and in a thread that has not used OpenMP before (as the fits of fused searches are) or on a busy
# machine a second core costs several times what it saves.
_FLOPS_FOR_THREADS = 100e6


class Trained(NamedTuple):
    """What of the parameters a trained network still depends on."""

    architecture: Architecture
    loss: Key
    loss_options: tuple[float, ...] = ()


def predict_logits(
    X: Matrix, arrays: NetworkArrays, architecture: Architecture, device: str
) -> np.ndarray:
    """Logits (n, m) of rows X (n, d), in the dtype of the weights."""
    import torch

    from ..network.forward import logits_in_parts
    from ..network.layers import layers_of
    from ..network.tensors import network_tensors

    dtype = getattr(torch, arrays.coefs[0].dtype.name)
    flops = 2 * X.shape[0] * sum(a.size for a in (*arrays.coefs, *arrays.others.values()))
    with one_thread(flops < _FLOPS_FOR_THREADS), usual_torch(device), torch.inference_mode():
        tensors = network_tensors(arrays, dtype, device)
        logits = logits_in_parts(X, layers_of(architecture), tensors)
    return logits.cpu().numpy()


def mean_of(logits: np.ndarray, loss: Key, options: Sequence[float] = ()) -> np.ndarray:
    """A network's outputs: probabilities, or expected values."""
    import torch

    with torch.inference_mode():
        return loss_of(loss).given(options).mean(torch.from_numpy(logits)).numpy()
