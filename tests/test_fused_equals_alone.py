"""A network trained in a stack becomes what it becomes alone, whatever its parameters."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from helpers import RANGES
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import softplus

import skmlp
from skmlp.augmentation import augmentation_of
from skmlp.network.losses import LOSSES, losses_of
from skmlp.training.optimizers import OPTIMIZERS as OPTIMIZER_TABLE
from skmlp.training.schedules import MOMENTA, SCHEDULES

# What splits stacks: few of each, so that the stacks are large.
SHAPES = [(8,), (5,), (6, 5)]
ACTIVATIONS = ["relu", "tanh"]
OPTIMIZERS = ["adam", "sgd", *(name for name in OPTIMIZER_TABLE if name not in ("adam", "sgd"))]
N_CONFIGURATIONS = 200


def logistic(z, t):
    """A loss of the user's own, for indicators."""
    return softplus((1 - 2 * t) * z).sum(1)


@dataclass
class Configuration:
    model: skmlp.MLPClassifier | skmlp.MLPRegressor
    X: np.ndarray
    y: np.ndarray
    fit_parameters: dict

    def fitted(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # five epochs do not converge
            return clone(self.model).fit(self.X, self.y, **self.fit_parameters)


def sinking(fraction):
    return 1 - fraction


def shaken(X, rng):
    return X * rng.uniform(0.8, 1.2, X.shape)


AUGMENTATIONS = [
    None, None, None, "gaussian_noise", skmlp.Mixup(0.5), skmlp.FeatureSwap(0.3, True), shaken
]  # fmt: skip


def random_noise(rng: np.random.Generator) -> dict:
    """What is random in training besides the order of rows and what is dropped."""
    noise = {
        "dropout_schedule": rng.choice(["constant", "constant", "early", "early_linear", "late"]),
        "dropout_cutoff": [1, 2, 3, 0.5][rng.integers(4)],
        "input_dropout": float(rng.choice([0.0, 0.0, 0.1])),
        "augmentation": AUGMENTATIONS[rng.integers(len(AUGMENTATIONS))],
    }
    if rng.random() < 0.15:
        noise |= {"activation": "selu", "dropout_type": "alpha"}
    return noise


def without_mixtures(loss, parameters: dict) -> dict:
    """What replaces an augmentation that mixes targets, where the loss takes none."""
    takes_them = callable(loss) or LOSSES[loss].takes_mixtures
    mixes = augmentation_of(parameters["augmentation"])
    return {} if takes_them or not (mixes and mixes.mixes_targets) else {"augmentation": None}


def random_configuration(rng: np.random.Generator) -> Configuration:
    def one_of(*values):
        return values[rng.integers(len(values))]

    is_classifier = rng.random() < 0.6
    n = int(rng.integers(60, 120))
    X = rng.normal(rng.normal(), rng.uniform(0.5, 2.0), (n, 5))
    score = X @ rng.normal(size=5) + 0.3 * rng.normal(size=n)
    y = np.digitize(score, np.quantile(score, [0.33, 0.66])) if is_classifier else score
    optimizer = one_of(*OPTIMIZERS[: None if rng.random() < 0.5 else 2])
    averages = OPTIMIZER_TABLE[optimizer].evaluated is not None
    shape = one_of(*SHAPES)
    parameters = {
        "hidden_layer_sizes": shape,
        "activation": one_of(*ACTIVATIONS),
        "optimizer": optimizer,
        "normalization": one_of(None, None, None, None if averages else "batch", "layer"),
        "averaging": None if averages else one_of(None, None, "swa", "ema"),
        "averaging_start": one_of(0.0, 0.5, 0.75),
        "averaging_horizon": float(10 ** rng.uniform(-1, 1)),
        "batch_size": one_of(16, 32),
        "random_state": int(rng.integers(1000)),
        "initialization": one_of("auto", "he_normal", "lecun_uniform", "orthogonal", "sklearn"),
        "learning_rate_init": float(10 ** rng.uniform(-3, -1.7)),
        "learning_rate": one_of("constant", "invscaling", "adaptive", *SCHEDULES, sinking),
        "learning_rate_decay": rng.uniform(0.1, 1.0),
        "learning_rate_period": one_of(1, 2, 0.25),
        "learning_rate_end": one_of(0.0, 0.1),
        "period_multiplier": one_of(1.0, 2.0),
        "power_t": rng.uniform(0.1, 0.5),
        "warmup": one_of(0, 0, 2, 0.3),
        "base_momentum": one_of(None, 0.0) if optimizer in MOMENTA else None,
        "layer_learning_rates": one_of(None, None, [1.0] + [rng.uniform(0, 2)] * len(shape)),
        "bias_learning_rate": one_of(1.0, 1.0, 0.0, 0.5),
        "momentum": one_of(0.0, 0.9),
        "nesterovs_momentum": one_of(True, False),
        "beta_1": one_of(0.9, 0.8),
        "beta_2": one_of(0.999, 0.99),
        "epsilon": one_of(1e-8, 1e-6),
        "weight_decay": one_of("auto", 0.0, 0.1),
        "alpha": one_of(0.0, 1e-4, 0.1),
        "l1_ratio": one_of(0.0, 0.3),
        "dropout": one_of(0.0, 0.2, tuple(np.linspace(0.1, 0.4, len(shape)))),
        "max_grad_norm": one_of(None, 0.5),
        "max_grad_value": one_of(None, 0.2),
        "shuffle": one_of(True, True, False),
        "max_iter": one_of(5, 5, 3),
        "n_iter_no_change": one_of(2, 10),
        "tol": one_of(1e-4, 0.05),
        "early_stopping": one_of(False, True),
        "validation_fraction": one_of(0.1, 0.3),
        "bias_initialization": one_of(None, None, "torch", 0.1),
        "validation_every": one_of(1, 1, 2, 4),
        "max_time": one_of(None, 1e6),
    }
    if len(shape) > 1 and rng.random() < 0.7:
        starts = ["lsuv", "fixup"] if parameters["normalization"] is None else ["lsuv"]
        parameters |= {
            "residual": True,
            "stochastic_depth": one_of(None, 0.8, 0.3),
            "initialization": one_of(parameters["initialization"], *starts),
        }
    parameters |= random_noise(np.random.default_rng([parameters["random_state"], 1]))
    if averages:
        parameters |= {"layer_learning_rates": None, "bias_learning_rate": 1.0}
    fit_parameters = {}
    if rng.random() < 0.3:
        fit_parameters["sample_weight"] = rng.uniform(0.1, 2.0, n)
    if rng.random() < 0.3:
        fit_parameters |= {"X_val": X[::4] + 0.1, "y_val": y[::4]}
    elif rng.random() < 0.3:
        fit_parameters["groups"] = rng.integers(0, 12, n)
    if not is_classifier:
        parameters["early_stopping_metric"] = one_of("score", "loss", "neg_mean_absolute_error")
        loss = one_of(*losses_of("numbers"))
        options = {name: rng.uniform(*RANGES[name]) for name in RANGES if name != "focal_gamma"}
        parameters |= {"loss": loss, **options} | without_mixtures(loss, parameters)
        if LOSSES[loss].may_be_bounded and rng.random() < 0.3:
            parameters["output_range"] = (y.min() - 0.5, y.max() + rng.uniform(0.1, 2.0))
        if rng.random() < 0.3:
            parameters["quantile"] = [0.1, parameters["quantile"]]
        if LOSSES[loss].domain is not None:
            y = np.exp(0.3 * y)
            fit_parameters |= {"y_val": y[::4]} if "y_val" in fit_parameters else {}
        return Configuration(skmlp.MLPRegressor(**parameters), X, y, fit_parameters)
    loss = one_of(*losses_of("classes"), logistic)
    weights = {0: 2.0, 1: 1.0, 2: 0.5}
    parameters |= {
        "loss": loss,
        "focal_gamma": rng.uniform(0.0, 3.0),
        "early_stopping_metric": one_of(
            None, "loss", *(["neg_log_loss"] if loss in ("log_loss", "focal") else []), own_score
        ),
        "label_smoothing": one_of(0.0, 0.0 if "hinge" in str(loss) else 0.1),
        "class_weight": one_of(None, "balanced", weights),
    } | without_mixtures(loss, parameters)
    if rng.random() < 0.3:
        y = np.column_stack([y, X[:, 0] > 0])
        if parameters["early_stopping_metric"] == "neg_log_loss":  # of one column alone
            parameters["early_stopping_metric"] = None
        fit_parameters |= {"y_val": y[::4]} if "y_val" in fit_parameters else {}
        if parameters["class_weight"] is weights:
            parameters["class_weight"] = [weights, {1: 0.7}]
    return Configuration(skmlp.MLPClassifier(**parameters), X, y, fit_parameters)


def own_score(model, X, y) -> float:
    """A scorer that asks for all that an estimator has."""
    certain = getattr(model, "predict_proba", model.decision_function)
    right = certain(X)[np.arange(len(y)), y] if y.ndim == 1 else model.predict(X) == y
    small = sum(np.square(w).sum() for w in model.coefs_)
    return right.mean() + model.score(X[::2], y[::2]) - 1e-3 * small


def relative_error(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def tied_configurations(sample_weight):
    """Networks whose accuracies on 30 to 120 held-out rows tie again and again."""
    X, y = make_classification(300, 6, n_informative=4, n_classes=3, flip_y=0.2, random_state=0)
    fit_parameters = {} if sample_weight is None else {"sample_weight": sample_weight[y]}
    for fraction in (0.1, 0.2, 0.3, 0.4):
        for seed in range(8):
            model = skmlp.MLPClassifier(
                (5,),
                early_stopping=True,
                validation_fraction=fraction,
                learning_rate_init=0.1,
                max_iter=40,
                n_iter_no_change=4,
                tol=0.0,
                batch_size=50,
                random_state=seed,
            )
            yield Configuration(model, X, y, fit_parameters)


@pytest.mark.parametrize("sample_weight", [None, np.array([0.1, 0.7, 1.3])])
def test_equal_scores_are_ties_in_a_stack_as_alone(sample_weight):
    configurations = list(tied_configurations(sample_weight))
    with skmlp.fused():
        together = Parallel()(delayed(Configuration.fitted)(c) for c in configurations)
    n_ties = 0
    for configuration, fused in zip(configurations, together, strict=True):
        alone = configuration.fitted()
        assert fused.n_iter_ == alone.n_iter_
        for one, other in zip(fused.coefs_, alone.coefs_, strict=True):
            assert relative_error(one, other) < 1e-6  # up to 40 epochs at a high rate
        n_ties += len(alone.validation_scores_) - len(set(np.round(alone.validation_scores_, 10)))
        best = max(alone.validation_scores_)
        assert alone.best_validation_score_ == best
    assert n_ties > 50


def test_200_random_configurations_give_the_coefficients_they_give_alone():
    rng = np.random.default_rng(0)
    configurations = [random_configuration(rng) for _ in range(N_CONFIGURATIONS)]
    with skmlp.fused():
        together = Parallel()(delayed(Configuration.fitted)(c) for c in configurations)
    for configuration, fused in zip(configurations, together, strict=True):
        alone = configuration.fitted()
        for one, other in zip(fused.coefs_, alone.coefs_, strict=True):
            assert relative_error(one, other) < 1e-9, configuration.model
        for one, other in zip(fused.intercepts_, alone.intercepts_, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(fused.loss_curve_, alone.loss_curve_, rtol=1e-9)
        assert fused.stopping_reason_ == alone.stopping_reason_
        assert (fused.validation_scores_ is None) == (alone.validation_scores_ is None)
        if alone.validation_scores_ is not None:
            np.testing.assert_allclose(fused.validation_scores_, alone.validation_scores_, 1e-8)


@pytest.mark.parametrize("executor", ["torch", "compiled"])
def test_a_search_over_losses_and_their_options_finds_the_same(executor):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    y = np.exp(0.5 * X[:, 0]) * rng.gamma(3.0, size=90)
    model = skmlp.MLPRegressor((4,), max_iter=20, learning_rate_init=0.02, random_state=0)
    grid = [
        {"loss": list(losses_of("numbers"))},
        {"loss": ["quantile"], "quantile": [0.1, 0.9, [0.2, 0.8], [0.3, 0.7]]},
        {"output_range": [(-1, 30), (-2, 25)]},
        {"loss": ["huber"], "huber_delta": [0.1, 10.0]},
        {"loss": ["tweedie"], "tweedie_power": [1.1, 1.9]},
    ]
    search = GridSearchCV(model, grid, cv=3)
    with warnings.catch_warnings(), skmlp.config(executor=executor):
        warnings.simplefilter("ignore")
        alone = clone(search).fit(X, y)
        with skmlp.fused():
            fused = clone(search).fit(X, y)
    assert fused.best_params_ == alone.best_params_
    scores = [found.cv_results_["mean_test_score"] for found in (fused, alone)]
    np.testing.assert_allclose(*scores, rtol=1e-9)
    assert len(set(np.round(scores[0], 9))) >= len(scores[0]) - 1  # the median has two names


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_digits])
def test_full_searches_find_the_same(load):
    X, y = load(return_X_y=True)
    model = skmlp.MLPClassifier(
        (16,), batch_size=64, max_iter=60, early_stopping=True, learning_rate_init=0.02,
        random_state=0,
    )  # fmt: skip
    grid = {
        "mlpclassifier__alpha": [1e-4, 1e-1],
        "mlpclassifier__dropout": [0.0, 0.2],
        "mlpclassifier__initialization": ["he_normal", "glorot_uniform"],
    }
    folds = StratifiedKFold(3)
    search = GridSearchCV(make_pipeline(StandardScaler(), model), grid, cv=folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = clone(search).fit(X, y)
        with skmlp.fused():
            fused = clone(search).fit(X, y)
    assert fused.best_params_ == alone.best_params_
    for k in range(3):
        scores = [s.cv_results_[f"split{k}_test_score"] for s in (fused, alone)]
        assert np.abs(scores[0] - scores[1]).max() <= 1.001 / (len(X) // 3)


def test_the_random_configurations_cover_every_parameter():
    """Whatever a later release adds must be in the random configurations too."""
    rng = np.random.default_rng(0)
    models = [random_configuration(rng).model for _ in range(N_CONFIGURATIONS)]
    fixed = {
        "max_fun",
        "callbacks",
        "device",
        "dtype",
        "verbose",
        "warm_start",
        "negative_slope",
    }
    for kind in (skmlp.MLPClassifier, skmlp.MLPRegressor):
        settings = [m.get_params() for m in models if isinstance(m, kind)]
        constant = {name for name in settings[0] if len({repr(s[name]) for s in settings}) == 1}
        assert constant <= fixed
