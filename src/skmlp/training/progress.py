"""One network's training history, its learning rates, and when it stops.

The rules are those of scikit-learn's MLP, for the training loss or the validation score.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite
from time import perf_counter
from typing import Any

from ..task import TrainingTask
from .schedules import Course, course_of, schedule_of

# scikit-learn's constants: an adaptive rate is divided by 5, until it is at most 1e-6.
_ADAPTIVE_DIVISOR = 5.0
_SMALLEST_ADAPTIVE_RATE = 1e-6


# Scores that differ by less are equal: a sum of weights depends in its last digits on the order of
# the rows, which a stack may change, and a tie is no improvement.
_ROUNDING = {"float32": 1e-6, "float64": 1e-12}


# Between two looks at the clock, where there is a limit of time.
_SECONDS_PER_CALL = 0.1


class DivergenceError(ValueError):
    """The loss or the weights of a network became infinite or NaN."""


@dataclass
class Progress:
    """History of one network. ``end_epoch`` records, and decides whether it goes on.

    ``course`` is what is known in advance of its rate; the rates that callers hand over and get
    are without its factors.
    """

    task: TrainingTask
    t: int = 0
    n_iter: int = 0
    loss_curve: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    validation_loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    best_loss: float = inf
    best_validation_score: float = -inf
    no_improvement_count: int = 0
    validated_epoch: int = 0  # the last one that was validated
    best_weights: Any = None
    stopping_reason: str | None = None
    course: Course | None = field(init=False)

    def __post_init__(self) -> None:
        self.course = course_of(self.task)

    def _rounding_of(self, score: float) -> float:
        rounding = _ROUNDING[self.task.dtype]
        # Accuracy and R² are of order one; what else is asked for may be of any.
        return rounding if self.task.metric is None else rounding * max(1.0, abs(score))

    @property
    def certain_epochs(self) -> float:
        """How many epochs come before training can stop or the rate can change on a plateau.

        But for time, which whoever trains has to watch.
        """
        patience = self.task.n_iter_no_change - self.no_improvement_count + 1
        if self.task.early_stopping:
            patience = self.epochs_to_validation + (patience - 1) * self.task.validation_every
        return min(self.task.max_iter - self.n_iter, patience)

    @property
    def running_epoch(self) -> int:
        """The number of the epoch that ends next; where training has stopped, of the last one."""
        return self.n_iter + (self.stopping_reason is None)

    @property
    def ahead(self) -> int:
        """How many epochs the running one is ahead of the last that has ended: 1 or 0."""
        return self.running_epoch - self.n_iter

    @property
    def epochs_to_validation(self) -> int:
        """How many epochs come up to the end of the next that is to be validated."""
        every = self.task.validation_every
        return min(every - self.n_iter % every, self.task.max_iter - self.n_iter)

    @property
    def validation_is_due(self) -> bool:
        """Whether held-out rows, if there are any, are to be looked at now.

        Before `end_epoch`: of the epoch that ends. After it: of the last one, where training has
        stopped and this was not foreseen.
        """
        if self.stopping_reason is None:
            return self.epochs_to_validation <= 1
        return self.validated_epoch < self.n_iter

    def end_epoch(self, loss: float, rate: float) -> float:
        """Record the epoch's training loss; return the learning rate of the next epoch."""
        return self.end_epochs([loss], rate)

    def end_epochs(self, losses: list[float], rate: float) -> float:
        """As `end_epoch`, for several; all but the last are `certain_epochs`."""
        self.learning_rates += self._last_rates(rate, len(losses))
        self.n_iter += len(losses)
        self.t += len(self.task.train) * len(losses)
        self.loss_curve += losses
        self._say(f"Iteration {self.n_iter}, loss = {losses[-1]:.8f}")
        if self.validated_epoch == self.n_iter:
            self._say(f"Validation score: {self.validation_scores[-1]:f}")
        self._count_improvements(losses)
        rate = schedule_of(self.task.learning_rate).next_rate(self.task, rate, self.t)
        if self.no_improvement_count > self.task.n_iter_no_change:
            rate = self._plateau(rate)
        if self.stopping_reason is None and self.n_iter >= self.task.max_iter:
            self.stopping_reason = "max_iter"
        return rate

    def validate(self, loss: float, score: float) -> bool:
        """Record a validation; tell whether these are the best weights so far."""
        self.validation_loss_curve.append(loss)
        self.validation_scores.append(score)
        best, self.validated_epoch = self.best_validation_score, self.running_epoch
        if self.task.early_stopping and self.stopping_reason is not None:
            self.best_validation_score = max(score, best)
        return self.task.early_stopping and score > best + self._rounding_of(score)

    def check_finite(
        self, value: float, rate: float | None, what: str = "loss", epoch: int = 1
    ) -> None:
        """As the function, for a value of one of the epochs to come, from 1."""
        if not isfinite(value):
            n_iter = self.n_iter + epoch
            if rate is not None and self.course is not None and n_iter:
                rate *= float(self.course.last_factors(n_iter - 1, 1)[0])
            check_finite(value, n_iter, rate, what)

    def _last_rates(self, rate: float, n: int) -> list[float]:
        """At the last steps of the next n epochs."""
        if self.course is None:
            return [rate] * n
        return (rate * self.course.last_factors(self.n_iter, n)).tolist()

    def spend(self, seconds: float) -> None:
        """Stop where the network's time, of which it has used so many seconds, is over."""
        limit = self.task.max_time
        if limit is not None and seconds >= limit and self.stopping_reason is None:
            self.stopping_reason = "max_time"
            self._say(f"max_time={limit:g} seconds are over. Stopping.")

    def _count_improvements(self, losses: list[float]) -> None:
        """Count epochs, or validations, that came without an improvement."""
        count = self.no_improvement_count
        if self.task.early_stopping:
            self.best_loss = min(*losses, self.best_loss)
            if self.validated_epoch == self.n_iter:
                best, score = self.best_validation_score, self.validation_scores[-1]
                margin = self.task.tol - self._rounding_of(score)
                count = 0 if score >= best + margin else count + 1
                self.best_validation_score = max(score, best)
        else:
            best, margin = self.best_loss, self.task.tol
            for loss in losses:
                count = 0 if loss <= best - margin else count + 1
                best = min(loss, best)
            self.best_loss = best
        self.no_improvement_count = count

    def _plateau(self, rate: float) -> float:
        what = "Validation score" if self.task.early_stopping else "Training loss"
        sparse = self.task.early_stopping and self.task.validation_every > 1
        of = "validations" if sparse else "epochs"
        message = (
            f"{what} did not improve more than tol={self.task.tol:f} "
            f"for {self.task.n_iter_no_change} consecutive {of}."
        )
        if self.task.learning_rate != "adaptive":
            self.stopping_reason = (
                "early_stopping" if self.task.early_stopping else "no_improvement"
            )
            self._say(f"{message} Stopping.")
        elif rate <= _SMALLEST_ADAPTIVE_RATE:
            self.stopping_reason = "learning_rate"
            self._say(f"{message} Learning rate too small. Stopping.")
        else:
            rate /= _ADAPTIVE_DIVISOR
            self.no_improvement_count = 0
            self._say(f"{message} Setting learning rate to {rate:f}")
        return rate

    def _say(self, message: str) -> None:
        if self.task.verbose:
            print(message)


class Clock:
    """The time of a network that trains by itself, and how many epochs fit into a part of it.

    Parameters
    ----------
    limit : float
        Seconds after which training is to stop.
    """

    def __init__(self, limit: float):
        self._limit, self._spent, self._per_epoch = limit, 0.0, inf
        self._start = perf_counter()

    def lap(self, n_epochs: int) -> float:
        """Seconds since the start; so many epochs have come since the last time."""
        spent = perf_counter() - self._start
        self._per_epoch, self._spent = (spent - self._spent) / n_epochs, spent
        return spent

    def epochs_of_a_call(self) -> float:
        """How many epochs should come before the next look at the clock."""
        left = min(self._limit - self._spent, _SECONDS_PER_CALL)
        return left / self._per_epoch if self._per_epoch else inf


def check_finite(value: float, epoch: int, rate: float | None, what: str = "loss") -> None:
    """Raise `DivergenceError` unless the value is a finite number.

    A full-batch method has no rate (None), and makes iterations, not epochs.
    """
    if isfinite(value):
        return
    scale = "scale the input data (for example with StandardScaler)"
    if rate is None:
        when, remedy = f"iteration {epoch}", f"Raise 'alpha', or {scale}"
    else:
        when = f"epoch {epoch} with learning rate {rate:g}"
        remedy = f"Lower 'learning_rate_init', set 'max_grad_norm', or {scale}"
    raise DivergenceError(f"Training diverged: the {what} became {value} in {when}. {remedy}.")
