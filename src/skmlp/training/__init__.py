"""Training: `train` takes tasks, forms stacks, and returns what came of each task."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import chain, pairwise

import numpy as np
import torch

from .._device import usual_torch
from .._task import FULL_BATCH_OPTIMIZERS, TrainingTask
from .full_batch import train_full_batch
from .processor import few_threads, flushed_denormals
from .stack import Outcome, Stack, optimizer_key

__all__ = ["train"]

Outcomes = list[Outcome]

# Of a stack of large networks a part at a time is faster: on 64-256-256-10 networks slices of 8
# took less time a network than 24 or 120 at once, while small networks gain up to 120 and more.
_SLICE_BYTES = 16 << 20


def train(tasks: Sequence[TrainingTask]) -> Outcomes:
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
    results: dict[int, Outcome] = {}
    for stack in stacks.values():
        places = slices(stack, tasks)
        outcomes = _train_slices([[tasks[i] for i in part] for part in places])
        results.update(zip(chain(*places), chain(*outcomes), strict=True))
    return [results[i] for i in range(len(tasks))]


def slices(places: Sequence[int], tasks: Sequence[TrainingTask]) -> list[list[int]]:
    """A stack cut so that parameters, gradients and two moments of a slice fit the cache."""
    first = tasks[places[0]]
    weights = sum((i + 1) * o for i, o in pairwise(first.layer_sizes))
    at_once = max(1, _SLICE_BYTES // (4 * weights * np.dtype(first.dtype).itemsize))
    places = sorted(places, key=lambda i: optimizer_key(tasks[i]))
    return [places[begin : begin + at_once] for begin in range(0, len(places), at_once)]


def _train_slices(parts: list[list[TrainingTask]]) -> list[Outcomes]:
    """Train slices of large networks side by side, each on one core.

    Two slices on a core each are faster than one on both. (Small networks have one slice: Python
    threads would spend their time waiting for the interpreter.)
    """
    n_threads = min(len(parts), torch.get_num_threads())
    if n_threads == 1 or parts[0][0].device != "cpu":
        return [_train_stack(part) for part in parts]
    stop = threading.Event()
    with ThreadPoolExecutor(n_threads) as pool:
        futures = [pool.submit(_train_stack, part, stop, one_thread=True) for part in parts]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()  # raises the first error while other slices still train
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _train_stack(
    tasks: list[TrainingTask], stop: threading.Event | None = None, *, one_thread: bool = False
) -> Outcomes:
    with few_threads(tasks, always=one_thread), usual_torch(tasks[0].device):
        if tasks[0].callback_view is not None:
            return _train_observed(tasks[0])
        # Inference mode halves the overhead of a small operation, against no_grad.
        with torch.inference_mode():
            if tasks[0].optimizer.family in FULL_BATCH_OPTIMIZERS:
                return [train_full_batch(task) for task in tasks]
            with flushed_denormals():
                return _train_unobserved(tasks, stop)


def _train_unobserved(tasks: list[TrainingTask], stop: threading.Event | None) -> Outcomes:
    stack = Stack(tasks)
    while stack.members and not (stop is not None and stop.is_set()):
        stack.advance()
        stack.end_epochs()
        stack.restore_best()
        stack.let_leave()
    return _complete(stack)


def _train_observed(task: TrainingTask) -> Outcomes:
    from .engine import TrainingEngine

    # Callbacks get ordinary tensors: those of inference mode cannot be used outside it.
    with torch.no_grad():
        return _complete(TrainingEngine(task).run())


def _complete(stack: Stack) -> Outcomes:
    return [outcome for outcome in stack.outcomes if outcome is not None]
