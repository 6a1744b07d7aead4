"""Fixup: a start for residual networks without normalization.

Zhang, Dauphin & Ma (2019), arXiv:1901.09321. With L branches of m layers, the last layer of each
branch and the output layer start at zero, the other layers of branches at L^(-1/(2m - 2)) times
He's weights, so that a step changes the network's function by as much whatever L. The scalars that
belong to it (a number added before each linear layer and each activation, one that multiplies each
branch) are layers: see `layers`.
"""

from __future__ import annotations

from .architecture import Architecture, NetworkArrays
from .depth import blocks_of


def scaled_by_fixup(arrays: NetworkArrays, architecture: Architecture) -> NetworkArrays:
    """Weights that He's rule drew, as Fixup starts them."""
    coefs, blocks = [w.copy() for w in arrays.coefs], blocks_of(architecture)
    for block in blocks:
        for place in range(block.first, block.last):
            coefs[place] *= len(blocks) ** (-1 / (2 * block.n_layers - 2))
        coefs[block.last][...] = 0.0
    coefs[-1][...] = 0.0
    return arrays._replace(coefs=coefs)
