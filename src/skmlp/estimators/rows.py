"""Small steps between what a user gives and a training task."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse
from numpy.random.bit_generator import ISeedSequence
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import _check_sample_weight

from ..task import Matrix, Rows

Index = np.ndarray | None  # numbers of rows; None: all of them


class _Unseeded(ISeedSequence):
    """For a generator that is seeded at once: NumPy's own entropy takes a fit 0.1 ms."""

    def generate_state(self, n_words, dtype=np.uint32):
        return np.zeros(n_words, dtype)


def fresh_random_state(random_state) -> np.random.RandomState:
    """As `check_random_state`, but None leaves NumPy's global generator alone."""
    if random_state is None:
        return np.random.RandomState(np.random.MT19937())
    if isinstance(random_state, Integral):
        seeded = np.random.RandomState(np.random.MT19937(_Unseeded()))  # type: ignore[arg-type]
        seeded.seed(int(random_state))
        return seeded
    return check_random_state(random_state)


def per_layer(value: Any, n_hidden: int) -> tuple:
    """One value per hidden layer."""
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
        return tuple(value)
    return (value,) * n_hidden


def as_rows(X):
    """Dense rows as they are; sparse ones by row."""
    return X.tocsr() if scipy.sparse.issparse(X) else X


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


def with_weight(weights: np.ndarray | None) -> Index:
    """The rows whose weight is not zero."""
    return None if weights is None or weights.all() else np.flatnonzero(weights)


def take(rows: Rows, index: Index) -> Rows:
    """Some of the rows."""
    if index is None:
        return rows
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


def checked_groups(groups, n_rows: int) -> np.ndarray | None:
    """The group of each row, as a number.

    Raises
    ------
    ValueError
        If there is not one for each row.
    """
    if groups is None:
        return None
    shape = np.shape(groups)
    if len(shape) != 1 and shape[1:] != (1,):
        raise ValueError(f"groups has shape {shape} for {n_rows} rows: give one for each.")
    values = column_or_1d(groups)
    if len(values) != n_rows:
        raise ValueError(f"groups has {len(values)} entries for {n_rows} rows: give one for each.")
    kinds = values.dtype.kind
    missing = [row for row, g in enumerate(values) if is_missing(g)] if kinds in "fcO" else []
    if missing:
        raise ValueError(
            f"groups has {values[missing[0]]} in row {missing[0]}: give each row a group, such as "
            "one of its own where it belongs to none."
        )
    _, numbers = np.unique(values if kinds != "O" else values.astype(str), return_inverse=True)
    return numbers


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, or what pandas has for them."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def held_out(
    rows: Rows,
    index: Index,
    labels: np.ndarray | None,
    fraction: float,
    random_state,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows for training, and of a ``fraction`` (rounded up) for validation.

    Parameters
    ----------
    rows : Rows
    index : Index
        Those of them that are to be dealt to the two parts.
    labels : ndarray of shape (n,) or None
        What both parts have in proportion, where its counts allow it.
    fraction : float
    random_state : numpy.random.RandomState
    groups : ndarray of shape (n,) or None
        Each of these goes to one part as a whole; ``fraction`` is then one of groups.

    Raises
    ------
    ValueError
        If fewer than two rows, or no group, are left for validation, or for training.
    """
    if groups is not None:
        return _held_out_groups(rows, index, groups, fraction, random_state)
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    index = np.arange(len(rows)) if index is None else index
    labels = None if labels is None else labels[index]
    n, n_validation = len(index), int(np.ceil(fraction * len(index)))
    if n_validation < 2 or n - n_validation < 2:
        raise ValueError(
            f"early_stopping=True with validation_fraction={fraction} of {n} rows leaves "
            f"{n - n_validation} rows for training and {n_validation} for validation; both need "
            "at least 2. Change 'validation_fraction', or give X_val and y_val."
        )
    # as train_test_split, which also checks and takes the rows
    stratify = labels is not None and can_stratify(labels, n_validation)
    split = (StratifiedShuffleSplit if stratify else ShuffleSplit)(
        1, test_size=n_validation, train_size=n - n_validation, random_state=random_state
    )
    train, held = next(split.split(np.empty(n), labels))
    return index[np.sort(train)], index[np.sort(held)]


def _held_out_groups(
    rows: Rows, index: Index, groups: np.ndarray, fraction: float, random_state
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.model_selection import GroupShuffleSplit

    index = np.arange(len(rows)) if index is None else index
    groups = groups[index]
    n = len(np.unique(groups))
    n_validation = int(np.ceil(fraction * n))
    train, held = index, index[:0]
    if 0 < n_validation < n:
        split = GroupShuffleSplit(
            1, test_size=n_validation, train_size=n - n_validation, random_state=random_state
        )
        train, held = (index[part] for part in next(split.split(index, groups=groups)))
    if min(len(train), len(held)) < 2:
        raise ValueError(
            f"early_stopping=True with validation_fraction={fraction} of {n} groups leaves "
            f"{len(train)} rows for training and {len(held)} for validation; both need a group "
            "and at least 2 rows. Change 'validation_fraction', or give X_val and y_val."
        )
    return np.sort(train), np.sort(held)


def can_stratify(labels: np.ndarray, n_validation: int) -> bool:
    """Whether each class can have rows on both sides of a split."""
    counts = np.unique(labels, return_counts=True)[1]
    return counts.min() >= 2 and len(counts) <= min(n_validation, len(labels) - n_validation)
