"""The names that parameters may have, for type checkers; the tables decide at run time.

Equal to the tables' keys: a test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from ..augmentation import Augmentation

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
    "lsuv",
    "fixup",
]
BiasInitializationName = Literal["zeros", "sklearn", "torch"]
OptimizerName = Literal[
    "adam",
    "adamw",
    "amsgrad",
    "nadam",
    "adamax",
    "radam",
    "rmsprop",
    "adagrad",
    "adadelta",
    "sgd",
    "lion",
    "muon",
    "schedule_free_sgd",
    "schedule_free_adam",
    "lbfgs",
    "cg",
    "newton-cg",
]
ScheduleName = Literal[
    "constant",
    "invscaling",
    "adaptive",
    "step",
    "exponential",
    "linear",
    "polynomial",
    "cosine",
    "flat_cosine",
    "restarts",
    "one_cycle",
]
DropoutScheduleName = Literal["constant", "early", "early_linear", "late"]
AugmentationName = Literal["gaussian_noise", "mixup", "feature_swap"]
AveragingName = Literal["swa", "ema"]
RegressionLossName = Literal[
    "squared_error",
    "absolute_error",
    "huber",
    "log_cosh",
    "quantile",
    "poisson",
    "gamma",
    "tweedie",
    "gaussian",
    "circular",
]
ClassificationLossName = Literal["log_loss", "focal", "hinge", "squared_hinge"]

LayerSizes = int | Sequence[int] | np.ndarray
Activations = ActivationName | Sequence[ActivationName]
Initialization = InitializationName | Callable[[tuple[int, int], np.random.Generator], Any]
BiasInitialization = BiasInitializationName | float | None
LearningRate = ScheduleName | Callable[[float], float]  # of the fraction of training
Optimizer = OptimizerName | Callable[..., Any]  # a torch.optim class, or a partial of one
OwnLoss = Callable[[Any, Any], Any]  # tensors z and t of shape (n, m) to losses (n,)
Augment = AugmentationName | Augmentation | Callable[[np.ndarray, np.random.Generator], Any] | None
ClassWeight = dict[Any, float] | list[dict[Any, float]] | Literal["balanced"] | None
StoppingMetric = str | Callable[[Any, Any, Any], float] | None  # a scorer, or its name
RandomState = int | np.random.RandomState | None
