"""How the probability of dropout changes with the epochs. Nothing here needs torch.

Liu, Xu, Jin, Shen & Darrell (2023), "Dropout reduces underfitting", arXiv:2303.01500.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import NamedTuple

from ..task import TrainingTask


class DropoutSchedule(NamedTuple):
    """One schedule.

    Attributes
    ----------
    factor : callable
        ``factor(epoch, cutoff)``: what the probabilities are multiplied by in an epoch, the first
        of which is number 0.
    by_epoch : bool
        Whether it changes from epoch to epoch before the cutoff, not only there.
    changes : bool
        Whether it changes at all.
    ends : bool
        Whether nothing is dropped from the cutoff on.
    """

    factor: Callable[[int, int], float]
    by_epoch: bool = False
    changes: bool = True
    ends: bool = False


DROPOUT_SCHEDULES: dict[str, DropoutSchedule] = {
    "constant": DropoutSchedule(lambda epoch, cutoff: 1.0, changes=False),
    "early": DropoutSchedule(lambda epoch, cutoff: float(epoch < cutoff), ends=True),
    "early_linear": DropoutSchedule(
        lambda epoch, cutoff: max(0.0, 1.0 - epoch / cutoff), by_epoch=True, ends=True
    ),
    "late": DropoutSchedule(lambda epoch, cutoff: float(epoch >= cutoff)),
}


class DropoutTime(NamedTuple):
    """Where a network's schedule stands.

    Attributes
    ----------
    factor : float
        What its probabilities are multiplied by in this epoch.
    over : bool
        Whether nothing is dropped any more.
    n_epochs : float
        How many epochs, this one included, have the factor.
    """

    factor: float = 1.0
    over: bool = False
    n_epochs: float = inf


def dropout_time(task: TrainingTask, epoch: int) -> DropoutTime:
    """The schedule of a task in an epoch; those of earlier fits that it goes on from count."""
    schedule, cutoff = DROPOUT_SCHEDULES[task.dropout_schedule], task.dropout_cutoff
    factor = schedule.factor(epoch, cutoff)
    if not schedule.changes or epoch >= cutoff:
        return DropoutTime(factor, schedule.ends and epoch >= cutoff)
    return DropoutTime(factor, False, 1 if schedule.by_epoch else cutoff - epoch)
