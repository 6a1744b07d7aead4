"""Time one fit: scikit-learn's MLP, a skorch net, a plain torch loop and skmlp, side by side.

Equal work: same shapes, batches, epochs, dtype (float32), Adam, and threads. The skorch net has
torch.optim.Adam as it comes, the torch loop its fused kernel; skmlp trains by compiled loops, and
once more by its torch executor. All contenders of a case take turns in one process; figures are
medians and ratios of medians.

    python benchmarks/one_fit.py [--repeats 5] [--threads 1] [--markdown]
"""

from __future__ import annotations

import argparse
import os
import sys

THREADS = argparse.ArgumentParser(add_help=False)
THREADS.add_argument("--threads", type=int, default=1)
if __name__ == "__main__":  # before NumPy and torch are loaded
    os.environ["OMP_NUM_THREADS"] = str(THREADS.parse_known_args()[0].threads)

import platform  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from functools import partial  # noqa: E402
from itertools import pairwise  # noqa: E402
from statistics import median  # noqa: E402
from time import perf_counter  # noqa: E402

import numpy as np  # noqa: E402
import skorch  # noqa: E402
import torch  # noqa: E402
from sklearn import __version__ as sklearn_version  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_digits, make_circles  # noqa: E402
from sklearn.neural_network import MLPClassifier as SklearnMLP  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

import skmlp  # noqa: E402


@dataclass(frozen=True)
class Case:
    """One shape of work."""

    name: str
    data: Callable[[], tuple[np.ndarray, np.ndarray]]
    hidden: tuple[int, ...]
    batch_size: int
    epochs: int


def circles():
    X, y = make_circles(1000, noise=0.15, factor=0.5, random_state=0)
    return X.astype(np.float32), y


def breast_cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X).astype(np.float32), y


def digits():
    X, y = load_digits(return_X_y=True)
    return StandardScaler().fit_transform(X).astype(np.float32), y


def random_rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(20_000, 50)).astype(np.float32), rng.integers(0, 5, 20_000)


CASES = [
    Case("circles 2-10-2, batch 32", circles, (10,), 32, 30),
    Case("breast cancer 30-50-2, batch 32", breast_cancer, (50,), 32, 30),
    Case("digits 64-100-10, batch 64", digits, (100,), 64, 15),
    Case("digits 64-100-10, batch 200", digits, (100,), 200, 30),
    Case("digits 64-256-256-10, batch 128", digits, (256, 256), 128, 10),
    Case("random 50-256-256-5, batch 256", random_rows, (256, 256), 256, 5),
]


def module_of(case: Case, X: np.ndarray, y: np.ndarray) -> torch.nn.Sequential:
    sizes = [X.shape[1], *case.hidden, int(y.max()) + 1]
    layers: list[torch.nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def fit_sklearn(case: Case, X, y):
    return SklearnMLP(**_parameters(case)).fit(X, y)


def fit_skmlp(case: Case, X, y, executor: str = "auto"):
    with skmlp.config(executor=executor):
        return skmlp.MLPClassifier(**_parameters(case)).fit(X, y)


def _parameters(case: Case) -> dict:
    return {
        "hidden_layer_sizes": case.hidden,
        "batch_size": case.batch_size,
        "max_iter": case.epochs,
        "tol": 0.0,
        "n_iter_no_change": case.epochs,
        "random_state": 0,
    }


def skorch_net(case: Case, X, y) -> skorch.NeuralNetClassifier:
    return skorch.NeuralNetClassifier(
        module_of(case, X, y),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=case.epochs,
        batch_size=case.batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def fit_skorch(case: Case, X, y):
    return skorch_net(case, X, y).fit(X, y.astype(np.int64))


def fit_torch(case: Case, X, y):
    net = module_of(case, X, y)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
    rows, labels = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(case.epochs):
        order = torch.randperm(len(rows))
        shuffled, targets = rows[order], labels[order]
        for begin in range(0, len(rows), case.batch_size):
            part = slice(begin, begin + case.batch_size)
            loss = torch.nn.functional.cross_entropy(net(shuffled[part]), targets[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net


CONTENDERS = {
    "scikit-learn": fit_sklearn,
    "skorch": fit_skorch,
    "torch loop": fit_torch,
    "skmlp by torch": partial(fit_skmlp, executor="torch"),
    "skmlp": fit_skmlp,
}


def timed(actions: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each action; they take turns, so that noise hits all alike."""
    for action in actions.values():
        action()
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            start = perf_counter()
            action()
            times[name].append(perf_counter() - start)
    return {name: median(values) for name, values in times.items()}


def time_fits(case: Case, repeats: int) -> list[str]:
    X, y = case.data()
    actions = {name: lambda fit=fit: fit(case, X, y) for name, fit in CONTENDERS.items()}
    seconds = timed(actions, repeats)
    steps = case.epochs * -(-len(X) // case.batch_size)
    row = [f"fit {case.name}", *(f"{1e6 * s / steps:.0f} µs" for s in seconds.values())]
    return row + ratios(seconds)


def time_predictions(case: Case, repeats: int) -> list[str]:
    X, y = case.data()
    rows = X[np.random.default_rng(0).integers(0, len(X), 100_000)]
    models = {name: CONTENDERS[name](case, X, y) for name in ("scikit-learn", "skmlp")}
    seconds = timed({name: lambda m=m: m.predict(rows) for name, m in models.items()}, repeats)
    cells = [f"{1e3 * seconds[n]:.0f} ms" if n in seconds else "" for n in CONTENDERS]
    return [f"predict 100,000 rows, {case.name.split(',')[0]}", *cells, *ratios(seconds)]


def ratios(seconds: dict[str, float]) -> list[str]:
    others = [name for name in CONTENDERS if name != "skmlp"]
    return [f"{seconds['skmlp'] / seconds[name]:.2f}" if name in seconds else "" for name in others]


def machine(threads: int) -> str:
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            cpu = next((s.split(":")[1].strip() for s in lines if "model name" in s), cpu)
    return (
        f"{cpu}, {os.cpu_count()} cores, {threads} thread(s); Python {platform.python_version()}, "
        f"scikit-learn {sklearn_version}, torch {torch.__version__}, skorch {skorch.__version__}, "
        f"skmlp {skmlp.__version__}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, parents=[THREADS])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(arguments.threads)
    header = ["case", *CONTENDERS, *(f"skmlp / {n}" for n in CONTENDERS if n != "skmlp")]
    print(machine(arguments.threads))
    print(f"median of {arguments.repeats}; fits: time per step\n")
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    with threadpool_limits(arguments.threads):
        for case in CASES:
            print("| " + " | ".join(time_fits(case, arguments.repeats)) + " |", flush=True)
        for case in {case.name.split(",")[0]: case for case in CASES}.values():
            print("| " + " | ".join(time_predictions(case, arguments.repeats)) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
