"""Rows of a fold, handed out so that no contestant meets what another did to them.

An estimator may work in place (``copy=False``, a transformer of one's own). So every fit and
every call of a fitted model gets rows of its own: one copy at a time, beside the rows of the outer
fold and of all inner ones, which are in memory anyway. A read-only array would be cheaper, but the
estimator that works in place would fail on it. Skmlp's networks never write to their rows; hundreds
of them wait for one another in a stack, and share one array.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor

__all__ = ["Rows", "is_plain_network", "own", "read_only"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Preprocessed training rows and the rows to score on.

    Parameters
    ----------
    X, X_test : array-like of shape (n, d) and (n_test, d)
    y, y_test : ndarray of shape (n,) and (n_test,)
    weights, weights_test : ndarray of shape (n,) and (n_test,), or None
    """

    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray
    weights: np.ndarray | None = None
    weights_test: np.ndarray | None = None

    def for_fit(self, estimator: Any) -> Rows:
        """The same with training rows that a fit of this estimator may do with as it likes."""
        return replace(
            self, X=for_call(self.X, estimator), y=own(self.y), weights=own(self.weights)
        )

    def for_test(self, model: Any) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """Test rows, targets and weights for one call of this model."""
        return for_call(self.X_test, model), own(self.y_test), own(self.weights_test)

    def frozen(self) -> Rows:
        """The same, read-only as far as NumPy can tell: a forgotten copy is an error."""
        return Rows(*map(read_only, self._values()))

    def _values(self) -> Iterable[Any]:
        return (self.X, self.y, self.X_test, self.y_test, self.weights, self.weights_test)


def for_call(X: Any, estimator: Any) -> Any:
    """Rows for one call of an estimator: its own, unless it is known not to write to them."""
    return X if is_plain_network(estimator) else own(X)


def is_plain_network(estimator: Any) -> bool:
    """Whether this is a network of skmlp, on a transformed target or not, and nothing else."""
    from .. import MLPClassifier, MLPRegressor

    if type(estimator) is TransformedTargetRegressor:
        return is_plain_network(estimator.regressor)
    return type(estimator) in (MLPClassifier, MLPRegressor)


def own(values: Any) -> Any:
    """A copy that can be written to, in the same layout; None stays None.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.comparison.rows import own, read_only
    >>> bool(own(read_only(np.zeros(3))).flags.writeable)
    True
    """
    if isinstance(values, np.ndarray):
        return np.array(values, order="K")  # in memory also where a worker maps a file
    if hasattr(values, "clone"):
        return values.clone()  # polars
    return None if values is None else values.copy()


def read_only(values: Any) -> Any:
    """A view of an array that cannot be written to; anything else as it is."""
    if not isinstance(values, np.ndarray):
        return values
    view = values.view()
    view.flags.writeable = False
    return view
