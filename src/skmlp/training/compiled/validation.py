"""Loss and score on held-out rows, by compiled loops."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse

from ...task import Matrix, TrainingTask
from ..row_weights import validation_weights
from .arrays import Workspace, fixed, layer_table, rows_of
from .blas import gemm_address
from .codes import LOSS_CODES, SCORE_CODES
from .losses import mean_loss, score_of
from .steps import predict

# Numbers in the widest layer's output per pass: it then stays within the cache.
_NUMBERS_AT_ONCE = 1 << 18


class Predictor:
    """Logits of rows, some at a time."""

    def __init__(self, X: Matrix, task: TrainingTask):
        sizes, n, sparse = task.layer_sizes, X.shape[0], issparse(X)
        self.at_once = max(1, min(n, _NUMBERS_AT_ONCE // max(sizes[sparse:])))
        self.rows, self.slope = rows_of(X, task.dtype), task.negative_slope
        self.order = fixed(np.arange(n), "int64")
        self.table = layer_table(sizes, task.activations, self.at_once, sparse=sparse)
        self.space = Workspace(self.table, self.at_once, task.dtype, gradients=False)
        self.logits = np.empty(n * sizes[-1], task.dtype)
        self.levels = fixed(np.empty(0), "uint16")

    def __call__(self, flat: np.ndarray) -> np.ndarray:
        """Flat logits of all rows, by the network of these parameters; used again next time."""
        dtype = flat.dtype.name
        rows, order, table, space = self.rows, self.order, self.table, self.space
        for begin in range(0, order.size, self.at_once):
            n = min(self.at_once, order.size - begin)
            args = table, self.slope, flat, space.units, space.saved, self.levels, self.logits
            predict(dtype, gemm_address(dtype), rows, order, begin, n, *args)
        return self.logits


class Validation:
    """The held-out rows of one network."""

    def __init__(self, task: TrainingTask):
        rows = task.validation
        assert rows is not None
        self.predictor = Predictor(rows.X, task)
        self.targets = fixed(rows.targets, task.dtype)
        self.weights = fixed(validation_weights(rows), "float64")
        self.loss, self.score = LOSS_CODES[task.loss], SCORE_CODES[task.score]
        self.exponential = task.loss == "poisson"

    def __call__(self, flat: np.ndarray) -> tuple[float, float]:
        """Loss and score."""
        logits, dtype = self.predictor(flat), flat.dtype.name
        loss = mean_loss(dtype, self.loss, logits, self.targets, self.weights)
        with np.errstate(over="ignore"):
            mean = np.exp(logits) if self.exponential else logits
        return loss, score_of(dtype, self.score, mean, self.targets, self.weights)
