"""Loss and score on held-out rows, by compiled loops."""

from __future__ import annotations

import numpy as np

from ..._task import TrainingTask
from ..weights import validation_weights
from .arrays import Workspace, fixed, layer_table
from .blas import gemm_address
from .codes import LOSS_CODES, SCORE_CODES
from .losses import mean_loss, score_of
from .steps import predict

# Numbers in the widest layer's output per pass: it then stays within the cache.
_NUMBERS_AT_ONCE = 1 << 18


class Predictor:
    """Logits of rows, some at a time."""

    def __init__(self, X: np.ndarray, task: TrainingTask):
        sizes = task.layer_sizes
        self.at_once = max(1, min(len(X), _NUMBERS_AT_ONCE // max(sizes)))
        self.X, self.slope = fixed(X, task.dtype), task.negative_slope
        self.table = layer_table(sizes, task.activations, self.at_once)
        self.space = Workspace(sizes, self.at_once, task.dtype, gradients=False)
        self.logits = np.empty(len(X) * sizes[-1], task.dtype)
        self.levels = fixed(np.empty(0), "uint16")

    def __call__(self, flat: np.ndarray) -> np.ndarray:
        """Flat logits of all rows, by the network of these parameters; used again next time."""
        dtype = flat.dtype.name
        for begin in range(0, len(self.X), self.at_once):
            n = min(self.at_once, len(self.X) - begin)
            table, space = self.table, self.space
            args = table, self.slope, flat, space.units, space.saved, self.levels, self.logits
            predict(dtype, gemm_address(dtype), self.X, begin, n, *args)
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
