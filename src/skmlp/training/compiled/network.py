"""One plain network in training by compiled loops."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse

from ...task import Checkpoint, RandomStates, TrainingResult, TrainingTask
from ..batches import RowOrder
from ..draws import Levels
from ..flops import flops_per_step
from ..progress import Progress, check_finite
from ..row_weights import check_penalty
from ..stack import finished, random_streams, starting_weights
from .arrays import Parameters, Workspace, fixed, layer_table, rows_of, set_levels
from .blas import gemm_address
from .checkpoints import read_state, state_of
from .codes import LOSS_CODES, OPTIMIZER_CODES, RATE
from .numbers import numbers_of
from .steps import take_steps
from .validation import Validation

# Operations of one compiled call: an interrupt is heard between two calls, some 0.1 s apart.
_FLOPS_PER_CALL = 2e9
# Rows of the epochs of one call.
_MOST_ROWS = 1 << 17


class CompiledNetwork:
    """A plain task's network, its order of rows, its random streams and its history.

    Parameters
    ----------
    task : TrainingTask
        For which `is_plain` holds.
    """

    def __init__(self, task: TrainingTask):
        self.task = task
        initial_rng, order_rng, dropout_rng = random_streams(task)
        sizes, rows = task.layer_sizes, task.train
        self.parameters = Parameters(sizes, task.dtype)
        self.parameters.set(*starting_weights(task, initial_rng)[:2])
        self.order = RowOrder(len(rows), task.batch_size, task.shuffle, order_rng)
        self.levels = Levels(task.dropout, sizes[1:-1], task.batch_size, dropout_rng)
        self.progress = Progress(task, **task.history)
        self.validation = None if task.validation is None else Validation(task)
        self.rows, self.targets = rows_of(rows.X, task.dtype), fixed(rows.targets, task.dtype)
        self.weights = fixed(np.empty(0) if rows.weights is None else rows.weights, "float64")
        self.table = layer_table(
            sizes,
            task.activations,
            task.batch_size,
            self.levels.thresholds,
            sparse=issparse(rows.X),
            columns=True,
        )
        self.space = Workspace(self.table, task.batch_size, task.dtype)
        self.gradient = np.empty_like(self.parameters.flat)
        self.state = np.zeros((2, self.gradient.size), task.dtype)
        self.numbers = numbers_of(task)
        self._most_steps = max(1, int(_FLOPS_PER_CALL // max(1, flops_per_step(task))))
        if task.resume is not None:
            self._resume(task.resume)

    @property
    def rate(self) -> float:
        return float(self.numbers[RATE])

    def run_epochs(self) -> None:
        """Some epochs, their validation, and what follows from them.

        Raises
        ------
        DivergenceError
        """
        losses = np.zeros(self._certain_epochs())
        rows = fixed(self.order.of_epochs(len(losses)), "int64")
        self._check_penalty(rows)
        if len(losses) > 1:
            self.take_steps(rows, losses, len(losses) * self.order.n_batches)
        else:
            while self.order.steps_left:
                self.take_steps(rows, losses, min(self._most_steps, self.order.steps_left))
        for loss in losses / self.order.n_rows:
            self._end_epoch(float(loss))
        if self.progress.stopping_reason is None:
            self.order.start_epoch()

    def _certain_epochs(self) -> int:
        """How many epochs come for certain before anything has to be decided or said.

        Between two calls of a loop the interpreter runs, which one network at a time can use; for
        small networks it takes longer than the epoch.
        """
        task, order = self.task, self.order
        new_rates = task.learning_rate == "invscaling"
        if self.validation or self.levels.active or task.verbose or new_rates:
            return 1
        most = min(self._most_steps // order.n_batches, _MOST_ROWS // order.n_rows)
        return max(1, int(min(most, self.progress.certain_epochs)))

    def _end_epoch(self, loss: float) -> None:
        progress = self.progress
        check_finite(loss, progress.n_iter + 1, self.rate)
        if self.validation is not None:
            self._validate()
        self._set_rate(progress.end_epoch(loss, self.rate))

    def result(self) -> TrainingResult:
        """The network as it is, or with its best weights.

        Raises
        ------
        DivergenceError
        """
        best = self.progress.best_weights
        if best is not None:
            self.parameters.flat[:] = best
        arrays = self.parameters.copies(self.parameters.flat)
        checkpoint = self._checkpoint() if self.task.keep_checkpoint else None
        return finished(self.progress, arrays, self.rate, checkpoint)

    def take_steps(self, rows: np.ndarray, losses: np.ndarray, n_steps: int) -> None:
        """Take the next steps, in the order of ``rows``; add their losses to their epochs'."""
        if self.levels.active:
            n_steps = min(n_steps, self.levels.steps_left)
            set_levels(self.table, self.levels.begins())
        task, order = self.task, self.order
        take_steps(
            task.dtype,
            gemm_address(task.dtype),
            self.rows,
            self.targets,
            self.weights,
            rows,
            order.position * task.batch_size,
            n_steps,
            task.batch_size,
            LOSS_CODES[task.loss],
            self.table,
            self.parameters.n_weights,
            OPTIMIZER_CODES[task.optimizer.family],
            self.numbers,
            fixed(self.levels.drawn, "uint16"),
            self.parameters.flat,
            self.gradient,
            self.state,
            self.space.units,
            self.space.saved,
            self.space.deltas,
            losses,
        )
        order.position += n_steps
        if self.levels.active:
            self.levels.step += n_steps

    def _check_penalty(self, rows: np.ndarray) -> None:
        """Raise if the penalty of a batch of tiny sample weights is no number of the dtype."""
        if self.task.train.weights is not None and self.task.alpha:
            epochs = self.task.train.weights[rows].reshape(-1, self.order.n_rows)
            begins = np.arange(0, self.order.n_rows, self.task.batch_size)
            sums = np.add.reduceat(epochs, begins, axis=1).ravel()
            check_penalty(np.array([self.task.alpha]), sums.min(keepdims=True), self.task.dtype)

    def _validate(self) -> None:
        assert self.validation is not None
        loss, score = self.validation(self.parameters.flat)
        epoch = self.progress.n_iter + 1
        check_finite(loss, epoch, self.rate, what="validation loss")
        check_finite(score, epoch, self.rate, what="validation score")
        if self.progress.validate(loss, score):
            self.progress.best_weights = self.parameters.flat.copy()

    def _set_rate(self, rate: float, *, rescale: bool = True) -> None:
        """A new rate. The sum of gradients times rates, as scikit-learn's SGD has it, goes on."""
        old = self.rate
        if rescale and rate != old and self.task.optimizer.family == "sgd" and rate:
            factor = old / rate
            if np.isfinite(factor):
                self.state[0] *= factor
        self.numbers[RATE] = rate

    # Going on after a pause

    def _checkpoint(self) -> Checkpoint:
        task = self.task
        return Checkpoint(
            family=task.optimizer.family,
            optimizer=state_of(task.optimizer, self.parameters, self.state, self.numbers),
            learning_rate_init=task.learning_rate_init,
            learning_rate=self.rate,
            random=RandomStates(self.order.rng.bit_generator.state, *self.levels.position()),
        )

    def _resume(self, checkpoint: Checkpoint) -> None:
        task = self.task
        if task.optimizer.family == checkpoint.family:
            blocks = checkpoint.optimizer
            read_state(task.optimizer, blocks, self.parameters, self.state, self.numbers)
        if task.learning_rate_init == checkpoint.learning_rate_init:
            self._set_rate(checkpoint.learning_rate, rescale=False)
        self.levels.go_to(checkpoint.random.dropout_steps)
