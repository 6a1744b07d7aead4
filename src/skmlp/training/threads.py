"""How many threads a small network's training uses: one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise

import torch
from threadpoolctl import ThreadpoolController

from .._task import TrainingTask

# Below this many floating-point operations a step, two threads are no faster than one (measured
# on 2 cores: even at 20 to 23 million, 0.8 times the time at 32 million); and when other programs
# keep the cores busy, threads that wait for one another take 2 to 100 times as long.
_FLOPS_FOR_THREADS = 25e6


@contextmanager
def few_threads(tasks: Sequence[TrainingTask]) -> Iterator[None]:
    """Within it, this thread's torch operations use one core if a step of ``tasks`` is small.

    The limit is that of the calling thread's OpenMP regions: other threads, and what
    `torch.get_num_threads` says afterwards, are as before.
    """
    if sum(map(flops_per_step, tasks)) >= _FLOPS_FOR_THREADS:
        yield
        return
    torch.get_num_threads()  # torch sets a thread's count when it is first asked: before the limit
    with _openmp().limit(limits=1):
        yield


def flops_per_step(task: TrainingTask) -> int:
    """Multiplications and additions of a step's products: forward, and two for the gradients."""
    weights = sum(fan_in * fan_out for fan_in, fan_out in pairwise(task.layer_sizes))
    return 6 * min(task.batch_size, len(task.train)) * weights


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")
