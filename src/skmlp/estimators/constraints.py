"""What values the estimators' parameters may have.

Built on scikit-learn's own constraint classes, so that errors read as scikit-learn's do. Names
that come from a table are looked up when a fit validates them, because the tables import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from importlib import import_module
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, Options, RealNotInt, StrOptions

from ..augmentation import AUGMENTATIONS, is_augmentation
from ..network.initialization import WHOLE_NETWORK
from ..network.losses import losses_of
from ..network.rules import is_finite
from ..task import FULL_BATCH_OPTIMIZERS
from .scoring import is_metric


class TableNames(StrOptions):
    """The names in one of the package's tables.

    Parameters
    ----------
    module, table : str
        Where the table is.
    more : iterable of str
        Names that are allowed besides.
    """

    def __init__(self, module: str, table: str, more: Iterable[str] = ()):
        self.type, self.deprecated, self.hidden = str, set[str](), False
        self.module, self.table, self.more = module, table, tuple(more)

    @cached_property
    def options(self) -> list[str]:
        table = getattr(import_module(self.module, __package__), self.table)
        return sorted([*table, *self.more])


class Number(Interval):
    """An interval of numbers. True, as one might switch on ``warmup``, is not the number 1."""

    def is_satisfied_by(self, val) -> bool:
        if isinstance(val, np.floating):
            val = float(val)  # scikit-learn takes no float32 for a float that is no integer
        return not isinstance(val, bool) and super().is_satisfied_by(val)


class Checked(Options):
    """Whatever a function accepts. (scikit-learn takes only its own classes and their kin.)"""

    def __init__(self, accepts: Callable[[object], bool], description: str):
        super().__init__(object, set())
        self.accepts, self.description = accepts, description

    def is_satisfied_by(self, val) -> bool:
        return self.accepts(val)

    def __str__(self) -> str:
        return self.description


def per_layer(constraint: Options | Interval) -> Checked:
    """A sequence with one valid value per hidden layer."""

    def accepts(value: object) -> bool:
        if isinstance(value, np.ndarray) and value.ndim == 0:
            return constraint.is_satisfied_by(value.item())
        return isinstance(value, list | tuple | np.ndarray) and all(
            map(constraint.is_satisfied_by, value)
        )

    return Checked(accepts, "a list of such values, one per hidden layer")


def _is_optimizer_class(value: object) -> bool:
    if isinstance(value, str):
        return False
    from ..training.optimizers import is_optimizer_class

    return is_optimizer_class(value)


def _is_function(value: object) -> bool:
    """A callable; not a class, which somebody meant to call."""
    return callable(value) and not isinstance(value, type)


def _is_rate(value: object) -> bool:
    return is_finite(value) and value >= 0  # type: ignore[operator]


def _are_rates(value: object) -> bool:
    is_list = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)
    return is_list and all(map(_is_rate, value))  # type: ignore[call-overload]


def _is_layer_sizes(value: object) -> bool:
    """An integer of at least 1, or a one-dimensional sequence of them (empty: a linear model)."""
    sizes = value if isinstance(value, list | tuple | np.ndarray | range) else [value]
    return getattr(sizes, "ndim", 1) > 0 and all(map(_AT_LEAST_ONE.is_satisfied_by, sizes))


def _is_list_of_quantiles(value: object) -> bool:
    return (
        isinstance(value, list | tuple | np.ndarray)
        and np.ndim(value) == 1
        and len(value) > 0
        and all(map(_INSIDE.is_satisfied_by, value))
    )


def _is_range(value: object) -> bool:
    if not isinstance(value, list | tuple | np.ndarray) or np.shape(value) != (2,):
        return False
    low, high = value
    return is_finite(low) and is_finite(high) and low < high


def _is_device(value: object) -> bool:
    if not isinstance(value, str):
        return False
    kind, _, index = value.partition(":")
    return kind in {"auto", "cpu", "cuda", "mps"} and (not index or index.isdigit())


def _is_dtype(value: object) -> bool:
    if isinstance(value, str):
        return value in {"auto", "float32", "float64"}
    if value is None:
        return False
    try:
        return np.dtype(value) in (np.dtype("float32"), np.dtype("float64"))  # type: ignore[call-overload]
    except TypeError:
        return False


def _is_list_of_callbacks(value: object) -> bool:
    # skorch's own forms: instances, classes, and (name, instance) pairs
    def is_callback(item: object) -> bool:
        if isinstance(item, tuple):
            return len(item) == 2 and isinstance(item[0], str) and is_callback(item[1])
        return hasattr(item, "on_epoch_end")

    return isinstance(value, list | tuple) and all(map(is_callback, value))


_NON_NEGATIVE = Number(Real, 0, None, closed="left")
_POSITIVE = Number(Real, 0, None, closed="neither")
_AT_LEAST_ONE = Number(Integral, 1, None, closed="left")
_INSIDE = Number(Real, 0, 1, closed="neither")
_PROBABILITY = Number(Real, 0, 1, closed="left")
_LOSS_FUNCTION = Checked(_is_function, "a function of logits and targets")
_ACTIVATIONS = TableNames("..network.activations", "ACTIVATIONS")

CONSTRAINTS: dict[str, list] = {
    "hidden_layer_sizes": [
        Checked(_is_layer_sizes, "an int of at least 1, or a list of them, one per hidden layer")
    ],
    "activation": [_ACTIVATIONS, per_layer(_ACTIVATIONS)],
    "negative_slope": [_NON_NEGATIVE],
    "normalization": [TableNames("..network.layers", "NORMALIZATIONS"), None],
    "residual": ["boolean", Number(Integral, 2, None, closed="left")],
    "stochastic_depth": [Number(Real, 0, 1, closed="right"), None],
    "initialization": [
        TableNames("..network.initialization", "INITIALIZATIONS", more=WHOLE_NETWORK),
        Checked(_is_function, "a callable, such as skmlp.VarianceScaling()"),
    ],
    "bias_initialization": [
        TableNames("..network.initialization", "BIAS_INITIALIZATIONS"),
        Checked(is_finite, "a finite number"),
        None,
    ],
    "optimizer": [
        TableNames("..training.optimizers", "OPTIMIZERS", more=FULL_BATCH_OPTIMIZERS),
        Checked(_is_optimizer_class, "a torch.optim.Optimizer class or functools.partial of one"),
    ],
    "alpha": [_NON_NEGATIVE],
    "l1_ratio": [Number(Real, 0, 1, closed="both")],
    "weight_decay": [StrOptions({"auto"}), _NON_NEGATIVE],
    "dropout": [_PROBABILITY, per_layer(_PROBABILITY)],
    "dropout_type": [StrOptions({"standard", "alpha"})],
    "dropout_schedule": [TableNames("..training.dropout_schedules", "DROPOUT_SCHEDULES")],
    "dropout_cutoff": [_AT_LEAST_ONE, Number(RealNotInt, 0, 1, closed="neither")],
    "input_dropout": [_PROBABILITY],
    "augmentation": [
        StrOptions(set(AUGMENTATIONS)),
        Checked(is_augmentation, "a rule, such as skmlp.GaussianNoise(), or a callable"),
        None,
    ],
    "max_grad_norm": [_POSITIVE, None],
    "max_grad_value": [_POSITIVE, None],
    "batch_size": [StrOptions({"auto"}), _AT_LEAST_ONE],
    "learning_rate": [
        TableNames("..training.schedules", "SCHEDULES"),
        Checked(_is_function, "a function of the fraction of training"),
    ],
    "learning_rate_init": [_POSITIVE],
    "learning_rate_decay": [Number(Real, 0, 1, closed="right")],
    "learning_rate_period": [_AT_LEAST_ONE, Number(RealNotInt, 0, 1, closed="right")],
    "learning_rate_end": [Number(Real, 0, 1, closed="both")],
    "period_multiplier": [Number(Real, 1, None, closed="left")],
    "power_t": [_NON_NEGATIVE],
    "warmup": [
        Number(Integral, 0, None, closed="left"),
        Number(RealNotInt, 0, 1, closed="left"),
    ],
    "base_momentum": [_PROBABILITY, None],
    "layer_learning_rates": [Checked(_are_rates, "a list of finite numbers of at least 0"), None],
    "bias_learning_rate": [Checked(_is_rate, "a finite number of at least 0")],
    "max_iter": [_AT_LEAST_ONE],
    "averaging": [TableNames("..training.averaging", "AVERAGINGS"), None],
    "averaging_start": [Number(Real, 0, 1, closed="left")],
    "averaging_horizon": [_POSITIVE],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [_NON_NEGATIVE],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Number(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Number(Real, 0, 1, closed="left")],
    "beta_1": [_PROBABILITY],
    "beta_2": [_PROBABILITY],
    "epsilon": [_POSITIVE],
    "early_stopping_metric": [
        Checked(
            is_metric,
            "'score', 'loss', a name among sklearn.metrics.get_scorer_names(), or a scorer, which "
            "is called with (estimator, X, y)",
        ),
        None,
    ],
    "validation_every": [_AT_LEAST_ONE],
    "max_time": [_POSITIVE, None],
    "n_iter_no_change": [_AT_LEAST_ONE, Options(Real, {np.inf})],
    "max_fun": [_AT_LEAST_ONE],
    "device": [Checked(_is_device, "a str among {'auto', 'cpu', 'cuda', 'cuda:N', 'mps'}")],
    "dtype": [Checked(_is_dtype, "'auto', or float32 or float64 as a str or NumPy type")],
    "callbacks": [Checked(_is_list_of_callbacks, "a list of skorch callbacks"), None],
}

CLASSIFIER_CONSTRAINTS: dict[str, list] = {
    "loss": [StrOptions(set(losses_of("classes"))), _LOSS_FUNCTION],
    "focal_gamma": [_NON_NEGATIVE],
    "class_weight": [dict, list, StrOptions({"balanced"}), None],
    "label_smoothing": [_PROBABILITY],
}

REGRESSOR_CONSTRAINTS: dict[str, list] = {
    "loss": [StrOptions(set(losses_of("numbers"))), _LOSS_FUNCTION],
    "huber_delta": [_POSITIVE],
    "quantile": [_INSIDE, Checked(_is_list_of_quantiles, "a list of such numbers")],
    "tweedie_power": [Number(Real, 1, 2, closed="neither")],
    "output_range": [Checked(_is_range, "a pair of finite numbers (low, high), low < high"), None],
}
