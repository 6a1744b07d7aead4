"""One search over techniques: a small network with each of them added, on the same folds.

A grid search takes a list of grids; here each is one technique. Inside `skmlp.fused` all their
networks train side by side. The tables say how far each is from the plain network, which is no
verdict on the technique: some are for deep networks, for noisy labels, for outliers…

    python examples/techniques.py
"""

import os
import warnings

import numpy as np
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

import skmlp
from skmlp import MLPClassifier, MLPRegressor

QUICK = bool(os.environ.get("SKMLP_EXAMPLE_QUICK"))
EPOCHS = 3 if QUICK else 30

CLASSIFICATION = {
    "plain": {},
    # activations, starting weights, layers
    "leaky ReLU, He": {
        "activation": "leaky_relu",
        "negative_slope": 0.1,
        "initialization": "he_normal",
    },
    "GELU": {"activation": "gelu"},
    "orthogonal start": {"initialization": skmlp.Orthogonal()},
    "biases by torch": {"bias_initialization": "torch"},
    "three layers": {"hidden_layer_sizes": (32, 32, 32)},
    "LSUV": {"initialization": "lsuv"},
    "residual blocks": {"hidden_layer_sizes": (32,) * 5, "residual": True},
    "stochastic depth": {
        "hidden_layer_sizes": (32,) * 5,
        "residual": True,
        "stochastic_depth": 0.7,
    },
    "batch normalization": {"normalization": "batch"},
    # how it is regularized
    "dropout": {"dropout": 0.2},
    "dropout, early": {"dropout": 0.3, "dropout_schedule": "early", "dropout_cutoff": 0.5},
    "dropout, late": {"dropout": 0.3, "dropout_schedule": "late", "dropout_cutoff": 0.5},
    "dropout of inputs": {"input_dropout": 0.1},
    "alpha dropout": {"activation": "selu", "dropout": 0.1, "dropout_type": "alpha"},
    "noise": {"augmentation": skmlp.GaussianNoise(0.1)},
    "mixup": {"augmentation": skmlp.Mixup(0.2)},
    "swapped features": {"augmentation": skmlp.FeatureSwap(0.1)},
    "and their targets": {"augmentation": skmlp.FeatureSwap(0.3, mix_targets=True)},
    "label smoothing": {"label_smoothing": 0.1},
    "elastic net": {"alpha": 0.1, "l1_ratio": 0.5},
    "decoupled decay": {"optimizer": "adamw", "weight_decay": 0.1},
    "balanced classes": {"class_weight": "balanced"},
    "early stopping": {
        "early_stopping": True,
        "validation_fraction": 0.2,
        "n_iter_no_change": 5,
        "tol": 1e-3,
    },
    "stopped by the loss": {
        "early_stopping": True,
        "early_stopping_metric": "loss",
        "validation_every": 2,
    },
    "at most ten seconds": {"max_time": 10.0},
    # what it minimizes
    "focal loss": {"loss": "focal", "focal_gamma": 2.0},
    "hinge loss": {"loss": "hinge"},
    "squared hinge": {"loss": "squared_hinge"},
    # how it moves
    "SGD with Nesterov momentum": {
        "optimizer": "sgd",
        "learning_rate_init": 0.1,
        "momentum": 0.9,
        "nesterovs_momentum": True,
    },
    "SGD, a falling rate": {
        "optimizer": "sgd",
        "learning_rate_init": 0.5,
        "learning_rate": "invscaling",
        "power_t": 0.1,
    },
    "rate in steps": {
        "learning_rate": "step",
        "learning_rate_decay": 0.3,
        "learning_rate_period": 0.25,
    },
    "rate exponential": {"learning_rate": "exponential", "learning_rate_decay": 0.5},
    "rate linear": {"learning_rate": "linear", "learning_rate_end": 0.1},
    "rate polynomial": {"learning_rate": "polynomial", "power_t": 4},
    "rate of a cosine": {"learning_rate": "cosine"},
    "warm restarts": {"learning_rate": "restarts", "period_multiplier": 2},
    "one cycle": {"learning_rate": "one_cycle", "base_momentum": 0.85},
    "warm-up": {"learning_rate": "flat_cosine", "warmup": 0.1},
    "first layer slower": {"layer_learning_rates": [0.3, 1.0], "bias_learning_rate": 0.1},
    "Adam, other averages": {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6},
    "NAdam": {"optimizer": "nadam"},
    "L-BFGS": {"optimizer": "lbfgs", "max_fun": 300},
    "conjugate gradients": {"optimizer": "cg"},
    "Newton's method": {"optimizer": "newton-cg", "max_iter": 10},
    "AMSGrad": {"optimizer": "amsgrad"},
    "Lion": {"optimizer": "lion", "learning_rate_init": 0.001},
    "Muon": {"optimizer": "muon", "learning_rate_init": 0.02},
    "schedule-free Adam": {"optimizer": "schedule_free_adam", "learning_rate_init": 0.03},
    "schedule-free SGD": {"optimizer": "schedule_free_sgd", "learning_rate_init": 0.5},
    "mean of the last weights": {"averaging": "swa", "averaging_start": 0.5},
    "moving average of weights": {"averaging": "ema", "averaging_horizon": 2.0},
    "clipped by norm": {"max_grad_norm": 0.5},
    "clipped by value": {"max_grad_value": 0.05},
    "batches of 32": {"batch_size": 32},
    "rows in one order": {"shuffle": False},
}

REGRESSION = {
    "plain": {},
    "absolute error": {"loss": "absolute_error"},
    "Huber's loss": {"loss": "huber", "huber_delta": 0.5},
    "log-cosh": {"loss": "log_cosh"},
    "the median": {"loss": "quantile", "quantile": 0.5},
    "Poisson": {"loss": "poisson"},
    "gamma": {"loss": "gamma"},
    "Tweedie": {"loss": "tweedie", "tweedie_power": 1.5},
}


def table(model, techniques, X, y):
    """Print the mean scores of the techniques, the best first."""
    grids = [{name: [value] for name, value in each.items()} for each in techniques.values()]
    search = GridSearchCV(model, grids, cv=3, refit=False)
    with skmlp.fused(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a few epochs for each
        search.fit(X, y)
    scores = dict(zip(techniques, search.cv_results_["mean_test_score"], strict=True))
    for name, score in sorted(scores.items(), key=lambda pair: -pair[1]):
        print(f"{name:28} {score:.3f}  {score - scores['plain']:+.3f}")


def main():
    X, y = load_digits(return_X_y=True)
    print("accuracy on handwritten digits")
    model = MLPClassifier((32,), learning_rate_init=0.005, max_iter=EPOCHS, random_state=0)
    table(model, CLASSIFICATION, X / 16, y)
    X, y = load_diabetes(return_X_y=True)
    print("\nR² on the progress of diabetes")
    model = MLPRegressor((32,), learning_rate_init=0.005, max_iter=EPOCHS, random_state=0)
    table(model, REGRESSION, StandardScaler().fit_transform(X), y / np.mean(y))


if __name__ == "__main__":
    main()
