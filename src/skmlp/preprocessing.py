"""Numbers made ready for networks: scaled so that outliers do not dominate, or spread over columns.

Ordinary transformers, in front of any estimator. n rows, d columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_array,
    check_is_fitted,
    validate_data,
)

__all__ = ["PeriodicEncoder", "PiecewiseLinearEncoder", "SmoothClipScaler"]


class _Numbers(TransformerMixin, BaseEstimator):
    """Transformers of dense numbers."""

    _parameter_constraints: dict[str, list] = {}

    def _checked(self, X: ArrayLike, *, reset: bool, **checks: Any) -> np.ndarray:
        return validate_data(
            self, X, reset=reset, dtype=(np.float64, np.float32), ensure_min_samples=1, **checks
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class SmoothClipScaler(OneToOneFeatureMixin, _Numbers):
    """Scale columns by their quartiles, and let outliers approach a limit.

    z = (x - median) / (third - first quartile) becomes z / √(1 + (z / limit)²), which is z near
    zero and never leaves (-limit, limit) (Holzmüller, Grinsztajn & Steinwart 2024,
    arXiv:2407.04491). Where the quartiles are equal, half of the column's range takes their place.
    A missing value (NaN) stays missing.

    Parameters
    ----------
    limit : float, default=3.0
        What outliers approach, in interquartile ranges.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        The medians.
    scale_ : ndarray of shape (n_features,)
        What columns are divided by; 1 for constant ones, and those that miss every value.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where the columns have names.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.preprocessing import SmoothClipScaler
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [1000.0]])
    >>> SmoothClipScaler().fit_transform(X).round(2).ravel()
    array([-0.95, -0.49,  0.  ,  0.49,  3.  ])
    """

    _parameter_constraints: dict[str, list] = {"limit": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, limit: float = 3.0):
        self.limit = limit

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn medians and scales.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        self._validate_params()
        X = self._checked(X, reset=True, ensure_all_finite="allow-nan").astype(np.float64)
        present = [column[~np.isnan(column)] for column in X.T]
        learned = np.array([_centre_and_scale(c) for c in present]).reshape(-1, 2)
        self.center_, self.scale_ = learned.T
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Scale rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the dtype of X.
        """
        check_is_fitted(self)
        X = self._checked(X, reset=False, ensure_all_finite="allow-nan")
        # Halves first: a difference of the largest numbers overflows.
        z = 2.0 * ((0.5 * X - 0.5 * self.center_) / self.scale_)
        return (z / np.hypot(1.0, z / self.limit)).astype(X.dtype)

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Scale back.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Scaled rows: all values between -limit and limit.

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Raises
        ------
        ValueError
            If a value is none that `transform` gives.
        """
        check_is_fitted(self)
        Z = check_array(X, dtype=(np.float64, np.float32), ensure_all_finite="allow-nan")
        if (np.abs(Z) > self.limit).any():
            raise ValueError(
                f"X has {np.nanmax(np.abs(Z)):g}, but scaled values are between -limit and limit, "
                f"and limit={self.limit:g}."
            )
        with np.errstate(divide="ignore"):
            z = Z / np.sqrt(1.0 - (Z.astype(np.float64) / self.limit) ** 2)
        return (z * self.scale_ + self.center_).astype(Z.dtype)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _centre_and_scale(column: np.ndarray) -> tuple[float, float]:
    """The median of a column, and its interquartile range or half of its range."""
    if not column.size:
        return 0.0, 1.0
    low, median, high = np.quantile(0.5 * column, [0.25, 0.5, 0.75])
    scale = high - low if high > low else (0.5 * column.max() - 0.5 * column.min()) / 2
    # A scale below the smallest normal number would make infinities of its quotients.
    scale = 2 * scale if scale > np.finfo(float).tiny else 1.0
    return float(2 * median), float(scale)


class PiecewiseLinearEncoder(_Numbers):
    """A column for each quantile bin of a number: how far the number is on its way through it.

    A bin's column is 0 below it, 1 above it and linear within (Gorishniy, Rubachev & Babenko 2022,
    arXiv:2203.05556, there without the limits of the outer bins). A linear model of these columns
    is a piecewise linear function of the number. A constant has no columns.

    Parameters
    ----------
    n_bins : int, default=16
        Bins of each number; fewer where quantiles are equal.
    center : bool, default=True
        Whether the columns' means over the training rows are subtracted.
    gain : float, default=1.0
        What columns are multiplied by.

    Attributes
    ----------
    bin_edges_ : list of ndarray
        For each number the distinct quantiles.
    mean_ : ndarray of shape (n_columns,)
        What is subtracted.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where the columns have names.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.preprocessing import PiecewiseLinearEncoder
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    >>> PiecewiseLinearEncoder(2, center=False).fit_transform(X)
    array([[0. , 0. ],
           [0.5, 0. ],
           [1. , 0. ],
           [1. , 0.5],
           [1. , 1. ]])
    """

    _parameter_constraints: dict[str, list] = {
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "center": ["boolean"],
        "gain": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, n_bins: int = 16, *, center: bool = True, gain: float = 1.0):
        self.n_bins = n_bins
        self.center = center
        self.gain = gain

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn the bins.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        self._validate_params()
        X = self._checked(X, reset=True).astype(np.float64)
        places = np.linspace(0, 1, self.n_bins + 1)
        self.bin_edges_ = [np.unique(2 * np.quantile(0.5 * column, places)) for column in X.T]
        columns = self._columns(X)
        self.mean_ = columns.mean(axis=0) if self.center else np.zeros(columns.shape[1])
        return self

    def _columns(self, X: np.ndarray) -> np.ndarray:
        pairs = zip(X.T.astype(np.float64), self.bin_edges_, strict=True)
        parts = [_ways(column, edges) for column, edges in pairs]
        return np.concatenate([np.empty((len(X), 0)), *parts], axis=1)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Encode rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
            In the dtype of X.
        """
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        return ((self._columns(X) - self.mean_) * self.gain).astype(X.dtype)

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """The numbers; those that were outside of all bins become the nearest edge.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        Z = check_array(X, dtype=(np.float64, np.float32), ensure_min_features=0)
        if Z.shape[1] != len(self.mean_):
            raise ValueError(
                f"X has {Z.shape[1]} columns, but the numbers were spread over {len(self.mean_)}."
            )
        shares = Z / self.gain + self.mean_
        ends = np.cumsum([len(edges) - 1 for edges in self.bin_edges_])
        parts = np.split(shares, ends[:-1], axis=1)
        numbers = [
            edges[0] + part @ np.diff(edges)
            for edges, part in zip(self.bin_edges_, parts, strict=True)
        ]
        return np.column_stack(numbers).astype(Z.dtype)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns: of the number, and of the bin.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the numbers; those seen in ``fit`` where there are any.

        Returns
        -------
        ndarray of shape (n_columns,)
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return _numbered(names, [len(edges) - 1 for edges in self.bin_edges_], "bin")


def _ways(column: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How far each number (n,) is on its way through each bin, (n, bins)."""
    # Of halves, as a difference of the largest numbers overflows; bins may be narrower than any.
    widths = np.maximum(np.diff(edges / 2), np.finfo(float).tiny)
    with np.errstate(over="ignore"):
        return ((column[:, None] / 2 - edges[:-1] / 2) / widths).clip(0, 1)


class PeriodicEncoder(_Numbers):
    """Waves of random frequency and phase for each number: √2 cos(2π w x + b).

    Low frequencies are smooth functions of the number, which a small network bends together
    (Gorishniy, Rubachev & Babenko 2022, arXiv:2203.05556, and Rahimi & Recht 2007). Numbers should
    be scaled.

    Parameters
    ----------
    n_frequencies : int, default=8
        Waves of each number.
    sigma : float, default=0.1
        Frequencies w are drawn from N(0, sigma²), in waves per unit of the number; phases b
        uniformly.
    frequencies : array-like of shape (n_frequencies,) or (n_features, n_frequencies), default=None
        The frequencies instead, for all numbers or for each.
    center : bool, default=True
        Whether the columns' means over the training rows are subtracted.
    random_state : int, RandomState instance or None, default=None
        Of the draws.

    Attributes
    ----------
    frequencies_, phases_ : ndarray of shape (n_features, n_frequencies)
    mean_ : ndarray of shape (n_columns,)
        What is subtracted.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where the columns have names.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.preprocessing import PeriodicEncoder
    >>> X = np.linspace(-1, 1, 5)[:, None]
    >>> PeriodicEncoder(3, random_state=0).fit_transform(X).shape
    (5, 3)
    """

    _parameter_constraints: dict[str, list] = {
        "n_frequencies": [Interval(Integral, 1, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="neither")],
        "frequencies": ["array-like", None],
        "center": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_frequencies: int = 8,
        *,
        sigma: float = 0.1,
        frequencies: ArrayLike | None = None,
        center: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n_frequencies = n_frequencies
        self.sigma = sigma
        self.frequencies = frequencies
        self.center = center
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Draw frequencies and phases.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : None
            Ignored.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If ``frequencies`` has another shape.
        """
        self._validate_params()
        X = self._checked(X, reset=True)
        rng = check_random_state(self.random_state)
        self.frequencies_ = self._frequencies(X.shape[1], rng)
        self.phases_ = rng.uniform(-np.pi, np.pi, self.frequencies_.shape)
        waves = self._waves(X)
        self.mean_ = waves.mean(axis=0) if self.center else np.zeros(waves.shape[1])
        return self

    def _frequencies(self, d: int, rng: np.random.RandomState) -> np.ndarray:
        if self.frequencies is None:
            return rng.normal(0.0, self.sigma, (d, self.n_frequencies))
        given = check_array(self.frequencies, ensure_2d=False, dtype=np.float64)
        if given.ndim == 1:
            given = np.tile(given, (d, 1))
        if given.ndim != 2 or len(given) != d:
            raise ValueError(
                f"frequencies has shape {np.shape(self.frequencies)}, but must be one frequency "
                f"after the other, or a row of them for each of the {d} columns of X."
            )
        return given

    def _waves(self, X: np.ndarray) -> np.ndarray:
        angles = 2 * np.pi * X[:, :, None].astype(np.float64) * self.frequencies_ + self.phases_
        return np.sqrt(2) * np.cos(angles).reshape(len(X), -1)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Encode rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features * n_frequencies)
            In the dtype of X.
        """
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        return (self._waves(X) - self.mean_).astype(X.dtype)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns: of the number, and of the wave.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the numbers; those seen in ``fit`` where there are any.

        Returns
        -------
        ndarray of shape (n_columns,)
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return _numbered(names, [self.frequencies_.shape[1]] * len(names), "wave")


def _numbered(names: Sequence[str], counts: Sequence[int], what: str) -> np.ndarray:
    """Each name as often as it has columns, with their numbers."""
    pairs = zip(names, counts, strict=True)
    return np.array([f"{name}_{what}{i}" for name, n in pairs for i in range(n)], dtype=object)
