"""How training uses the processor: few threads for little work, and no denormal numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

from .._task import TrainingTask

# Below this many floating-point operations a step, two threads are no faster than one (measured
# on 2 cores: even at 20 to 23 million, 0.8 times the time at 32 million); and when other programs
# keep the cores busy, threads that wait for one another take 2 to 100 times as long.
_FLOPS_FOR_THREADS = 25e6


# NumPy probes a dtype's limits once, and must not do so while denormals are flushed.
for _dtype in (np.float32, np.float64):
    np.finfo(_dtype)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Within it, this thread rounds numbers below the normal range (1e-38 in float32) to zero.

    Gradients of a network that has learned its rows fall below it, and the processor takes about a
    hundred times as long for such numbers: late epochs of float32 training took twice as long.
    """
    if denormals_are_flushed() or not torch.set_flush_denormal(True):
        yield
        return
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def denormals_are_flushed() -> bool:
    """Whether this thread rounds denormal numbers to zero."""
    tiny = torch.full((), 1e-40, dtype=torch.float32)
    return (tiny + tiny).item() == 0.0


@contextmanager
def few_threads(tasks: Sequence[TrainingTask], *, always: bool = False) -> Iterator[None]:
    """Within it, this thread's torch operations use one core if a step of ``tasks`` is small.

    ``always``: whatever the step.

    The limit is that of the calling thread's OpenMP regions: other threads, and what
    `torch.get_num_threads` says afterwards, are as before.
    """
    if not always and stack_flops(tasks) >= _FLOPS_FOR_THREADS:
        yield
        return
    torch.get_num_threads()  # torch sets a thread's count when it is first asked: before the limit
    with _openmp().limit(limits=1):
        yield


def flops_per_step(task: TrainingTask) -> int:
    """Multiplications and additions of a step's products: forward, and two for the gradients."""
    weights = sum(fan_in * fan_out for fan_in, fan_out in pairwise(task.layer_sizes))
    return 6 * min(task.batch_size, len(task.train)) * weights


def stack_flops(tasks: Sequence[TrainingTask]) -> int:
    """`flops_per_step` of all networks of a stack."""
    return sum(map(flops_per_step, tasks))


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")
