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
from sklearn.utils._param_validation import Interval, Options, RealNotInt, StrOptions

from ..augmentation import AUGMENTATIONS, is_augmentation
from ..network.initialization import WHOLE_NETWORK
from ..network.losses import LOSSES, Loss, losses_of
from ..network.rules import WeightRule, is_finite
from ..task import FULL_BATCH_OPTIMIZERS
from .rows import per_layer as each_layer

# Schedules that full-batch methods leave unread, as scikit-learn's does; the others are errors.
_UNREAD_SCHEDULES = ("constant", "invscaling", "adaptive")


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


def _is_function(value: object) -> bool:
    return callable(value) and not isinstance(value, type)


def _is_rate(value: object) -> bool:
    return is_finite(value) and value >= 0  # type: ignore[operator]


def _are_rates(value: object) -> bool:
    is_list = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)
    return is_list and all(map(_is_rate, value))  # type: ignore[call-overload]


def _is_layer_sizes(value: object) -> bool:
    """An integer of at least 1, or a one-dimensional sequence of them (empty: a linear model)."""
    sizes = value if isinstance(value, list | tuple | np.ndarray | range) else [value]
    return all(_AT_LEAST_ONE.is_satisfied_by(v) and not isinstance(v, bool) for v in sizes)


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


_NON_NEGATIVE = Interval(Real, 0, None, closed="left")
_POSITIVE = Interval(Real, 0, None, closed="neither")
_AT_LEAST_ONE = Interval(Integral, 1, None, closed="left")
_INSIDE = Interval(Real, 0, 1, closed="neither")
_PROBABILITY = Interval(Real, 0, 1, closed="left")
_ACTIVATIONS = TableNames("..network.activations", "ACTIVATIONS")

CONSTRAINTS: dict[str, list] = {
    "hidden_layer_sizes": [
        Checked(_is_layer_sizes, "an int of at least 1, or a list of them, one per hidden layer")
    ],
    "activation": [_ACTIVATIONS, per_layer(_ACTIVATIONS)],
    "negative_slope": [_NON_NEGATIVE],
    "normalization": [TableNames("..network.layers", "NORMALIZATIONS"), None],
    "residual": ["boolean", Interval(Integral, 2, None, closed="left")],
    "stochastic_depth": [Interval(Real, 0, 1, closed="right"), None],
    "initialization": [
        TableNames("..network.initialization", "INITIALIZATIONS", more=WHOLE_NETWORK),
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
    "dropout_type": [StrOptions({"standard", "alpha"})],
    "dropout_schedule": [TableNames("..training.dropout_schedules", "DROPOUT_SCHEDULES")],
    "dropout_cutoff": [_AT_LEAST_ONE, Interval(RealNotInt, 0, 1, closed="neither")],
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
    "learning_rate_decay": [Interval(Real, 0, 1, closed="right")],
    "learning_rate_period": [_AT_LEAST_ONE, Interval(RealNotInt, 0, 1, closed="right")],
    "learning_rate_end": [Interval(Real, 0, 1, closed="both")],
    "period_multiplier": [Interval(Real, 1, None, closed="left")],
    "power_t": [_NON_NEGATIVE],
    "warmup": [
        Interval(Integral, 0, None, closed="left"),
        Interval(RealNotInt, 0, 1, closed="left"),
    ],
    "base_momentum": [_PROBABILITY, None],
    "layer_learning_rates": [Checked(_are_rates, "a list of finite numbers of at least 0"), None],
    "bias_learning_rate": [Checked(_is_rate, "a finite number of at least 0")],
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
    "n_iter_no_change": [_AT_LEAST_ONE, Options(Real, {np.inf})],
    "max_fun": [_AT_LEAST_ONE],
    "device": [Checked(_is_device, "a str among {'auto', 'cpu', 'cuda', 'cuda:N', 'mps'}")],
    "dtype": [Checked(_is_dtype, "'auto', or float32 or float64 as a str or NumPy type")],
    "callbacks": [Checked(_is_list_of_callbacks, "a list of skorch callbacks"), None],
}

CLASSIFIER_CONSTRAINTS: dict[str, list] = {
    "loss": [StrOptions(set(losses_of("classes"))), callable],
    "focal_gamma": [_NON_NEGATIVE],
    "class_weight": [dict, list, StrOptions({"balanced"}), None],
    "label_smoothing": [_PROBABILITY],
}

REGRESSOR_CONSTRAINTS: dict[str, list] = {
    "loss": [StrOptions(set(losses_of("numbers"))), callable],
    "huber_delta": [_POSITIVE],
    "quantile": [_INSIDE, Checked(_is_list_of_quantiles, "a list of such numbers")],
    "tweedie_power": [Interval(Real, 1, 2, closed="neither")],
    "output_range": [Checked(_is_range, "a pair of finite numbers (low, high), low < high"), None],
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
    _check_depth(estimator, name, n_hidden)
    loss = None if callable(estimator.loss) else _loss(estimator)
    _check_loss(estimator, name, loss)
    _check_alpha_dropout(estimator, n_hidden, name)
    if estimator.optimizer in FULL_BATCH_OPTIMIZERS:
        _check_full_batch(estimator, name, loss)
    if "lr" in getattr(estimator.optimizer, "keywords", {}):
        raise ValueError(
            f"The 'optimizer' parameter of {name} fixes lr={estimator.optimizer.keywords['lr']}: "
            "give the learning rate as 'learning_rate_init', where searches and schedules "
            "find it."
        )
    _check_rates(estimator, n_hidden, name)
    _check_momentum(estimator, name)
    layers = estimator.layer_learning_rates
    largest = estimator.learning_rate_init * (1.0 if layers is None else max(layers))
    if largest * weight_decay > 1:
        which = "learning_rate_init" if layers is None else "the largest learning rate of a layer"
        raise ValueError(
            f"The 'weight_decay' parameter of {name} must be at most 1 / {which} = "
            f"{1 / largest:g}: each step multiplies the weights by "
            f"1 - learning rate * weight_decay. Got {estimator.weight_decay!r} instead."
        )


def _check_rates(estimator: Any, n_hidden: int, name: str) -> None:
    rates, warmup = estimator.layer_learning_rates, estimator.warmup
    if rates is not None and len(rates) != n_hidden + 1:
        raise ValueError(
            f"The 'layer_learning_rates' parameter of {name} must have one value per hidden layer "
            f"and one for the output layer ({n_hidden + 1}). Got {rates!r} instead."
        )
    if rates is not None and not any(rate > 0 for rate in rates):
        raise ValueError(
            f"The 'layer_learning_rates' parameter of {name} must leave a layer that learns: with "
            f"{rates!r} nothing does. Give one layer at least a factor above 0."
        )
    if isinstance(warmup, Integral) and warmup > estimator.max_iter:
        raise ValueError(
            f"The 'warmup' parameter of {name} must be at most max_iter={estimator.max_iter} "
            f"epochs. Got {warmup!r} instead: give fewer, or a share of all, such as 0.1."
        )


def _check_momentum(estimator: Any, name: str) -> None:
    if estimator.base_momentum is None or estimator.learning_rate != "one_cycle":
        return
    from ..training.schedules import MOMENTA

    family = estimator.optimizer if isinstance(estimator.optimizer, str) else None
    if family not in MOMENTA:
        raise ValueError(
            f"The 'base_momentum' parameter of {name} has no meaning for "
            f"optimizer={estimator.optimizer!r}, which has no momentum that could cycle. Got "
            f"{estimator.base_momentum!r}: leave it at None, or take one of {sorted(MOMENTA)}."
        )
    most = getattr(estimator, MOMENTA[family])
    if estimator.base_momentum > most:
        raise ValueError(
            f"The 'base_momentum' parameter of {name} must be at most {MOMENTA[family]}={most!r}, "
            f"from which the momentum goes down to it. Got {estimator.base_momentum!r} instead."
        )


def _drops_blocks(estimator: Any) -> bool:
    return estimator.stochastic_depth is not None and estimator.stochastic_depth < 1


def _check_depth(estimator: Any, name: str, n_hidden: int) -> None:
    """What residual blocks need, and what needs residual blocks."""
    fixup = isinstance(estimator.initialization, str) and estimator.initialization == "fixup"
    if estimator.residual and n_hidden < 2:
        raise ValueError(
            f"The 'residual' parameter of {name} needs two or more hidden layers: the first maps "
            f"the inputs to the width of the blocks. Got residual={estimator.residual!r} with "
            f"hidden_layer_sizes={estimator.hidden_layer_sizes!r}: give more layers, such as "
            "(64,) * 5, or set residual=False."
        )
    if _drops_blocks(estimator) and not estimator.residual:
        raise ValueError(
            f"The 'stochastic_depth' parameter of {name} drops residual blocks, and there are "
            f"none. Got {estimator.stochastic_depth!r}: set residual=True, or "
            "stochastic_depth=None."
        )
    if fixup and (not estimator.residual or estimator.normalization is not None):
        raise ValueError(
            f"The 'initialization' parameter of {name} can be 'fixup' for residual networks "
            f"without normalization alone. Got residual={estimator.residual!r}, "
            f"normalization={estimator.normalization!r}: set residual=True and "
            "normalization=None, or take another rule, such as 'he_normal' or 'lsuv'."
        )


def _loss(estimator: Any) -> Loss:
    return LOSSES[losses_of(estimator._problem)[estimator.loss]]


def _check_loss(estimator: Any, name: str, loss: Loss | None) -> None:
    """Check what not every loss can do; None: the user's own."""
    smoothing = getattr(estimator, "label_smoothing", 0.0)
    if smoothing and loss is not None and not loss.has_probabilities:
        raise ValueError(
            f"The 'label_smoothing' parameter of {name} has no meaning for loss={loss.name!r}, "
            f"which takes sides, not shares. Got {smoothing!r}: leave it at 0, or take "
            "loss='log_loss' or 'focal'."
        )
    bounds = getattr(estimator, "output_range", None)
    if bounds is not None and not (loss and loss.may_be_bounded):
        able = [f"{row.name!r}" for row in LOSSES.values() if row.may_be_bounded]
        raise ValueError(
            f"The 'output_range' parameter of {name} has no meaning for loss={estimator.loss!r}. "
            f"Got {bounds!r}: leave it at None, or take a loss among "
            f"{', '.join(able)}."
        )


def _check_alpha_dropout(estimator: Any, n_hidden: int, name: str) -> None:
    if estimator.dropout_type != "alpha":
        return
    pairs = zip(
        each_layer(estimator.activation, n_hidden),
        each_layer(estimator.dropout, n_hidden),
        strict=True,
    )
    others = [activation for activation, p in pairs if p > 0 and activation != "selu"]
    if others:
        raise ValueError(
            f"The 'dropout_type' parameter of {name} must be 'standard' where units of another "
            f"activation than 'selu' are dropped: 'alpha' gives them the limit of selu. Got "
            f"'alpha' with activation {others[0]!r}: set activation='selu', or "
            "dropout_type='standard'."
        )


def _check_full_batch(estimator: Any, name: str, loss: Loss | None) -> None:
    if loss is not None and not loss.smooth:
        smooth = "'huber' or 'log_cosh'" if loss.problem == "numbers" else "'squared_hinge'"
        raise ValueError(
            f"The 'loss' parameter of {name} must be smooth for optimizer={estimator.optimizer!r}, "
            f"and {loss.name!r} has a kink. Got loss={loss.name!r}: take another optimizer, such "
            f"as 'adam', or a smooth loss, such as {smooth}."
        )
    unused = {
        "normalization": estimator.normalization == "batch",
        "dropout": np.any(np.asarray(estimator.dropout) > 0),
        "stochastic_depth": _drops_blocks(estimator),
        "dropout_schedule": estimator.dropout_schedule != "constant",
        "input_dropout": estimator.input_dropout > 0,
        "augmentation": estimator.augmentation is not None,
        "weight_decay": estimator.weight_decay not in ("auto", 0),
        "max_grad_norm": estimator.max_grad_norm is not None,
        "max_grad_value": estimator.max_grad_value is not None,
        "callbacks": bool(estimator.callbacks),
        "learning_rate": estimator.learning_rate not in _UNREAD_SCHEDULES,
        "warmup": estimator.warmup != 0,
        "layer_learning_rates": estimator.layer_learning_rates is not None,
        "bias_learning_rate": estimator.bias_learning_rate != 1,
    }
    for parameter, is_set in unused.items():
        if is_set:
            raise ValueError(
                f"The {parameter!r} parameter of {name} has no meaning for "
                f"optimizer={estimator.optimizer!r}, which minimizes one fixed loss over all "
                f"rows. Got {getattr(estimator, parameter)!r}: leave it at its default, or take "
                "another optimizer. ('alpha' works with every optimizer.)"
            )
