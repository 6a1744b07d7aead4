"""MNIST as flat rows of 784 numbers: a network beside support vector machines.

Give the digits as a .csv file with a column "label" (or "class"), or as a .npz file with x_train,
y_train, x_test and y_test; without a file they are downloaded once from OpenML:

    python examples/mnist.py [FILE] [ROWS]

ROWS of all 70,000 are drawn, by default 6,000: with less than 10,000 training rows the kernels are
exact, from there on they are approximated (a network of all rows takes some minutes for each fold).
"""

import os
import sys

import numpy as np
import pandas as pd
from sklearn.datasets import fetch_openml, load_digits
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from skmlp import MLPClassifier, compare

QUICK = bool(os.environ.get("SKMLP_EXAMPLE_QUICK"))


def load_rows(path=None):
    """Pixels from 0 to 1, shape (n, pixels), and the digits."""
    if path is None and QUICK:  # small, and nothing is downloaded
        X, y = load_digits(return_X_y=True)
        return X / 16, y
    if path is None:
        X, y = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False)
    elif path.endswith(".npz"):
        with np.load(path) as file:
            X = np.concatenate([file["x_train"], file["x_test"]])
            y = np.concatenate([file["y_train"], file["y_test"]])
    else:
        table = pd.read_csv(path)
        label = "label" if "label" in table else "class"
        X, y = table.drop(columns=label).to_numpy(), table[label].to_numpy()
    return X.reshape(len(X), -1) / 255, y.astype(int)


def contestants():
    """A network, and kernels with the settings that are usual for MNIST."""
    network = MLPClassifier(
        (128,), dtype="float32", early_stopping=True, n_iter_no_change=5, max_iter=60
    )
    return {
        "network": (network, {"dropout": [0.0, 0.2]}),
        "SVM linear": (SVC(kernel="linear"), {"C": [0.01, 0.1]}),
        "SVM rbf": (SVC(kernel="rbf"), {"C": [1, 10]}),
        "SVM poly 2": (SVC(kernel="poly", degree=2), {"C": [1, 10]}),
    }


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else None
    rows = 300 if QUICK else int(sys.argv[2]) if len(sys.argv) > 2 else 6_000
    X, y = load_rows(path)
    if rows < len(y):
        [(chosen, _)] = StratifiedShuffleSplit(1, train_size=rows, random_state=0).split(X, y)
        X, y = X[chosen], y[chosen]
    comparison = compare(
        X,
        y,
        # Above 10,000 training rows the default contestants approximate the kernels.
        contestants() if rows <= 15_000 else None,
        cv=3,
        inner_cv=2,
        # Pixels share a scale; to standardize each would blow up those that are nearly always 0.
        preprocessing=FunctionTransformer(),
        random_state=0,
        n_jobs=2,
        progress=not QUICK,
        name="MNIST",
    )
    print(comparison)
    comparison.to_html("mnist.html") if not QUICK else comparison.plot("boundaries")
    print(f"{len(y)} rows" if QUICK else "Wrote mnist.html")


if __name__ == "__main__":
    main()
