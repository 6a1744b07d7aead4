"""What a network's steps depend on, as the array of numbers that the compiled loops take."""

from __future__ import annotations

import numpy as np

from ...task import TrainingTask
from .codes import (
    BETA_1,
    BETA_2,
    DECAY,
    EPSILON,
    L1,
    L2,
    MAX_NORM,
    MAX_VALUE,
    MOMENTUM,
    MU_PRODUCT,
    N_NUMBERS,
    NESTEROV,
    RATE,
    SLOPE,
)


def numbers_of(task: TrainingTask) -> np.ndarray:
    """The numbers at the start of training, see `codes`."""
    settings, numbers = task.optimizer, np.zeros(N_NUMBERS)
    numbers[RATE] = task.learning_rate_init
    numbers[L1] = task.alpha * task.l1_ratio
    numbers[L2] = task.alpha * (1.0 - task.l1_ratio)
    numbers[DECAY] = task.weight_decay
    numbers[MAX_VALUE] = np.inf if task.max_grad_value is None else task.max_grad_value
    numbers[MAX_NORM] = np.inf if task.max_grad_norm is None else task.max_grad_norm
    numbers[BETA_1], numbers[BETA_2] = settings.beta_1, settings.beta_2
    numbers[EPSILON], numbers[MOMENTUM] = settings.epsilon, settings.momentum
    numbers[NESTEROV] = settings.nesterovs_momentum and settings.momentum > 0
    numbers[SLOPE], numbers[MU_PRODUCT] = task.negative_slope, 1.0
    return numbers
