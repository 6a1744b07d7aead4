"""Sample weights as arithmetic in float32 and float64 takes them. Nothing here needs torch."""

from __future__ import annotations

import numpy as np

from ..task import Rows


def validation_weights(rows: Rows) -> np.ndarray:
    """Sample weights with the largest between 1/2 and 1, so that float32 holds them.

    Divided by a power of two, they keep all their digits.
    """
    if rows.weights is None:
        return np.ones(len(rows))
    return np.ldexp(rows.weights, -np.frexp(rows.weights.max())[1])


def check_penalty(strengths: np.ndarray, weight_sums: np.ndarray, dtype: str) -> None:
    """Raise if the penalty of a batch of tiny sample weights is no number of the dtype.

    Parameters
    ----------
    strengths : ndarray of shape (K,)
        alpha of each network.
    weight_sums : ndarray of shape (K,)
        Of the batch, for each network.
    dtype : str

    Raises
    ------
    ValueError
    """
    with np.errstate(over="ignore"):
        fits = strengths / weight_sums <= np.finfo(dtype).max
    if fits.all():
        return
    weight_sum = weight_sums[~fits][0]
    raise ValueError(
        f"alpha divided by a batch's sum of sample weights ({weight_sum:.1e}) is too large for "
        f"{dtype}: multiply 'sample_weight' by a constant, so that its mean is about 1, or lower "
        "'alpha'."
    )
