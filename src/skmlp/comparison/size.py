"""How large a fitted model is: the numbers it has to store to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Size", "fitted_parts", "model_size"]


@dataclass(frozen=True)
class Size:
    """A count of numbers, and what they are.

    Attributes
    ----------
    count : float
        NaN where nobody knows.
    unit : str
        "parameters", "support vectors × features", or "" for unknown.
    """

    count: float
    unit: str


SUPPORT_VECTORS = "support vectors × features"  # noqa: RUF001

UNKNOWN = Size(float("nan"), "")


def model_size(fitted: Any) -> Size:
    """Count what a fitted model stores.

    Networks and linear models: weights and intercepts, and what else predictions need. Kernel
    machines: support vectors times features. A model of several parts is the sum of those that are
    known, under the unit of the last. Of others (trees, neighbours) nothing is known.

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> from skmlp.comparison.size import model_size
    >>> model_size(SVC(kernel="linear").fit([[0.0, 0.0], [1.0, 1.0], [9.0, 9.0]], [0, 1, 1]))
    Size(count=4.0, unit='support vectors × features')
    """
    for attributes, unit in COUNTED:
        if all(hasattr(fitted, name) for name in attributes):
            return Size(float(sum(_count(getattr(fitted, name)) for name in attributes)), unit)
    for find in HOLDERS:
        held = find(fitted)
        if held:
            return _sum([model_size(part) for part in held])
    return UNKNOWN


# Attributes that a fitted model stores, the first that fit count; a linear SVC has coef_ too.
COUNTED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("coefs_", "intercepts_", "parameters_"), "parameters"),
    (("coefs_", "intercepts_"), "parameters"),
    (("support_vectors_",), SUPPORT_VECTORS),
    (("coef_", "intercept_"), "parameters"),
    (("components_", "normalization_"), "parameters"),
)


def _steps(fitted: Any) -> Sequence[Any]:
    return [step for _, step in getattr(fitted, "steps", [])]


def _held(*names: str) -> Callable[[Any], Sequence[Any]]:
    """What is behind a chain of attributes."""

    def find(fitted: Any) -> Sequence[Any]:
        for name in names:
            fitted = getattr(fitted, name, None)
            fitted = fitted[0] if isinstance(fitted, list) and len(fitted) == 1 else fitted
        return [] if fitted is None else [fitted]

    return find


# Where a fitted model keeps the models it is made of.
HOLDERS: tuple[Callable[[Any], Sequence[Any]], ...] = (
    _steps,
    _held("regressor_"),
    _held("best_estimator_"),
    _held("calibrated_classifiers_", "estimator"),
)


def fitted_parts(fitted: Any) -> Iterator[Any]:
    """A fitted model and the fitted models it is made of, however deep."""
    yield fitted
    for find in HOLDERS:
        for part in find(fitted):
            yield from fitted_parts(part)


# What a network counts in training is nothing that it needs to predict.
_OF_TRAINING = "counts."


def _count(value: Any) -> int:
    if isinstance(value, dict):
        value = [array for name, array in value.items() if not name.startswith(_OF_TRAINING)]
    values = value if isinstance(value, (list, tuple)) else [value]
    # a sparse matrix counts by its shape
    return int(sum(np.prod(np.shape(part)) for part in values))


def _sum(sizes: Sequence[Size]) -> Size:
    known = [size for size in sizes if size.unit]
    return Size(sum(size.count for size in known), known[-1].unit) if known else UNKNOWN
