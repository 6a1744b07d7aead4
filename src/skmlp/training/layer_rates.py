"""Learning rates of a network's layers, as factors of its own, for K networks at once.

What a step has done, decay included, is multiplied afterwards: so that it is the same for every
optimizer, and that a factor of 0 leaves a layer as it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..network.architecture import KINDS
from ..network.depth import blocks_of
from ..network.mlp import StackedMLP, per_network
from ..task import TrainingTask

# Whose places are those of blocks: they go with the last layer of their branch.
_OF_BLOCKS = ("projections", "multipliers")
_LIKE_BIASES = ("biases", "shifts", "activation_offsets", "linear_offsets")


def rate_factor(task: TrainingTask, name: str) -> float:
    """What multiplies the steps of an array, by its name: ``"weights.0"``, ``"shifts.1"``."""
    kind, number = name.split(".")
    place = int(number)
    if kind in _OF_BLOCKS:
        place = blocks_of(task.architecture)[place].last
    factor = task.layer_learning_rates[place] if task.layer_learning_rates else 1.0
    return factor * (task.bias_learning_rate if kind in _LIKE_BIASES else 1.0)


def has_layer_rates(task: TrainingTask) -> bool:
    return any(f != 1 for f in (*task.layer_learning_rates, task.bias_learning_rate))


class LayerRates:
    """The factors of K networks; arrays where all are 1 are left alone."""

    def __init__(self, tasks: Sequence[TrainingTask], module: StackedMLP):
        self._arrays: list[tuple[Tensor, Tensor]] = []
        self._before: list[Tensor] = []
        if not any(map(has_layer_rates, tasks)):
            return
        blocks = module.blocks
        trained = [slot.name for slot in blocks.slots if KINDS[slot.kind].trained]
        for name in trained:
            factors = np.array([rate_factor(task, name) for task in tasks])
            if (factors != 1).any():
                self._arrays.append((blocks.arrays[name], per_network(factors, blocks.flat)))

    def before_step(self) -> None:
        self._before = [array.clone() for array, _ in self._arrays]

    def after_step(self) -> None:
        # lerp is exact at 0 and at 1
        for (array, factors), before in zip(self._arrays, self._before, strict=True):
            array.copy_(torch.lerp(before, array, factors))
