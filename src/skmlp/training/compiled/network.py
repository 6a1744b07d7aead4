"""One plain network in training by compiled loops."""

from __future__ import annotations

from sys import maxsize

import numpy as np
from scipy.sparse import issparse

from ...augmentation import Batch
from ...task import Checkpoint, RandomStates, TrainingResult, TrainingTask
from ..averaging import (
    WEIGHT,
    average_before,
    numbers_of_average,
    state_of_average,
    weights_before,
)
from ..batches import RowOrder
from ..draws import Levels
from ..dropout_schedules import DROPOUT_SCHEDULES, dropout_time
from ..flops import flops_per_step
from ..layer_rates import has_layer_rates, rate_factor
from ..presentation import Presentation
from ..progress import Progress
from ..row_weights import check_penalty
from ..schedules import epochs_before
from ..stack import finished, random_streams
from ..starting import starting_weights
from .arrays import Parameters, fixed, rows_of, workspace
from .checkpoints import OptimizerState
from .codes import RATE
from .steps import take_steps, validate
from .tables import addresses_of, is_small, layer_table, numbers_of, set_levels, set_thresholds
from .validation import held_out

# Operations of one compiled call: an interrupt is heard between two calls, some 0.1 s apart.
_FLOPS_PER_CALL = 2e9
# Rows of the epochs of one call.
_MOST_ROWS = 1 << 17
# Numbers in the rows of one call that are made for it, because they are augmented: they then stay
# within the cache.
_MOST_SHOWN = 1 << 18
# Numbers of the parameters after each epoch of one call, where the best are kept.
_MOST_NUMBERS = 1 << 21

_NOTHING = fixed(np.empty(0), "float64")


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
        self.held_out = held_out(task)
        self.rows, self.targets = rows_of(rows.X, task.dtype), fixed(rows.targets, task.dtype)
        self.weights = fixed(np.empty(0) if rows.weights is None else rows.weights, "float64")
        self.by_columns = not issparse(rows.X) and is_small(sizes, task.batch_size)
        self.table = layer_table(
            sizes,
            task.activations,
            task.batch_size,
            task.dtype,
            self.levels.thresholds,
            sparse=issparse(rows.X),
            by_columns=self.by_columns,
            alpha_dropout=task.dropout_type == "alpha",
        )
        self.space = workspace(self.table, task.batch_size, rows.targets.shape[1], task.dtype)
        self.gradient = np.empty_like(self.parameters.flat)
        self.optimizer = OptimizerState(task.optimizer, self.parameters)
        self.of_layers = fixed(self._layer_factors(), task.dtype)
        self.before = np.empty(self.of_layers.size, task.dtype)
        self.averaging = numbers_of_average(task)
        self.average = self._average()
        self.at, self.numbers = addresses_of(task), numbers_of(task)
        self._most_steps = max(1, int(_FLOPS_PER_CALL // max(1, flops_per_step(task))))
        self.presentation = Presentation(task)
        self._set_dropout()
        if task.resume is not None:
            self._resume(task.resume)

    def _average(self) -> np.ndarray:
        """Where the weights to evaluate are, once ``averaging`` has a weight."""
        if self.task.averaging is not None:
            return np.zeros_like(self.parameters.flat)
        if (place := self.optimizer.evaluated) is None:
            return self.parameters.flat
        self.averaging[WEIGHT] = 1.0  # the optimizer's own
        return self.optimizer.arrays[place]

    @property
    def rate(self) -> float:
        return float(self.numbers[RATE])

    def run_epochs(self) -> None:
        """Some epochs, their validation, and what follows from them.

        Raises
        ------
        DivergenceError
        """
        self._set_dropout()
        n = self._certain_epochs()
        losses, rows = np.zeros(n), fixed(self.order.of_epochs(n), "int64")
        found = np.empty((n if self.task.validation else 0, 2))
        kept = np.empty((n if self.task.early_stopping else 0, self.gradient.size), self.task.dtype)
        self._check_penalty(rows)
        if n > 1:
            self.take_steps(rows, losses, n * self.order.n_batches, found, kept)
        else:
            most = min(self._most_steps, max(1, self._most_shown // self.task.batch_size))
            while self.order.steps_left:
                n_steps = min(most, self.order.steps_left)
                self.take_steps(rows, losses, n_steps, found, kept)
        self._end_epochs((losses / self.order.n_rows).tolist(), found.tolist(), kept)
        if self.progress.stopping_reason is None:
            self.order.start_epoch()

    def _set_dropout(self) -> None:
        """Begin an epoch of the schedule."""
        self._time = dropout_time(self.task, len(self.progress.loss_curve))
        if DROPOUT_SCHEDULES[self.task.dropout_schedule].changes:
            self.levels.set_time(self._time)
            self.presentation.set_time(self._time)
            set_thresholds(self.table, self.levels.thresholds)

    @property
    def _most_shown(self) -> int:
        """Rows of one call, where they are made for it."""
        if not self.presentation.active:
            return maxsize
        X = self.task.train.X
        return _MOST_SHOWN // max(1, (X.nnz if issparse(X) else X.size) // X.shape[0])

    def _certain_epochs(self) -> int:
        """How many epochs come for certain before anything has to be decided or said.

        Between two calls of a loop the interpreter runs, which one network at a time can use; for
        small networks it takes longer than the epoch.
        """
        task, order = self.task, self.order
        if task.verbose or task.learning_rate == "invscaling":
            return 1
        rows = order.n_rows + (len(task.validation) if task.validation else 0)
        steps = order.n_batches * rows / order.n_rows  # as if held-out rows were steps too
        most = min(self._most_steps / steps, _MOST_ROWS / rows, self._time.n_epochs)
        most = min(most, self._most_shown // order.n_rows)
        if task.early_stopping:
            most = min(most, _MOST_NUMBERS // self.gradient.size)
        if self.levels.active:
            most = min(most, self.levels.steps_left // order.n_batches)
        return max(1, int(min(most, self.progress.certain_epochs)))

    def _end_epochs(self, losses: list[float], found: list[list[float]], kept: np.ndarray) -> None:
        """Note the losses of epochs, what was found on held-out rows, and the best parameters."""
        progress = self.progress
        for epoch, loss in enumerate(losses):
            progress.check_finite(loss, self.rate, epoch=1 + epoch)
        if not found:
            self._set_rate(progress.end_epochs(losses, self.rate))
        for epoch, (of_rows, score) in enumerate(found):
            progress.check_finite(of_rows, self.rate, "validation loss")
            progress.check_finite(score, self.rate, "validation score")
            if progress.validate(of_rows, score):
                progress.best_weights = kept[epoch].copy()
            self._set_rate(progress.end_epoch(losses[epoch], self.rate))

    def validate(self) -> tuple[float, float]:
        """Loss and score on the held-out rows."""
        found, levels = np.empty(2), fixed(self.levels.drawn, "uint16")
        flat, dtype = self.parameters.flat, self.task.dtype
        validate(dtype, self.held_out, self.at, self.numbers, flat, levels, found)
        return float(found[0]), float(found[1])

    def result(self) -> TrainingResult:
        """The network as it is, or with its best weights.

        Raises
        ------
        DivergenceError
        """
        final = self.progress.best_weights
        if final is None:
            final = self.average if self.averaging[WEIGHT] > 0 else self.parameters.flat
        arrays = self.parameters.copies(final)
        checkpoint = self._checkpoint() if self.task.keep_checkpoint else None
        return finished(self.progress, arrays, self.rate, checkpoint)

    def take_steps(
        self,
        rows: np.ndarray,
        losses: np.ndarray,
        n_steps: int,
        found: np.ndarray,
        kept: np.ndarray,
    ) -> None:
        """Take the next steps, in the order of ``rows``; add their losses to their epochs'.

        Epochs that end put what is found on held-out rows, and their parameters, into ``found``
        and ``kept``, which may be without entries.
        """
        if self.levels.active:
            n_steps = min(n_steps, self.levels.steps_left)
            set_levels(self.table, self.levels.begins())
        task, order = self.task, self.order
        first = order.position * task.batch_size
        X, targets, weights = self.rows, self.targets, self.weights
        if self.presentation.active:
            whole = len(losses) > 1
            last = rows.size if whole else min(first + n_steps * task.batch_size, rows.size)
            X, targets, weights = self._shown(rows[first:last])
            rows = fixed(np.arange(rows.size) - first, "int64")
        take_steps(
            task.dtype,
            self.at,
            X,
            targets,
            weights,
            rows,
            first,
            n_steps,
            task.batch_size,
            self.table,
            self.by_columns,
            self.parameters.n_weights,
            self.numbers,
            self.optimizer.settings,
            fixed(self.levels.drawn, "uint16"),
            self.parameters.flat,
            self.gradient,
            self.optimizer.arrays,
            self.averaging,
            self.average,
            self.space,
            self.held_out,
            (*self._course(n_steps), self.of_layers, self.before),
            losses,
            found,
            kept,
        )
        order.position += n_steps
        if self.levels.active:
            self.levels.step += n_steps

    def _course(self, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Of the next steps, the factors of the rate, and momenta; without entries if none."""
        progress, at = self.progress, (self.progress.n_iter, self.order.position, n_steps)
        if progress.course is None:
            return _NOTHING, _NOTHING
        factors, momenta = progress.course.factors(*at), progress.course.momenta(*at)
        return (
            _NOTHING if factors is None else fixed(factors, "float64"),
            _NOTHING if momenta is None else fixed(momenta, "float64"),
        )

    def _layer_factors(self) -> np.ndarray:
        """What multiplies the steps of each parameter; without entries if nothing does."""
        parameters = self.parameters
        if not has_layer_rates(self.task):
            return np.empty(0)
        factors, n = np.empty(parameters.flat.size), len(parameters.shapes)
        names = [f"{kind}.{i}" for kind in ("weights", "biases") for i in range(n)]
        for name, block in zip(names, parameters.blocks(factors), strict=True):
            block[...] = rate_factor(self.task, name)
        return factors

    def _shown(self, rows: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray]:
        """Rows, targets and weights that the next steps are shown, one step's after the other's."""
        X, dtype = self.task.train.X, self.task.dtype
        weights = self.weights[rows] if self.weights.size else None
        if issparse(X):
            shown = Batch(self.presentation.shown_sparse(X[rows]), self.targets[rows], weights)
            shown_X = rows_of(shown.X, dtype)
        else:
            given = Batch(self.rows[0][rows], self.targets[rows], weights)
            shown = self.presentation.shown(given, self.order.n_rows)
            shown_X = fixed(shown.X, dtype), *self.rows[1:]
        new_weights = self.weights if shown.weights is None else shown.weights
        return shown_X, fixed(shown.targets, dtype), fixed(new_weights, "float64")

    def _check_penalty(self, rows: np.ndarray) -> None:
        """Raise if the penalty of a batch of tiny sample weights is no number of the dtype."""
        if self.task.train.weights is not None and self.task.alpha:
            epochs = self.task.train.weights[rows].reshape(-1, self.order.n_rows)
            begins = np.arange(0, self.order.n_rows, self.task.batch_size)
            sums = np.add.reduceat(epochs, begins, axis=1).ravel()
            check_penalty(np.array([self.task.alpha]), sums.min(keepdims=True), self.task.dtype)

    def _set_rate(self, rate: float, *, rescale: bool = True) -> None:
        """A new rate. The sum of gradients times rates, as scikit-learn's SGD has it, goes on."""
        old = self.rate
        if rescale and rate != old and self.task.optimizer.family == "sgd" and rate:
            factor = old / rate
            if np.isfinite(factor):
                self.optimizer.arrays[0] *= factor
        self.numbers[RATE] = rate

    # Going on after a pause

    def _checkpoint(self) -> Checkpoint:
        task, parameters = self.task, self.parameters
        averaged = self.averaging[WEIGHT] > 0
        return Checkpoint(
            family=task.optimizer.family,
            optimizer=self.optimizer.checkpoint(),
            learning_rate_init=task.learning_rate_init,
            learning_rate=self.rate,
            random=RandomStates(
                self.order.rng.bit_generator.state,
                *self.levels.position(),
                *self.presentation.states(),
            ),
            epochs=epochs_before(task) + self.progress.n_iter,
            weights=parameters.copies(parameters.flat) if averaged else None,
            average=state_of_average(task, self.averaging, lambda: parameters.copies(self.average)),
        )

    def _resume(self, checkpoint: Checkpoint) -> None:
        task = self.task
        weights, before = weights_before(task, checkpoint), average_before(task, checkpoint)
        if weights is not None:
            self.parameters.set(*weights[:2])
        if before is not None:
            self.average[:] = self.parameters.flat_of(*before.arrays[:2])
        if task.optimizer.family == checkpoint.family:
            self.optimizer.go_on(checkpoint.optimizer)
        if task.learning_rate_init == checkpoint.learning_rate_init:
            self._set_rate(checkpoint.learning_rate, rescale=False)
        self.levels.go_to(checkpoint.random.dropout_steps)
