"""How many fits may wait for one another before they train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ._task import TrainingTask

# Members that may wait at once: beyond a few hundred small networks a step's cost per network no
# longer falls, and a stack of large ones is trained in slices anyway.
DEFAULT_WIDTH = 512
# Rows that waiting members may hold. Each fit of a search holds its own copy of its training
# rows, so this bounds what a wave needs beyond what the search needs without fusion.
MOST_WAITING_BYTES = 2 << 30


@dataclass(frozen=True)
class Wave:
    """Limits of one wave; called with the waiting tasks, it says whether one more may start."""

    width: int = DEFAULT_WIDTH
    most_bytes: int = MOST_WAITING_BYTES

    def __call__(self, waiting: Sequence[TrainingTask]) -> bool:
        return len(waiting) < self.width and rows_bytes(waiting) < self.most_bytes


def rows_bytes(tasks: Sequence[TrainingTask]) -> int:
    """Bytes of the rows of tasks, an array that several share counted once."""
    arrays = {id(task.train.X): task.train.X for task in tasks}
    return sum(getattr(X, "nbytes", None) or X.data.nbytes for X in arrays.values())
