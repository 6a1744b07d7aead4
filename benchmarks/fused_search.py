"""Time a grid search: scikit-learn's MLP, a skorch net, and skmlp unfused and fused.

The same grid for all: 24 settings x 5 folds, float32, no early stopping, equal epochs. Two
processes (scikit-learn, skorch, skmlp unfused) or all cores (fused: in this process, and in
loky's, which have been started and have imported torch before). What is not fused is timed on a
part of the grid, and the time is multiplied. Everything takes its turn in each repetition; times
are medians over the repetitions, and so are ratios (of the two times of one repetition).

    python benchmarks/fused_search.py [--repeats 3] [--part 6]
"""

from __future__ import annotations

import argparse
import warnings
from statistics import median
from time import perf_counter

import numpy as np
from one_fit import Case, breast_cancer, circles, digits, machine, skorch_net
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as SklearnMLP

import skmlp

CASES = [
    Case("circles 2-10-2, batch 32", circles, (10,), 32, 200),
    Case("breast cancer 30-50-2, batch 32", breast_cancer, (50,), 32, 200),
    Case("digits 64-100-10, batch 64", digits, (100,), 64, 50),
    Case("digits 64-256-256-10, batch 128", digits, (256, 256), 128, 20),
]
ALPHAS = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
RATES = [1e-3, 3e-3, 1e-2, 3e-2]


def search(case: Case, estimator, n_jobs: int | None, part: int = 1) -> GridSearchCV:
    model = estimator(
        case.hidden,
        batch_size=case.batch_size,
        max_iter=case.epochs,
        n_iter_no_change=case.epochs,
        tol=0.0,
        random_state=0,
    )
    grid = {"alpha": part_of(ALPHAS, part), "learning_rate_init": RATES}
    return GridSearchCV(model, grid, cv=5, n_jobs=n_jobs, refit=False)


def skorch_search(case: Case, X, y, part: int) -> GridSearchCV:
    grid = {"optimizer__weight_decay": part_of(ALPHAS, part), "lr": RATES}
    return GridSearchCV(skorch_net(case, X, y), grid, cv=5, n_jobs=2, refit=False)


def part_of(values: list[float], part: int) -> list[float]:
    if len(values) % part:
        raise SystemExit(f"--part must divide {len(values)}. Got {part}.")
    return values[: len(values) // part]


def seconds(found: GridSearchCV, X, y) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = perf_counter()
        found.fit(X, y)
        return perf_counter() - start


def fused_seconds(engine: str | None, found: GridSearchCV, X, y) -> float:
    with skmlp.fused(engine=engine):
        return seconds(found, X, y)


def start_workers() -> None:
    """Have the processes of engine="loky" import what they need."""
    X, y = circles()
    model = skmlp.MLPClassifier((2,), max_iter=1)
    fused_seconds("loky", GridSearchCV(model, {"alpha": ALPHAS}, cv=5), X, y)


def measured(case: Case, repeats: int, part: int) -> dict[str, list[float]]:
    """Seconds of each contender in each repetition."""
    X, y = case.data()
    labels = y.astype(np.int64)
    ours = skmlp.MLPClassifier
    contenders = {
        "scikit-learn": lambda: part * seconds(search(case, SklearnMLP, 2, part), X, y),
        "skorch": lambda: part * seconds(skorch_search(case, X, y, part), X, labels),
        "unfused": lambda: part * seconds(search(case, ours, 2, part), X, y),
        "fused": lambda: fused_seconds(None, search(case, ours, None), X, y),
        "fused loky": lambda: fused_seconds("loky", search(case, ours, None), X, y),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, run in contenders.items():
            times[name].append(run())
    return times


def median_ratio(slow: list[float], fast: list[float]) -> float:
    return median(a / b for a, b in zip(slow, fast, strict=True))


RATIOS = [
    ("scikit-learn", "fused"),
    ("scikit-learn", "fused loky"),
    ("skorch", "fused"),
    ("skorch", "fused loky"),
    ("unfused", "fused"),
    ("unfused", "fused loky"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--part", type=int, default=6, help="part of the grid for the unfused")
    parser.add_argument("--cases", type=int, nargs="*", default=range(len(CASES)))
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(machine(2))
    names = ["scikit-learn", "skorch", "unfused", "fused", "fused loky"]
    header = ["search", *names, *(f"{a} / {b}" for a, b in RATIOS)]
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    start_workers()
    for case in (CASES[i] for i in arguments.cases):
        times = measured(case, arguments.repeats, arguments.part)
        cells = [f"{median(times[name]):.1f} s" for name in names]
        cells += [f"{median_ratio(times[a], times[b]):.1f}" for a, b in RATIOS]
        print(f"| {case.name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
