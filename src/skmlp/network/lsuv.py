"""LSUV: starting weights that give every linear layer outputs of variance one.

Mishkin & Matas (2016), arXiv:1511.06422. The weights, which start orthonormal, are scaled layer by
layer from the input on, while rows go through the network: what comes out of a layer (before its
normalization and activation) has variance one over rows and units together.
"""

from __future__ import annotations

from math import isfinite, sqrt

import torch
from torch import Tensor

from ..machine.processor import one_thread
from .architecture import Architecture, NetworkArrays
from .forward import forward
from .layers import Step, layers_of, slots_of
from .mlp import Blocks
from .tensors import dense_tensor

TOLERANCE = 0.05
# Without biases one is enough.
_MOST_TRIES = 10
# Outputs whose variance is less than this part of their mean square differ by rounding alone.
_CONSTANT = 1e-20


def scaled_to_unit_variance(arrays: NetworkArrays, architecture: Architecture, X) -> NetworkArrays:
    """A network whose layers' outputs have unit variance on rows X (n, d), dense or sparse.

    A layer whose outputs are constant, or whose biases alone vary more, keeps its weights.
    """
    layers = layers_of(architecture)
    # whatever the precision and the device of the training
    blocks = Blocks(1, slots_of(layers), torch.empty(0, dtype=torch.float64))
    blocks.start()
    blocks.set_network(0, *arrays)
    with torch.no_grad(), one_thread():  # so that the bits do not depend on the cores
        x = dense_tensor(X, torch.float64, "cpu").unsqueeze(0)
        forward(layers, blocks.arrays, x, Step(True, 1.0 / x.shape[1], visit=_scale))
    return arrays._replace(coefs=blocks.network(0).coefs)


def _scale(x: Tensor, weights: Tensor, biases: Tensor) -> None:
    """Scale a linear layer's weights in place."""
    drawn = weights.clone()
    for _ in range(_MOST_TRIES):
        outputs = torch.bmm(x, weights) + biases
        variance = float(outputs.var(correction=0))
        if abs(variance - 1.0) < TOLERANCE:
            return
        if not isfinite(variance) or variance <= _CONSTANT * float(outputs.square().mean()):
            break
        weights.div_(sqrt(variance))
    weights.copy_(drawn)
