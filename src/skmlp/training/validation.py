"""Loss and score on held-out rows.

Shapes: z and t are (n, m); weights (n,), summing to one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .._task import TrainingTask
from ..network.forward import dense_tensor, device_rows
from ..network.losses import LOSSES
from ..network.mlp import StackedMLP

Score = Callable[[Tensor, Tensor, Tensor, Callable[[Tensor], Tensor]], Tensor]


def _accuracy(z: Tensor, t: Tensor, weights: Tensor, mean: Callable) -> Tensor:
    return ((z.argmax(1) == t.argmax(1)) * weights).sum()


def _subset_accuracy(z: Tensor, t: Tensor, weights: Tensor, mean: Callable) -> Tensor:
    return (((z > 0) == (t > 0.5)).all(1) * weights).sum()


def _r2(z: Tensor, t: Tensor, weights: Tensor, mean: Callable) -> Tensor:
    """R² averaged over outputs; a constant target counts 1 if met and 0 if missed.

    So does sklearn.metrics.r2_score.
    """
    column = weights.unsqueeze(1)
    residual = (column * (t - mean(z)).square()).sum(0)
    total = (column * (t - (column * t).sum(0)).square()).sum(0)
    constant = t.amax(0) == t.amin(0)
    missed = (residual > 0).to(z.dtype)
    return (1 - torch.where(constant, missed, residual / torch.where(constant, 1, total))).mean()


SCORES: dict[str, Score] = {
    "accuracy": _accuracy,
    "subset_accuracy": _subset_accuracy,
    "r2": _r2,
}


class Validation:
    """The held-out rows of one network, on its device."""

    def __init__(self, task: TrainingTask, dtype: torch.dtype, device: torch.device):
        rows = task.validation
        assert rows is not None
        self.rows = rows
        self.loss, self.score = LOSSES[task.loss], SCORES[task.score]
        self.X = device_rows(rows.X, dtype, device)
        self.targets = dense_tensor(rows.targets, dtype, device)
        weights = np.ones(len(rows)) if rows.weights is None else rows.weights
        self.weights = dense_tensor(weights / weights.sum(), dtype, device)

    def __call__(self, module: StackedMLP, k: int) -> tuple[float, float, Tensor]:
        """Loss, score and logits (n, m) of network k."""
        z = module.logits_of(k, self.X)
        loss = (self.loss.per_row(z, self.targets) * self.weights).sum()
        score = self.score(z, self.targets, self.weights, self.loss.mean)
        loss_value, score_value = torch.stack([loss, score]).tolist()
        return loss_value, score_value, z
