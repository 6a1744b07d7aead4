"""Loss and score on held-out rows, by compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from ...task import Rows, TrainingTask
from ..row_weights import validation_weights
from .arrays import fixed, rows_of, workspace
from .steps import validate
from .tables import addresses_of, layer_table

# Numbers in the widest layer's output per pass: it then stays within the cache.
_NUMBERS_AT_ONCE = 1 << 18

LEVELS = fixed(np.empty(0), "uint16")  # of no dropout


def held_out(task: TrainingTask) -> tuple[Any, ...]:
    """A network's held-out rows and the memory for them, as the loops take them; may be none.

    Rows, targets, weights that sum to 1 (for each output), weights, the order of rows, how many
    are predicted at once; the table of layers, and memory for units, logits and their gradient.
    """
    dtype, sizes = task.dtype, task.layer_sizes
    rows = task.validation or Rows(np.empty((0, sizes[0])), np.empty((0, sizes[-1])))
    n, is_sparse = len(rows), issparse(rows.X)
    at_once = max(1, min(n, _NUMBERS_AT_ONCE // max(sizes[is_sparse:])))
    table = layer_table(sizes, task.activations, at_once, dtype, sparse=is_sparse)
    weights = validation_weights(rows).astype(np.float64)
    return (
        rows_of(rows.X, dtype),
        fixed(rows.targets, dtype),
        fixed(np.repeat(weights / weights.sum() if n else weights, sizes[-1]), "float64"),
        fixed(weights, "float64"),
        fixed(np.arange(n), "int64"),
        at_once,
        table,
        *workspace(table, at_once, dtype)[:2],
        *(np.empty(n * sizes[-1], dtype) for _ in range(2)),
    )


class Validation:
    """The held-out rows of one network."""

    def __init__(self, task: TrainingTask):
        self.dtype, self.slope = task.dtype, task.negative_slope
        self.at, self.held_out = addresses_of(task), held_out(task)

    def __call__(self, flat: np.ndarray) -> tuple[float, float]:
        """Loss and score."""
        found = np.empty(2)
        validate(self.dtype, self.held_out, self.at, self.slope, flat, LEVELS, found)
        return float(found[0]), float(found[1])
