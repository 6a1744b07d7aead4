"""Networks as stacks of tensors: which train together, in which slices, and on which cores."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import chain, pairwise
from math import ceil
from typing import TypeVar

import numpy as np
import torch

from ..machine.device import usual_torch
from ..machine.processor import flushed_denormals, one_blas_thread, one_thread
from ..network.mlp import derived_by_hand
from ..task import (
    FULL_BATCH_METHODS,
    FULL_BATCH_OPTIMIZERS,
    Observed,
    TrainingResult,
    TrainingTask,
)
from .bar import StackBar
from .flops import n_weights, stack_flops
from .full_batch import train_full_batch
from .padding import cut, padded
from .stack import Outcome, Stack, optimizer_key

Outcomes = list[Outcome]
T = TypeVar("T")
R = TypeVar("R")

# Below this many floating-point operations a step, two threads are no faster than one (measured
# on 2 cores: even at 20 to 23 million, 0.8 times the time at 32 million); and when other programs
# keep the cores busy, threads that wait for one another take 2 to 100 times as long.
_FLOPS_FOR_THREADS = 25e6

# Of a stack of large networks a part at a time is faster: on 64-256-256-10 networks slices of 8
# took less time a network than 24 or 120 at once, while small networks gain up to 120 and more.
_SLICE_BYTES = 16 << 20
# Slices train side by side where a slice's step has at least this many operations: at 18 million
# two cores took 0.8 times as long as one, at 0.5 million 1.3 times, because threads that run
# small operations wait for each other's interpreter.
_FLOPS_FOR_SLICES = 10e6


def train_stacks(tasks: Sequence[TrainingTask], bar: StackBar | None) -> Outcomes:
    """Train tasks as stacks of tensors."""
    given, tasks = tasks, padded(tasks)
    stacks = defaultdict(list)
    for i, task in enumerate(tasks):
        stacks[task.stack_key].append(i)
    places = [part for stack in stacks.values() for part in slices(stack, tasks)]
    scipy_calls = any(task.optimizer.family in FULL_BATCH_OPTIMIZERS for task in tasks)
    with one_blas_thread(scipy_calls):
        outcomes = _train_parts([[tasks[i] for i in part] for part in places], bar)
    results = dict(zip(chain(*places), chain(*outcomes), strict=True))
    return [cut(results[i], task) for i, task in enumerate(given)]


def slices(places: Sequence[int], tasks: Sequence[TrainingTask]) -> list[list[int]]:
    """A stack cut so that a slice fits the cache, and there is work for each core."""
    n = len(places)
    n_slices = ceil(n / _most_in_cache(tasks[places[0]]))
    cores = _cores_that_pay([tasks[i] for i in places])
    n_slices = min(n, cores * ceil(n_slices / cores))
    places = sorted(places, key=lambda i: optimizer_key(tasks[i]))
    bounds = [n * i // n_slices for i in range(n_slices + 1)]
    return [places[begin:end] for begin, end in pairwise(bounds)]


def _most_in_cache(task: TrainingTask) -> int:
    """Networks whose parameters, gradients and two moments fit the cache."""
    numbers = n_weights(task) + sum(task.layer_sizes[1:])
    return max(1, _SLICE_BYTES // (4 * numbers * np.dtype(task.dtype).itemsize))


def _cores_that_pay(tasks: Sequence[TrainingTask]) -> int:
    """How many slices should train side by side, each on one core."""
    most = torch.get_num_threads() if tasks[0].device == "cpu" else 1
    return int(np.clip(stack_flops(tasks) // _FLOPS_FOR_SLICES, 1, most))


def _train_parts(parts: list[list[TrainingTask]], bar: StackBar | None) -> list[Outcomes]:
    """Train slices and stacks, those with enough work side by side, each on one core.

    Two slices on a core each are no slower than one on both, and on a busy machine much faster:
    threads that share an operation wait for one another many times a step.
    """
    outcomes: dict[int, Outcomes] = {}
    side_by_side = [i for i, part in enumerate(parts) if _may_share_the_processor(part)]
    if len(side_by_side) > 1 and torch.get_num_threads() > 1:
        trained = _train_side_by_side([parts[i] for i in side_by_side], bar)
        outcomes = dict(zip(side_by_side, trained, strict=True))
    for i, part in enumerate(parts):
        if i not in outcomes:
            outcomes[i] = _train_stack(part, Run(bar))
    return [outcomes[i] for i in range(len(parts))]


def _may_share_the_processor(tasks: list[TrainingTask]) -> bool:
    first = tasks[0]
    enough = stack_flops(tasks) >= _FLOPS_FOR_SLICES
    by_itself = first.callback_view is None and not any(task.runs_users_code for task in tasks)
    return enough and first.device == "cpu" and by_itself


def _train_side_by_side(parts: list[list[TrainingTask]], bar: StackBar | None) -> list[Outcomes]:
    run = Run(bar, one_thread=True)
    return _on_all_cores(lambda part: _train_stack(part, run), parts, run)


def _on_all_cores(call: Callable[[T], R], jobs: Sequence[T], run: Run) -> list[R]:
    """What calls return, in the order of the jobs; in this thread where that is enough."""
    n_threads = min(len(jobs), torch.get_num_threads())
    if n_threads == 1:
        return [call(job) for job in jobs]
    with ThreadPoolExecutor(n_threads) as pool:
        futures = [pool.submit(call, job) for job in jobs]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()  # raises the first error while others still train
            return [future.result() for future in futures]
        except BaseException:
            run.stop.set()
            pool.shutdown(cancel_futures=True)
            raise


@dataclass
class Run:
    """What the stacks of one training have in common."""

    bar: StackBar | None = None
    one_thread: bool = False
    stop: threading.Event = field(default_factory=threading.Event)

    def note(self, outcomes: Outcomes) -> Outcomes:
        """Show networks that have trained without reports as done."""
        if self.bar is not None:
            self.bar.ended(len(outcomes))
        return outcomes


def _train_stack(tasks: list[TrainingTask], run: Run) -> Outcomes:
    """Train a stack; where that fails, one half after the other.

    So a stack that is too large for the device's memory is cut until it fits, and what a user's
    own part raises (a rule for starting weights, an optimizer, a callback) is the outcome of the
    network that has it, and of no other.
    """
    try:
        return _train_at_once(tasks, run)
    except Exception as error:
        if len(tasks) == 1:
            return run.note([error])
    # Outside the handler: its traceback would keep the tensors of the stack alive.
    half = len(tasks) // 2
    return _train_stack(tasks[:half], run) + _train_stack(tasks[half:], run)


def _train_at_once(tasks: list[TrainingTask], run: Run) -> Outcomes:
    little = stack_flops(tasks) < _FLOPS_FOR_THREADS
    with one_thread(run.one_thread or little), usual_torch(tasks[0].device):
        if tasks[0].callback_view is not None:
            return run.note(_train_observed(tasks[0]))
        # Inference mode halves the overhead of a small operation, against no_grad; autograd's
        # tensors cannot be made in it.
        by_hand = derived_by_hand(tasks[0].architecture) and not _is_differentiated_twice(tasks[0])
        with torch.inference_mode(by_hand), torch.no_grad():
            if tasks[0].optimizer.family in FULL_BATCH_OPTIMIZERS:
                return [run.note([train_full_batch(task, run)])[0] for task in tasks]
            with flushed_denormals():
                return _train_unobserved(tasks, run)


def _is_differentiated_twice(task: TrainingTask) -> bool:
    family = task.optimizer.family
    return family in FULL_BATCH_OPTIMIZERS and FULL_BATCH_METHODS[family].takes_products


def _train_unobserved(tasks: list[TrainingTask], run: Run) -> Outcomes:
    stack = Stack(tasks)
    while stack.members and not run.stop.is_set():
        n_before = len(stack.members)
        stack.advance()
        stack.end_epochs()
        stack.restore_best()
        if run.bar is not None:
            run.bar.epoch_ended(stack)
        stack.let_leave()
        if run.bar is not None:
            run.bar.ended(n_before - len(stack.members))
    return _complete(stack)


def _train_observed(task: TrainingTask) -> Outcomes:
    from .callbacks import TrainingEngine

    engine = TrainingEngine(task)
    # Callbacks get ordinary tensors: those of inference mode cannot be used outside it.
    with torch.inference_mode(False), torch.no_grad():
        outcomes = _complete(engine.run())
    for outcome in outcomes:
        if isinstance(outcome, TrainingResult):
            outcome.observed = Observed(engine.callbacks_, engine.history_)
    return outcomes


def _complete(stack: Stack) -> Outcomes:
    return [outcome for outcome in stack.outcomes if outcome is not None]
