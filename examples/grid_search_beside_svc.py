"""One grid search for an MLP and for SVC kernels, on the same rows and the same folds.

The new hyperparameters (initialization, optimizer, dropout, weight decay) are searched like any
other, in a pipeline. Give your own data as a CSV file and the name of its target column:

    python examples/grid_search_beside_svc.py [FILE.csv TARGET]
"""

import os
import sys
import warnings

import pandas as pd
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skmlp import MLPClassifier

SEARCHES = {
    "MLP": (
        MLPClassifier(early_stopping=True, learning_rate_init=0.01, random_state=0),
        {
            "initialization": ["he_normal", "glorot_uniform"],
            "optimizer": ["adam", "sgd"],
            "dropout": [0.0, 0.2],
            "weight_decay": [0.0, 1e-2],
        },
    ),
    "SVC": (SVC(), {"kernel": ["linear", "rbf", "poly", "sigmoid"], "C": [0.1, 1, 10, 100]}),
}


def load_rows():
    if len(sys.argv) == 3:
        table = pd.read_csv(sys.argv[1])
        return table.drop(columns=sys.argv[2]).to_numpy(), table[sys.argv[2]].to_numpy()
    X, y = load_digits(return_X_y=True)
    n = 300 if os.environ.get("SKMLP_EXAMPLE_QUICK") else len(X)
    return X[:n], y[:n]


def main():
    X, y = load_rows()
    X, X_test, y, y_test = train_test_split(X, y, random_state=0, stratify=y)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name, (estimator, grid) in SEARCHES.items():
        step = type(estimator).__name__.lower()
        search = GridSearchCV(
            make_pipeline(StandardScaler(), estimator),
            {f"{step}__{parameter}": values for parameter, values in grid.items()},
            cv=folds,
            n_jobs=2,
        ).fit(X, y)
        chosen = {key.split("__")[1]: value for key, value in search.best_params_.items()}
        print(f"{name}: test accuracy {search.score(X_test, y_test):.3f} with {chosen}")


if __name__ == "__main__":
    main()
