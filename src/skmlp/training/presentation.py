"""What a network is shown in place of its rows: augmented ones, some of whose inputs are dropped.

Both executors ask this module, which needs no torch. Draws are made batch by batch in the order of
the steps, by generators of the network's own, so that they depend on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from ..augmentation import Batch
from ..task import TrainingTask
from .draws import kept_scale, random_levels, thresholds
from .dropout_schedules import DropoutTime

# Of the seeds that a task's seed has: 0 to 2 are the start, the order and dropout.
_STREAM = 3
# Levels of sparse rows per draw.
_LEVELS_AT_ONCE = 1 << 21


State = Mapping[str, Any] | None


class Stream:
    """A generator that is made when it is first used; one that is not has the state it had."""

    def __init__(self, seed: int, number: int, state: State):
        self._seed, self._number, self._given = seed, number, state

    @cached_property
    def rng(self) -> np.random.Generator:
        seeds = np.random.SeedSequence(self._seed, spawn_key=(_STREAM, self._number))
        rng = np.random.default_rng(seeds)
        if self._given is not None:
            rng.bit_generator.state = self._given
        return rng

    @property
    def state(self) -> State:
        return self.rng.bit_generator.state if "rng" in self.__dict__ else self._given


class Presentation:
    """One network's augmentation, its dropout of inputs, and where their streams stand.

    Parameters
    ----------
    task : TrainingTask

    Attributes
    ----------
    active : bool
        Whether anything is shown that is not in the rows.
    """

    def __init__(self, task: TrainingTask):
        self.rule, self.batch_size = task.augmentation, task.batch_size
        before = task.resume.random if task.resume else None
        self._stream = Stream(task.seed, 0, before.augmentation if before else None)
        self._level_stream = Stream(task.seed, 1, before.inputs if before else None)
        self._p, self._drops = task.input_dropout, bool(thresholds(task.input_dropout))
        self.set_time(DropoutTime())

    def set_time(self, time: DropoutTime) -> None:
        """Drop inputs with the probability of an epoch."""
        self._threshold = int(thresholds(self._p * time.factor))
        # Before a late start numbers are drawn too, as for hidden units: see DropoutMasks
        self._draws_levels = self._drops and not time.over

    @property
    def active(self) -> bool:
        return self.rule is not None or self._draws_levels

    def states(self) -> tuple[State, State]:
        """Where the streams stand, for `RandomStates`."""
        return self._stream.state, self._level_stream.state

    # Rows

    def shown(self, batch: Batch, n_rows: int) -> Batch:
        """What several steps are shown in place of dense rows: new arrays, or the given ones.

        Parameters
        ----------
        batch : Batch
            Their rows, one step's after the other's.
        n_rows : int
            After so many rows an epoch ends, and a batch with it.
        """
        if self.rule is not None and self.rule.by_row:
            batch = self.rule.augmented(batch, self._stream.rng)
        elif self.rule is not None:
            parts = [
                self.rule.augmented(_rows_of(batch, rows), self._stream.rng)
                for rows in self._batches(len(batch.X), n_rows)
            ]
            batch = Batch(*map(_joined, zip(*parts, strict=True)))
        kept = self._kept(batch.X.shape) if self._draws_levels else None
        if kept is not None:
            batch = batch._replace(X=batch.X * kept * kept_scale(self._threshold))
        return batch

    def _batches(self, n: int, n_rows: int) -> Iterator[slice]:
        for begin in range(0, n, n_rows):
            end = min(begin + n_rows, n)
            for first in range(begin, end, self.batch_size):
                yield slice(first, min(first + self.batch_size, end))

    def shown_sparse(self, X: scipy.sparse.csr_array) -> Any:
        """The same for CSR rows, which nothing augments: a copy, or the given ones."""
        if not self._draws_levels:
            return X
        shown, per_draw = X.copy(), max(1, _LEVELS_AT_ONCE // X.shape[1])
        for first in range(0, X.shape[0], per_draw):
            last = min(first + per_draw, X.shape[0])
            kept = self._kept((last - first, X.shape[1]))
            if kept is not None:
                entries = slice(X.indptr[first], X.indptr[last])
                rows = np.repeat(np.arange(last - first), np.diff(X.indptr[first : last + 1]))
                shown.data[entries] *= kept[rows, X.indices[entries]]
        if self._threshold:
            shown.data *= kept_scale(self._threshold)
        return shown

    def _kept(self, shape: tuple[int, int]) -> np.ndarray | None:
        """Which inputs are kept; None for all of them."""
        n, d = shape
        # Whole words for each row: those of one draw are those of several, for fewer rows each.
        levels = random_levels(self._level_stream.rng, (n, -(-d // 4) * 4))[:, :d]
        return levels >= self._threshold if self._threshold else None


def _rows_of(batch: Batch, rows: slice) -> Batch:
    X, targets, weights = batch
    return Batch(X[rows], targets[rows], None if weights is None else weights[rows])


def _joined(parts: Any) -> Any:
    return None if parts[0] is None else parts[0] if len(parts) == 1 else np.concatenate(parts)
