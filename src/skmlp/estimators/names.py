"""The names that parameters may have, for type checkers; the tables decide at run time.

Equal to the tables' keys: a test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

ActivationName = Literal[
    "identity",
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "softplus",
]
InitializationName = Literal[
    "auto",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "he_uniform_fan_out",
    "he_normal_fan_out",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
    "sklearn",
    "torch",
    "lisa_sigmoid",
]
BiasInitializationName = Literal["zeros", "sklearn", "torch"]
OptimizerName = Literal[
    "adam", "adamw", "nadam", "adamax", "radam", "rmsprop", "adagrad", "adadelta", "sgd", "lbfgs"
]
ScheduleName = Literal["constant", "invscaling", "adaptive"]
RegressionLossName = Literal[
    "squared_error",
    "absolute_error",
    "huber",
    "log_cosh",
    "quantile",
    "poisson",
    "gamma",
    "tweedie",
]

LayerSizes = int | Sequence[int] | np.ndarray
Activations = ActivationName | Sequence[ActivationName]
Initialization = InitializationName | Callable[[tuple[int, int], np.random.Generator], Any]
BiasInitialization = BiasInitializationName | float | None
Optimizer = OptimizerName | Callable[..., Any]  # a torch.optim class, or a partial of one
ClassWeight = dict[Any, float] | list[dict[Any, float]] | Literal["balanced"] | None
StoppingMetric = str | Callable[[Any, Any, Any], float] | None  # a scorer, or its name
RandomState = int | np.random.RandomState | None
