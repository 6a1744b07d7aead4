"""What type checkers know of the estimators: checked by mypy, never run.

A line with an expected error says so; mypy tells of a remark that is not needed.
"""

from typing import assert_type

import numpy as np

from skmlp import Mixup, MLPClassifier, MLPRegressor, Normal, VarianceScaling


def right(X: np.ndarray, y: np.ndarray) -> None:
    model = MLPClassifier((8, 4), ["relu", "tanh"], optimizer="nadam", initialization="he_normal")
    assert_type(model.fit(X, y), MLPClassifier)
    assert_type(model.partial_fit(X, y), MLPClassifier)
    assert_type(model.predict(X), np.ndarray)
    assert_type(model.predict_proba(X), np.ndarray)
    assert_type(model.predict_log_proba(X), np.ndarray)
    assert_type(model.decision_function(X), np.ndarray)
    MLPRegressor(8, loss="quantile", quantile=0.9)
    MLPRegressor(8, loss="quantile", quantile=[0.1, 0.9], output_range=(0, 1))
    MLPRegressor(8, loss=lambda z, t: (z - t).abs().sum(1))
    MLPClassifier(8, loss="focal", focal_gamma=1)
    MLPRegressor(16, loss="poisson", learning_rate="adaptive", batch_size="auto", dropout=[0.1])
    MLPRegressor(learning_rate="one_cycle", warmup=0.2, base_momentum=0.85)
    MLPClassifier(learning_rate=lambda f: 1 - f, warmup=5, layer_learning_rates=(0, 1))
    MLPClassifier(initialization=VarianceScaling(2, "fan_out"), bias_initialization="torch")
    MLPClassifier(early_stopping_metric="roc_auc", validation_every=5, max_time=60)
    MLPRegressor(early_stopping_metric=lambda model, X, y: -model.loss_)
    MLPRegressor(initialization=Normal(0.1), bias_initialization=0.5)
    MLPClassifier(dropout=0.1, dropout_schedule="early", dropout_cutoff=10, dropout_type="alpha")
    MLPRegressor(input_dropout=0.1, augmentation=Mixup(0.4))
    MLPRegressor(augmentation="feature_swap", dropout_cutoff=0.3)
    MLPClassifier(augmentation=lambda X, rng: X)


def wrong() -> None:
    MLPClassifier(activation="rleu")  # type: ignore[arg-type]
    MLPClassifier(optimizer="adm")  # type: ignore[arg-type]
    MLPClassifier(initialization="he")  # type: ignore[arg-type]
    MLPClassifier(bias_initialization="ones")  # type: ignore[arg-type]
    MLPClassifier(dropout_schedule="linear")  # type: ignore[arg-type]
    MLPClassifier(augmentation="noise")  # type: ignore[arg-type]
    VarianceScaling(mode="fan")  # type: ignore[arg-type]
    MLPClassifier(learning_rate=0.1)  # type: ignore[arg-type]
    MLPClassifier(learning_rate=lambda: 1.0)  # type: ignore[arg-type, misc]
    MLPClassifier(loss="hingle")  # type: ignore[arg-type]
    MLPClassifier(early_stopping_metric=0.5)  # type: ignore[arg-type]
    MLPRegressor(loss="hubert")  # type: ignore[arg-type]
    MLPRegressor(batch_size="all")  # type: ignore[arg-type]
    MLPRegressor(solver="lbfgs")  # type: ignore[call-arg]
