"""Every value of every parameter beside every value of every other one, at least once.

Each fit is finite, and can be cloned and pickled; beside others in a stack it becomes what it
becomes alone. What makes no sense together is an error that names one of the two.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from covering import Clash, Covering
from joblib import Parallel, delayed
from sklearn.base import clone

import skmlp
from skmlp import MLPClassifier, MLPRegressor
from skmlp.estimators.constraints import (
    CLASSIFIER_CONSTRAINTS,
    CONSTRAINTS,
    REGRESSOR_CONSTRAINTS,
)
from skmlp.network.activations import ACTIVATIONS
from skmlp.network.initialization import BIAS_INITIALIZATIONS, INITIALIZATIONS, WHOLE_NETWORK
from skmlp.network.losses import LOSSES, Loss, losses_of
from skmlp.network.rules import RULES
from skmlp.task import FULL_BATCH_METHODS, FULL_BATCH_OPTIMIZERS
from skmlp.training.averaging import AVERAGINGS
from skmlp.training.dropout_schedules import DROPOUT_SCHEDULES
from skmlp.training.optimizers import OPTIMIZERS
from skmlp.training.schedules import MOMENTA, SCHEDULES

MAX_ITER, N_ROWS = 3, 48


def first(default: Any, names) -> list:
    return [default, *(name for name in names if name != default)]


def falling(fraction: float) -> float:
    return 1.0 - 0.5 * fraction


def shrunk(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return X * rng.uniform(0.9, 1.0, X.shape)


def own_score(estimator, X, y) -> float:
    return -float(np.square(estimator.predict(X)).mean())


def own_loss(z, t):
    return (z - t).square().sum(1)


# The default first. What is not a parameter of the estimators says how and on what it is fitted.
COMMON: dict[str, list] = {
    "optimizer": first("adam", [*OPTIMIZERS, *FULL_BATCH_OPTIMIZERS, torch.optim.ASGD]),
    "activation": first("relu", ACTIVATIONS),
    "initialization": [*first("auto", [*INITIALIZATIONS, *WHOLE_NETWORK]), *(r() for r in RULES)],
    "hidden_layer_sizes": [(8,), (), (6, 5), (5, 5, 4)],
    "residual": [False, True, 3],
    "stochastic_depth": [None, 0.5],
    "bias_initialization": [None, 0.1, *BIAS_INITIALIZATIONS],
    "negative_slope": [0.01, 0.3],
    "normalization": [None, "batch", "layer"],
    "alpha": [1e-4, 0.0, 0.1],
    "l1_ratio": [0.0, 0.5],
    "weight_decay": ["auto", 0.0, 0.1],
    "dropout": [0.0, 0.3],
    "dropout_type": ["standard", "alpha"],
    "dropout_schedule": first("constant", DROPOUT_SCHEDULES),
    "dropout_cutoff": [0.5, 1],
    "input_dropout": [0.0, 0.2],
    "augmentation": [
        None,
        skmlp.GaussianNoise(0.1),
        skmlp.Mixup(0.5),
        skmlp.FeatureSwap(0.3),
        skmlp.FeatureSwap(0.3, mix_targets=True),
        shrunk,
    ],
    "averaging": [None, *AVERAGINGS],
    "averaging_start": [0.75, 0.0],
    "averaging_horizon": [1.0, 0.2],
    "max_grad_norm": [None, 0.5],
    "max_grad_value": [None, 0.2],
    "batch_size": ["auto", 13],
    "learning_rate": [*first("constant", SCHEDULES), falling],
    "power_t": [0.5, 4.0],
    "learning_rate_decay": [0.1, 0.5],
    "learning_rate_period": [0.25, 1],
    "learning_rate_end": [0.0, 0.1],
    "period_multiplier": [1.0, 2.0],
    "warmup": [0, 1, 0.4],
    "base_momentum": [None, 0.0],
    "layer_learning_rates": [None, 0.5, 0.0],
    "bias_learning_rate": [1.0, 0.1],
    "shuffle": [True, False],
    "momentum": [0.9, 0.0],
    "nesterovs_momentum": [True, False],
    "beta_1": [0.9, 0.5],
    "beta_2": [0.999, 0.9],
    "epsilon": [1e-8, 1e-4],
    "early_stopping": [False, True],
    "early_stopping_metric": ["score", "loss", own_score],
    "validation_every": [1, 2],
    "max_time": [None, 1e6],
    "validation_fraction": [0.1, 0.3],
    "n_iter_no_change": [10, 1],
    "tol": [1e-4, 0.1],
    "max_fun": [15000, 5],
    "warm_start": [False, True],
    "sample_weight": [False, True],
    "sparse": [False, True],
    "validation": [False, True],
    "executor": ["auto", "torch"],
}
OF_CLASSIFIER = {
    "loss": [*first("log_loss", losses_of("classes")), own_loss],
    "focal_gamma": [2.0, 0.5],
    "class_weight": [None, "balanced"],
    "label_smoothing": [0.0, 0.1],
    "y": ["three classes", "two classes", "labels", "columns"],
}
OF_REGRESSOR = {
    "loss": [*first("squared_error", losses_of("numbers")), own_loss],
    "huber_delta": [1.35, 0.5],
    "quantile": [0.5, 0.8, [0.2, 0.6]],
    "output_range": [None, (-50.0, 50.0)],
    "tweedie_power": [1.5, 1.2],
    "y": ["one number", "two numbers"],
}
# Parameters with nothing to try here: they say where, how long or how loudly.
ELSEWHERE = {
    "learning_rate_init", "max_iter", "random_state", "verbose", "device", "dtype", "callbacks",
}  # fmt: skip


def one_of(*values: Any) -> Callable[[Any], bool]:
    return lambda value: any(value is v or value == v for v in values)


def other_than(*values: Any) -> Callable[[Any], bool]:
    return lambda value: not one_of(*values)(value)


def is_shallow(sizes: tuple[int, ...]) -> bool:
    return len(sizes) < 2


def is_full_batch(optimizer: Any) -> bool:
    return isinstance(optimizer, str) and optimizer in FULL_BATCH_OPTIMIZERS


def is_known_in_advance(schedule: Any) -> bool:
    return callable(schedule) or SCHEDULES[schedule].factors is not None


def row_of(loss: str) -> Loss:
    return LOSSES[(losses_of("numbers") | losses_of("classes"))[loss]]


def has_kink(loss: Any) -> bool:
    return not callable(loss) and not row_of(loss).smooth


def takes_sides(loss: Any) -> bool:
    return not callable(loss) and not row_of(loss).has_probabilities


def takes_no_mixtures(loss: Any) -> bool:
    return takes_sides(loss) if loss in losses_of("classes") else loss == "circular"


def mixes(augmentation: Any) -> bool:
    return getattr(augmentation, "mixes_targets", False)


def has_no_bounds(loss: Any) -> bool:
    return callable(loss) or not row_of(loss).may_be_bounded


def takes_no_l1(optimizer: Any) -> bool:
    return is_full_batch(optimizer) and not FULL_BATCH_METHODS[optimizer].takes_bounds


def is_average(optimizer: Any) -> bool:
    return optimizer in ("schedule_free_sgd", "schedule_free_adam")


CLASHES = [
    Clash("optimizer", is_full_batch, "normalization", one_of("batch")),
    Clash("optimizer", is_full_batch, "dropout", other_than(0.0)),
    Clash("optimizer", is_full_batch, "weight_decay", one_of(0.1)),
    Clash("optimizer", is_full_batch, "dropout_schedule", other_than("constant")),
    Clash("optimizer", is_full_batch, "input_dropout", other_than(0.0)),
    Clash("optimizer", is_full_batch, "augmentation", other_than(None)),
    Clash("optimizer", is_full_batch, "averaging", other_than(None)),
    Clash("optimizer", is_full_batch, "loss", has_kink),
    Clash("optimizer", takes_no_l1, "l1_ratio", other_than(0.0)),
    Clash("optimizer", is_average, "averaging", other_than(None)),
    Clash("optimizer", is_average, "normalization", one_of("batch")),
    Clash("optimizer", is_average, "layer_learning_rates", other_than(None)),
    Clash("optimizer", is_average, "bias_learning_rate", other_than(1.0)),
    Clash("optimizer", is_full_batch, "max_grad_norm", other_than(None)),
    Clash("optimizer", is_full_batch, "max_grad_value", other_than(None)),
    Clash("optimizer", is_full_batch, "stochastic_depth", other_than(None)),
    Clash("hidden_layer_sizes", is_shallow, "residual", other_than(False)),
    Clash("hidden_layer_sizes", is_shallow, "stochastic_depth", other_than(None)),
    Clash("hidden_layer_sizes", is_shallow, "initialization", one_of("fixup")),
    Clash("residual", one_of(False), "stochastic_depth", other_than(None)),
    Clash("residual", one_of(False), "initialization", one_of("fixup")),
    Clash("normalization", other_than(None), "initialization", one_of("fixup")),
    Clash("optimizer", is_full_batch, "learning_rate", is_known_in_advance),
    Clash("optimizer", is_full_batch, "warmup", other_than(0)),
    Clash("loss", takes_no_mixtures, "augmentation", mixes),
    Clash("optimizer", is_full_batch, "layer_learning_rates", other_than(None)),
    Clash("optimizer", is_full_batch, "bias_learning_rate", other_than(1.0)),
]
OF_BOTH = {
    MLPClassifier: [*CLASHES, Clash("loss", takes_sides, "label_smoothing", other_than(0.0))],
    MLPRegressor: [*CLASHES, Clash("loss", has_no_bounds, "output_range", other_than(None))],
}
VALUES = {MLPClassifier: COMMON | OF_CLASSIFIER, MLPRegressor: COMMON | OF_REGRESSOR}
NOT_PARAMETERS = {"sample_weight", "sparse", "validation", "executor", "y"}
ESTIMATORS = list(VALUES)


@cache
def covering(estimator: type) -> Covering:
    return Covering(VALUES[estimator], OF_BOTH[estimator])


def targets(kind: str, X: np.ndarray, loss: Any) -> np.ndarray:
    score = X @ np.arange(1.0, X.shape[1] + 1)
    if kind == "columns":
        return np.column_stack([np.digitize(score, [-0.5, 0.5]), score > 0])
    several = np.column_stack([score, X[:, 0] - score])
    if kind.endswith("classes"):
        return np.digitize(score, np.quantile(score, [0.5] if kind[:3] == "two" else [0.3, 0.6]))
    if kind == "labels":
        return (several > 0).astype(int)
    numbers = several / several.std() if kind == "two numbers" else score / score.std()
    return numbers if callable(loss) or row_of(loss).domain is None else np.exp(0.5 * numbers)


def with_meaning(parameters: dict[str, Any]) -> dict[str, Any]:
    """Values that follow from another parameter's, in their form."""
    found = dict(parameters)
    if found.get("layer_learning_rates") is not None:
        n_hidden = len(found.get("hidden_layer_sizes", (8,)))
        found["layer_learning_rates"] = [found["layer_learning_rates"]] * n_hidden + [1.0]
    if found.get("optimizer", "adam") not in MOMENTA:
        found.pop("base_momentum", None)
    if found.get("dropout") and found.get("dropout_type") == "alpha":
        found["activation"] = "selu"
    return found


def fitted(estimator: type, row: dict[str, Any]):
    """An estimator fitted on some rows, as a row of the covering array says."""
    row = {"sparse": False, "sample_weight": False, "validation": False} | row
    kind = row.get("y", VALUES[estimator]["y"][0])
    parameters = with_meaning({n: v for n, v in row.items() if n not in NOT_PARAMETERS})
    rng = np.random.default_rng(0)
    # small, because exp is the mean of some losses, and some starting weights are large
    X = 0.3 * rng.normal(size=(N_ROWS, 4)) * (rng.random((N_ROWS, 4)) < 0.8)
    y = targets(kind, X, row.get("loss", "squared_error"))
    rows = scipy.sparse.csr_matrix(X) if row["sparse"] else X
    given = {"sample_weight": rng.uniform(0.2, 2.0, N_ROWS)} if row["sample_weight"] else {}
    if row["validation"]:
        given |= {"X_val": rows[::3], "y_val": y[::3]}
    model = estimator(max_iter=MAX_ITER, random_state=0, learning_rate_init=0.003, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three epochs do not converge
        return clone(model).fit(rows, y, **given)


@cache
def together(estimator: type) -> list:
    """All rows' estimators, fitted beside each other: those of one executor at a time."""
    rows, found = covering(estimator).rows, {}
    for executor in COMMON["executor"]:
        places = [i for i, row in enumerate(rows) if row["executor"] == executor]
        with skmlp.config(executor=executor), skmlp.fused():
            fits = Parallel()(delayed(fitted)(estimator, rows[i]) for i in places)
        found |= dict(zip(places, fits, strict=True))
    return [found[i] for i in range(len(rows))]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_no_parameter_is_forgotten(estimator):
    more = CLASSIFIER_CONSTRAINTS if estimator is MLPClassifier else REGRESSOR_CONSTRAINTS
    tried = set(VALUES[estimator]) - NOT_PARAMETERS
    assert tried | ELSEWHERE == set(CONSTRAINTS | more)
    defaults = estimator().get_params()
    for name in tried - {"hidden_layer_sizes"}:
        assert VALUES[estimator][name][0] == defaults[name], name


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_pair_gives_finite_estimators_that_can_be_cloned_and_pickled(estimator):
    assert covering(estimator).n_pairs > 5000
    for row, model in zip(covering(estimator).rows, together(estimator), strict=True):
        X = np.random.default_rng(1).normal(size=(7, 4))
        predicted = model.predict(X)
        assert all(np.isfinite(w).all() for w in model.coefs_), row
        assert np.isfinite(model.loss_curve_).all(), row
        assert 1 <= len(model.loss_curve_) <= MAX_ITER, row
        loaded = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(loaded.predict(X), predicted)
        assert repr(clone(model).get_params()) == repr(model.get_params())


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_pair_gives_fused_what_it_gives_alone(estimator):
    for row, fused in zip(covering(estimator).rows, together(estimator), strict=True):
        with skmlp.config(executor=row["executor"]):
            alone = fitted(estimator, row)
        np.testing.assert_allclose(
            fused.loss_curve_, alone.loss_curve_, rtol=1e-7, err_msg=str(row)
        )
        for one, other in zip(fused.coefs_, alone.coefs_, strict=True):
            assert np.linalg.norm(one - other) <= 1e-6 * np.linalg.norm(other) + 1e-12, row


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_what_clashes_is_an_error_that_names_one_of_the_two(estimator):
    assert covering(estimator).clashing
    for pair in covering(estimator).clashing:
        names = "|".join(f"{name}|{value!r}" for name, value in pair.items())
        with pytest.raises(ValueError, match=re.compile(names)):
            fitted(estimator, pair)
