"""How many floating-point operations a step takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ..network.depth import blocks_of
from ..task import FULL_BATCH_OPTIMIZERS, TrainingTask


def flops_per_step(task: TrainingTask) -> int:
    """Multiplications and additions of a step's products: forward, and two for the gradients."""
    n = len(task.train)
    rows = n if _is_full_batch(task) else min(task.batch_size, n)
    return 6 * rows * n_weights(task)


def n_weights(task: TrainingTask) -> int:
    """Entries of all matrices, those of skips too."""
    skips = [block.widths for block in blocks_of(task.architecture) if block.projects]
    return sum(fan_in * fan_out for fan_in, fan_out in [*pairwise(task.layer_sizes), *skips])


def stack_flops(tasks: Sequence[TrainingTask]) -> int:
    """`flops_per_step` of all networks that take their steps at once.

    Those of a full-batch method take theirs one network after another.
    """
    flops = map(flops_per_step, tasks)
    return max(flops) if _is_full_batch(tasks[0]) else sum(flops)


def _is_full_batch(task: TrainingTask) -> bool:
    return task.optimizer.family in FULL_BATCH_OPTIMIZERS
