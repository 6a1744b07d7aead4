"""Cost and memory of a fused training against the number of networks K.

K networks of 2-10-2 (circles, 800 of 1000 rows each, batches of 32, Adam, float32) train for some
epochs in `skmlp.fused()`, through scikit-learn's `cross_validate`. Each K runs in a process of
its own, whose peak memory is compared with what it held before; one process also measures what
fusion adds to a fit that trains nothing.

    python benchmarks/scaling.py [--epochs 10] [--networks 1 8 64 512 4096]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import warnings
from statistics import median
from time import perf_counter

from joblib import Parallel, delayed
from one_fit import circles, machine
from sklearn.base import clone
from sklearn.model_selection import ShuffleSplit, cross_validate

import skmlp
from skmlp import training


def peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(n_networks: int, epochs: int) -> dict[str, float]:
    X, y = circles()
    model = skmlp.MLPClassifier(
        (10,), batch_size=32, max_iter=epochs, n_iter_no_change=epochs, tol=0.0, random_state=0
    )
    outcome, seconds = training.Conductor.outcome, []

    def noted(conductor, ticket):
        result = outcome(conductor, ticket)
        seconds.append(result.seconds)
        return result

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)  # imports torch
        before = peak_bytes()
        training.Conductor.outcome = noted
        start = perf_counter()
        with skmlp.fused():
            cross_validate(model, X, y, cv=ShuffleSplit(n_networks, test_size=0.2, random_state=0))
        whole = perf_counter() - start
    steps = n_networks * epochs * 25
    return {
        "K": n_networks,
        "step": sum(seconds) / steps,
        "whole": whole / n_networks,
        "memory": (peak_bytes() - before) / n_networks,
    }


def untrained(estimator: skmlp.MLPClassifier, X, y) -> int:
    """A fit whose training takes no time, so that what is around it remains."""
    return len(clone(estimator).fit(X, y).coefs_)


def overhead(n_fits: int = 120, repeats: int = 5) -> float:
    """Seconds that fusion adds to a fit: threads, meeting, hand-over."""
    X, y = circles()
    model = skmlp.MLPClassifier((10,), max_iter=1, random_state=0)
    (result,) = training.train([captured_task(model, X, y)])
    training.Conductor.add = lambda conductor, task: None
    training.Conductor.outcome = lambda conductor, ticket: result
    differences = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(repeats):
            start = perf_counter()
            for _ in range(n_fits):
                untrained(model, X, y)
            alone = perf_counter() - start
            start = perf_counter()
            with skmlp.fused():
                Parallel()(delayed(untrained)(model, X, y) for _ in range(n_fits))
            differences.append((perf_counter() - start - alone) / n_fits)
    return median(differences)


def captured_task(model: skmlp.MLPClassifier, X, y):
    """The task that a fit hands to training."""
    found, add = [], training.Conductor.add

    def capture(conductor, task):
        found.append(task)
        return add(conductor, task)

    training.Conductor.add = capture
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clone(model).fit(X, y)
    finally:
        training.Conductor.add = add
    return found[0]


def in_a_process(*arguments: str) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--networks", type=int, nargs="*", default=[1, 8, 64, 512, 4096])
    parser.add_argument("--one", type=int, help="measure this K here, and print JSON")
    parser.add_argument("--overhead", action="store_true", help="only this, as JSON")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.epochs)))
        return
    if arguments.overhead:
        print(json.dumps({"overhead": overhead()}))
        return
    print(machine(2))
    print("| networks K | a network's step, on its core | all, a network | memory a network |")
    print("|---|---|---|---|")
    for n in arguments.networks:
        found = in_a_process("--one", str(n), "--epochs", str(arguments.epochs))
        print(
            f"| {n} | {1e6 * found['step']:.1f} µs | {1e3 * found['whole']:.2f} ms "
            f"| {found['memory'] / 1024:.0f} kB |",
            flush=True,
        )
    added = in_a_process("--overhead")["overhead"]
    print(f"\nFusion adds {1e3 * added:.2f} ms to a fit (threads, meeting, hand-over).")


if __name__ == "__main__":
    main()
