"""Blocks of residual networks: which layers they have, and how often they survive.

L blocks; p_l is the probability that a batch goes through the branch of block l.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .architecture import Architecture


class Block(NamedTuple):
    """One residual block.

    Attributes
    ----------
    first, last : int
        Places of the first and the last linear layer of its branch.
    widths : (int, int)
        Of what comes in and what goes out.
    """

    first: int
    last: int
    widths: tuple[int, int]

    @property
    def n_layers(self) -> int:
        return self.last - self.first + 1

    @property
    def projects(self) -> bool:
        """Whether the skip needs a matrix, since the widths differ."""
        return self.widths[0] != self.widths[1]


def blocks_of(architecture: Architecture) -> list[Block]:
    """The residual blocks of a network.

    The first linear layer maps the inputs to the first width and the last one to the logits; those
    between are the blocks' branches, ``architecture.residual`` layers each. The last block has
    those that are left over.
    """
    sizes, length = architecture.layer_sizes, architecture.residual
    if not length:
        return []
    n_hidden = len(sizes) - 2
    lasts = [min(first + length, n_hidden) - 1 for first in range(1, n_hidden, length)]
    return [
        Block(first, last, (sizes[first], sizes[last + 1]))
        for first, last in zip(range(1, n_hidden, length), lasts, strict=True)
    ]


def survival_probabilities(n_blocks: int, last: float) -> np.ndarray:
    """p_l = 1 - (l/L)(1 - p_L) for l = 1…L, with ``last`` for p_L (Huang et al. 2016, eq. 4)."""
    return 1.0 - np.arange(1, n_blocks + 1) / n_blocks * (1.0 - last)


def expected_depth(architecture: Architecture, last: float) -> float | None:
    """Σ p_l = L - (1 - p_L)(L + 1)/2; None for a network without blocks."""
    n_blocks = len(blocks_of(architecture))
    return n_blocks - (1.0 - last) * (n_blocks + 1) / 2 if n_blocks else None
