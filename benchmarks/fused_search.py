"""Time a grid search: scikit-learn's MLP, and skmlp unfused and fused, on the same grid.

24 settings x 5 folds, float32, no early stopping, equal epochs, two processes (scikit-learn and
skmlp unfused) or all cores (fused: in this process, and in loky's, which have been started and
have imported torch before). scikit-learn and skmlp unfused are timed on a part of the
grid, and the time is multiplied; medians of several repetitions.

    python benchmarks/fused_search.py [--repeats 3] [--part 4]
"""

from __future__ import annotations

import argparse
import warnings
from statistics import median
from time import perf_counter

import numpy as np
from one_fit import Case, circles, digits, machine
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as SklearnMLP
from sklearn.preprocessing import StandardScaler

import skmlp


def breast_cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X).astype(np.float32), y


CASES = [
    Case("circles 2-10-2, batch 32", circles, (10,), 32, 200),
    Case("breast cancer 30-50-2, batch 32", breast_cancer, (50,), 32, 200),
    Case("digits 64-100-10, batch 64", digits, (100,), 64, 50),
    Case("digits 64-256-256-10, batch 128", digits, (256, 256), 128, 20),
]
ALPHAS = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
RATES = [1e-3, 3e-3, 1e-2, 3e-2]


def search(case: Case, estimator, n_jobs: int | None, part: int) -> GridSearchCV:
    model = estimator(
        case.hidden,
        batch_size=case.batch_size,
        max_iter=case.epochs,
        n_iter_no_change=case.epochs,
        tol=0.0,
        random_state=0,
    )
    grid = {"alpha": ALPHAS[: len(ALPHAS) // part or 1], "learning_rate_init": RATES}
    return GridSearchCV(model, grid, cv=5, n_jobs=n_jobs, refit=False)


def seconds(found: GridSearchCV, X, y) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = perf_counter()
        found.fit(X, y)
        return perf_counter() - start


def start_workers() -> None:
    """Have the processes of engine="loky" import what they need."""
    X, y = circles()
    model = skmlp.MLPClassifier((2,), max_iter=1)
    with skmlp.fused(engine="loky"):
        seconds(GridSearchCV(model, {"alpha": ALPHAS}, cv=5), X, y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--part", type=int, default=3, help="part of the grid for the unfused")
    parser.add_argument("--cases", type=int, nargs="*", default=range(len(CASES)))
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(machine(2))
    names = ["scikit-learn", "unfused", "fused", "fused loky"]
    print(
        f"| search | {' | '.join(names)} | scikit-learn / fused | unfused / fused | fused / loky |"
    )
    print("|---|---|---|---|---|---|---|---|")
    start_workers()
    for case in (CASES[i] for i in arguments.cases):
        X, y = case.data()
        times: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(arguments.repeats):
            part = search(case, SklearnMLP, 2, arguments.part)
            times["scikit-learn"].append(arguments.part * seconds(part, X, y))
            part = search(case, skmlp.MLPClassifier, 2, arguments.part)
            times["unfused"].append(arguments.part * seconds(part, X, y))
            for name, engine in (("fused", None), ("fused loky", "loky")):
                with skmlp.fused(engine=engine):
                    times[name].append(seconds(search(case, skmlp.MLPClassifier, None, 1), X, y))
        s, u, f, p = (median(times[name]) for name in names)
        print(
            f"| {case.name} | {s:.1f} s | {u:.1f} s | {f:.1f} s | {p:.1f} s | {s / f:.1f} "
            f"| {u / f:.1f} | {f / p:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
