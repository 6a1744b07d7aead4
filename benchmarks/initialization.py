"""Which starting weights generalize: cross-validated scores of default networks by rule.

python benchmarks/initialization.py
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    make_friedman1,
    make_friedman2,
    make_moons,
    make_regression,
)
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import MLPClassifier, MLPRegressor

RULES = ["he_uniform", "glorot_uniform", "sklearn", "torch", "lecun_uniform"]

REGRESSION = {
    "friedman1": lambda: make_friedman1(400, 10, noise=1, random_state=0),
    "friedman2": lambda: make_friedman2(400, noise=20, random_state=0),
    "make_regression": lambda: make_regression(400, 10, noise=5, random_state=0),
    "diabetes": lambda: load_diabetes(return_X_y=True),
}
CLASSIFICATION = {
    "digits": lambda: load_digits(return_X_y=True),
    "breast_cancer": lambda: load_breast_cancer(return_X_y=True),
    "moons": lambda: make_moons(400, noise=0.3, random_state=0),
}


def mean_score(estimator, folds, X, y, rule: str) -> float:
    scores = []
    for seed in range(3):
        model = make_pipeline(StandardScaler(), estimator(initialization=rule, random_state=seed))
        cv = folds(3, shuffle=True, random_state=seed)
        scores.append(cross_val_score(model, X, y, cv=cv).mean())
    return float(np.mean(scores))


def main() -> None:
    warnings.filterwarnings("ignore")
    print("| R² or accuracy | " + " | ".join(RULES) + " |")
    print("|---" * (len(RULES) + 1) + "|")
    for sets, estimator, folds in [
        (REGRESSION, MLPRegressor, KFold),
        (CLASSIFICATION, MLPClassifier, StratifiedKFold),
    ]:
        for name, load in sets.items():
            X, y = load()
            if estimator is MLPRegressor:
                y = (y - y.mean()) / y.std()
            cells = [f"{mean_score(estimator, folds, X, y, rule):.3f}" for rule in RULES]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
