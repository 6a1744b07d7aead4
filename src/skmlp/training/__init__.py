"""Training: `train` takes tasks, forms stacks, and returns what came of each task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

from .._device import usual_torch
from .._task import TrainingResult, TrainingTask
from .full_batch import train_full_batch
from .optimizers import FULL_BATCH_OPTIMIZERS
from .stack import Stack
from .threads import few_threads

__all__ = ["train"]


def train(tasks: Sequence[TrainingTask]) -> list[TrainingResult | Exception]:
    """Train the networks of all tasks, those of one shape together.

    Parameters
    ----------
    tasks : sequence of TrainingTask

    Returns
    -------
    list of TrainingResult or Exception
        In the order of ``tasks``. A network that diverges has its own exception, and the others
        of its stack are not touched.
    """
    stacks = defaultdict(list)
    for i, task in enumerate(tasks):
        stacks[task.stack_key].append(i)
    results: dict[int, TrainingResult | Exception] = {}
    for places in stacks.values():
        stack = [tasks[i] for i in places]
        with few_threads(stack), usual_torch(stack[0].device):
            outcomes = _train_stack(stack)
        results.update(zip(places, outcomes, strict=True))
    return [results[i] for i in range(len(tasks))]


def _train_stack(tasks: list[TrainingTask]) -> list[TrainingResult | Exception]:
    if tasks[0].callback_view is not None:
        return _train_observed(tasks[0])
    # Inference mode halves the overhead of a small operation, against no_grad.
    with torch.inference_mode():
        if tasks[0].optimizer.family in FULL_BATCH_OPTIMIZERS:
            return [train_full_batch(task) for task in tasks]
        return _train_unobserved(tasks)


def _train_unobserved(tasks: list[TrainingTask]) -> list[TrainingResult | Exception]:
    stack = Stack(tasks)
    while stack.members:
        stack.advance()
        stack.end_epochs()
        stack.restore_best()
        stack.let_leave()
    return _complete(stack)


def _train_observed(task: TrainingTask) -> list[TrainingResult | Exception]:
    from .engine import TrainingEngine

    # Callbacks get ordinary tensors: those of inference mode cannot be used outside it.
    with torch.no_grad():
        return _complete(TrainingEngine(task).run())


def _complete(stack: Stack) -> list[TrainingResult | Exception]:
    return [outcome for outcome in stack.outcomes if outcome is not None]
