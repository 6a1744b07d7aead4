"""What ``y`` means to an estimator: y in, as the targets of a loss; logits out, as predictions.

n rows, m targets. What is learned from y are attributes of the estimator; the objects here are
made from them when they are needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ..network.losses import LOSSES, Problem
from .prediction import mean_of
from .rows import finite_in


class Targets(ABC):
    """What the outputs of an estimator mean.

    Attributes
    ----------
    loss : str
        A key of `LOSSES`, of a loss for this ``problem``.
    n_outputs : int
        m.
    classes : ndarray or None
        Labels of a classifier.
    probabilities : callable or None
        Of a classifier, from logits.
    """

    problem: ClassVar[Problem]
    loss: str
    n_outputs: int
    classes: np.ndarray | None = None
    probabilities: Callable[[np.ndarray], np.ndarray] | None = None

    @abstractmethod
    def encoded(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        """``y`` as numbers, one for each label where there is one per row.

        Raises
        ------
        ValueError
            If ``y`` does not fit what was seen at first.
        """

    @abstractmethod
    def expanded(self, encoded: np.ndarray, dtype: str, suffix: str = "") -> np.ndarray:
        """The loss' targets (n, m) of encoded rows: of y to train on, or with ``suffix`` of y_val.

        Raises
        ------
        ValueError
            If a value is too large for the dtype.
        """

    @abstractmethod
    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """What the estimator predicts from a network's logits."""

    def in_proportion(self, y: np.ndarray) -> np.ndarray | None:
        """What a validation split keeps in proportion."""
        return None

    def check_continued(self, y: np.ndarray) -> None:  # noqa: B027
        """Raise where a ``fit`` that goes on from the last one gets less than that had."""


class Numbers(Targets):
    """Numbers, one or several per row."""

    problem = "numbers"

    def __init__(self, loss: str, n_outputs: int):
        self.loss, self.n_outputs = loss, n_outputs

    def encoded(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        targets = y.reshape(len(y), -1)
        if targets.shape[1] != self.n_outputs:
            raise ValueError(
                f"{name} has {targets.shape[1]} outputs, but the regressor was fitted for "
                f"{self.n_outputs}."
            )
        LOSSES[self.loss].check_targets(targets, name)
        return targets

    def expanded(self, encoded: np.ndarray, dtype: str, suffix: str = "") -> np.ndarray:
        targets = finite_in(encoded, dtype, f"y{suffix}")
        LOSSES[self.loss].check_targets(targets, f"y{suffix} in {dtype}")  # the least may become 0
        return targets

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        mean = mean_of(logits, self.loss)
        return mean[:, 0] if self.n_outputs == 1 else mean


class Classes(Targets):
    """One label per row, of one class or of more than two: an output for each class."""

    problem: ClassVar[Problem] = "classes"
    classes: np.ndarray

    def __init__(self, loss: str, classes: np.ndarray, smoothing: float = 0.0):
        self.loss, self.classes, self.n_outputs = loss, classes, len(classes)
        self.smoothing = smoothing if len(classes) > 1 else 0.0

    def encoded(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        if y.ndim == 2:
            raise self._shape_error(y, name, "one label per row")
        codes = np.searchsorted(self.classes, y).clip(max=len(self.classes) - 1)
        unknown = self.classes[codes] != y
        if unknown.any():
            raise ValueError(
                f"{name} has classes that were not seen before: {np.unique(y[unknown])!r}; "
                f"the known classes are {self.classes!r}."
            )
        return codes

    def expanded(self, encoded: np.ndarray, dtype: str, suffix: str = "") -> np.ndarray:
        smoothing = 0.0 if suffix else self.smoothing
        return self._values(smoothing).astype(dtype)[encoded]

    def _values(self, smoothing: float) -> np.ndarray:
        """What codes stand for: each class' targets, of which a part is spread over all."""
        return (1.0 - smoothing) * np.eye(self.n_outputs) + smoothing / self.n_outputs

    def _shape_error(self, y: np.ndarray, name: str, known: str) -> ValueError:
        return ValueError(f"{name} has shape {y.shape}, but the classifier was fitted for {known}.")

    def in_proportion(self, y: np.ndarray) -> np.ndarray | None:
        return y

    def check_continued(self, y: np.ndarray) -> None:
        present = np.unique(y)
        if not np.array_equal(present, self.classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes}, `y` has {present}. Set "
                "warm_start=False, or use partial_fit with all 'classes'."
            )

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        return self.classes[logits.argmax(axis=1)]

    def decision(self, logits: np.ndarray) -> np.ndarray:
        """What `decision_function` gives."""
        return logits

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities of the classes, (n, n_classes)."""
        return mean_of(logits, self.loss)

    def log_probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Their logarithms, finite where they round to zero."""
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


class TwoClasses(Classes):
    """One of two labels per row: one output, the log-odds of the second."""

    problem = "labels"

    def __init__(self, loss: str, classes: np.ndarray, smoothing: float = 0.0):
        super().__init__(loss, classes, smoothing)
        self.n_outputs = 1

    def _values(self, smoothing: float) -> np.ndarray:
        return (1.0 - smoothing) * np.array([[0.0], [1.0]]) + smoothing / 2

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        return self.classes[(logits[:, 0] > 0).astype(int)]

    def decision(self, logits: np.ndarray) -> np.ndarray:
        return logits[:, 0]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        mean = mean_of(logits, self.loss)
        return np.hstack([1 - mean, mean])

    def log_probabilities(self, logits: np.ndarray) -> np.ndarray:
        return -np.logaddexp(0, np.hstack([logits, -logits]))


class Labels(Classes):
    """An indicator matrix (n, m): any number of m labels per row."""

    problem = "labels"

    def encoded(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        if y.ndim != 2 or y.shape[1] != self.n_outputs:
            raise self._shape_error(y, name, f"{self.n_outputs} labels")
        return (y != 0).astype(np.int8)

    def _values(self, smoothing: float) -> np.ndarray:
        return (1.0 - smoothing) * np.array([0.0, 1.0]) + smoothing / 2

    def in_proportion(self, y: np.ndarray) -> np.ndarray | None:
        return None

    def check_continued(self, y: np.ndarray) -> None:
        """Nothing: a label that no row has is a label still."""

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        return (logits > 0).astype(int)

    def log_probabilities(self, logits: np.ndarray) -> np.ndarray:
        return -np.logaddexp(0, -logits)


# What a user gives, in the form that the classes above take


def checked_labels(y) -> np.ndarray:
    """A classifier's y: labels (n,), or indicators (n, m).

    Raises
    ------
    ValueError
    """
    if _are_plainly_labels(y):
        return y
    check_classification_targets(y)
    if y.ndim == 2 and type_of_target(y) != "multilabel-indicator":
        raise ValueError(
            "y with several columns must be a multilabel indicator of 0 and 1; got "
            f"{type_of_target(y)!r}. Fit one classifier per column with MultiOutputClassifier."
        )
    if y.ndim == 2 and not np.isin(y, (0, 1)).all():
        raise ValueError(
            "y with several columns must be a multilabel indicator of 0 and 1; got the values "
            f"{np.unique(y)!r}. Use sklearn.preprocessing.MultiLabelBinarizer, or compare y "
            "with its positive value."
        )
    return y


def _are_plainly_labels(y: np.ndarray) -> bool:
    """Whether scikit-learn's check, which takes a fit 0.2 ms, would find nothing to say.

    Of one label per row it says when most are different.
    """
    if y.ndim == 2:
        return y.dtype.kind in "biuf" and bool(((y == 0) | (y == 1)).all())
    return y.dtype.kind in "biuU" and (len(y) <= 20 or 2 * len(np.unique(y)) < len(y))


def checked_numbers(y) -> np.ndarray:
    """A regressor's y: numbers (n,) or (n, m) in float64, none missing or infinite.

    Raises
    ------
    ValueError
    """
    numbers = np.asarray(y, dtype=np.float64)
    if not np.isfinite(numbers).all():
        place = tuple(np.argwhere(~np.isfinite(numbers))[0].tolist())
        raise ValueError(
            f"y has {np.asarray(y)[place]!s} in row {place[0]}: targets must be finite "
            "numbers. Remove these rows, or fill the values in."
        )
    return numbers


def learned_classes(y: np.ndarray, classes: Any) -> np.ndarray:
    """The sorted labels of a checked ``y``, or of ``classes``; of indicators, column numbers."""
    if y.ndim == 2:
        return np.arange(y.shape[1])
    return np.unique(y if classes is None else checked_classes(classes))


def check_classes_of_partial_fit(classes: Any, y: Any, known: np.ndarray | None) -> None:
    """Check the ``classes`` of `partial_fit`, with those ``known`` from an earlier call, if any.

    Raises
    ------
    ValueError
    """
    if known is None and classes is None and type_of_target(y) != "multilabel-indicator":
        raise ValueError("classes must be passed on the first call to partial_fit.")
    if classes is None:
        return
    classes = checked_classes(classes)
    if known is not None and not np.array_equal(known, np.unique(classes)):
        raise ValueError(
            f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}"
        )


def checked_classes(classes: Any) -> np.ndarray:
    """The ``classes`` of `partial_fit` as an array of labels.

    Raises
    ------
    ValueError
        If it is empty, or not a list of labels.
    """
    array = np.asarray(sorted(classes) if isinstance(classes, set) else classes)
    missing = [c for c in array.ravel() if c is None or c != c]
    if array.ndim != 1 or array.size == 0 or missing:
        raise ValueError(f"classes must be a list with every label once. Got {classes!r} instead.")
    return array
