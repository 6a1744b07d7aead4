"""Is a difference between two contestants more than chance? And does it matter?

Scores of cross-validation are not independent: training sets share most of their rows. Both
questions are answered with the variance that Nadeau & Bengio (2003) correct for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ["Difference", "compare_scores", "corrected_scale", "holm"]


@dataclass(frozen=True)
class Difference:
    """What the folds say about the difference of two contestants.

    Attributes
    ----------
    mean : float
        Mean difference over the folds; positive: the first scores higher.
    t, p_value : float
        Two-sided corrected t-test of "the mean difference is zero", with J - 1 degrees of freedom
        for J folds; not adjusted for several tests.
    worse, equal, better : float
        Probabilities that the first is worse, practically equal or better; they sum to one.
    """

    mean: float
    t: float
    p_value: float
    worse: float
    equal: float
    better: float


UNKNOWN = Difference(*[float("nan")] * 6)


def compare_scores(
    first: Sequence[float], second: Sequence[float], test_to_train: float, rope: float
) -> Difference:
    """Compare two contestants by their scores on the same folds.

    The corrected t-test is t = d̄ / √((1/J + n_test/n_train) σ̂²), for J = k·r differences d of
    r times repeated k-fold cross-validation with mean d̄ and sample variance σ̂². The correlated
    Bayesian t-test has, for a noninformative prior, Student's t with J - 1 degrees of freedom,
    location d̄ and the same scale as the posterior of the mean difference; its mass below, in and
    above the region of practical equivalence [-rope, rope] are the three probabilities.

    Parameters
    ----------
    first, second : sequence of float of shape (J,)
        Scores, greater is better, in the same order of folds.
    test_to_train : float
        n_test / n_train of a fold.
    rope : float
        Differences up to this size do not matter in practice.

    Returns
    -------
    Difference
        All NaN for fewer than two folds: they say nothing about chance.

    References
    ----------
    Nadeau & Bengio (2003), "Inference for the generalization error", Machine Learning 52.
    Benavoli, Corani, Demšar & Zaffalon (2017), "Time for a change", JMLR 18(77).

    Examples
    --------
    >>> from skmlp.comparison.significance import compare_scores
    >>> found = compare_scores([0.92, 0.95, 0.93], [0.90, 0.94, 0.93], 1 / 2, rope=0.01)
    >>> f"{found.mean:.3f} {found.p_value:.2f} {found.equal:.2f}"
    '0.010 0.39 0.42'
    """
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    if len(differences) < 2 or not np.isfinite(differences).all():
        return UNKNOWN
    mean, scale = float(differences.mean()), corrected_scale(differences, test_to_train)
    freedom = len(differences) - 1
    if scale <= _ROUNDING * max(np.abs(first).max(), np.abs(second).max()):
        return _without_variance(mean, rope)
    posterior = stats.t(freedom, mean, scale)
    worse, better = float(posterior.cdf(-rope)), float(posterior.sf(rope))
    t = mean / scale
    return Difference(
        mean, t, float(2 * stats.t.sf(abs(t), freedom)), worse, 1 - worse - better, better
    )


# Differences of equal size on every fold vary in their last digits only.
_ROUNDING = 1e-12


def _without_variance(mean: float, rope: float) -> Difference:
    """The limit of a vanishing variance: what every fold says is certain."""
    worse, better = float(mean < -rope), float(mean > rope)
    if mean == 0:
        return Difference(0.0, 0.0, 1.0, 0.0, 1.0, 0.0)
    return Difference(
        mean, float(np.copysign(np.inf, mean)), 0.0, worse, 1 - worse - better, better
    )


def corrected_scale(differences: np.ndarray, test_to_train: float) -> float:
    """Standard error of the mean difference, √((1/J + n_test/n_train) σ̂²).

    Parameters
    ----------
    differences : ndarray of shape (J,)
    test_to_train : float
    """
    return float(np.sqrt((1 / len(differences) + test_to_train) * np.var(differences, ddof=1)))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjust p-values for several tests by Holm's step-down method.

    The i-th smallest of m is multiplied by m - i + 1, and none is smaller than one before it.
    Values that are NaN are no tests: they stay so and are not counted.

    Parameters
    ----------
    p_values : sequence of float of shape (m,)

    Returns
    -------
    ndarray of shape (m,)

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure".

    Examples
    --------
    >>> from skmlp.comparison.significance import holm
    >>> holm([0.04, 0.01, 0.03])
    array([0.06, 0.03, 0.06])
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full_like(p, np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors))
    return adjusted
