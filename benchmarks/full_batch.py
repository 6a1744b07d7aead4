"""Time L-BFGS: scikit-learn's MLP and skmlp, one fit alone and a search, fused and not.

Equal work: the same starting weights, rows, penalty and number of iterations, float64, one thread;
no tolerance ends a fit. Line searches may differ by an evaluation, so the time of a fit is divided
by its evaluations of loss and gradient, which are counted. All contenders of a case take turns in
one process; times are medians, ratios medians of the ratios of each turn.

    python benchmarks/full_batch.py [--repeats 5] [--searches 3]
"""

from __future__ import annotations

import argparse
import os

if __name__ == "__main__":  # before NumPy and torch are loaded
    os.environ["OMP_NUM_THREADS"] = "1"

import warnings
from dataclasses import replace
from statistics import median
from time import perf_counter

import numpy as np
import scipy.optimize
import torch
from fused_search import ALPHAS, median_ratio
from one_fit import Case, breast_cancer, circles, digits, machine
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as SklearnMLP
from threadpoolctl import threadpool_limits

import skmlp

CASES = [
    Case("circles 2-10-2", circles, (10,), 0, 100),
    Case("breast cancer 30-50-2", breast_cancer, (50,), 0, 50),
    Case("digits 64-100-10", digits, (100,), 0, 30),
    Case("digits 64-256-256-10", digits, (256, 256), 0, 10),
]


class CountedEvaluations:
    """`scipy.optimize.minimize`, which tells how often it has evaluated."""

    def __init__(self):
        self.minimize, self.last = scipy.optimize.minimize, 0

    def __call__(self, *arguments, **others):
        found = self.minimize(*arguments, **others)
        self.last = found.nfev
        return found


def models(case: Case) -> dict:
    same = {"hidden_layer_sizes": case.hidden, "max_iter": case.epochs, "tol": 0.0}
    same["random_state"] = 0
    ours = {"optimizer": "lbfgs", "initialization": "sklearn"}
    return {
        "scikit-learn": SklearnMLP(**same, solver="lbfgs"),
        "skmlp by torch": skmlp.MLPClassifier(**same, **ours),
        "skmlp": skmlp.MLPClassifier(**same, **ours),
    }


def fit(name: str, model, X, y):
    with skmlp.config(executor="torch" if name.endswith("torch") else "auto"):
        return model.fit(X, y)


def time_fits(case: Case, X, y, repeats: int, count: CountedEvaluations) -> list[str]:
    times: dict[str, list[float]] = {name: [] for name in models(case)}
    for repeat in range(1 + repeats):
        for name, model in models(case).items():
            start = perf_counter()
            fit(name, model, X, y)
            if repeat:  # the first compiles
                times[name].append((perf_counter() - start) / count.last)
    cells = [f"{1e6 * median(several):.0f} µs" for several in times.values()]
    ratios = [median_ratio(times["skmlp"], times[n]) for n in ("scikit-learn", "skmlp by torch")]
    return [f"{case.name}, {count.last} evaluations", *cells, *(f"{r:.2f}" for r in ratios)]


def time_searches(case: Case, X, y, repeats: int) -> list[str]:
    case = replace(case, epochs=2 * case.epochs)
    grid = {"alpha": ALPHAS}
    times: dict[str, list[float]] = {"scikit-learn": [], "unfused": [], "fused": []}
    for repeat in range(1 + repeats):
        for name, several in times.items():
            model = models(case)["scikit-learn" if name == "scikit-learn" else "skmlp"]
            search = GridSearchCV(model, grid, n_jobs=2, refit=False)
            start = perf_counter()
            if name == "fused":
                with skmlp.fused():
                    search.fit(X, y)
            else:
                search.fit(X, y)
            if repeat:  # the first starts the processes
                several.append(perf_counter() - start)
    cells = [f"{median(several):.2f} s" for several in times.values()]
    ratios = [median_ratio(times["fused"], times[n]) for n in ("scikit-learn", "unfused")]
    return [f"search {case.name}", *cells, *(f"{r:.2f}" for r in ratios)]


def table(*header: str) -> None:
    print("\n| " + " | ".join(header) + " |\n|" + "---|" * len(header))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--searches", type=int, default=3)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"
    data = [(case, X.astype(np.float64), y) for case in CASES for X, y in [case.data()]]
    scipy.optimize.minimize = count = CountedEvaluations()
    print(machine(1))
    table("fit, time per evaluation", *models(CASES[0]), "skmlp / scikit-learn", "skmlp / torch")
    with threadpool_limits(1):
        torch.set_num_threads(1)
        for case, X, y in data:
            print("| " + " | ".join(time_fits(case, X, y, given.repeats, count)) + " |", flush=True)
    if given.searches:
        torch.set_num_threads(2)
        names = ["scikit-learn, n_jobs=2", "skmlp, n_jobs=2", "fused"]
        table(
            f"{len(ALPHAS)} settings x 5 folds", *names, "fused / scikit-learn", "fused / n_jobs=2"
        )
        for case, X, y in data:
            print("| " + " | ".join(time_searches(case, X, y, given.searches)) + " |", flush=True)


if __name__ == "__main__":
    main()
