"""Does a technique pay? Each against the same network without it, on eight data sets.

A row is a technique: its error over that of the network without it (geometric mean over data sets;
below 1 is better), on which sets it helped or hurt (paired t test over the seeds, p < 0.05), and
its processor time over that without it. Errors are 1 - accuracy, or the root mean squared error.

    python benchmarks/techniques.py --data FOLDER [--seeds 5] [--only dropout residual]

FOLDER holds five of the sets as name.csv.gz, with a header and the target in the last column;
those that are not there are left out, and the table says so.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
from one_fit import machine
from scipy.stats import ttest_rel
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skmlp import FeatureSwap, GaussianNoise, Mixup, MLPClassifier, MLPRegressor

MOST_ROWS = 1000
LOADED: dict[str, Callable[[], tuple]] = {
    "breast_cancer": lambda: load_breast_cancer(return_X_y=True),
    "digits": lambda: load_digits(return_X_y=True),
    "diabetes": lambda: load_diabetes(return_X_y=True),
}
CLASSIFICATION = ["breast_cancer", "digits", "phoneme", "segment"]
REGRESSION = ["diabetes", "kin8nm", "abalone", "wine_quality_red"]

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Technique:
    """What is tried, and beside what.

    Attributes
    ----------
    settings : mapping
        The parameters with the technique.
    beside : mapping
        What both networks have, if not the defaults.
    """

    settings: Settings
    beside: Settings = field(default_factory=dict)
    only: list[str] = field(default_factory=lambda: CLASSIFICATION + REGRESSION)


DEEP = {"hidden_layer_sizes": (32,) * 8, "max_iter": 60}
SGD = {"optimizer": "sgd", "learning_rate_init": 0.05}

TECHNIQUES: dict[str, Technique] = {
    "He normal": Technique({"initialization": "he_normal"}),
    "orthogonal start": Technique({"initialization": "orthogonal"}),
    "batch normalization": Technique({"normalization": "batch"}),
    "layer normalization": Technique({"normalization": "layer"}),
    "batch normalization, 8 layers": Technique({"normalization": "batch"}, DEEP),
    "LSUV, 8 layers": Technique({"initialization": "lsuv"}, DEEP),
    "residual, 8 layers": Technique({"residual": True}, DEEP),
    "residual with layer normalization, 8 layers": Technique(
        {"residual": True, "normalization": "layer"}, DEEP
    ),
    "Fixup, 8 layers": Technique({"residual": True, "initialization": "fixup"}, DEEP),
    "stochastic depth 0.7, 8 layers": Technique(
        {"stochastic_depth": 0.7}, DEEP | {"residual": True}
    ),
    "dropout 0.2": Technique({"dropout": 0.2}),
    "dropout 0.2, early": Technique({"dropout_schedule": "early"}, {"dropout": 0.2}),
    "dropout 0.2, late": Technique({"dropout_schedule": "late"}, {"dropout": 0.2}),
    "dropout of inputs 0.1": Technique({"input_dropout": 0.1}),
    "noise 0.1": Technique({"augmentation": GaussianNoise(0.1)}),
    "mixup 0.2": Technique({"augmentation": Mixup(0.2)}),
    "swapped features 0.1": Technique({"augmentation": FeatureSwap(0.1)}),
    "focal loss": Technique({"loss": "focal"}, only=CLASSIFICATION),
    "hinge loss": Technique({"loss": "hinge"}, only=CLASSIFICATION),
    "squared hinge loss": Technique({"loss": "squared_hinge"}, only=CLASSIFICATION),
    "absolute error": Technique({"loss": "absolute_error"}, only=REGRESSION),
    "Gaussian with a precision": Technique({"loss": "gaussian"}, only=REGRESSION),
    "label smoothing 0.1": Technique({"label_smoothing": 0.1}, only=CLASSIFICATION),
    "weight decay 0.1": Technique({"optimizer": "adamw", "weight_decay": 0.1}),
    "L1 penalty": Technique({"alpha": 1.0, "l1_ratio": 1.0}),
    "early stopping": Technique({"early_stopping": True}),
    "gradient clipping at norm 1": Technique({"max_grad_norm": 1.0}),
    "Huber loss": Technique({"loss": "huber"}, only=REGRESSION),
    "sgd with Nesterov momentum": Technique(SGD),
    "nadam": Technique({"optimizer": "nadam"}),
    "radam": Technique({"optimizer": "radam"}),
    "rmsprop": Technique({"optimizer": "rmsprop"}),
    "L-BFGS": Technique({"optimizer": "lbfgs"}),
    "conjugate gradients": Technique({"optimizer": "cg"}),
    "amsgrad": Technique({"optimizer": "amsgrad"}),
    "lion": Technique({"optimizer": "lion", "learning_rate_init": 3e-4}),
    "muon": Technique({"optimizer": "muon", "learning_rate_init": 0.005}),
    "schedule-free Adam": Technique(
        {"optimizer": "schedule_free_adam", "learning_rate_init": 0.01}
    ),
    "mean of the last weights": Technique({"averaging": "swa"}),
    "moving average of the weights": Technique({"averaging": "ema"}),
    "early stopping by the loss": Technique(
        {"early_stopping_metric": "loss"}, {"early_stopping": True}
    ),
    "adaptive rate": Technique({"learning_rate": "adaptive"}, SGD),
    "cosine": Technique({"learning_rate": "cosine"}),
    "polynomial of power 4": Technique({"learning_rate": "polynomial", "power_t": 4}),
    "one cycle": Technique({"learning_rate": "one_cycle"}),
    "warm restarts": Technique({"learning_rate": "restarts"}),
    "warm-up and flat cosine": Technique({"learning_rate": "flat_cosine", "warmup": 0.05}),
    "slower biases": Technique({"bias_learning_rate": 0.1}),
    "tanh": Technique({"activation": "tanh"}),
    "selu": Technique({"activation": "selu", "initialization": "lecun_normal"}),
    "gelu": Technique({"activation": "gelu"}),
}


@cache
def data(name: str, folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Some rows, with numbers as targets or labels; None where they are not there."""
    if name in LOADED:
        X, y = LOADED[name]()
    elif (folder / f"{name}.csv.gz").exists():
        table = pd.read_csv(folder / f"{name}.csv.gz")
        X = pd.get_dummies(table.drop(columns="target")).to_numpy(float)
        y = table["target"].to_numpy()
    else:
        return None
    chosen = np.random.default_rng(0).permutation(len(y))[:MOST_ROWS]
    return X[chosen], y[chosen]


@cache
def measured(name: str, folder: Path, seed: int, settings: tuple) -> tuple[float, float]:
    """The error on a third of the rows, and seconds of processor time of the fit."""
    rows = data(name, folder)
    assert rows is not None
    of_classes = name in CLASSIFICATION
    X, X_test, y, y_test = train_test_split(
        *rows, test_size=1 / 3, random_state=seed, stratify=rows[1] if of_classes else None
    )
    scaler = StandardScaler().fit(X)
    if not of_classes:
        of_y = StandardScaler().fit(y[:, None])
        y, y_test = (of_y.transform(each[:, None])[:, 0] for each in (y, y_test))
    model = (MLPClassifier if of_classes else MLPRegressor)(random_state=seed, **dict(settings))
    start = process_time()
    model.fit(scaler.transform(X), y)
    seconds = process_time() - start
    predicted = model.predict(scaler.transform(X_test))
    if of_classes:
        return float(np.mean(predicted != y_test)), seconds
    return float(np.sqrt(np.mean((predicted - y_test) ** 2))), seconds


def row_of(technique: Technique, folder: Path, seeds: int) -> list[str]:
    """The cells of one technique: error, where it helped, where it hurt, time."""
    errors, times, helped, hurt = [], [], [], []
    for name in technique.only:
        if data(name, folder) is None:
            continue
        pairs = [
            [
                measured(name, folder, seed, tuple(sorted(settings.items())))
                for settings in ({**technique.beside}, {**technique.beside, **technique.settings})
            ]
            for seed in range(seeds)
        ]
        (without, its), (seconds, its_seconds) = np.array(pairs).transpose(2, 1, 0)
        errors.append(np.log(np.mean(its) / np.mean(without)))
        times.append(np.log(np.median(its_seconds / seconds)))
        if np.any(its != without) and ttest_rel(its, without).pvalue < 0.05:
            (helped if np.mean(its) < np.mean(without) else hurt).append(name)
    mean_error, mean_time = (f"{np.exp(np.mean(logs)):.2f}" for logs in (errors, times))
    return [mean_error, ", ".join(helped) or "-", ", ".join(hurt) or "-", mean_time]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[""], help="parts of the techniques' names")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(machine(2))
    absent = [n for n in CLASSIFICATION + REGRESSION if data(n, arguments.data) is None]
    if absent:
        print(f"Not there: {', '.join(absent)}.")
    print("| technique | error | helped | hurt | time |\n|---|---|---|---|---|")
    for name, technique in TECHNIQUES.items():
        if any(part in name for part in arguments.only):
            cells = row_of(technique, arguments.data, arguments.seeds)
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
