"""One plain network in training by compiled loops."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.sparse import issparse

from ...task import Checkpoint, RandomStates, TrainingResult, TrainingTask
from ..batches import RowOrder
from ..draws import Levels
from ..flops import flops_per_step
from ..progress import Clock, Progress, check_finite
from ..row_weights import check_penalty
from ..stack import finished, random_streams, starting_weights
from ..validation import metric_of
from .arrays import Parameters, fixed, rows_of, workspace
from .checkpoints import OptimizerState
from .codes import RATE
from .steps import take_steps, validate
from .tables import addresses_of, is_small, layer_table, numbers_of, set_levels
from .validation import LOGITS, held_out

# Operations of one compiled call: an interrupt is heard between two calls, some 0.1 s apart.
_FLOPS_PER_CALL = 2e9
# Rows of the epochs of one call.
_MOST_ROWS = 1 << 17
# Numbers of the parameters after each epoch of one call, where the best are kept.
_MOST_NUMBERS = 1 << 21


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
        )
        self.space = workspace(self.table, task.batch_size, task.dtype)
        self.gradient = np.empty_like(self.parameters.flat)
        self.optimizer = OptimizerState(task.optimizer, self.parameters)
        self.at, self.numbers = addresses_of(task), numbers_of(task)
        self._most_steps = max(1, int(_FLOPS_PER_CALL // max(1, flops_per_step(task))))
        if task.resume is not None:
            self._resume(task.resume)
        self._clock = None
        if task.max_time is not None:
            self.make_ready()
            self._clock = Clock(task.max_time)

    @property
    def rate(self) -> float:
        return float(self.numbers[RATE])

    def run_epochs(self) -> None:
        """Some epochs, their validation, and what follows from them.

        Raises
        ------
        DivergenceError
        """
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
            while self.order.steps_left:
                n_steps = min(self._most_steps, self.order.steps_left)
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
        most = min(self._most_steps / steps, _MOST_ROWS / rows)
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
            check_finite(loss, progress.n_iter + 1 + epoch, self.rate)
        if self.task.validation is None:
            self._set_rate(progress.end_epochs(losses, self.rate))
            losses = []
        of_loop = places.tolist() or [-1] * len(losses)
        for loss, place in zip(losses, of_loop, strict=True):
            if not places.size and progress.validation_is_due:  # of the last one: see above
                self._validate()
            elif place >= 0:
                of_rows, score = found[place]
                self._note(of_rows, score, kept[place] if len(kept) else self.parameters.flat)
            self._set_rate(progress.end_epoch(loss, self.rate))

    def _validate(self) -> None:
        self._note(*self.validate(self.progress.running_epoch, self.rate), self.parameters.flat)

    def _note(self, loss: float, score: float, flat: np.ndarray) -> None:
        """Note what was found on held-out rows, and the parameters if they are the best."""
        progress = self.progress
        check_finite(loss, progress.running_epoch, self.rate, what="validation loss")
        check_finite(score, progress.running_epoch, self.rate, what="validation score")
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
            arrays=lambda: self.parameters.copies(self.parameters.flat),
        )
        return loss, score

    def _found_on_held_out(self) -> list[float]:
        found, levels = np.empty(2), fixed(self.levels.drawn, "uint16")
        flat, dtype = self.parameters.flat, self.task.dtype
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
        best = self.progress.best_weights
        if best is not None:
            self.parameters.flat[:] = best
        arrays = self.parameters.copies(self.parameters.flat)
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
        take_steps(
            task.dtype,
            self.at,
            self.rows,
            self.targets,
            self.weights,
            rows,
            order.position * task.batch_size,
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
            self.space,
            self.held_out,
            places,
            losses,
            found,
            kept,
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
        task = self.task
        return Checkpoint(
            family=task.optimizer.family,
            optimizer=self.optimizer.checkpoint(),
            learning_rate_init=task.learning_rate_init,
            learning_rate=self.rate,
            random=RandomStates(self.order.rng.bit_generator.state, *self.levels.position()),
        )

    def _resume(self, checkpoint: Checkpoint) -> None:
        task = self.task
        if task.optimizer.family == checkpoint.family:
            self.optimizer.go_on(checkpoint.optimizer)
        if task.learning_rate_init == checkpoint.learning_rate_init:
            self._set_rate(checkpoint.learning_rate, rescale=False)
        self.levels.go_to(checkpoint.random.dropout_steps)


@cache
def no_places() -> np.ndarray:
    """That the loop is not to look at held-out rows."""
    return fixed(np.empty(0), "int64")
