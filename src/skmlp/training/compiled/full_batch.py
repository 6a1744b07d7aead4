"""Loss and gradient over all rows, by compiled loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.sparse import issparse

from ...network.architecture import NetworkArrays
from ...task import TrainingTask
from ..full_batch import row_weights
from .arrays import fixed
from .network import CompiledNetwork, no_places

# Numbers in the widest layer's units of one part of the rows, which then stay within the cache;
# or as many as there are weights: each part has a gradient, to be filled and added up.
_NUMBERS_AT_ONCE = 1 << 14


class CompiledEvaluator:
    """An `Evaluator` by compiled loops: a step that changes nothing leaves the gradient."""

    def __init__(self, task: TrainingTask):
        self.task, rows = task, task.train
        sizes = task.layer_sizes
        numbers = max(_NUMBERS_AT_ONCE, sum(p * m for p, m in pairwise(sizes)))
        at_once = max(1, min(len(rows), numbers // max(sizes[issparse(rows.X) :])))
        self.steps = CompiledNetwork(
            replace(
                task,
                dtype="float64",  # see TorchEvaluator
                batch_size=at_once,
                shuffle=False,
                alpha=0.0,
                dropout=(0.0,) * len(task.activations),
            )
        )
        self.rows = fixed(self.steps.order.rows, "int64")
        self.n_weights = self.steps.parameters.n_weights
        weights = row_weights(rows)
        sums = np.add.reduceat(weights, np.arange(0, len(rows), at_once))
        self._nothing = no_places(), np.empty((0, 2)), np.empty((0, 0), "float64")
        self.parts: Sequence[tuple[int, float]] = list(enumerate((sums / weights.sum()).tolist()))

    def vector(self) -> np.ndarray:
        return self.steps.parameters.flat

    def set_vector(self, vector: np.ndarray) -> None:
        self.steps.parameters.flat[:] = vector

    def evaluate(self, part: tuple[int, float]) -> tuple[float, np.ndarray]:
        number, share = part
        order = self.steps.order
        order.position = number
        n_rows = min(order.batch_size, order.n_rows - number * order.batch_size)
        loss = np.zeros(1)
        self.steps.take_steps(self.rows, loss, 1, *self._nothing)
        return share * float(loss[0]) / n_rows, share * self.steps.gradient

    def validate(self, epoch: int) -> tuple[float, float]:
        return self.steps.validate(epoch, None)

    def network(self) -> NetworkArrays:
        return self.steps.parameters.copies(self.vector())
