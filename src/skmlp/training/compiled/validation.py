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
        self.dtype, self.slope = task.dtype, task.negative_slope
        self.rows = rows_of(X, task.dtype)
        self.order = fixed(np.arange(n), "int64")
        self.table = layer_table(sizes, task.activations, self.at_once, sparse=sparse)
        self.space = Workspace(self.table, self.at_once, task.dtype, gradients=False)
        self.logits = np.empty(n * sizes[-1], task.dtype)
        self.levels = fixed(np.empty(0), "uint16")

    def __call__(self, flat: np.ndarray) -> np.ndarray:
        """Flat logits of all rows, by the network of these parameters; used again next time."""
        rows, order, table, space = self.rows, self.order, self.table, self.space
        gemm = gemm_address(self.dtype)
        for begin in range(0, order.size, self.at_once):
            n = min(self.at_once, order.size - begin)
            args = table, self.slope, flat, space.units, space.saved, self.levels, self.logits
            predict(self.dtype, gemm, rows, order, begin, n, *args)
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
        mean, dtype = self.predictor(flat), self.predictor.dtype
        loss = mean_loss(dtype, self.loss, mean, self.targets, self.weights)
        if self.exponential:
            with np.errstate(over="ignore"):
                mean = np.exp(mean)
        return loss, score_of(dtype, self.score, mean, self.targets, self.weights)
