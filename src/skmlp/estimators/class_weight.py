"""The weights of a classifier's rows: those of their classes, times their own.

y is (n,), one label per row, an indicator matrix (n, m) of m labels, or (n, k) labels of k columns;
of several columns the weights are multiplied.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import compute_class_weight

from .rows import check_product

_OWNER = "The 'class_weight' parameter of MLPClassifier"


def weighted_by_class(
    class_weight: Any,
    y: np.ndarray,
    classes: np.ndarray | list[np.ndarray],
    sample_weight: np.ndarray | None,
) -> np.ndarray:
    """Sample weights times class weights, of shape (n,).

    Raises
    ------
    ValueError
        If the class weights do not fit the classes, leave no row any weight, or take the product
        out of the range of float64.
    """
    _check(class_weight, classes, multilabel=y.ndim == 2)
    columns = y.T if y.ndim == 2 else [y]
    weights = np.ones(len(y)) if sample_weight is None else sample_weight
    with np.errstate(over="ignore", under="ignore"):
        by_column = [
            _of_column(class_weight[j] if isinstance(class_weight, list) else class_weight, *pair)
            for j, pair in enumerate((column, sample_weight) for column in columns)
        ]
        by_class = np.prod(by_column, axis=0)
        product = weights * by_class
    check_product(weights, by_class, product)
    if not product.any():
        raise ValueError(
            f"{_OWNER} must not give every row the weight zero. Got {class_weight!r} instead."
        )
    return product


def _of_column(given: Any, column: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray:
    """Class weight of each row, by one column of y."""
    present = np.unique(column)
    if isinstance(given, dict):
        by_class = np.array([given.get(label, 1.0) for label in present], dtype=np.float64)
    else:
        by_class = compute_class_weight(
            given, classes=present, y=column, sample_weight=sample_weight
        )
    return by_class[np.searchsorted(present, column)]


def _check(given: Any, classes: Any, *, multilabel: bool) -> None:
    """Raise unless the weights belong to the classes and are numbers of at least zero."""
    if isinstance(given, list) != (multilabel and given != "balanced"):
        raise ValueError(
            f"{_OWNER} must be a dict or 'balanced' for one label per row, and a list with a dict "
            f"per column or 'balanced' for y of several columns. Got {given!r} instead."
        )
    if isinstance(given, list) and len(given) != len(classes):
        raise ValueError(
            f"{_OWNER} must have one dict per column ({len(classes)}). Got {given!r} instead."
        )
    dicts = given if isinstance(given, list) else [given] if isinstance(given, dict) else []
    values = [value for each in dicts for value in each.values()]
    if not all(isinstance(v, Real) and 0 <= float(v) < np.inf for v in values):
        raise ValueError(
            f"{_OWNER} must give finite weights of at least zero. Got {given!r} instead."
        )
    known = classes if isinstance(classes, list) else [classes]
    for each, its_classes in zip(dicts, known, strict=False):
        unknown = [label for label in each if label not in its_classes]
        if unknown and not (multilabel and known is not classes):
            raise ValueError(
                f"{_OWNER} has weights for {unknown!r}, but the classes are {its_classes!r}."
            )
