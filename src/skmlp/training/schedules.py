"""Learning-rate schedules, a row for each, and their course over one network's training.

Some rates follow from what has happened, at the ends of epochs: scikit-learn's. The others are
known in advance: factors of the first rate, step by step. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, isfinite, log1p
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from ..task import TrainingTask

# Of one_cycle: its first factor, and the share of the steps in which it rises. Both are torch's.
_CYCLE_START = 1 / 25
_CYCLE_RISE = 0.3

# What one_cycle cycles besides the rate, where the optimizer has it.
MOMENTA = {
    "sgd": "momentum",
    **dict.fromkeys(("adam", "adamw", "amsgrad", "nadam", "adamax", "radam", "lion"), "beta_1"),
}


def _as_it_is(task: TrainingTask, rate: float, t: int) -> float:
    return rate


def _inverse_scaling(task: TrainingTask, rate: float, t: int) -> float:
    return task.learning_rate_init * exp(-task.power_t * log1p(t))


class Schedule(NamedTuple):
    """One schedule.

    Attributes
    ----------
    factors : callable, optional
        ``factors(course, steps)``: rate / learning_rate_init at the steps after the warm-up,
        counted from 0; all are below ``course.total``.
    next_rate : callable
        ``next_rate(task, rate, t)``: the rate after an epoch, when training has seen t rows.
    """

    factors: Callable[[Course, np.ndarray], np.ndarray] | None = None
    next_rate: Callable[[TrainingTask, float, int], float] = _as_it_is


def _step(course: Course, steps: np.ndarray) -> np.ndarray:
    return course.task.learning_rate_decay ** (steps // course.period)


def _exponential(course: Course, steps: np.ndarray) -> np.ndarray:
    return course.task.learning_rate_decay ** (steps / course.period)


def _linear(course: Course, steps: np.ndarray) -> np.ndarray:
    return course.down_to_end(1.0 - steps / course.total)


def _polynomial(course: Course, steps: np.ndarray) -> np.ndarray:
    return course.down_to_end((1.0 - steps / course.total) ** course.task.power_t)


def _cosine(course: Course, steps: np.ndarray) -> np.ndarray:
    return course.down_to_end(_half_wave(steps / course.total))


def _flat_cosine(course: Course, steps: np.ndarray) -> np.ndarray:
    length = min(course.period, course.total)
    return course.down_to_end(_half_wave(np.maximum(steps - course.total + length, 0) / length))


def _restarts(course: Course, steps: np.ndarray) -> np.ndarray:
    """Loshchilov & Hutter (2017), arXiv:1608.03983: cosines, each from the first rate."""
    multiplier = course.task.period_multiplier
    if multiplier == 1:
        return course.down_to_end(_half_wave(steps % course.period / course.period))
    begins, length = [0.0], float(course.period)
    while begins[-1] + length <= steps[-1]:
        begins.append(begins[-1] + length)
        length *= multiplier
    cycle = np.searchsorted(begins, steps, side="right") - 1
    lengths = course.period * multiplier ** cycle.astype(float)
    return course.down_to_end(_half_wave((steps - np.array(begins)[cycle]) / lengths))


def _one_cycle(course: Course, steps: np.ndarray) -> np.ndarray:
    """Smith & Topin (2017), arXiv:1708.07120, in the two phases of torch's OneCycleLR."""
    return course.there_and_back(steps, _CYCLE_START, 1.0, course.task.learning_rate_end)


def _half_wave(share: np.ndarray) -> np.ndarray:
    """From 1 to 0 as the share goes from 0 to 1."""
    return 0.5 * (1.0 + np.cos(np.pi * share))


# An adaptive rate changes on a plateau: see `progress`.
SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(),
    "invscaling": Schedule(next_rate=_inverse_scaling),
    "adaptive": Schedule(),
    "step": Schedule(_step),
    "exponential": Schedule(_exponential),
    "linear": Schedule(_linear),
    "polynomial": Schedule(_polynomial),
    "cosine": Schedule(_cosine),
    "flat_cosine": Schedule(_flat_cosine),
    "restarts": Schedule(_restarts),
    "one_cycle": Schedule(_one_cycle),
}


def schedule_of(learning_rate: str | Callable[[float], float]) -> Schedule:
    """The row of a name, or one for a user's function."""
    return Schedule(_users_factors) if callable(learning_rate) else SCHEDULES[learning_rate]


def _users_factors(course: Course, steps: np.ndarray) -> np.ndarray:
    fractions = (steps / course.total).tolist()
    return np.array([course.checked(course.task.learning_rate(f), f) for f in fractions])  # type: ignore[operator]


class Course:
    """What is known in advance of one network's rate and momentum, step by step.

    Steps are counted over all training: of `partial_fit` over all calls, as if each had as many
    steps as this one. After the last step of ``horizon`` epochs, its values hold.

    Attributes
    ----------
    total : int
        Steps after the warm-up.
    period, rise : int
        Steps of the schedule's period, and of the rise of one_cycle.
    """

    def __init__(self, task: TrainingTask):
        self.task = task
        self.per_epoch = -(-len(task.train) // task.batch_size)
        self.n_steps = (task.horizon or task.max_iter) * self.per_epoch
        self.begin = epochs_before(task) * self.per_epoch
        self.rule = schedule_of(task.learning_rate).factors
        self.rises = task.learning_rate == "one_cycle"
        self.warmup = 0 if self.rises else self._steps_in(task.warmup)
        self.total = max(1, self.n_steps - self.warmup)
        self.period = max(1, self._steps_in(task.learning_rate_period))
        self.rise = min(max(1, self._steps_in(task.warmup or _CYCLE_RISE)), self.total)

    def _steps_in(self, length: float) -> int:
        """Steps of a length: epochs if it is an integer, else a share of all training."""
        if isinstance(length, Integral):
            return int(length) * self.per_epoch
        return round(length * self.n_steps)

    def factors(self, n_iter: int, position: int, n: int) -> np.ndarray | None:
        """Of n steps from one in the epoch after ``n_iter``; None where all are 1."""
        first = self.begin + n_iter * self.per_epoch + position
        if not n or (self.rule is None and first >= self.warmup):
            return None
        return self._factors_at(np.arange(first, first + n))

    def last_factors(self, n_iter: int, n: int) -> np.ndarray:
        """At the last steps of the n epochs after ``n_iter``."""
        ends = np.arange(n_iter + 1, n_iter + n + 1) * self.per_epoch
        return self._factors_at(self.begin + ends - 1)

    def _factors_at(self, steps: np.ndarray) -> np.ndarray:
        # The first step of a warm-up is one that moves, and the one after it has the full rate.
        found = np.minimum((steps + 1) / (self.warmup + 1), 1.0)
        if self.rule is not None:
            found *= self.rule(self, np.clip(steps - self.warmup, 0, self.total - 1))
        return found

    def momenta(self, n_iter: int, position: int, n: int) -> np.ndarray | None:
        """As `factors`, of the momentum or beta_1; None where it stays as it is."""
        base = self.task.base_momentum
        if base is None or not self.rises:
            return None
        first = self.begin + n_iter * self.per_epoch + position
        steps = np.minimum(np.arange(first, first + n), self.total - 1)
        settings = self.task.optimizer
        most = getattr(settings, MOMENTA[settings.family])
        return self.there_and_back(steps, most, float(base), most)

    def down_to_end(self, share: np.ndarray) -> np.ndarray:
        """From 1 to ``learning_rate_end`` as the share goes from 1 to 0."""
        end = self.task.learning_rate_end
        return end + (1.0 - end) * share

    def there_and_back(self, steps: np.ndarray, start: float, top: float, end: float) -> np.ndarray:
        """Half waves from start to top, in the steps of the rise, and on to end."""
        last = self.rise - 1
        up = top + (start - top) * _half_wave(steps / max(last, 1))
        down = end + (top - end) * _half_wave((steps - last) / max(self.total - self.rise, 1))
        return np.where(steps <= last, up, down)

    def checked(self, value: Any, fraction: float) -> float:
        """What a user's function gave.

        Raises
        ------
        ValueError
            If it is no finite number of at least 0, or so large that decay would turn weights.
        """
        try:
            factor = float(value)
        except (TypeError, ValueError):
            factor = float("nan")
        if not (isfinite(factor) and factor >= 0):
            raise ValueError(
                "The 'learning_rate' function must return a finite number of at least 0, the rate "
                f"as a multiple of 'learning_rate_init'. Got {value!r} at fraction {fraction:g} "
                "of training."
            )
        task = self.task
        layers = task.layer_learning_rates or (1.0,)
        if factor * max(layers) * task.learning_rate_init * task.weight_decay > 1:
            raise ValueError(
                f"The 'learning_rate' function returned {factor:g} at fraction {fraction:g} of "
                f"training: with weight_decay={task.weight_decay:g} a step would multiply the "
                "weights by less than 0. Lower what it returns, or 'weight_decay'."
            )
        return factor


def course_of(task: TrainingTask) -> Course | None:
    """The course of a task; None where nothing is known in advance, or nothing changes."""
    if schedule_of(task.learning_rate).factors is None and not task.warmup:
        return None
    return Course(task)


def epochs_before(task: TrainingTask) -> int:
    """The epochs of earlier calls of `partial_fit`."""
    return 0 if task.resume is None else task.resume.epochs


def cycle_of(task: TrainingTask) -> tuple[float, ...] | None:
    """What the course of a momentum depends on; None where it stays as it is."""
    if task.base_momentum is None or task.learning_rate != "one_cycle":
        return None
    course = Course(task)
    return task.base_momentum, course.rise, course.total, course.begin
