"""Training: `train` takes tasks, forms stacks, and returns what came of each task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch

from .._device import usual_torch
from .._task import TrainingResult, TrainingTask
from .full_batch import train_full_batch
from .optimizers import FULL_BATCH_OPTIMIZERS
from .processor import few_threads, flushed_denormals
from .stack import Stack, optimizer_key

__all__ = ["train"]

# Of a stack of large networks a part at a time is faster: on 64-256-256-10 networks slices of 8
# took less time a network than 24 or 120 at once, while small networks gain up to 120 and more.
_SLICE_BYTES = 16 << 20


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
    for places in slices(stacks.values(), tasks):
        stack = [tasks[i] for i in places]
        with few_threads(stack), usual_torch(stack[0].device):
            outcomes = _train_stack(stack)
        results.update(zip(places, outcomes, strict=True))
    return [results[i] for i in range(len(tasks))]


def slices(stacks: Iterable[list[int]], tasks: Sequence[TrainingTask]) -> Iterator[list[int]]:
    """Stacks cut so that parameters, gradients and two moments of a slice fit the cache."""
    for places in stacks:
        first = tasks[places[0]]
        weights = sum((i + 1) * o for i, o in pairwise(first.layer_sizes))
        at_once = max(1, _SLICE_BYTES // (4 * weights * np.dtype(first.dtype).itemsize))
        places = sorted(places, key=lambda i: optimizer_key(tasks[i]))
        for begin in range(0, len(places), at_once):
            yield places[begin : begin + at_once]


def _train_stack(tasks: list[TrainingTask]) -> list[TrainingResult | Exception]:
    if tasks[0].callback_view is not None:
        return _train_observed(tasks[0])
    # Inference mode halves the overhead of a small operation, against no_grad.
    with torch.inference_mode():
        if tasks[0].optimizer.family in FULL_BATCH_OPTIMIZERS:
            return [train_full_batch(task) for task in tasks]
        with flushed_denormals():
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
