"""How many floating-point operations a step takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .._task import TrainingTask


def flops_per_step(task: TrainingTask) -> int:
    """Multiplications and additions of a step's products: forward, and two for the gradients."""
    weights = sum(fan_in * fan_out for fan_in, fan_out in pairwise(task.layer_sizes))
    return 6 * min(task.batch_size, len(task.train)) * weights


def stack_flops(tasks: Sequence[TrainingTask]) -> int:
    """`flops_per_step` of all networks of a stack."""
    return sum(map(flops_per_step, tasks))
