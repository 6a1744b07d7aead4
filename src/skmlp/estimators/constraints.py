"""What values the estimators' parameters may have.

Built on scikit-learn's own constraint classes, so that errors read as scikit-learn's do. Names
that come from a table are looked up when a fit validates them, because the tables import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from importlib import import_module
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from ..network.losses import LOSSES, losses_of
from ..network.rules import WeightRule, is_finite
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


def _is_rule(value: object) -> bool:
    """A callable; not a rule's class, which somebody meant to call."""
    return callable(value) and not (isinstance(value, type) and issubclass(value, WeightRule))


def _is_optimizer_class(value: object) -> bool:
    if isinstance(value, str):
        return False
    from ..training.optimizers import is_optimizer_class

    return is_optimizer_class(value)


def _is_layer_sizes(value: object) -> bool:
    """An integer of at least 1, or a one-dimensional sequence of them (empty: a linear model)."""
    sizes = value if isinstance(value, list | tuple | np.ndarray | range) else [value]
    return all(_AT_LEAST_ONE.is_satisfied_by(v) and not isinstance(v, bool) for v in sizes)


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


_NON_NEGATIVE = Interval(Real, 0, None, closed="left")
_POSITIVE = Interval(Real, 0, None, closed="neither")
_AT_LEAST_ONE = Interval(Integral, 1, None, closed="left")
_PROBABILITY = Interval(Real, 0, 1, closed="left")
_ACTIVATIONS = TableNames("..network.activations", "ACTIVATIONS")

CONSTRAINTS: dict[str, list] = {
    "hidden_layer_sizes": [
        Checked(_is_layer_sizes, "an int of at least 1, or a list of them, one per hidden layer")
    ],
    "activation": [_ACTIVATIONS, per_layer(_ACTIVATIONS)],
    "negative_slope": [_NON_NEGATIVE],
    "normalization": [TableNames("..network.layers", "NORMALIZATIONS"), None],
    "initialization": [
        TableNames("..network.initialization", "INITIALIZATIONS"),
        Checked(_is_rule, "a callable, such as skmlp.VarianceScaling()"),
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
    "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    "weight_decay": [StrOptions({"auto"}), _NON_NEGATIVE],
    "dropout": [_PROBABILITY, per_layer(_PROBABILITY)],
    "max_grad_norm": [_POSITIVE, None],
    "max_grad_value": [_POSITIVE, None],
    "batch_size": [StrOptions({"auto"}), _AT_LEAST_ONE],
    "learning_rate": [TableNames("..training.progress", "SCHEDULES")],
    "learning_rate_init": [_POSITIVE],
    "power_t": [_NON_NEGATIVE],
    "max_iter": [_AT_LEAST_ONE],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [_NON_NEGATIVE],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
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
    "class_weight": [dict, list, StrOptions({"balanced"}), None],
    "label_smoothing": [_PROBABILITY],
}

REGRESSOR_CONSTRAINTS: dict[str, list] = {
    "loss": [StrOptions(set(losses_of("numbers")))],
    "huber_delta": [_POSITIVE],
    "quantile": [Interval(Real, 0, 1, closed="neither")],
    "tweedie_power": [Interval(Real, 1, 2, closed="neither")],
}


def check_together(estimator: Any, n_hidden: int, weight_decay: float) -> None:
    """Check parameters that are each fine alone, but not with the others.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    n_hidden : int
        Its hidden layers.
    weight_decay : float
        Its decoupled decay, "auto" resolved.

    Raises
    ------
    ValueError
    """
    name = type(estimator).__name__
    for parameter in ("activation", "dropout"):
        value = getattr(estimator, parameter)
        if np.ndim(value) and len(value) != n_hidden:
            raise ValueError(
                f"The {parameter!r} parameter of {name} must have one value per hidden layer "
                f"({n_hidden}). Got {value!r} instead."
            )
    if estimator.optimizer in FULL_BATCH_OPTIMIZERS:
        _check_full_batch(estimator, name)
    if estimator.callbacks and estimator.validation_every > 1:
        raise ValueError(
            f"The 'validation_every' parameter of {name} must be 1 where there are 'callbacks', "
            "which are told of the validation rows after every epoch. Got "
            f"{estimator.validation_every!r} instead."
        )
    if "lr" in getattr(estimator.optimizer, "keywords", {}):
        raise ValueError(
            f"The 'optimizer' parameter of {name} fixes lr={estimator.optimizer.keywords['lr']}: "
            "give the learning rate as 'learning_rate_init', where searches and schedules "
            "find it."
        )
    if estimator.learning_rate_init * weight_decay > 1:
        raise ValueError(
            f"The 'weight_decay' parameter of {name} must be at most 1 / learning_rate_init = "
            f"{1 / estimator.learning_rate_init:g}: each step multiplies the weights by "
            f"1 - learning rate * weight_decay. Got {estimator.weight_decay!r} instead."
        )


def _check_full_batch(estimator: Any, name: str) -> None:
    loss = getattr(estimator, "loss", None)
    if loss is not None and not LOSSES[losses_of("numbers")[loss]].smooth:
        raise ValueError(
            f"The 'loss' parameter of {name} must be smooth for optimizer={estimator.optimizer!r}, "
            f"and {loss!r} has a kink. Got loss={loss!r}: take another optimizer, such as 'adam', "
            "or a smooth loss, such as 'huber' or 'log_cosh'."
        )
    unused = {
        "normalization": estimator.normalization == "batch",
        "dropout": np.any(np.asarray(estimator.dropout) > 0),
        "weight_decay": estimator.weight_decay not in ("auto", 0),
        "max_grad_norm": estimator.max_grad_norm is not None,
        "max_grad_value": estimator.max_grad_value is not None,
        "callbacks": bool(estimator.callbacks),
    }
    for parameter, is_set in unused.items():
        if is_set:
            raise ValueError(
                f"The {parameter!r} parameter of {name} has no meaning for "
                f"optimizer={estimator.optimizer!r}, which minimizes one fixed loss over all "
                f"rows. Got {getattr(estimator, parameter)!r}: leave it at its default, or take "
                "another optimizer. ('alpha' works with every optimizer.)"
            )
