"""Time the first fit on a machine, when its loops are compiled, and the first one of a process.

Each in a process of its own, with an empty cache folder and then with the one that it has left.

    python benchmarks/first_fit.py [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from statistics import median

from one_fit import machine

FIT = """
import sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
import sklearn.neural_network
X = np.random.default_rng(0).normal(size=(200, 5)).astype(sys.argv[1])
y = X[:, 0] > 0
times = []
for _ in range(3):
    start = time.perf_counter()
    from skmlp import MLPClassifier
    MLPClassifier((10,), batch_size=32, max_iter=1, random_state=0).fit(X, y)
    times.append(time.perf_counter() - start)
print(times[0], times[-1])
"""


def first_fits(dtype: str, cache: str, executor: str = "auto") -> tuple[float, float]:
    """Seconds of a process's first fit, imports included, and of its third."""
    settings = {**os.environ, "SKMLP_CACHE_DIR": cache, "SKMLP_EXECUTOR": executor}
    done = subprocess.run(
        [sys.executable, "-c", FIT, dtype], env=settings, capture_output=True, text=True, check=True
    )
    first, third = map(float, done.stdout.split())
    return first, third


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = range(parser.parse_args().repeats)
    print(machine(2))
    print(
        "| dtype | compiled anew | found on disk | by torch | a later fit |\n|---|---|---|---|---|"
    )
    for dtype in ("float32", "float64"):
        new, found, torch, later = [], [], [], []
        for _ in repeats:
            with tempfile.TemporaryDirectory() as cache:
                new.append(first_fits(dtype, cache)[0])
                again = first_fits(dtype, cache)
                found.append(again[0])
                later.append(again[1])
                torch.append(first_fits(dtype, cache, "torch")[0])
        cells = [f"{median(values):.1f} s" for values in (new, found, torch)]
        print(f"| {dtype} | {' | '.join(cells)} | {1e3 * median(later):.1f} ms |", flush=True)


if __name__ == "__main__":
    main()
