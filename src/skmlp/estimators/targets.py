"""What ``y`` means to an estimator: y in, as the targets of a loss; logits out, as predictions.

n rows, m targets. What is learned from y are attributes of the estimator; the objects here are
made from them when they are needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import accuracy_score, d2_pinball_score, r2_score
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ..network.loss_forms import Key, loss_of
from ..network.losses import Problem
from .prediction import mean_of
from .rows import finite_in


class Targets(ABC):
    """What the outputs of an estimator mean.

    Attributes
    ----------
    loss : Key
        See `loss_forms`; of a loss for this ``problem``.
    options : tuple of float
        Of the loss.
    n_outputs : int
        m.
    classes : ndarray, list of ndarray or None
        Labels of a classifier, or of each of its columns.
    probabilities : callable or None
        Of a classifier, from logits.
    """

    problem: ClassVar[Problem]
    loss: Key
    options: tuple[float, ...] = ()
    n_outputs: int
    classes: Any = None
    probabilities: Callable[[np.ndarray], Any] | None = None

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

    @abstractmethod
    def score(self, y: Any, predictions: np.ndarray, sample_weight: Any = None) -> float:
        """What the estimator's score is."""

    def mean(self, logits: np.ndarray) -> np.ndarray:
        return mean_of(logits, self.loss, self.options)

    def in_proportion(self, y: np.ndarray) -> np.ndarray | None:
        """What a validation split keeps in proportion."""
        return None

    def check_continued(self, y: np.ndarray) -> None:  # noqa: B027
        """Raise where a ``fit`` that goes on from the last one gets less than that had."""


class Numbers(Targets):
    """Numbers, one or several per row."""

    problem = "numbers"

    def __init__(self, loss: Key, n_outputs: int, options: tuple[float, ...] = ()):
        self.loss, self.n_outputs, self.options = loss, n_outputs, options
        self.row = loss_of(loss)

    def encoded(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        targets = y.reshape(len(y), -1)
        if targets.shape[1] != self.n_outputs:
            raise ValueError(
                f"{name} has {targets.shape[1]} outputs, but the regressor was fitted for "
                f"{self.n_outputs}."
            )
        self.row.check_targets(targets, name)
        self._check_range(targets, name)
        return targets

    def _check_range(self, targets: np.ndarray, name: str) -> None:
        if not self.row.is_bounded:
            return
        low, high = self.options[-2:]
        if targets.min() < low or targets.max() > high:
            raise ValueError(
                f"output_range=({low:g}, {high:g}) needs targets within it; {name} goes from "
                f"{targets.min():g} to {targets.max():g}. Widen 'output_range', or set it to None."
            )

    def expanded(self, encoded: np.ndarray, dtype: str, suffix: str = "") -> np.ndarray:
        targets = finite_in(encoded, dtype, f"y{suffix}")
        self.row.check_targets(targets, f"y{suffix} in {dtype}")  # the least may become 0
        return targets

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        mean = self.mean(logits)
        if self.row.is_bounded:
            low, high = self.options[-2:]
            mean = mean.clip(low, high)  # which rounding may miss
        if self.row.has_quantile_axis:
            mean = mean.reshape(len(mean), self.n_outputs, -1)
        return mean[:, 0] if self.n_outputs == 1 else mean

    def deviations(self, logits: np.ndarray) -> np.ndarray:
        """Standard deviations, of logits that say them."""
        deviations = np.exp(-0.5 * logits[:, self.n_outputs :])
        return deviations[:, 0] if self.n_outputs == 1 else deviations

    def score(self, y: Any, predictions: np.ndarray, sample_weight: Any = None) -> float:
        if self.row.score == "circular":
            return circular_score(y, predictions, sample_weight)
        if not self.row.has_quantile_axis:
            return r2_score(y, predictions, sample_weight=sample_weight)
        several = self.options[: predictions.shape[-1]]
        scores = [
            d2_pinball_score(y, predictions[..., i], sample_weight=sample_weight, alpha=quantile)
            for i, quantile in enumerate(several)
        ]
        return float(np.mean(scores))


def circular_score(y: Any, predictions: np.ndarray, sample_weight: Any = None) -> float:
    """The share of 1 - cos(difference) that the targets' mean direction leaves unexplained.

    Mean over outputs; the best is 1, and 1 or 0 where all targets are one angle.
    """
    y = checked_numbers(y)
    if y.size != predictions.size:
        raise ValueError(f"y has shape {y.shape}, but there are predictions {predictions.shape}.")
    y = y.reshape(len(predictions), -1)
    weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
    mean = np.arctan2(
        *(np.average(part, axis=0, weights=weights) for part in (np.sin(y), np.cos(y)))
    )
    off = [1 - np.cos(of - y) for of in (predictions.reshape(y.shape), mean)]
    lost, total = (np.average(each, axis=0, weights=weights) for each in off)
    share = np.divide(lost, total, out=(lost > 0).astype(float), where=total > 0)
    return float(np.mean(1 - share))


class Classes(Targets):
    """One label per row, of one class or of more than two: an output for each class."""

    problem: ClassVar[Problem] = "classes"
    classes: np.ndarray

    def __init__(
        self,
        loss: Key,
        classes: np.ndarray,
        smoothing: float = 0.0,
        options: tuple[float, ...] = (),
    ):
        self.loss, self.classes, self.n_outputs = loss, classes, len(classes)
        self.smoothing, self.options = smoothing if len(classes) > 1 else 0.0, options

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
        return self.mean(logits)

    def log_probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Their logarithms, finite where they round to zero."""
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

    def score(self, y: Any, predictions: np.ndarray, sample_weight: Any = None) -> float:
        return accuracy_score(y, predictions, sample_weight=sample_weight)


class TwoClasses(Classes):
    """One of two labels per row: one output, the log-odds of the second."""

    problem = "labels"

    def __init__(
        self,
        loss: Key,
        classes: np.ndarray,
        smoothing: float = 0.0,
        options: tuple[float, ...] = (),
    ):
        super().__init__(loss, classes, smoothing, options)
        self.n_outputs = 1

    def _values(self, smoothing: float) -> np.ndarray:
        return (1.0 - smoothing) * np.array([[0.0], [1.0]]) + smoothing / 2

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        return self.classes[(logits[:, 0] > 0).astype(int)]

    def decision(self, logits: np.ndarray) -> np.ndarray:
        return logits[:, 0]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        mean = self.mean(logits)
        return np.hstack([1 - mean, mean])

    def log_probabilities(self, logits: np.ndarray) -> np.ndarray:
        return -np.logaddexp(0, np.hstack([logits, -logits]))


class Labels(Classes):
    """An indicator matrix (n, m): any number of m labels per row."""

    problem = "labels"

    def encoded(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        if y.ndim != 2 or y.shape[1] != self.n_outputs:
            raise self._shape_error(y, name, f"{self.n_outputs} labels")
        if not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"{name} with several columns of two values must be a multilabel indicator of 0 "
                f"and 1; got the values {np.unique(y)!r}. Use sklearn.preprocessing."
                "MultiLabelBinarizer, or compare y with its positive value."
            )
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


class Columns(Classes):
    """Several labels per row (n, k), each of classes of its own: an output for each of these."""

    classes: list[np.ndarray]  # type: ignore[assignment]

    def __init__(
        self,
        loss: Key,
        classes: list[np.ndarray],
        smoothing: float = 0.0,
        options: tuple[float, ...] = (),
    ):
        self.loss, self.classes, self.options = loss, classes, options
        self.smoothing, self.n_outputs = smoothing, sum(map(len, classes))
        self._columns = [Classes(loss, each, smoothing) for each in classes]

    def encoded(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        if y.ndim != 2 or y.shape[1] != len(self.classes):
            raise self._shape_error(y, name, f"{len(self.classes)} columns")
        names = (f"{name}[:, {j}]" for j in range(y.shape[1]))
        codes = [each.encoded(*pair) for each, *pair in zip(self._columns, y.T, names, strict=True)]
        return np.column_stack(codes)

    def expanded(self, encoded: np.ndarray, dtype: str, suffix: str = "") -> np.ndarray:
        pairs = zip(self._columns, encoded.T, strict=True)
        return np.hstack([each.expanded(codes, dtype, suffix) for each, codes in pairs])

    def in_proportion(self, y: np.ndarray) -> np.ndarray | None:
        return None

    def check_continued(self, y: np.ndarray) -> None:
        for each, column in zip(self._columns, y.T, strict=True):
            each.check_continued(column)

    def _split(self, logits: np.ndarray) -> list[tuple[Classes, np.ndarray]]:
        ends = np.cumsum([len(each) for each in self.classes])[:-1]
        return list(zip(self._columns, np.split(logits, ends, axis=1), strict=True))

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        columns = [each.predictions(part) for each, part in self._split(logits)]
        one_kind = len({column.dtype.kind for column in columns}) == 1
        found = np.column_stack([c if one_kind else c.astype(object) for c in columns])
        return found

    def decision(self, logits: np.ndarray) -> list[np.ndarray]:  # type: ignore[override]
        return [part for _, part in self._split(logits)]

    def probabilities(self, logits: np.ndarray) -> list[np.ndarray]:  # type: ignore[override]
        return self.decision(self.mean(logits))

    def log_probabilities(self, logits: np.ndarray) -> list[np.ndarray]:  # type: ignore[override]
        return [each.log_probabilities(part) for each, part in self._split(logits)]

    def score(self, y: Any, predictions: np.ndarray, sample_weight: Any = None) -> float:
        """The share of rows that are right in every column, as MultiOutputClassifier's."""
        y = np.asarray(y)
        if y.shape[1:] != predictions.shape[1:]:
            raise self._shape_error(y, "y", f"{len(self.classes)} columns")
        check_consistent_length(y, predictions, sample_weight)
        return float(np.average((y == predictions).all(axis=1), weights=sample_weight))


# What a user gives, in the form that the classes above take


def checked_labels(y) -> np.ndarray:
    """A classifier's y: labels (n,) or (n, k), or indicators (n, m).

    Raises
    ------
    ValueError
    """
    if _are_plainly_labels(y):
        return y
    try:
        check_classification_targets(y)
    except TypeError as error:
        if y.ndim == 1:
            raise
        raise ValueError(
            f"y has labels that cannot be compared ({error}): give them one type, for example by "
            "sklearn.preprocessing.OrdinalEncoder."
        ) from error
    return y


def has_columns(y: np.ndarray) -> bool:
    """Whether a checked ``y`` has several labels per row, of more than there or not."""
    return y.ndim == 2 and not _are_plainly_labels(y) and "output" in type_of_target(y)


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


def learned_classes(y: np.ndarray, classes: Any) -> np.ndarray | list[np.ndarray]:
    """The sorted labels of a checked ``y``, or of ``classes``.

    Of several columns of labels a list of them; of indicators, column numbers.

    Raises
    ------
    ValueError
        If there are not as many lists of classes as columns.
    """
    if y.ndim == 1:
        return np.unique(y if classes is None else checked_classes(classes))
    if is_per_column(classes):
        if len(classes) != y.shape[1]:
            raise ValueError(f"classes has {len(classes)} lists, but y has {y.shape[1]} columns.")
        return [np.unique(checked_classes(each)) for each in classes]
    if not has_columns(y):
        return np.arange(y.shape[1])
    if classes is not None:
        raise ValueError(
            f"classes must have a list of labels for each column of y. Got {classes!r} instead."
        )
    return [np.unique(column) for column in y.T]


def is_per_column(classes: Any) -> bool:
    """Whether ``classes`` of `partial_fit` are lists, one for each column."""
    return isinstance(classes, list | tuple) and any(np.ndim(each) == 1 for each in classes)


def check_classes_of_partial_fit(classes: Any, y: Any, known: Any) -> None:
    """Check the ``classes`` of `partial_fit`, with those ``known`` from an earlier call, if any.

    Raises
    ------
    ValueError
    """
    if known is None and classes is None and type_of_target(y) != "multilabel-indicator":
        raise ValueError("classes must be passed on the first call to partial_fit.")
    if classes is None:
        return
    given = [
        np.unique(checked_classes(c)) for c in (classes if is_per_column(classes) else [classes])
    ]
    before = known if isinstance(known, list) else [known]
    if known is not None and not (
        len(given) == len(before) and all(map(np.array_equal, given, before))
    ):
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
