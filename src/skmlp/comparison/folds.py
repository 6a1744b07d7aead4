"""The folds of a comparison: drawn once, used by every contestant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)

from .dataset import Dataset
from .errors import InputError

__all__ = ["Fold", "make_folds"]

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Fold:
    """One outer fold and the inner folds of its training rows.

    Parameters
    ----------
    train, test : ndarray of int
        Row numbers in the data set.
    inner : tuple of (ndarray, ndarray)
        Training and validation positions, counted within `train`.
    """

    train: np.ndarray
    test: np.ndarray
    inner: tuple[Split, ...] = ()


def make_folds(
    dataset: Dataset, cv: Any = 5, inner_cv: Any = 3, random_state: int = 0
) -> tuple[Fold, ...]:
    """Draw the outer folds and, within each training set, the inner ones.

    Parameters
    ----------
    dataset : Dataset
    cv : int, splitter or iterable of (train, test)
        A number of folds is shuffled, stratified for classes, and keeps groups together. A
        splitter of scikit-learn may repeat (RepeatedStratifiedKFold).
    inner_cv : int, splitter or None
        The same inside each training set, for tuning; None draws no inner folds. A number
        becomes TimeSeriesSplit where ``cv`` is one.
    random_state : int
        Seed of the shuffling.

    Raises
    ------
    InputError
        If there are too few rows, groups or rows of a class, or a split is not one.

    Examples
    --------
    >>> from skmlp.comparison import load_dataset, make_folds
    >>> folds = make_folds(load_dataset("circles"), cv=4)
    >>> [len(fold.test) for fold in folds]
    [250, 250, 250, 250]
    """
    if isinstance(inner_cv, Integral) and isinstance(cv, TimeSeriesSplit):
        inner_cv = TimeSeriesSplit(int(inner_cv))
    if isinstance(cv, Integral) and not isinstance(cv, bool):
        _check_counts(dataset, int(cv), inner_cv)
    rows = np.arange(len(dataset.y))
    outer = _splits(dataset, rows, cv, "cv", random_state)
    return tuple(
        Fold(
            train,
            test,
            () if inner_cv is None else _splits(dataset, train, inner_cv, "inner_cv", random_state),
        )
        for train, test in outer
    )


def _splits(
    dataset: Dataset, rows: np.ndarray, cv: Any, name: str, random_state: int
) -> tuple[Split, ...]:
    """Positions within ``rows``, materialized and checked."""
    y = dataset.y[rows]
    groups = None if dataset.groups is None else dataset.groups[rows]
    try:
        found = tuple(
            (np.asarray(train), np.asarray(test))
            for train, test in _draw(cv, y, groups, dataset.task, name, random_state)
        )
    except InputError:
        raise
    except (ValueError, TypeError) as error:
        way_out = dataset.or_regression if "class" in str(error) else ""
        raise InputError(
            f"{name}={cv!r} cannot split these rows: {str(error).rstrip('.')}.{way_out}"
        ) from error
    found = tuple((_positions(train), _positions(test)) for train, test in found)
    _check_splits(found, y, dataset, name)
    _check_groups(found, groups, name)
    if dataset.sample_weight is not None:
        _check_weights(found, dataset.sample_weight[rows], name)
    return found


def _positions(split: np.ndarray) -> np.ndarray:
    return np.flatnonzero(split) if split.dtype == bool else split


def _draw(
    cv: Any, y: np.ndarray, groups: np.ndarray | None, task: str, name: str, seed: int
) -> Iterable[Split]:
    if isinstance(cv, Integral) and not isinstance(cv, bool):
        cv = _splitter(_at_least_two(int(cv), name), groups is not None, task, seed)
    if hasattr(cv, "split") and not isinstance(cv, str):
        return cv.split(np.zeros((len(y), 1)), y, groups)
    if isinstance(cv, Iterable) and not isinstance(cv, str):
        return cv
    raise InputError(
        f"Got {name}={cv!r}, but expected a number of folds, a splitter of scikit-learn or pairs "
        "of row numbers."
    )


def _at_least_two(folds: int, name: str) -> int:
    if folds < 2:
        raise InputError(
            f"Got {name}={folds}, but cross-validation needs at least 2 folds: choose 3 to 10."
        )
    return folds


def _splitter(folds: int, grouped: bool, task: str, seed: int) -> Any:
    if task == "classification":
        kind = StratifiedGroupKFold if grouped else StratifiedKFold
    else:
        kind = GroupKFold if grouped else KFold
    return kind(folds, shuffle=True, random_state=seed)


def _check_counts(dataset: Dataset, folds: int, inner_cv: Any) -> None:
    """Enough rows, groups and rows of each class for a number of folds."""
    _at_least_two(folds, "cv")
    n, inner = len(dataset.y), int(inner_cv) if isinstance(inner_cv, Integral) else 1
    if n < folds or n - -(-n // folds) < inner:
        raise InputError(
            f"{dataset.name} has only {_rows(n)}, too few for {folds} folds"
            f"{_with_inner(inner)}: use fewer folds or more rows."
        )
    if dataset.groups is not None:
        count = len(np.unique(dataset.groups))
        if count < folds or count - -(-count // folds) < inner:
            raise InputError(
                f"{dataset.name} has only {count} groups, too few for {folds} folds"
                f"{_with_inner(inner)}: use fewer folds."
            )
    elif dataset.task == "classification":
        _check_class_sizes(dataset, folds, inner)


def _check_class_sizes(dataset: Dataset, folds: int, inner: int) -> None:
    counts = np.bincount(dataset.codes)
    rarest = int(counts.argmin())
    # An outer training set misses at most ceil(n / folds) rows of a class of n rows.
    left = counts[rarest] - -(-counts[rarest] // folds)
    if counts[rarest] < folds or left < inner:
        raise InputError(
            f"Class {dataset.classes[rarest]!r} of {dataset.name} has only "
            f"{_rows(counts[rarest])}, too few for {folds} folds{_with_inner(inner)}: use fewer "
            f"folds, add rows, or merge or remove the class.{dataset.or_regression}"
        )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _with_inner(inner: int) -> str:
    return f" with {inner} inner folds each" if inner > 1 else ""


def _check_splits(splits: tuple[Split, ...], y: np.ndarray, dataset: Dataset, name: str) -> None:
    if not splits:
        raise InputError(f"{name} has no folds.")
    for number, (train, test) in enumerate(splits, start=1):
        where = f"Fold {number} of {name}"
        if len(train) == 0 or len(test) == 0:
            raise InputError(f"{where} has no {'test' if len(train) else 'training'} rows.")
        both = np.concatenate([train, test])
        if both.dtype.kind not in "iu" or both.min() < 0 or both.max() >= len(y):
            raise InputError(f"{where} has row numbers outside 0 to {len(y) - 1}.")
        shared = np.intersect1d(train, test)
        if len(shared):
            raise InputError(f"{where} has row {shared[0]} on both sides: scores would flatter.")
        if dataset.task == "classification":
            _check_classes(y[train], y[test], where, dataset.or_regression)


def _check_groups(splits: tuple[Split, ...], groups: np.ndarray | None, name: str) -> None:
    if groups is None:
        return
    for number, (train, test) in enumerate(splits, start=1):
        shared = np.intersect1d(groups[train], groups[test])
        if len(shared):
            raise InputError(
                f"Fold {number} of {name} has group {shared.tolist()[0]!r} on both sides: scores "
                f"would flatter. Give a number of folds as {name}, or a splitter that keeps "
                "groups together, such as GroupKFold()."
            )


def _check_weights(splits: tuple[Split, ...], weights: np.ndarray, name: str) -> None:
    for number, split in enumerate(splits, start=1):
        for rows, side in zip(split, ("training", "test"), strict=True):
            if not weights[rows].any():
                raise InputError(
                    f"The {side} rows of fold {number} of {name} all have sample_weight 0: leave "
                    "out rows without weight, or use fewer folds."
                )


def _check_classes(train: np.ndarray, test: np.ndarray, where: str, other_way_out: str) -> None:
    unseen = np.setdiff1d(test, train)
    if len(unseen):
        raise InputError(
            f"{where} has no training rows of class {unseen.tolist()[0]!r}: choose other folds, "
            f"or merge or remove the class.{other_way_out}"
        )
