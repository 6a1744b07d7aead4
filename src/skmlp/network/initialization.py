"""Starting weights and biases of a layer. (Rules that have parameters are in ``rules``.)

fan_in and fan_out are a layer's input and output widths; W has shape (fan_in, fan_out), as in
scikit-learn's ``coefs_``. All draws come from the generator that is passed in: `torch.nn.init`
draws from torch's global generator and cannot be reproduced under threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from .rules import orthonormal

Arrays = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Layer:
    """What a rule may look at: the layer's widths, and the activation that it feeds.

    ``hidden_activation`` is the same, but for the output layer the last hidden layer's.
    """

    fan_in: int
    fan_out: int
    activation: str = "relu"
    negative_slope: float = 0.01
    hidden_activation: str = "relu"

    @property
    def he_gain(self) -> float:
        """2 / (1 + slope²), the factor of He et al. (2015), eq. 15; slope 0 for ReLU."""
        slope = self.negative_slope if self.activation == "leaky_relu" else 0.0
        return 2.0 / (1.0 + slope**2)


Rule = Callable[[Layer, np.random.Generator], Arrays]


def _normal(variance: Callable[[Layer], float]) -> Rule:
    """Weights from N(0, variance), biases zero."""

    def draw(layer: Layer, rng: np.random.Generator) -> Arrays:
        shape = (layer.fan_in, layer.fan_out)
        return rng.normal(0.0, sqrt(variance(layer)), shape), np.zeros(layer.fan_out)

    return draw


def _uniform(bound: Callable[[Layer], float], *, biases: bool = False) -> Rule:
    """Weights from U(-bound, bound); biases zero, or from the same interval."""

    def draw(layer: Layer, rng: np.random.Generator) -> Arrays:
        b = bound(layer)
        weights = rng.uniform(-b, b, (layer.fan_in, layer.fan_out))
        return weights, rng.uniform(-b, b, layer.fan_out) if biases else np.zeros(layer.fan_out)

    return draw


def _orthogonal(layer: Layer, rng: np.random.Generator) -> Arrays:
    """Orthonormal rows or columns (Saxe et al. 2014)."""
    return orthonormal((layer.fan_in, layer.fan_out), rng), np.zeros(layer.fan_out)


def _auto(layer: Layer, rng: np.random.Generator) -> Arrays:
    # Only this rule looks at the activations' table: the import is here to keep this file
    # free of torch.
    from .activations import ACTIVATIONS

    return INITIALIZATIONS[ACTIVATIONS[layer.activation].initialization](layer, rng)


def _glorot(layer: Layer) -> float:
    return 2.0 / (layer.fan_in + layer.fan_out)


def _sklearn_bound(layer: Layer) -> float:
    return sqrt((1.0 if layer.hidden_activation == "logistic" else 3.0) * _glorot(layer))


def _torch_bound(layer: Layer) -> float:
    return 1.0 / sqrt(layer.fan_in)


INITIALIZATIONS: dict[str, Rule] = {
    # By the activation that the layer feeds: see ACTIVATIONS.
    "auto": _auto,
    # Glorot & Bengio (2010), eq. 12 and 16.
    "glorot_uniform": _uniform(lambda layer: sqrt(3.0 * _glorot(layer))),
    "glorot_normal": _normal(_glorot),
    # He et al. (2015), arXiv:1502.01852, eq. 10 and 14.
    "he_uniform": _uniform(lambda layer: sqrt(3.0 * layer.he_gain / layer.fan_in)),
    "he_normal": _normal(lambda layer: layer.he_gain / layer.fan_in),
    "he_uniform_fan_out": _uniform(lambda layer: sqrt(3.0 * layer.he_gain / layer.fan_out)),
    "he_normal_fan_out": _normal(lambda layer: layer.he_gain / layer.fan_out),
    # LeCun et al. (1998), "Efficient BackProp", section 4.6.
    "lecun_uniform": _uniform(lambda layer: sqrt(3.0 / layer.fan_in)),
    "lecun_normal": _normal(lambda layer: 1.0 / layer.fan_in),
    "orthogonal": _orthogonal,
    # sklearn.neural_network: √(2/(in+out)) for logistic, √(6/(in+out)) otherwise, biases too.
    "sklearn": _uniform(_sklearn_bound, biases=True),
    # torch.nn.Linear's default: weights and biases within 1/√fan_in.
    "torch": _uniform(_torch_bound, biases=True),
    # The LISA deep learning tutorial's rule for sigmoid units: four times Glorot's bound.
    "lisa_sigmoid": _uniform(lambda layer: 4.0 * sqrt(3.0 * _glorot(layer))),
}

# Rules for whole networks: what their layers are drawn by, before they are scaled (see ``fixup``
# and ``lsuv``).
WHOLE_NETWORK = {"lsuv": "orthogonal", "fixup": "he_normal"}

# Biases by a rule of their own: each is uniform within ± its bound.
BIAS_INITIALIZATIONS: dict[str, Callable[[Layer], float]] = {
    "zeros": lambda layer: 0.0,
    "sklearn": _sklearn_bound,
    "torch": _torch_bound,
}


def initial_layer(
    rule: str | Callable[..., object], layer: Layer, rng: np.random.Generator
) -> Arrays:
    """Weights (fan_in, fan_out) and biases (fan_out,) of one layer.

    Parameters
    ----------
    rule : str or callable
        A key of `INITIALIZATIONS`, or ``rule((fan_in, fan_out), rng)`` that returns the weights,
        or a pair (weights, biases): the user's own, or one of `skmlp.network.rules`.
    layer : Layer
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If a callable returns arrays of another shape, or values that are not finite.
    """
    if isinstance(rule, str):
        return INITIALIZATIONS[rule](layer, rng)
    drawn = rule((layer.fan_in, layer.fan_out), rng)
    weights, biases = (
        drawn if isinstance(drawn, tuple) and len(drawn) == 2 else (drawn, np.zeros(layer.fan_out))
    )
    return (
        _checked(weights, (layer.fan_in, layer.fan_out), "weights"),
        _checked(biases, (layer.fan_out,), "biases"),
    )


def initial_biases(
    rule: str | float, layer: Layer, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Biases (fan_out,) of one layer by a rule of their own, whatever that of the weights.

    Parameters
    ----------
    rule : str or float
        A key of `BIAS_INITIALIZATIONS`, or every bias' value.
    layer : Layer
    rng : numpy.random.Generator
    """
    if not isinstance(rule, str):
        return np.full(layer.fan_out, float(rule))
    bound = BIAS_INITIALIZATIONS[rule](layer)
    return rng.uniform(-bound, bound, layer.fan_out)


def _checked(values: object, shape: tuple[int, ...], what: str) -> NDArray[np.float64]:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The 'initialization' callable returned {what} that are no array: return an array, "
            "or a tuple (weights, biases)."
        ) from error
    if array.shape != shape:
        raise ValueError(
            f"The 'initialization' callable returned {what} of shape {array.shape}, "
            f"but this layer needs {shape}: use the shape it is called with."
        )
    if not np.isfinite(array).all():
        raise ValueError(f"The 'initialization' callable returned {what} that are not finite.")
    return array
