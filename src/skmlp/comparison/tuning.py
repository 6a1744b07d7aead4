"""A contestant's search inside one training set."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from ..fusion.fused import fused
from .answers import usual
from .contestants import Contestant, calibrated, parts
from .metrics import Metric
from .rows import Rows

__all__ = [
    "Candidate",
    "Rows",
    "Tuning",
    "fit",
    "is_fused",
    "is_network",
    "one_line",
    "score_all",
    "try_all",
    "tune",
]


@dataclass(frozen=True)
class Candidate:
    """A setting that was tried.

    Attributes
    ----------
    parameters : dict
    scores : tuple of float
        On each inner fold; NaN where the fit failed.
    unconverged : int
        Fits that gave a convergence warning.
    error : str or None
        Of the first fit that failed.
    """

    parameters: dict[str, Any]
    scores: tuple[float, ...]
    unconverged: int = 0
    error: str | None = None

    @property
    def mean(self) -> float:
        """Mean score; NaN if a fit failed: the setting is not chosen."""
        return float(np.mean(self.scores))


@dataclass(frozen=True)
class Tuning:
    """A finished search.

    Attributes
    ----------
    candidates : tuple of Candidate
    seconds : float
        Wall-clock time of the search.
    """

    candidates: tuple[Candidate, ...]
    seconds: float

    @property
    def best(self) -> Candidate:
        """The setting with the highest mean score, the first one of equals."""
        means = np.array([candidate.mean for candidate in self.candidates])
        if np.isnan(means).all():
            errors = [candidate.error for candidate in self.candidates if candidate.error]
            if errors:
                raise RuntimeError(f"no setting could be fitted; {errors[0]}")
            raise RuntimeError("no setting has a score that is a number")
        return self.candidates[int(np.nanargmax(means))]

    @property
    def fits(self) -> int:
        """Number of fits."""
        return sum(len(candidate.scores) for candidate in self.candidates)


def tune(
    contestant: Contestant, folds: Sequence[Rows], metric: Metric, n_jobs: int | None
) -> Tuning:
    """Try every setting on every inner fold.

    Skmlp's networks train as stacks, within `skmlp.fused`, on the one core of this process; other
    fits go to ``n_jobs`` processes.

    Parameters
    ----------
    contestant : Contestant
    folds : sequence of Rows
        The inner folds.
    metric : Metric
        What to maximize.
    n_jobs : int or None
    """
    settings = contestant.settings
    start = perf_counter()
    tried = try_all(
        contestant,
        [(parameters, rows) for parameters in settings for rows in folds],
        (metric,),
        n_jobs,
    )
    seconds = perf_counter() - start
    by_setting = [tried[i : i + len(folds)] for i in range(0, len(tried), len(folds))]
    return Tuning(tuple(map(_candidate, settings, by_setting)), seconds)


def try_all(
    contestant: Contestant,
    wanted: Sequence[tuple[dict[str, Any], Rows]],
    metrics: Sequence[Metric],
    n_jobs: int | None,
) -> list[Trial]:
    """Fit and score each setting on its rows; networks as stacks, others in processes."""
    calls = [
        delayed(_try)(contestant.build(**parameters), rows, metrics) for parameters, rows in wanted
    ]
    if is_fused(contestant):
        with fused():
            return Parallel()(calls)
    with parallel_config("loky", inner_max_num_threads=1):
        return Parallel(n_jobs)(calls)


def is_network(contestant: Contestant) -> bool:
    """Whether a multilayer perceptron is in it, of skmlp or of scikit-learn."""
    return is_fused(contestant) or any(
        type(part).__name__ in ("MLPClassifier", "MLPRegressor")
        for part in parts(contestant.estimator)
    )


def is_fused(contestant: Contestant) -> bool:
    """Whether networks of skmlp are in it, so that its fits can train together."""
    from ..estimators.base import BaseMLP

    return any(isinstance(part, BaseMLP) for part in parts(contestant.estimator))


@dataclass(frozen=True)
class Trial:
    """What came of one fit: each score (NaN if it failed), and why it failed."""

    scores: tuple[float, ...]
    unconverged: bool = False
    error: str | None = None


def _try(estimator: BaseEstimator, rows: Rows, metrics: Sequence[Metric]) -> Trial:
    """Fit and score; a setting that fails does not end the search."""
    try:
        probabilities = any(one.needs_probabilities for one in metrics)
        model, unconverged = fit(estimator, rows.for_fit(estimator), probabilities)
        scores = score_all(model, rows, metrics)
    except Exception as failure:
        return Trial((float("nan"),) * len(metrics), error=one_line(failure))
    return Trial(scores, unconverged)


def score_all(model: Any, rows: Rows, metrics: Sequence[Metric]) -> tuple[float, ...]:
    """Each metric on the test rows."""
    answering = usual(model, rows.X_test, any(one.needs_probabilities for one in metrics))
    return tuple(one.score(answering, *rows.for_test(model)) for one in metrics)


def _candidate(parameters: dict[str, Any], trials: Sequence[Trial]) -> Candidate:
    errors = [trial.error for trial in trials if trial.error]
    return Candidate(
        parameters,
        tuple(trial.scores[0] for trial in trials),
        sum(trial.unconverged for trial in trials),
        errors[0] if errors else None,
    )


# Folds of the calibration, where the classes have as many rows.
CALIBRATION_FOLDS = 5


def fit(estimator: BaseEstimator, rows: Rows, probabilities: bool) -> tuple[Any, bool]:
    """Fit, with probabilities if wanted; also tell whether a convergence warning came."""
    if probabilities:
        smallest = int(np.unique(rows.y, return_counts=True)[1].min())
        estimator = calibrated(estimator, max(2, min(CALIBRATION_FOLDS, smallest)))
    weights = {} if rows.weights is None else {"sample_weight": rows.weights}
    with counted_warnings() as counted:
        model = estimator.fit(rows.X, rows.y, **weights)
    return model, bool(counted)


@contextmanager
def counted_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Collect convergence warnings in the list given; pass every other warning on."""
    counted: list[warnings.WarningMessage] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        yield counted
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            counted.append(warning)
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


def one_line(failure: BaseException) -> str:
    """An exception's type and the first line of its message."""
    lines = str(failure).strip().splitlines()
    return f"{type(failure).__name__}: {lines[0]}" if lines else type(failure).__name__
