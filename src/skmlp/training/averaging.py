"""Averages of a network's weights: what is validated and returned, while training goes its way.

An average of w₁, w₂, … is a ← a + (w - a) / s with s ← keep · s + 1: the mean of all for keep = 1,
an exponential moving average below it, exact from the first w on (s is what Adam calls the
correction of a bias).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..network.architecture import NetworkArrays
from ..network.mlp import Blocks, per_network
from ..task import AverageState, Checkpoint, TrainingTask
from .optimizers import evaluates_elsewhere

# Places in the numbers of a network's average, see `numbers_of_average`.
KEEP, EACH_STEP, WAIT, EPOCHS, WEIGHT = range(5)


class Averaging(NamedTuple):
    """One way to average.

    Attributes
    ----------
    each_step : bool
        Whether weights are taken in after each step, not after each epoch.
    keep : callable
        What is left of the older weights' share when new ones are taken in.
    """

    each_step: bool
    keep: Callable[[TrainingTask], float]


def _ema_keep(task: TrainingTask) -> float:
    n_steps = math.ceil(len(task.train) / task.batch_size)
    return math.exp(-1.0 / (task.averaging_horizon * n_steps))


AVERAGINGS: dict[str, Averaging] = {
    # Izmailov et al. (2018), arXiv:1803.05407
    "swa": Averaging(each_step=False, keep=lambda task: 1.0),
    # Polyak & Juditsky (1992); Tarvainen & Valpola (2017), arXiv:1703.01780
    "ema": Averaging(each_step=True, keep=_ema_keep),
}


def numbers_of_average(task: TrainingTask) -> np.ndarray:
    """What an average depends on: its keep; whether it takes in every step; epochs to wait for the
    first; epochs that have ended; the sum s of shares, 0 while there is no average.

    Of a network without one all are 0.
    """
    numbers = np.zeros(5)
    if task.averaging is not None:
        row = AVERAGINGS[task.averaging]
        numbers[KEEP], numbers[EACH_STEP] = row.keep(task), row.each_step
        numbers[WAIT] = task.averaging_wait
        before = None if task.resume is None else average_before(task, task.resume)
        if before is not None:
            numbers[EPOCHS], numbers[WEIGHT] = before.epochs, before.weight
    return numbers


def average_before(task: TrainingTask, checkpoint: Checkpoint) -> AverageState | None:
    """The average that a checkpoint has of the same kind."""
    average = checkpoint.average
    return average if average is not None and average.kind == task.averaging else None


def state_of_average(
    task: TrainingTask, numbers: np.ndarray, arrays: Callable[[], NetworkArrays]
) -> AverageState | None:
    """A network's average, if it has one, for its checkpoint."""
    if task.averaging is None:
        return None
    return AverageState(task.averaging, arrays(), float(numbers[WEIGHT]), int(numbers[EPOCHS]))


def weights_before(task: TrainingTask, checkpoint: Checkpoint) -> NetworkArrays | None:
    """The weights that training goes on from, where they are not those that it returned.

    Those of an optimizer that evaluates elsewhere than it trains mean nothing to another one.
    """
    family = checkpoint.family
    changed = task.optimizer.family != family
    return None if changed and evaluates_elsewhere(family) else checkpoint.weights


class StackAverages:
    """The averages of a stack's networks, some of which may have none.

    Parameters
    ----------
    tasks : sequence of TrainingTask
    blocks : Blocks
        The networks' arrays. Averages are of all of them, the running statistics of batch
        normalization too, but for their counts.
    """

    def __init__(self, tasks: Sequence[TrainingTask], blocks: Blocks):
        self.tasks, self.blocks = list(tasks), blocks
        self._numbers = np.array([numbers_of_average(task) for task in tasks])
        self.active = any(task.averaging for task in tasks)
        self.each_step = bool(self._numbers[:, EACH_STEP].any())
        if self.active:
            self._averages = blocks.take(range(len(self.tasks)))

    def keep(self, networks: Sequence[int], blocks: Blocks) -> None:
        """Go on with some of the networks, whose arrays are now ``blocks``."""
        self.tasks, self.blocks = [self.tasks[k] for k in networks], blocks
        self._numbers = self._numbers[list(networks)]
        self.active = any(task.averaging for task in self.tasks)
        self.each_step = bool(self._numbers[:, EACH_STEP].any())
        if self.active:
            self._averages = self._averages.take(networks)

    def end_step(self) -> None:
        """Take in the weights of networks that average over steps."""
        self._take_in(self._numbers[:, EACH_STEP] > 0)

    def end_epochs(self, networks: Sequence[int]) -> None:
        """Take in the weights of those of some networks that average over epochs."""
        if not self.active:
            return
        ended = np.zeros(len(self.tasks), bool)
        ended[networks] = True
        ended &= self._numbers[:, KEEP] > 0
        self._numbers[ended, EPOCHS] += 1
        over_epochs = self._numbers[:, EACH_STEP] == 0
        waited = self._numbers[:, EPOCHS] > self._numbers[:, WAIT]
        self._take_in(ended & over_epochs & waited)

    def _take_in(self, chosen: np.ndarray) -> None:
        if not chosen.any():
            return
        numbers = self._numbers
        numbers[chosen, WEIGHT] = numbers[chosen, KEEP] * numbers[chosen, WEIGHT] + 1
        shares = np.where(chosen, 1.0 / np.where(chosen, numbers[:, WEIGHT], 1.0), 0.0)
        pairs = self._pairs()
        if (shares == shares[0]).all():
            for average, plain, _ in pairs:
                average.lerp_(plain, float(shares[0]))
        else:
            column = per_network(shares, self.blocks.flat)
            for average, plain, _ in pairs:
                average.lerp_(plain, column)
        for average, plain, kind in pairs:
            if kind == "count":  # of batches, which are not averaged
                average.copy_(plain)

    def _pairs(self) -> list[tuple[Tensor, Tensor, str]]:
        return [
            (self._averages.arrays[slot.name], self.blocks.arrays[slot.name], slot.kind)
            for slot in self.blocks.slots
        ]

    def has(self, k: int) -> bool:
        """Whether network k has an average to be validated and returned."""
        return bool(self._numbers[k, WEIGHT] > 0)

    def swap(self) -> None:
        """Put averages where the weights are, and the weights where the averages were."""
        if not self.active:
            return
        has = torch.as_tensor(self._numbers[:, WEIGHT] > 0, device=self.blocks.flat.device)
        for average, plain, _ in self._pairs():
            chosen = has.view(-1, 1, 1)
            shown, hidden = torch.where(chosen, average, plain), torch.where(chosen, plain, average)
            plain.copy_(shown)
            average.copy_(hidden)

    def state(self, k: int) -> AverageState | None:
        """Network k's average for its checkpoint."""
        return state_of_average(self.tasks[k], self._numbers[k], lambda: self._averages.network(k))

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on with the average of a network that trains alone."""
        before = average_before(self.tasks[0], checkpoint)
        if before is not None:
            self._averages.set_network(0, *before.arrays)
