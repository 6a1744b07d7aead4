"""Random bits for dropout, drawn by each network's own generator. Nothing here needs torch.

They are drawn for a fixed number of steps at a time, which depends on the network's shape alone: a
network gets the same ones in a stack as alone, and whatever trains it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .dropout_schedules import DropoutTime

# Entries per draw: enough that a small network draws once an epoch.
_ENTRIES_PER_DRAW = 1 << 16
# 16 random bits are compared with the probability, which is so rounded to 1/65536: four entries
# from one 64-bit draw, against one from a float.
LEVELS = 1 << 16


def steps_per_draw(batch_size: int, widths: Sequence[int]) -> int:
    """For how many steps of batches each draw is."""
    return max(1, _ENTRIES_PER_DRAW // max(1, batch_size * sum(widths)))


def thresholds(probabilities: Any) -> np.ndarray:
    """Below which level a unit is dropped."""
    return np.minimum(np.rint(np.array(probabilities) * LEVELS), LEVELS - 1)


def kept_scale(threshold: float) -> np.float32:
    """1/(1 - p): what is kept is multiplied by it."""
    return np.float32(LEVELS / (LEVELS - threshold))


# What a dropped unit of alpha dropout is: the limit of selu at minus infinity, -λα.
ALPHA_VALUE = -1.7580993408473766


def alpha_scale(threshold: float) -> np.float32:
    """Alpha dropout makes scale · x + shift of a kept unit, scale · (-λα) + shift of a dropped one.

    With these numbers units of mean 0 and variance 1 keep both (Klambauer et al. 2017,
    arXiv:1706.02515, section 2, "New Dropout Technique").
    """
    p = threshold / LEVELS
    return np.float32(((1 - p) * (1 + p * ALPHA_VALUE**2)) ** -0.5)


def alpha_shift(threshold: float) -> np.float32:
    """See `alpha_scale`."""
    p = threshold / LEVELS
    return np.float32(-(((1 - p) * (1 + p * ALPHA_VALUE**2)) ** -0.5) * p * ALPHA_VALUE)


def alpha_dropped(threshold: float) -> np.float32:
    """What alpha dropout makes of a dropped unit: see `alpha_scale`."""
    p = threshold / LEVELS
    return np.float32(((1 - p) * (1 + p * ALPHA_VALUE**2)) ** -0.5 * (1 - p) * ALPHA_VALUE)


def random_levels(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of 0 to 65535."""
    n = int(np.prod(shape))
    words = rng.bit_generator.random_raw(-(-n // 4))
    return words.view(np.uint16)[:n].reshape(shape)


class Levels:
    """The levels of one network's dropout, layer by layer, and where its stream stands.

    Parameters
    ----------
    probabilities : sequence of float
        Of each hidden layer.
    widths : sequence of int
        Of the hidden layers.
    batch_size : int
    rng : numpy.random.Generator

    Attributes
    ----------
    thresholds : ndarray of int
        Of the time; 0 for a layer without dropout.
    active : bool
        Whether levels are drawn.
    drawn : ndarray of uint16
        The layers' levels, each (steps, batch_size, width), one layer after the other.
    step : int
        How many of the drawn steps are used up.
    """

    def __init__(
        self,
        probabilities: Sequence[float],
        widths: Sequence[int],
        batch_size: int,
        rng: np.random.Generator,
    ):
        self._probabilities = np.array(probabilities)
        self._highest = thresholds(probabilities)
        self.set_time(DropoutTime())
        self.widths, self.batch_size, self.rng = widths, batch_size, rng
        self.n_steps = steps_per_draw(batch_size, widths)
        self.drawn = np.empty(0, np.uint16)
        self.step = self.n_steps
        self._state = rng.bit_generator.state

    def set_time(self, time: DropoutTime) -> None:
        """Compare with the probabilities of an epoch.

        Levels are drawn from the first step on, whatever a schedule drops: so networks of a stack
        draw at the same steps.
        """
        self.thresholds = thresholds(self._probabilities * time.factor).astype(np.int64)
        self.active = bool(self._highest.any()) and not time.over

    @property
    def steps_left(self) -> int:
        """Steps that can be taken now; draws if there are none."""
        if self.step >= self.n_steps:
            self._draw()
        return self.n_steps - self.step

    def begins(self) -> list[int]:
        """Where each layer's levels of the next step begin."""
        sizes = [
            self.batch_size * width if threshold else 0
            for width, threshold in zip(self.widths, self._highest, strict=True)
        ]
        starts = np.cumsum([0, *(self.n_steps * size for size in sizes)])
        return [
            int(start) + self.step * size for start, size in zip(starts[:-1], sizes, strict=True)
        ]

    def position(self) -> tuple[Mapping[str, Any], int]:
        """The generator's state before the next step's draw, and how many of its steps are used."""
        used_up = self.step >= self.n_steps
        return (self.rng.bit_generator.state if used_up else self._state), self.step

    def go_to(self, step: int) -> None:
        """Go on after ``step`` steps of the draw that the generator's state begins."""
        if step < self.n_steps and self.active:
            self._draw()
        self.step = step

    def _draw(self) -> None:
        self._state = self.rng.bit_generator.state
        parts = [
            random_levels(self.rng, (self.n_steps, self.batch_size, width)).ravel()
            for width, threshold in zip(self.widths, self._highest, strict=True)
            if threshold
        ]
        self.drawn, self.step = np.concatenate(parts), 0
