"""Parameters that are each fine alone, but not together."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from ..augmentation import augmentation_of
from ..network.losses import LOSSES, Loss, losses_of
from ..task import FULL_BATCH_METHODS, FULL_BATCH_OPTIMIZERS
from .rows import per_layer as each_layer

# Schedules that full-batch methods leave unread, as scikit-learn's does; the others are errors.
_UNREAD_SCHEDULES = ("constant", "invscaling", "adaptive")


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
    _check_averaging_optimizer(estimator, name)
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
    augmentation = augmentation_of(estimator.augmentation)
    mixes = augmentation is not None and augmentation.mixes_targets
    if mixes and loss is not None and not loss.takes_mixtures:
        why = (
            "there is nothing between two angles" if loss.problem == "numbers" else "it takes sides"
        )
        raise ValueError(
            f"The 'augmentation' parameter of {name} mixes targets, and loss={loss.name!r} takes "
            f"no mixtures: {why}. Got {estimator.augmentation!r}: take GaussianNoise, or "
            "FeatureSwap without mix_targets, or another loss."
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
    if estimator.alpha and estimator.l1_ratio and not _takes_bounds(estimator.optimizer):
        bounded = ", ".join(map(repr, filter(_takes_bounds, FULL_BATCH_METHODS)))
        raise ValueError(
            f"The 'l1_ratio' parameter of {name} must be 0 for optimizer={estimator.optimizer!r}, "
            f"because |W| has a kink at zero. Got {estimator.l1_ratio!r}: take "
            f"optimizer={bounded}, which makes exact zeros."
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
        "averaging": estimator.averaging is not None,
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


def _check_averaging_optimizer(estimator: Any, name: str) -> None:
    from ..training.optimizers import evaluates_elsewhere

    if not evaluates_elsewhere(estimator.optimizer):
        return
    if estimator.averaging is not None:
        raise ValueError(
            f"The 'averaging' parameter of {name} has no meaning for "
            f"optimizer={estimator.optimizer!r}, which returns an average of its own. Got "
            f"{estimator.averaging!r}: set averaging=None, or take 'adam' or 'sgd'."
        )
    defaults: dict[str, Any] = {"layer_learning_rates": None, "bias_learning_rate": 1.0}
    for parameter, unset in defaults.items():
        if not np.array_equal(getattr(estimator, parameter), unset):  # rates may be an array
            raise ValueError(
                f"The {parameter!r} parameter of {name} has no meaning for "
                f"optimizer={estimator.optimizer!r}, whose average counts each step by its rate. "
                f"Got {getattr(estimator, parameter)!r}: leave it at {unset!r}, or take 'adam' or "
                "'sgd'."
            )
    if estimator.normalization == "batch":
        raise ValueError(
            f"The 'normalization' parameter of {name} cannot be 'batch' for "
            f"optimizer={estimator.optimizer!r}, which predicts with other weights than those "
            "whose statistics it has seen: take 'layer', or optimizer='adam' with averaging='ema'."
        )


def _takes_bounds(optimizer: str) -> bool:
    return FULL_BATCH_METHODS[optimizer].takes_bounds
