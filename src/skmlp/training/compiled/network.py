"""One plain network in training by compiled loops."""

from __future__ import annotations

from functools import cache
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
from ..progress import Clock, Progress
from ..row_weights import check_penalty
from ..schedules import epochs_before
from ..stack import finished, random_streams
from ..starting import starting_weights
from ..validation import metric_of
from .arrays import Parameters, fixed, rows_of, workspace
from .checkpoints import OptimizerState
from .codes import RATE
from .steps import take_steps, validate
from .tables import addresses_of, is_small, layer_table, numbers_of, set_levels, set_thresholds
from .validation import LOGITS, held_out

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
        self._clock = None
        if task.max_time is not None:
            self.make_ready()
            self._clock = Clock(task.max_time)

    def _average(self) -> np.ndarray:
        """Where the weights to evaluate are, once ``averaging`` has a weight."""
        if self.task.averaging is not None:
            return np.zeros_like(self.parameters.flat)
        if (place := self.optimizer.evaluated) is None:
            return self.parameters.flat
        self.averaging[WEIGHT] = 1.0  # the optimizer's own
        return self.optimizer.arrays[place]

    @property
    def evaluated(self) -> np.ndarray:
        """The parameters with which it predicts: an average, if there is one."""
        return self.average if self.averaging[WEIGHT] > 0 else self.parameters.flat

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
        places = self._places(n)
        found = np.empty((places.max(initial=-1) + 1, 2))
        n_kept = len(found) if self.task.early_stopping else 0
        kept = np.empty((n_kept, self.gradient.size), self.task.dtype)
        self._check_penalty(rows)
        if n > 1:
            self.take_steps(rows, losses, n * self.order.n_batches, places, found, kept)
        else:
            most = min(self._most_steps, max(1, self._most_shown // self.task.batch_size))
            while self.order.steps_left:
                n_steps = min(most, self.order.steps_left)
                self.take_steps(rows, losses, n_steps, places, found, kept)
        self._end_epochs((losses / self.order.n_rows).tolist(), places, found.tolist(), kept)
        if self._clock is not None:
            self.progress.spend(self._clock.lap(n))
        if self.progress.stopping_reason is None:
            self.order.start_epoch()
        elif self.progress.validation_is_due and self.task.validation is not None:
            self._validate()

    def _places(self, n: int) -> np.ndarray:
        """Where the loop puts what it finds on held-out rows after each of the next epochs."""
        task, progress = self.task, self.progress
        if task.validation is None or callable(task.metric):  # the loop cannot call a scorer
            return no_places()
        places, first = np.full(n, -1), progress.epochs_to_validation - 1
        due = [*range(first, n, task.validation_every)]
        if progress.n_iter + n == task.max_iter and due[-1:] != [n - 1]:
            due.append(n - 1)
        places[due] = np.arange(len(due))
        return fixed(places, "int64")

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
        every = task.validation_every
        rows = order.n_rows + (len(task.validation) / every if task.validation else 0)
        steps = order.n_batches * rows / order.n_rows  # as if held-out rows were steps too
        most = min(self._most_steps / steps, _MOST_ROWS / rows, self._time.n_epochs)
        most = min(most, self._most_shown // order.n_rows)
        if task.early_stopping:
            most = min(most, _MOST_NUMBERS // self.gradient.size * every)
        if self.levels.active:
            most = min(most, self.levels.steps_left // order.n_batches)
        if callable(task.metric) and task.validation:
            most = min(most, self.progress.epochs_to_validation)
        if self._clock is not None:
            most = min(most, self._clock.epochs_of_a_call())
        return max(1, int(min(most, self.progress.certain_epochs)))

    def _end_epochs(
        self, losses: list[float], places: np.ndarray, found: list[list[float]], kept: np.ndarray
    ) -> None:
        """Note the losses of epochs, what was found on held-out rows, and the best parameters."""
        progress = self.progress
        for epoch, loss in enumerate(losses):
            progress.check_finite(loss, self.rate, epoch=1 + epoch)
        if self.task.validation is None:
            self._set_rate(progress.end_epochs(losses, self.rate))
            losses = []
        of_loop = places.tolist() or [-1] * len(losses)
        for loss, place in zip(losses, of_loop, strict=True):
            if not places.size and progress.validation_is_due:  # of the last one: see above
                self._validate()
            elif place >= 0:
                of_rows, score = found[place]
                self._note(of_rows, score, kept[place] if len(kept) else self.evaluated)
            self._set_rate(progress.end_epoch(loss, self.rate))

    def _validate(self) -> None:
        self._note(*self.validate(self.progress.running_epoch, self.rate), self.evaluated)

    def _note(self, loss: float, score: float, flat: np.ndarray) -> None:
        """Note what was found on held-out rows, and the parameters if they are the best."""
        progress = self.progress
        progress.check_finite(loss, self.rate, "validation loss", progress.ahead)
        progress.check_finite(score, self.rate, "validation score", progress.ahead)
        if progress.validate(loss, score):
            progress.best_weights = flat.copy()

    def validate(self, epoch: int, rate: float | None) -> tuple[float, float]:
        """Loss and metric on the held-out rows.

        Raises
        ------
        Exception
            See `metric_of`.
        """
        loss, score = self._found_on_held_out()
        score = metric_of(
            self.task,
            loss,
            score,
            epoch,
            rate,
            logits=lambda: self.held_out[LOGITS].reshape(-1, self.task.layer_sizes[-1]).copy(),
            arrays=lambda: self.parameters.copies(self.evaluated),
        )
        return loss, score

    def _found_on_held_out(self) -> list[float]:
        found, levels = np.empty(2), fixed(self.levels.drawn, "uint16")
        flat, dtype = self.evaluated, self.task.dtype
        validate(dtype, self.held_out, self.at, self.numbers, flat, levels, found)
        return found.tolist()

    def make_ready(self) -> None:
        """Have the loops compiled, where they are not: a limit of time is one of training."""
        nothing = no_places(), np.empty((0, 2)), np.empty((0, self.gradient.size), self.task.dtype)
        self.take_steps(fixed(self.order.rows, "int64"), np.zeros(1), 0, *nothing)
        if self.task.validation is not None:
            self._found_on_held_out()

    def result(self) -> TrainingResult:
        """The network as it is, or with its best weights.

        Raises
        ------
        DivergenceError
        """
        final = self.progress.best_weights
        if final is None:
            final = self.evaluated
        arrays = self.parameters.copies(final)
        checkpoint = self._checkpoint() if self.task.keep_checkpoint else None
        return finished(self.progress, arrays, self.rate, checkpoint)

    def take_steps(
        self,
        rows: np.ndarray,
        losses: np.ndarray,
        n_steps: int,
        places: np.ndarray,
        found: np.ndarray,
        kept: np.ndarray,
    ) -> None:
        """Take the next steps, in the order of ``rows``; add their losses to their epochs'.

        Epochs that end put what is found on held-out rows, and their parameters, into ``found``
        and ``kept``, where ``places`` says.
        """
        if self.levels.active:
            n_steps = min(n_steps, self.levels.steps_left)
            set_levels(self.table, self.levels.begins())
        task, order = self.task, self.order
        first = order.position * task.batch_size
        X, targets, weights = self.rows, self.targets, self.weights
        if self.presentation.active and n_steps:
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
            places,
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


@cache
def no_places() -> np.ndarray:
    """That the loop is not to look at held-out rows."""
    return fixed(np.empty(0), "int64")
