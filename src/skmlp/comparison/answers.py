"""What fitted models answer, brought into one shape.

An estimator of one's own may predict a column, shape (n, 1), or give the probability of the second
of two classes alone, shape (n,). NumPy would broadcast such answers against the target without a
word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .rows import is_plain_network, own

__all__ = ["predictions", "probabilities", "usual"]

# Rows that tell the shape of a model's answers.
FEW = 2


def predictions(model: Any, X: Any) -> np.ndarray:
    """Predict rows; shape (n,).

    Raises
    ------
    ValueError
        If there is not one prediction for each row.
    """
    found = np.array(model.predict(X))
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.shape != (X.shape[0],):
        raise ValueError(f"predict gave shape {found.shape}, but expected {(X.shape[0],)}")
    return found


def probabilities(model: Any, X: Any, classes: Sequence[Any]) -> np.ndarray:
    """Probabilities in the order of ``classes``; shape (n, n_classes).

    A class that the model has not seen has probability zero.

    Raises
    ------
    ValueError
        If there is not one for each row and class of the model.
    """
    found = two_columns(model.predict_proba(X))
    own_classes = np.asarray(getattr(model, "classes_", classes)).tolist()
    expected = (X.shape[0], len(own_classes))
    if found.shape != expected:
        raise ValueError(f"predict_proba gave shape {found.shape}, but expected {expected}")
    places = {label: place for place, label in enumerate(classes)}
    if not places.keys() >= set(own_classes):
        raise ValueError(f"classes_ is {own_classes}, but expected classes of the target")
    ordered = np.zeros((X.shape[0], len(classes)))
    ordered[:, [places[label] for label in own_classes]] = found
    return ordered


def two_columns(found: Any) -> np.ndarray:
    """Probabilities as columns, where only those of the second class are given."""
    found = np.array(found, dtype=float)
    if found.ndim == 2 and found.shape[1] != 1:
        return found
    second = found.reshape(len(found))
    return np.stack([1 - second, second], axis=1)


class Usual:
    """A fitted model for scorers, whose answers have the usual shapes; all else is the model's."""

    def __init__(self, model: Any):
        self._model = model

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._model, name)  # an AttributeError where the model has none
        return self._columns if name == "predict_proba" else found

    def predict(self, X: Any) -> np.ndarray:
        return predictions(self._model, X)

    @property
    def _columns(self) -> Callable[[Any], np.ndarray]:
        def predict_proba(X: Any) -> np.ndarray:  # scorers go by the name of the function
            return two_columns(self._model.predict_proba(X))

        return predict_proba


def usual(model: Any, X: Any, with_probabilities: bool) -> Any:
    """The model itself if its answers to some rows have the usual shapes, else one that mends them.

    A model that fails on these rows is left to fail where it is asked in earnest.
    """
    if is_plain_network(model):
        return model
    try:
        columns = np.ndim(model.predict(own(X[:FEW]))) != 1
        if with_probabilities:
            columns |= np.shape(model.predict_proba(own(X[:FEW])))[1:] in ((), (1,))
    except Exception:
        return model
    return Usual(model) if columns else model
