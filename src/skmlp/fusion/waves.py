"""How many fits may wait with their networks at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..task import TrainingTask

# Members that may wait at once unless memory ends first: beyond a few hundred small networks a
# step's cost per network no longer falls, and a stack of large ones is trained in slices anyway.
DEFAULT_WIDTH = 512
# Share of the free memory that rows of waiting members may hold. Each fit of a search holds its
# own copy of its training rows, and most hold a second one (before preprocessing).
_SHARE_OF_MEMORY = 0.25
_UNKNOWN_MEMORY = 8 << 30


def available_memory() -> int:
    """Bytes of memory that nobody uses; where the system does not say, a usual amount."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows, macOS
        return _UNKNOWN_MEMORY


def most_waiting_bytes() -> int:
    """Bytes of rows that waiting members may hold."""
    return int(_SHARE_OF_MEMORY * available_memory())


@dataclass(frozen=True)
class Wave:
    """What may wait; called with the waiting tasks, it says whether one more may start."""

    width: int | None = None
    most_bytes: int = field(default_factory=most_waiting_bytes)

    @property
    def most_networks(self) -> int:
        return DEFAULT_WIDTH if self.width is None else self.width

    def __call__(self, waiting: Sequence[TrainingTask]) -> bool:
        if len(waiting) >= self.most_networks:
            return False
        return not waiting or rows_bytes(waiting) < self.most_bytes


def rows_bytes(tasks: Sequence[TrainingTask]) -> int:
    """Bytes of the rows of tasks, an array that several share counted once."""
    arrays = {id(task.train.X): task.train.X for task in tasks}
    return sum(getattr(X, "nbytes", None) or X.data.nbytes for X in arrays.values())
