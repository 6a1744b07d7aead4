"""LSUV: starting weights that give every linear layer outputs of variance one.

Mishkin & Matas (2016), arXiv:1511.06422. The weights, which start orthonormal, are scaled layer by
layer from the input on, while rows go through the network: what comes out of a layer (before its
normalization and activation) has variance one over rows and units together.
"""

from __future__ import annotations

from functools import partial
from math import isfinite, sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..machine.processor import one_thread
from .architecture import Architecture, NetworkArrays
from .forward import forward
from .layers import Step, layers_of, slots_of
from .mlp import Blocks
from .tensors import dense_tensor

Matrix = Any  # an ndarray, or a SciPy CSR matrix or array

TOLERANCE = 0.05
# Without biases one is enough.
_MOST_TRIES = 10
# Outputs whose variance is less than this part of their mean square differ by rounding alone.
_CONSTANT = 1e-20


def scaled_to_unit_variance(
    arrays: NetworkArrays, architecture: Architecture, X: Matrix, row_weights: np.ndarray
) -> NetworkArrays:
    """A network whose layers' outputs have unit variance on rows X (n, d) of weights (n,).

    A layer whose outputs are constant, or whose biases alone vary more, keeps its weights.
    """
    layers = layers_of(architecture)
    # whatever the precision and the device of the training
    blocks = Blocks(1, slots_of(layers), torch.empty(0, dtype=torch.float64))
    blocks.start()
    blocks.set_network(0, *arrays)
    share = torch.from_numpy(row_weights / row_weights.sum()).view(1, -1, 1)
    with torch.no_grad(), one_thread():  # so that the bits do not depend on the cores
        x = dense_tensor(X, torch.float64, "cpu").unsqueeze(0)
        forward(layers, blocks.arrays, x, Step(True, share, visit=partial(_scale, share)))
    return arrays._replace(coefs=blocks.network(0).coefs)


def _scale(share: Tensor, x: Tensor, weights: Tensor, biases: Tensor) -> None:
    """Scale a linear layer's weights in place."""
    drawn = weights.clone()
    for _ in range(_MOST_TRIES):
        outputs = torch.bmm(x, weights) + biases
        centred = outputs - _mean(outputs, share)
        variance = float(_mean(centred.square(), share))
        if abs(variance - 1.0) < TOLERANCE:
            return
        if not isfinite(variance) or variance <= _CONSTANT * float(outputs.square().mean()):
            break
        weights.div_(sqrt(variance))
    weights.copy_(drawn)


def _mean(outputs: Tensor, share: Tensor) -> Tensor:
    """Over units, and over rows by their shares."""
    return (outputs * share).sum(1).mean()
