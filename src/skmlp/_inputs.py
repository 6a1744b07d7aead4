"""Small steps between what a user gives and a training task."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from ._task import Rows


def fresh_random_state(random_state) -> np.random.RandomState:
    """As `check_random_state`, but None leaves NumPy's global generator alone."""
    if random_state is None:
        return np.random.RandomState(np.random.MT19937())
    return check_random_state(random_state)


def per_layer(value: Any, n_hidden: int) -> tuple:
    """One value per hidden layer."""
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(value)
    return (value,) * n_hidden


def as_rows(X):
    """Dense rows as they are; sparse ones by row."""
    return X.tocsr() if scipy.sparse.issparse(X) else X


def as_dtype(rows: Rows, dtype: str) -> Rows:
    """The same rows, X and targets in the dtype of the arithmetic."""
    return Rows(
        rows.X.astype(dtype, copy=False),
        rows.targets.astype(dtype, copy=False),
        rows.weights,
        rows.labels,
    )


def take(rows: Rows, index: np.ndarray) -> Rows:
    """Some of the rows."""
    weights = None if rows.weights is None else rows.weights[index]
    return Rows(rows.X[index], rows.targets[index], weights, rows.labels[index])


def checked_weights(sample_weight, X, name: str) -> np.ndarray | None:
    """Weights (n,) in float64, none negative, not all zero.

    Raises
    ------
    ValueError
    """
    if sample_weight is None:
        return None
    if not np.asarray(sample_weight).any():
        raise ValueError(f"All {name} are zero: at least one row needs a positive weight.")
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if (weights < 0).any():
        worst = int(weights.argmin())
        raise ValueError(
            f"Negative values in {name}: {name}[{worst}] is {weights[worst]:g}. Weights must be "
            "zero (the row is left out) or positive."
        )
    return weights


def can_stratify(labels: np.ndarray, n_validation: int) -> bool:
    """Whether each class can have rows on both sides of a split."""
    counts = np.unique(labels, return_counts=True)[1]
    return counts.min() >= 2 and len(counts) <= min(n_validation, len(labels) - n_validation)
