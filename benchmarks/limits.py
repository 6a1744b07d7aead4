"""How near the processor's limit a fit comes, and how it fares in float64 and with dropout.

Whole fits of skmlp and of scikit-learn's MLP, equal work, one thread, in turns in one process:
ratios of medians. Arithmetic is that of a step's products (two in the first layer, three in all
others), beside what the same BLAS reaches on matrices of 1024 x 1024. Last, what a fit costs
besides its steps.

    python benchmarks/limits.py [--repeats 5]
"""

from __future__ import annotations

import argparse
import sys
import warnings
from functools import partial
from itertools import pairwise
from statistics import median
from time import perf_counter

import numpy as np
import one_fit
import scipy.linalg.blas
import torch
from one_fit import CASES, Case, machine, timed
from sklearn.neural_network import MLPClassifier as SklearnMLP
from threadpoolctl import threadpool_limits

import skmlp


def fits(case: Case) -> dict:
    X, y = case.data()
    parameters = one_fit._parameters(case)
    wide = X.astype(np.float64)
    ours, theirs = skmlp.MLPClassifier, SklearnMLP
    return {
        "theirs": lambda: theirs(**parameters).fit(X, y),
        "ours": lambda: ours(**parameters).fit(X, y),
        "dropout": lambda: ours(dropout=0.2, **parameters).fit(X, y),
        "theirs, float64": lambda: theirs(**parameters).fit(wide, y),
        "ours, float64": lambda: ours(**parameters).fit(wide, y),
    }


def operations(case: Case) -> float:
    """Multiplications and additions of all products of a fit."""
    X, y = case.data()
    n_outputs = 1 if y.max() == 1 else int(y.max()) + 1
    first, *others = (a * b for a, b in pairwise((X.shape[1], *case.hidden, n_outputs)))
    return case.epochs * len(X) * (4.0 * first + 6.0 * sum(others))


def limit(repeats: int = 15) -> float:
    """Operations a second of BLAS on 1024 x 1024 matrices, float32."""
    a = np.asfortranarray(np.random.default_rng(0).normal(size=(1024, 1024)), dtype=np.float32)
    times = []
    for _ in range(repeats):
        start = perf_counter()
        scipy.linalg.blas.sgemm(1.0, a, a)
        times.append(perf_counter() - start)
    return 2 * 1024**3 / median(times)


def row_of(case: Case, repeats: int) -> list[str]:
    most = limit()
    seconds = timed(fits(case), repeats)
    most = (most + limit()) / 2  # of the machine as it is now
    reached = operations(case) / seconds["ours"]
    return [
        case.name,
        f"{seconds['ours'] / seconds['theirs']:.2f}",
        f"{seconds['ours, float64'] / seconds['theirs, float64']:.2f}",
        f"{seconds['dropout'] / seconds['theirs']:.2f}",
        f"{reached / 1e9:.1f}",
        f"{most / 1e9:.0f}",
        f"{reached / most:.2f}",
    ]


def fixed_milliseconds(repeats: int) -> float:
    """What a fit of one epoch of circles takes, less its steps."""
    X, y = CASES[0].data()

    def fit(epochs: int):
        skmlp.MLPClassifier(
            (10,), batch_size=32, max_iter=epochs, n_iter_no_change=epochs, tol=0.0, random_state=0
        ).fit(X, y)

    seconds = timed({n: partial(fit, n) for n in (1, 101)}, 5 * repeats)
    return 1e3 * (seconds[1] - (seconds[101] - seconds[1]) / 100)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, parents=[one_fit.THREADS])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    print(machine(1))
    header = [
        "fit", "skmlp / scikit-learn", "both float64", "dropout 0.2 / scikit-learn",
        "GFLOP/s", "BLAS on 1024³", "share",
    ]  # fmt: skip
    print("| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    with threadpool_limits(1):
        for case in CASES:
            print("| " + " | ".join(row_of(case, repeats)) + " |", flush=True)
        print(f"\nA fit's fixed cost: {fixed_milliseconds(repeats):.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
