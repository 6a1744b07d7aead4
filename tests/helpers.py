"""Small data and tasks that several test files use."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_iris

from skmlp import MLPClassifier, training
from skmlp.network.architecture import Architecture
from skmlp.network.layers import layers_of, slots_of
from skmlp.network.losses import LOSSES, NON_NEGATIVE, POSITIVE
from skmlp.network.mlp import Blocks
from skmlp.task import OptimizerSettings, Rows, TrainingResult, TrainingTask
from skmlp.training import Conductor, conductor, train

LOSSES_OF_LOOPS = [name for name, loss in LOSSES.items() if loss.loop is not None]

OF_PROBLEM = {
    "classes": lambda rng, n: np.eye(3)[rng.integers(0, 3, n)],
    "labels": lambda rng, n: rng.integers(0, 2, (n, 3)).astype(float),
    "numbers": lambda rng, n: rng.normal(size=(n, 3)),
}
OF_DOMAIN = {
    NON_NEGATIVE: lambda rng, n: rng.poisson(2.0, (n, 3)).astype(float),
    POSITIVE: lambda rng, n: rng.gamma(2.0, size=(n, 3)),
}
TARGETS = {
    name: OF_DOMAIN[loss.domain] if loss.domain else OF_PROBLEM[loss.problem]
    for name, loss in LOSSES.items()
}


# Of each option that a loss may have.
RANGES = {
    "huber_delta": (0.3, 2.0),
    "quantile": (0.1, 0.9),
    "tweedie_power": (1.1, 1.9),
    "focal_gamma": (0.0, 3.0),
}


def drawn_options(loss: str, seed: int) -> tuple[float, ...]:
    rng = np.random.default_rng(seed)
    return tuple(float(rng.uniform(*RANGES[name])) for name in LOSSES[loss].options)


OPTIONS = {name: drawn_options(name, 0) for name in LOSSES}
GIVEN = {name: loss.given(OPTIONS[name]) for name, loss in LOSSES.items()}


def random_rows(loss: str = "log_loss", n: int = 40, d: int = 5, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return Rows(X, TARGETS[loss](rng, n), None, np.arange(n))


def make_task(
    *,
    rows: Rows | None = None,
    hidden: tuple[int, ...] = (8, 6),
    activations: tuple[str, ...] | None = None,
    loss: str = "log_loss",
    optimizer: Any = "adam",
    dropout: float = 0.0,
    seed: int = 0,
    max_iter: int = 5,
    settings: dict[str, Any] | None = None,
    **others: Any,
) -> TrainingTask:
    rows = rows or random_rows(loss)
    return TrainingTask(
        train=rows,
        layer_sizes=(
            rows.X.shape[1],
            *hidden,
            LOSSES[loss].n_logits(rows.targets.shape[1], OPTIONS[loss]),
        ),
        activations=activations or ("tanh",) * len(hidden),
        loss=loss,
        optimizer=OptimizerSettings(optimizer, **(settings or {})),
        seed=seed,
        dropout=(dropout,) * len(hidden),
        max_iter=max_iter,
        n_iter_no_change=others.pop("n_iter_no_change", float("inf")),
        batch_size=others.pop("batch_size", 16),
        score=others.pop("score", "accuracy"),
        loss_options=others.pop("loss_options", OPTIONS[loss]),
        **others,
    )


def trained_alone(tasks):
    return [train([task])[0] for task in tasks]


def assert_same(ours, theirs, rtol=1e-9):
    assert isinstance(ours, TrainingResult), ours
    assert ours.n_iter == theirs.n_iter
    assert ours.stopping_reason == theirs.stopping_reason
    np.testing.assert_allclose(ours.loss_curve, theirs.loss_curve, rtol=rtol)
    assert list(ours.arrays.others) == list(theirs.arrays.others)
    for a, b in zip(every_array(ours), every_array(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


def every_array(result):
    coefs, intercepts, others = result.arrays
    return [*coefs, *intercepts, *others.values()]


def blocks_of(n_networks, sizes, dtype=torch.float64, normalization=None):
    """Arrays of networks, without the networks."""
    architecture = Architecture(sizes, ("relu",) * (len(sizes) - 2), normalization=normalization)
    return Blocks(n_networks, slots_of(layers_of(architecture)), torch.empty(0, dtype=dtype))


class Trainings:
    """Counts what is trained while it is there.

    Attributes
    ----------
    sizes : list of int
        How many networks each training was given, in the order in which trainings began.
    most_out : int
        How many at most were waited for at a time in one of them.
    """

    def __init__(self, monkeypatch):
        self.sizes: list[int] = []
        self.most_out = 0
        counts = self

        class Counted(Conductor):
            def __enter__(self):
                self.place = len(counts.sizes)
                counts.sizes.append(0)
                return super().__enter__()

            def add(self, task):
                counts.sizes[self.place] += 1
                ticket = super().add(task)
                counts.most_out = max(counts.most_out, self._n_out)
                return ticket

        for module in (training, conductor):
            monkeypatch.setattr(module, "Conductor", Counted)


def iris():
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order], y[order]


def mlp(**parameters):
    defaults = {"hidden_layer_sizes": (6,), "max_iter": 8, "random_state": 0}
    return MLPClassifier(**{**defaults, "learning_rate_init": 0.02, **parameters})
