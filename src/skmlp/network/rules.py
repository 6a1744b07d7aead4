"""Rules with parameters for starting weights: what users give where a name says too little.

A rule is called as a user's own function is, with ((fan_in, fan_out), rng), and draws from that
generator alone. Rules are values: equal parameters make equal rules, and ``repr`` evaluates to an
equal one, so that the table of a search can be read, grouped and used again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import erf, exp, isfinite, pi, sqrt
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, int]
Weights = NDArray[np.float64]


def orthonormal(shape: Shape, rng: np.random.Generator) -> Weights:
    """Orthonormal rows or columns, whichever are fewer, uniform over the orthogonal group."""
    q, r = np.linalg.qr(rng.normal(size=(max(shape), min(shape))))
    # The signs of R's diagonal make the distribution Haar (Mezzadri 2007).
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return q if shape[0] >= shape[1] else q.T


# A normal variable cut at two standard deviations has this one: of N(0, 1) given |z| < a, with φ
# and Φ its density and distribution, the variance is 1 - 2a φ(a) / (2Φ(a) - 1).
TRUNCATED_STD = sqrt(1 - 4 * exp(-2) / sqrt(2 * pi) / erf(sqrt(2)))


def _truncated(shape: Shape, rng: np.random.Generator) -> Weights:
    """Draws of N(0, 1); those beyond ±2 are made again."""
    z = rng.normal(size=shape)
    beyond = np.abs(z) > 2
    while beyond.any():
        z[beyond] = rng.normal(size=np.count_nonzero(beyond))
        beyond = np.abs(z) > 2
    return z


MODES: dict[str, Callable[[int, int], float]] = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
}

# Draws of mean 0 and variance 1.
DISTRIBUTIONS: dict[str, Callable[[Shape, np.random.Generator], Weights]] = {
    "normal": lambda shape, rng: rng.normal(size=shape),
    "truncated_normal": lambda shape, rng: _truncated(shape, rng) / TRUNCATED_STD,
    "uniform": lambda shape, rng: sqrt(3) * rng.uniform(-1, 1, shape),
}


def is_finite(value: object) -> bool:
    """Whether a value is a number that a float can hold."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return isfinite(float(value))
    except OverflowError:  # of an integer or a fraction
        return False


class Rule:
    """A value with parameters, for the estimators' parameters.

    Raises
    ------
    ValueError
        At construction, if a parameter has no meaning.
    """

    def _check_number(self, name: str, *, positive: bool) -> None:
        """Check a parameter, and make it a float: NumPy's numbers have a ``repr`` of their own."""
        value = getattr(self, name)
        if not is_finite(value) or (positive and value <= 0):
            raise ValueError(
                f"The {name!r} parameter of {type(self).__name__} must be a finite number"
                f"{' above 0' if positive else ''}. Got {value!r} instead."
            )
        object.__setattr__(self, name, float(value))

    def _check_name(self, name: str, table: dict) -> None:
        value = getattr(self, name)
        if not isinstance(value, str) or value not in table:
            raise ValueError(
                f"The {name!r} parameter of {type(self).__name__} must be one of "
                f"{', '.join(map(repr, table))}. Got {value!r} instead."
            )
        object.__setattr__(self, name, str(value))


class WeightRule(Rule, ABC):
    """Starting weights by a rule with parameters; biases start at zero."""

    @abstractmethod
    def __call__(self, shape: Shape, rng: np.random.Generator) -> Weights:
        """Weights of one layer.

        Parameters
        ----------
        shape : (fan_in, fan_out)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape (fan_in, fan_out)
        """


@dataclass(frozen=True)
class VarianceScaling(WeightRule):
    """Starting weights of variance scale / n, with n by the layer's widths.

    Parameters
    ----------
    scale : float, default=1.0
        Above 0. He's rule is 2 with "fan_in", Glorot's 1 with "fan_avg", LeCun's 1 with "fan_in".
    mode : {"fan_in", "fan_out", "fan_avg"}, default="fan_in"
        n: the layer's inputs, its outputs (which keeps the variance of gradients in place of
        signals), or the mean of both.
    distribution : {"truncated_normal", "normal", "uniform"}, default="truncated_normal"
        N(0, scale/n); the same shape cut at two σ, with σ = √(scale/n) / 0.8796 so that the
        variance after the cut is scale/n; or uniform within √(3 scale/n).

    Notes
    -----
    The name and the definition of the truncated normal distribution are those of Keras.

    References
    ----------
    Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward neural
    networks", eq. 12 and 16. He et al. (2015), arXiv:1502.01852, eq. 10 and 14. LeCun et al.
    (1998), "Efficient BackProp", section 4.6.

    Examples
    --------
    >>> from skmlp import MLPClassifier, VarianceScaling
    >>> model = MLPClassifier((64, 64), initialization=VarianceScaling(2, "fan_out", "normal"))
    >>> model.initialization
    VarianceScaling(scale=2.0, mode='fan_out', distribution='normal')
    """

    scale: float = 1.0
    mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in"
    distribution: Literal["truncated_normal", "normal", "uniform"] = "truncated_normal"

    def __post_init__(self) -> None:
        self._check_number("scale", positive=True)
        self._check_name("mode", MODES)
        self._check_name("distribution", DISTRIBUTIONS)

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Weights:
        std = sqrt(self.scale / MODES[self.mode](*shape))
        return std * DISTRIBUTIONS[self.distribution](shape, rng)


@dataclass(frozen=True)
class Normal(WeightRule):
    """Starting weights from N(0, std²), whatever the layer's widths.

    Parameters
    ----------
    std : float, default=0.01
        Standard deviation, above 0.
    """

    std: float = 0.01

    def __post_init__(self) -> None:
        self._check_number("std", positive=True)

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Weights:
        return self.std * rng.normal(size=shape)


@dataclass(frozen=True)
class TruncatedNormal(WeightRule):
    """Starting weights from N(0, std²) cut at ±2 std, whatever the layer's widths.

    Parameters
    ----------
    std : float, default=0.01
        Standard deviation before the cut, above 0, as in Keras and in torch; that of the weights
        is 0.8796 times it.
    """

    std: float = 0.01

    def __post_init__(self) -> None:
        self._check_number("std", positive=True)

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Weights:
        return self.std * _truncated(shape, rng)


@dataclass(frozen=True)
class Uniform(WeightRule):
    """Starting weights uniform within ±bound, whatever the layer's widths.

    Parameters
    ----------
    bound : float, default=0.05
        Above 0. The variance is bound² / 3.
    """

    bound: float = 0.05

    def __post_init__(self) -> None:
        self._check_number("bound", positive=True)

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Weights:
        return self.bound * rng.uniform(-1, 1, shape)


@dataclass(frozen=True)
class Constant(WeightRule):
    """Equal starting weights, for linear models and experiments.

    Units of a hidden layer that start equal stay equal, as if there were one: a fit warns of it.

    Parameters
    ----------
    value : float, default=0.0
        Every weight.
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        self._check_number("value", positive=False)

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Weights:
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Orthogonal(WeightRule):
    """Starting weights with orthonormal rows or columns, times a gain.

    Parameters
    ----------
    gain : float, default=1.0
        Above 0: every singular value. 1 keeps the norm of signals in a linear network of equal
        widths, √2 in one of ReLU.

    References
    ----------
    Saxe et al. (2014), arXiv:1312.6120.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        self._check_number("gain", positive=True)

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Weights:
        return self.gain * orthonormal(shape, rng)


RULES: tuple[type[WeightRule], ...] = (
    VarianceScaling,
    Normal,
    TruncatedNormal,
    Uniform,
    Constant,
    Orthogonal,
)


def is_users_code(initialization: object) -> bool:
    """Whether to draw starting weights may run code of the user's: a class made of ours may."""
    return callable(initialization) and type(initialization) not in RULES
