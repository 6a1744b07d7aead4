"""The optimizer's state in the form of a checkpoint: torch's names, block by block.

So a network may go on in either executor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...task import OptimizerSettings
from ..optimizers import OPTIMIZERS
from .arrays import Parameters


class OptimizerState:
    """The memory of one network's optimizer, as its loop takes it.

    Attributes
    ----------
    arrays : ndarray of shape (3, n)
        See ``OptimizerFamily.state``.
    settings : ndarray of float64
        See ``OptimizerFamily.settings``; the last one is the number of steps.
    """

    def __init__(self, settings: OptimizerSettings, parameters: Parameters):
        self.row = OPTIMIZERS.get(settings.family)
        self.parameters = parameters
        self.arrays = np.zeros((3, parameters.flat.size), parameters.flat.dtype)
        self.settings = np.array([*(self.row.settings(settings) if self.row else []), 0.0])
        #: The place of the weights to evaluate in ``arrays``, if they are not the parameters.
        self.evaluated: int | None = None
        if self.row is not None and self.row.evaluated is not None:
            self.evaluated = self.row.state.index(self.row.evaluated)
        self.is_kept = settings.family != "sgd" or settings.momentum > 0

    def checkpoint(self) -> list[dict[str, Any]]:
        """A dictionary of arrays for each block: weights, then biases, which are (1, fan_out)."""
        assert self.row is not None
        n_blocks = len(self.parameters.shapes) * 2
        if not self.is_kept:
            return [{} for _ in range(n_blocks)]
        counts = {
            name: np.array(self.settings[place], np.float32)
            for name, place in self.row.counts.items()
        }
        found: list[dict[str, Any]] = [dict(counts) for _ in range(n_blocks)]
        for name, flat in zip(self.row.state, self.arrays, strict=False):
            for block, values in zip(found, self.parameters.blocks(flat), strict=True):
                block[name] = np.atleast_2d(values).copy()
        return found

    def go_on(self, blocks: list[dict[str, Any]]) -> None:
        """Go on with the state of a checkpoint."""
        assert self.row is not None
        for name, flat in zip(self.row.state, self.arrays, strict=False):
            for block, values in zip(blocks, self.parameters.blocks(flat), strict=True):
                if block.get(name) is not None:
                    values[...] = np.reshape(block[name], values.shape)
        for name, place in self.row.counts.items():
            if name in blocks[0]:
                self.settings[place] = float(blocks[0][name])
