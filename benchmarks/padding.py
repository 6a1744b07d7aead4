"""Time a search over hidden sizes: one stack per size, and padded to the largest.

8 learning rates x 5 folds for each of several sizes, 20 epochs, float32, one process. The ratio
says whether the rule of skmlp.training.padding decides well: padding pays where it is below 1.

    python benchmarks/padding.py [--repeats 3]
"""

from __future__ import annotations

import argparse
import warnings
from statistics import median
from time import perf_counter

import numpy as np
from fused_search import breast_cancer
from one_fit import circles, digits, machine
from sklearn.model_selection import GridSearchCV

import skmlp
from skmlp.training import padding

CASES = [
    ("circles, 4 to 16 units", circles, [(4,), (6,), (8,), (10,), (12,), (14,), (16,)]),
    ("circles, two layers of 4 to 16", circles, [(4, 4), (8, 4), (8, 8), (16, 8), (16, 16)]),
    ("breast cancer, 10 to 40 units", breast_cancer, [(10,), (20,), (30,), (40,)]),
    ("digits, 20 to 100 units", digits, [(20,), (50,), (100,)]),
]


def seconds(sizes, X, y, n_rates: int) -> float:
    model = skmlp.MLPClassifier(batch_size=32, max_iter=20, tol=0.0, random_state=0)
    grid = {
        "hidden_layer_sizes": sizes,
        "learning_rate_init": list(np.geomspace(1e-3, 3e-2, n_rates)),
    }
    with warnings.catch_warnings(), skmlp.fused():
        warnings.simplefilter("ignore")
        start = perf_counter()
        GridSearchCV(model, grid, cv=5, refit=False).fit(X, y)
        return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    # Never, always, and as the rule decides.
    limits = {"apart": 0.0, "padded": np.inf, "by the rule": padding._FLOPS_PER_STACK}
    print(machine(2))
    print(f"| search | networks | {' | '.join(limits)} | padded / apart | by the rule / apart |")
    print("|---|---|---|---|---|---|---|")
    for name, data, sizes in CASES:
        X, y = data()
        for n_rates in (1, 8):
            times: dict[str, list[float]] = {kind: [] for kind in limits}
            for _ in range(repeats):
                for kind, limit in limits.items():
                    padding._FLOPS_PER_STACK = limit
                    times[kind].append(seconds(sizes, X, y, n_rates))
            medians = {kind: median(values) for kind, values in times.items()}
            cells = [f"{value:.2f} s" for value in medians.values()]
            cells += [f"{medians[k] / medians['apart']:.2f}" for k in ("padded", "by the rule")]
            print(f"| {name} | {5 * n_rates * len(sizes)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
