"""The plane on which boundaries are drawn: two features, or two principal axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

if TYPE_CHECKING:
    from ..result import Comparison

__all__ = ["Plane", "make_plane"]

# Where a model is asked, along each axis. In more dimensions each answer costs more, and the
# picture is a rougher one anyway.
STEPS_OF_FEATURES, STEPS_OF_AXES = 300, 120
MARGIN = 0.08


@dataclass(frozen=True)
class Plane:
    """A plane through the rows.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Where the rows are.
    labels : tuple of two str
        What the axes are.
    lift : callable
        From points of the plane, shape (p, 2), to rows that `part` of a model takes.
    part : callable
        From a fitted pipeline to what takes lifted rows.
    steps : int
        Points along each axis.
    exact : bool
        Whether rows are where they seem to be; otherwise they are projected on the plane.
    """

    points: np.ndarray
    labels: tuple[str, str]
    lift: Callable[[np.ndarray], Any]
    part: Callable[[Pipeline], Any]
    steps: int
    exact: bool

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates along both axes, over all rows and a margin."""
        low, high = np.nanmin(self.points, axis=0), np.nanmax(self.points, axis=0)
        margin = MARGIN * np.where(high > low, high - low, 1.0)
        grid = np.linspace(low - margin, high + margin, self.steps)
        return grid[:, 0], grid[:, 1]

    def rows(self) -> Any:
        """Rows all over the plane, line by line."""
        return self.lift(np.stack(np.meshgrid(*self.axes), axis=-1).reshape(-1, 2))


def make_plane(comparison: Comparison) -> Plane | None:
    """The plane of two features, or else of the principal axes of the preprocessed rows.

    None where no model of the first fold is there to draw, or there is one dimension only.
    """
    if comparison.plan.dataset.is_planar:
        return _of_features(comparison)
    models = [found[0] for found in comparison.models.values() if found]
    return _of_axes(comparison, models[0][0]) if models else None


def _of_features(comparison: Comparison) -> Plane:
    X = comparison.plan.dataset.X
    return Plane(
        X.to_numpy(),
        (str(X.columns[0]), str(X.columns[1])),
        lambda points: pd.DataFrame(points, columns=X.columns),
        lambda model: model,
        STEPS_OF_FEATURES,
        exact=True,
    )


def _of_axes(comparison: Comparison, preprocessing: Any) -> Plane | None:
    """Through the mean of the training rows of the first fold; the other axes are zero."""
    transformed = preprocessing.transform(comparison.plan.dataset.X.copy())
    X = transformed.toarray() if hasattr(transformed, "toarray") else np.asarray(transformed)
    train = X[comparison.plan.folds[0].train]
    if X.shape[1] < 2 or len(train) < 2:
        return None
    axes = PCA(2, random_state=0).fit(train)
    shares = axes.explained_variance_ratio_
    columns = getattr(transformed, "columns", None)

    def lift(points: np.ndarray) -> Any:
        rows = axes.inverse_transform(points)
        return rows if columns is None else pd.DataFrame(rows, columns=columns)

    labels = tuple(
        f"principal axis {number} ({share:.0%} of variance)"
        for number, share in enumerate(shares, 1)
    )
    return Plane(axes.transform(X), labels, lift, lambda model: model[-1], STEPS_OF_AXES, False)  # type: ignore[arg-type]
