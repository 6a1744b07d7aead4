"""Data sets that have a name: generated, bundled with scikit-learn, or on OpenML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

from .dataset import Dataset, make_dataset
from .errors import InputError

__all__ = ["NAMED", "load_dataset"]

OPENML = "openml:"
MNIST = 554  # mnist_784, flat


def _generated(maker: str, **parameters: Any) -> Callable[[str], Dataset]:
    def load(name: str) -> Dataset:
        X, y = getattr(datasets, maker)(random_state=0, **parameters)
        return _planar(name, X, y, f"sklearn.datasets.{maker}({_call(parameters)}random_state=0)")

    return load


def _call(parameters: dict[str, Any]) -> str:
    return "".join(f"{name}={value!r}, " for name, value in parameters.items())


def _planar(name: str, X: np.ndarray, y: np.ndarray, source: str) -> Dataset:
    frame = pd.DataFrame(X, columns=["x1", "x2"])
    return make_dataset(frame, y, task="classification", name=name, source=source)


def make_spirals(
    n_samples: int = 1000, noise: float = 0.5, turns: float = 1.5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Two spirals that wind around each other.

    A point of the first is r·(cos φ, sin φ) with φ = 2π·turns·u, r = 10·u and u = √uniform, so
    that the points are spread evenly along the arms; the second is its mirror image through the
    origin. Normal noise is added.

    Examples
    --------
    >>> from skmlp.comparison.named import make_spirals
    >>> X, y = make_spirals(10)
    >>> X.shape, y.tolist()
    ((10, 2), [0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
    """
    rng = np.random.default_rng(seed)
    y = np.arange(n_samples) % 2
    u = np.sqrt(rng.uniform(size=n_samples))
    angle = 2 * np.pi * turns * u
    arm = 10 * u[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.where(y[:, None] == 0, arm, -arm) + rng.normal(scale=noise, size=(n_samples, 2)), y


def _spirals(name: str) -> Dataset:
    return _planar(name, *make_spirals(), "skmlp.comparison.named.make_spirals()")


def _bundled(loader: str, task: str = "classification") -> Callable[[str], Dataset]:
    def load(name: str) -> Dataset:
        bunch = getattr(datasets, loader)(as_frame=True)
        y = bunch.target.to_numpy()
        if task == "classification":
            y = np.asarray(bunch.target_names)[y]
        return make_dataset(
            bunch.data, y, task=task, name=name, source=f"sklearn.datasets.{loader}()"
        )

    return load


NAMED: dict[str, Callable[[str], Dataset]] = {
    "circles": _generated("make_circles", n_samples=1000, noise=0.15, factor=0.5),
    "moons": _generated("make_moons", n_samples=1000, noise=0.25),
    "spirals": _spirals,
    "blobs": _generated("make_blobs", n_samples=1000, centers=4, cluster_std=1.5),
    "digits": _bundled("load_digits"),
    "breast_cancer": _bundled("load_breast_cancer"),
    "wine": _bundled("load_wine"),
    "iris": _bundled("load_iris"),
    "diabetes": _bundled("load_diabetes", "regression"),
    "mnist": lambda name: _fetch(MNIST, None, "classification", name),
}


def load_dataset(name: str, target: str | None = None, task: str | None = None) -> Dataset:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        "circles", "moons", "spirals", "blobs", "digits", "breast_cancer", "wine", "iris",
        "diabetes", "mnist", or "openml:ID" with the number of any data set of OpenML. Case does
        not matter, and ``-`` may stand for ``_``. What is fetched is kept in scikit-learn's data
        folder and not fetched again.
    target, task : str, default=None
        Column to predict and kind of task, for OpenML; None takes what OpenML says, and guesses.

    Raises
    ------
    InputError
        If there is no such data set, or it cannot be fetched.

    Examples
    --------
    >>> from skmlp.comparison import load_dataset
    >>> load_dataset("circles").X.shape
    (1000, 2)
    """
    plain = name.lower().replace("-", "_")
    if plain.startswith(OPENML):
        return _fetch(_openml_number(name), target, task, plain)
    load = NAMED.get(plain)
    if load is None:
        raise InputError(
            f"Unknown data set {name!r}: choose from {', '.join(NAMED)}, openml:ID, or give a "
            ".csv or .parquet file."
        )
    return load(plain)


def _openml_number(name: str) -> int:
    number = name[len(OPENML) :]
    if not number.isdigit():
        raise InputError(f"Got {name!r}, but expected a number after 'openml:', such as openml:61.")
    return int(number)


def _fetch(number: int, target: str | None, task: str | None, name: str) -> Dataset:
    wanted = {} if target is None else {"target_column": target}
    try:
        bunch = datasets.fetch_openml(data_id=number, as_frame=True, parser="auto", **wanted)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"Data set {number} of OpenML cannot be fetched "
            f"({type(error).__name__}: {error}): check the number and the network."
        ) from error
    if bunch.target is None:
        raise InputError(f"Data set {number} of OpenML has no target: name one with --target.")
    source = f"sklearn.datasets.fetch_openml(data_id={number})"
    return make_dataset(bunch.data, bunch.target, task=task, name=name, source=source)
