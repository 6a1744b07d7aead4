"""Small steps between what a user gives and a training task."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from ..task import Matrix, Rows


def fresh_random_state(random_state) -> np.random.RandomState:
    """As `check_random_state`, but None leaves NumPy's global generator alone."""
    if random_state is None:
        return np.random.RandomState(np.random.MT19937())
    return check_random_state(random_state)


def per_layer(value: Any, n_hidden: int) -> tuple:
    """One value per hidden layer."""
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
        return tuple(value)
    return (value,) * n_hidden


def as_rows(X):
    """Dense rows as they are; sparse ones by row."""
    return X.tocsr() if scipy.sparse.issparse(X) else X


def as_dtype(rows: Rows, dtype: str, suffix: str = "") -> Rows:
    """The same rows, X and targets in the dtype of the arithmetic."""
    X, targets = (
        finite_in(rows.X, dtype, f"X{suffix}"),
        finite_in(rows.targets, dtype, f"y{suffix}"),
    )
    return Rows(X, targets, rows.weights, rows.labels)


def finite_in(array: Matrix, dtype: str, name: str) -> Matrix:
    """The array in another dtype.

    Raises
    ------
    ValueError
        If a value is too large for it.
    """
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    values = converted.data if scipy.sparse.issparse(converted) else converted
    if not np.isfinite(values).all():
        raise ValueError(
            f"{name} has values too large for {dtype} (the largest that fits is "
            f"{np.finfo(dtype).max:.1e}): scale the data, or use dtype='float64'."
        )
    return converted


def check_outputs(logits: np.ndarray) -> None:
    """Raise if a network's outputs have left the range of their dtype: no prediction follows.

    Raises
    ------
    ValueError
    """
    if np.isfinite(logits).all():
        return
    row = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
    raise ValueError(
        f"X has values so large that the network's outputs overflow {logits.dtype} "
        f"(first in row {row}): scale the data as for fitting, or fit with dtype='float64'."
    )


def with_weight(rows: Rows) -> Rows:
    """Without the rows of weight zero."""
    if rows.weights is None or rows.weights.all():
        return rows
    return take(rows, np.flatnonzero(rows.weights))


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
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not np.isfinite(total):
        raise ValueError(f"The sum of {name} overflows float64: divide the weights by a constant.")
    if (weights < 0).any():
        worst = int(weights.argmin())
        raise ValueError(
            f"Negative values in {name}: {name}[{worst}] is {weights[worst]:g}. Weights must be "
            "zero (the row is left out) or positive."
        )
    return weights


def check_product(weights: np.ndarray, class_weight: np.ndarray, product: np.ndarray) -> None:
    """Raise if sample weights times class weights have left the range of float64.

    Raises
    ------
    ValueError
        If their sum is infinite, or a weight that is not zero has become zero.
    """
    with np.errstate(over="ignore"):
        total = product.sum()
    lost = (product == 0) & (weights != 0) & (class_weight != 0)
    if np.isfinite(total) and not lost.any():
        return
    what = "is zero in float64 for some rows" if np.isfinite(total) else "overflows float64"
    raise ValueError(
        f"The product of sample_weight and class_weight {what} (sample_weight is "
        f"{weights.min():.1e} to {weights.max():.1e}, class_weight {class_weight.min():.1e} to "
        f"{class_weight.max():.1e}): divide or multiply the weights by a constant."
    )


def held_out(
    rows: Rows, fraction: float, labels: np.ndarray | None, random_state
) -> tuple[Rows, Rows]:
    """Rows for training, and a ``fraction`` of them (rounded up) for validation.

    Parameters
    ----------
    rows : Rows
    fraction : float
    labels : ndarray of shape (n,) or None
        What both parts have in proportion, where its counts allow it.
    random_state : numpy.random.RandomState

    Raises
    ------
    ValueError
        If fewer than two rows are left for validation, or for training.
    """
    n = len(rows)
    n_validation = int(np.ceil(fraction * n))
    if n_validation < 2 or n - n_validation < 2:
        raise ValueError(
            f"early_stopping=True with validation_fraction={fraction} of {n} rows leaves "
            f"{n - n_validation} rows for training and {n_validation} for validation; both need "
            "at least 2. Change 'validation_fraction', or give X_val and y_val."
        )
    if labels is not None and not can_stratify(labels, n_validation):
        labels = None
    train, held = train_test_split(
        np.arange(n), test_size=n_validation, random_state=random_state, stratify=labels
    )
    return take(rows, np.sort(train)), take(rows, np.sort(held))


def can_stratify(labels: np.ndarray, n_validation: int) -> bool:
    """Whether each class can have rows on both sides of a split."""
    counts = np.unique(labels, return_counts=True)[1]
    return counts.min() >= 2 and len(counts) <= min(n_validation, len(labels) - n_validation)
