"""A network and SVM kernels on two circles: who can separate them, how, and at what price.

No line separates two circles, one inside the other. A small network, trained step by step, and the
kernels of support vector machines are compared on the same folds: their scores and boundaries side
by side, the number of parameters and the time they need, and what C does to a boundary.

    python examples/circles.py [FOLDER]

writes circles.html (everything) and two figures into FOLDER, by default results/.
"""

import os
import sys
from pathlib import Path

from sklearn.datasets import make_circles
from sklearn.svm import SVC

from skmlp import MLPClassifier, compare

QUICK = bool(os.environ.get("SKMLP_EXAMPLE_QUICK"))
C_VALUES = [0.01, 1, 100] if QUICK else [0.01, 0.1, 1, 10, 100, 1000]

# The network learns by plain gradient descent on small batches.
NETWORK = MLPClassifier(
    (10,),
    activation="tanh",
    optimizer="sgd",
    learning_rate_init=0.1,
    batch_size=10,
    max_iter=20 if QUICK else 150,
)
CONTESTANTS = {
    "network": (NETWORK, {"hidden_layer_sizes": [(4,), (10,)]}),
    "SVM linear": (SVC(kernel="linear"), {"C": C_VALUES}),
    "SVM rbf": (SVC(kernel="rbf"), {"C": C_VALUES}),
    "SVM poly 2": (SVC(kernel="poly", degree=2, coef0=1), {"C": C_VALUES}),
    "SVM sigmoid": (SVC(kernel="sigmoid"), {"C": C_VALUES, "coef0": [0, -1]}),
}


def compare_kernels(X, y):
    """Network and kernels, each with its best setting."""
    comparison = compare(
        X, y, CONTESTANTS, cv=3 if QUICK else 5, random_state=0, progress=False, name="circles"
    )
    table = comparison.table
    costs = table[["size", "size_unit", "tuning_seconds", "fit_seconds", "predict_seconds"]]
    print(table[["accuracy", "accuracy_std", "accuracy_p_value", "best_params"]].to_string(), "\n")
    print(costs.round(4).to_string(), "\n")
    return comparison


def compare_values_of_c(X, y):
    """The same kernels at a small, a middle and a large C: smooth boundaries, and wild ones."""
    machines = {
        f"{kernel}, C={C:g}": SVC(kernel=kernel, C=C, gamma=gamma, degree=4, coef0=1)
        for kernel, gamma in (("rbf", 5), ("poly", "scale"))
        for C in (0.01, 1, 1000)
    }
    comparison = compare(X, y, machines, cv=3, random_state=0, progress=False, name="circles by C")
    print(comparison.table[["accuracy", "accuracy_std", "size"]].to_string())
    return comparison


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    folder.mkdir(parents=True, exist_ok=True)
    X, y = make_circles(200 if QUICK else 1000, noise=0.15, factor=0.5, random_state=0)
    kernels = compare_kernels(X, y)
    kernels.to_html(folder / "circles.html")
    kernels.plot("boundaries").savefig(folder / "circles_kernels.png", dpi=120)
    compare_values_of_c(X, y).plot("boundaries").savefig(folder / "circles_c.png", dpi=120)
    print(f"\nWrote circles.html, circles_kernels.png and circles_c.png into {folder}")


if __name__ == "__main__":
    main()
