"""Networks of unequal hidden sizes in one stack: the smaller ones get units that do nothing.

A unit whose weights in and out are zero, and whose activation is zero at zero, has gradients of
zero in all of them, and every optimizer of the table leaves a zero gradient's weight where it is:
the network is the one without the unit. (ParallelMLPs, arXiv:2206.08369, trains unequal networks
together with masks; HFTA, MLSys 2021, fuses equal ones.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from ..network.architecture import Architecture, NetworkArrays
from ..network.layers import layers_of, slots_of
from ..task import FULL_BATCH_OPTIMIZERS, Common, TrainingResult, TrainingTask
from .flops import flops_per_step
from .optimizers import OPTIMIZERS
from .stack import Outcome, random_streams
from .starting import starting_weights

# What a stack's step costs however small it is, in floating-point operations of small networks
# (70 µs at 40 million a ms and core: benchmarks/padding.py).
_FLOPS_PER_STACK = 3e6

Reshape = Callable[[np.ndarray, tuple[int, ...]], np.ndarray]


def padded(tasks: Sequence[TrainingTask]) -> list[TrainingTask]:
    """The tasks, some with more units, so that fewer stacks train them where that is faster.

    Parameters
    ----------
    tasks : sequence of TrainingTask

    Returns
    -------
    list of TrainingTask
        In the same order. `cut` takes the additional units out of the results.
    """
    new_sizes: dict[int, tuple[int, ...]] = {}
    for stacks in _stacks_of_one_depth(tasks):
        for group in _groups_that_pay(stacks, tasks):
            sizes = _largest(tasks[i] for i in group)
            new_sizes |= {i: sizes for i in group if tasks[i].layer_sizes != sizes}
    return [_pad_or_leave(t, new_sizes[i]) if i in new_sizes else t for i, t in enumerate(tasks)]


def cut(outcome: Outcome, task: TrainingTask) -> Outcome:
    """The result of a task that was trained with more units, without them."""
    if isinstance(outcome, TrainingResult):
        outcome.arrays = _reshaped(outcome.arrays, task.architecture, _cut_to)
    return outcome


def may_pad(task: TrainingTask) -> bool:
    """Whether units that do nothing leave the network what it is."""
    family = task.optimizer.family
    return (
        all(layer.may_pad for layer in layers_of(task.architecture))
        and not any(task.dropout)  # masks are drawn for each unit
        and isinstance(family, str)
        and family not in FULL_BATCH_OPTIMIZERS
        and not OPTIMIZERS[family].by_array  # whose steps depend on the layers' widths
        and task.callback_view is None
        and not callable(task.metric)  # it sees the arrays
        and not task.keep_checkpoint
        and task.resume is None
    )


def _stacks_of_one_depth(tasks: Sequence[TrainingTask]) -> list[list[list[int]]]:
    """Groups of stacks that differ in hidden sizes alone; a stack is places in ``tasks``."""
    found: dict[Common, dict[tuple, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, task in enumerate(tasks):
        if may_pad(task):
            first, *hidden, last = task.layer_sizes
            depth = replace(task.common, layer_sizes=(first, len(hidden), last))
            found[depth][task.layer_sizes].append(i)
    return [list(stacks.values()) for stacks in found.values() if len(stacks) > 1]


def _groups_that_pay(stacks: list[list[int]], tasks: Sequence[TrainingTask]) -> list[list[int]]:
    """Stacks joined while what a step costs anyway is more than what the padding costs."""
    stacks = sorted(stacks, key=lambda stack: flops_per_step(tasks[stack[0]]))
    groups = [[stacks[0]]]
    for stack in stacks[1:]:
        joined = [*groups[-1], stack]
        if _padding_flops(joined, tasks) < (len(joined) - 1) * _FLOPS_PER_STACK:
            groups[-1] = joined
        else:
            groups.append([stack])
    return [[i for stack in group for i in stack] for group in groups]


def _padding_flops(stacks: list[list[int]], tasks: Sequence[TrainingTask]) -> float:
    """Operations that padding adds to a step of all networks of the stacks."""
    sizes = _largest(tasks[stack[0]] for stack in stacks)
    padded_flops = flops_per_step(replace(tasks[stacks[0][0]], layer_sizes=sizes))
    return sum(len(s) * (padded_flops - flops_per_step(tasks[s[0]])) for s in stacks)


def _largest(tasks: Iterable[TrainingTask]) -> tuple[int, ...]:
    return tuple(map(max, zip(*(task.layer_sizes for task in tasks), strict=True)))


def _pad_or_leave(task: TrainingTask, sizes: tuple[int, ...]) -> TrainingTask:
    """The task padded; as it is where its starting weights cannot be had: it fails on its own."""
    try:
        return _pad(task, sizes)
    except Exception:
        return task


def _pad(task: TrainingTask, sizes: tuple[int, ...]) -> TrainingTask:
    larger = replace(task, layer_sizes=sizes)
    arrays = starting_weights(task, random_streams(task)[0])
    return replace(larger, initial=_reshaped(arrays, larger.architecture, _zero_padded))


def _reshaped(arrays: NetworkArrays, architecture: Architecture, reshape: Reshape) -> NetworkArrays:
    """A network's arrays, each in the shape that it has in another architecture."""
    shapes = {slot.name: slot.shape for slot in slots_of(layers_of(architecture))}
    return NetworkArrays(
        [reshape(w, shapes[f"weights.{i}"]) for i, w in enumerate(arrays.coefs)],
        [reshape(b, shapes[f"biases.{i}"]) for i, b in enumerate(arrays.intercepts)],
        {name: reshape(values, shapes[name]) for name, values in arrays.others.items()},
    )


def _cut_to(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if values.shape == shape:
        return values
    return values[tuple(slice(size) for size in shape)].copy()


def _zero_padded(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.pad(values, [(0, new - old) for old, new in zip(values.shape, shape, strict=True)])
