"""Time and peak memory of a fit on sparse rows: scikit-learn's MLP and skmlp, by either executor.

Equal work: the same CSR rows, shape, batches, epochs, dtype (float64), Adam, one thread. The
contenders take turns in one process; times are medians, and ratios those of one repetition. The
memory is the largest growth of the process during a fit, the parameters included: scikit-learn and
skmlp keep them with their gradient and Adam's two moments.

    python benchmarks/sparse.py [--repeats 5] [--rows 20000] [--columns 50000] [--nonzeros 50]
"""

from __future__ import annotations

import argparse
import warnings
from functools import partial
from statistics import median

import numpy as np
import scipy.sparse
from fused_search import median_ratio
from one_fit import Case, fit_sklearn, fit_skmlp, machine
from threadpoolctl import threadpool_limits

from skmlp.comparison.measurement import measure

CONTENDERS = {
    "scikit-learn": fit_sklearn,
    "skmlp by torch": partial(fit_skmlp, executor="torch"),
    "skmlp": fit_skmlp,
}


def sparse_rows(n: int, d: int, nonzeros: int):
    """CSR rows with as many nonzeros each, and classes that depend on them."""
    rng = np.random.default_rng(0)
    indices = rng.integers(0, d, n * nonzeros, dtype=np.int32)
    indptr = nonzeros * np.arange(n + 1, dtype=np.int32)
    X = scipy.sparse.csr_matrix((rng.normal(size=indices.size), indices, indptr), (n, d))
    X.sum_duplicates()
    return X, (X @ rng.normal(size=d) > 0).astype(int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    for name, value in (("rows", 20_000), ("columns", 50_000), ("nonzeros", 50)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    X, y = sparse_rows(given.rows, given.columns, given.nonzeros)
    case = Case("sparse", lambda: (X, y), (20,), 200, 2)
    parameters = 8 * (20 * (given.columns + 1) + 21)
    print(machine(1))
    print(
        f"{given.rows} x {given.columns} rows with {given.nonzeros} nonzeros, hidden layer of 20, "
        f"batch 200, 2 epochs: dense rows {8e-6 * given.rows * given.columns:.0f} MB, sparse "
        f"{1e-6 * (X.data.nbytes + X.indices.nbytes):.0f} MB, parameters {1e-6 * parameters:.0f} MB"
    )
    found: dict[str, list] = {name: [] for name in CONTENDERS}
    with threadpool_limits(1):
        for repeat in range(1 + given.repeats):
            for name, fit in CONTENDERS.items():
                with measure() as measured:
                    fit(case, X, y)
                if repeat:  # the first compiles
                    found[name].append(measured)
    seconds = {name: [m.seconds for m in several] for name, several in found.items()}
    print("\n| | seconds | peak memory | skmlp / it |\n|---|---|---|---|")
    for name, several in found.items():
        peak = 1e-6 * median(m.peak_bytes for m in several)
        ratio = median_ratio(seconds["skmlp"], seconds[name])
        print(f"| {name} | {median(seconds[name]):.2f} s | {peak:.0f} MB | {ratio:.2f} |")


if __name__ == "__main__":
    main()
