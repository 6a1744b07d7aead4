"""Nested cross-validation: every contestant on the same folds, tuned inside them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from .contestants import Contestant, make_preprocessing
from .folds import Fold, Plan
from .progress import Progress
from .settings import StudySettings

__all__ = ["FoldResult", "Outcome", "run_study"]

TIMED_ROWS = 1000
TIMED_REPEATS = 3


@dataclass(frozen=True)
class FoldResult:
    """What one contestant did on one outer fold.

    Parameters
    ----------
    score : float
        Accuracy on the test rows.
    tuning_seconds, fit_seconds, predict_seconds : float
        Wall-clock time of the grid search; of fitting the chosen setting alone; of predicting
        1000 rows.
    size : int
        Numbers the fitted model stores.
    best_parameters : dict
        The setting chosen by the grid search.
    unconverged, fits : int
        Fits that gave a convergence warning, out of all fits.
    """

    score: float
    tuning_seconds: float
    fit_seconds: float
    predict_seconds: float
    size: int
    best_parameters: dict[str, Any]
    unconverged: int
    fits: int


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one contestant did on one data set.

    Parameters
    ----------
    dataset, contestant : str
        Their names.
    candidates : int
        Settings in the contestant's grid.
    folds : tuple of FoldResult
        The outer folds that finished, in order.
    error : str or None
        Why the contestant failed; None if all folds finished.
    model : Pipeline or None
        Preprocessing and model, tuned and fitted on the first outer fold.
    """

    dataset: str
    contestant: str
    candidates: int
    folds: tuple[FoldResult, ...]
    error: str | None = None
    model: Pipeline | None = None


class CountingPipeline(Pipeline):
    """A pipeline that counts the convergence warnings of its fit instead of showing them."""

    def fit(self, X, y=None, **params):
        with _counted_warnings() as counted:
            super().fit(X, y, **params)
        self.unconverged_ = len(counted)
        return self


def run_study(
    plans: list[Plan],
    contestants: list[Contestant],
    settings: StudySettings,
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Tune and test every contestant on every data set, one outcome at a time.

    An iterator, so that whoever interrupts it keeps the outcomes that are finished. A contestant
    that fails does not stop the others: its outcome carries the error.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skmlp.comparison import (
    ...     Contestant, StudySettings, load_dataset, plan_study, run_study)
    >>> settings = StudySettings(folds=3)
    >>> neighbours = Contestant("neighbours", KNeighborsClassifier(), {"n_neighbors": [5, 15]})
    >>> plans = plan_study([load_dataset("circles")], settings)
    >>> [outcome] = run_study(plans, [neighbours], settings)
    >>> all(fold.score > 0.9 for fold in outcome.folds)
    True
    """
    progress = progress or Progress()
    _warm_up(contestants, settings)
    for plan in plans:
        for contestant in contestants:
            progress.begin(plan.dataset.name, contestant.name)
            yield _run_contestant(contestant, plan, settings, progress)


def _run_contestant(
    contestant: Contestant, plan: Plan, settings: StudySettings, progress: Progress
) -> Outcome:
    results: list[FoldResult] = []
    model = error = None
    for number, fold in enumerate(plan.folds, start=1):
        try:
            with _one_thread_each():
                result, fitted = _run_fold(contestant, plan, fold, settings)
        except Exception as failure:
            error = f"fold {number}: {_one_line(failure)}"
            progress.advance(len(plan.folds) - number + 1)
            break
        results.append(result)
        model = model or fitted
        progress.advance()
    return Outcome(
        plan.dataset.name, contestant.name, contestant.candidates, tuple(results), error, model
    )


def _run_fold(
    contestant: Contestant, plan: Plan, fold: Fold, settings: StudySettings
) -> tuple[FoldResult, Pipeline]:
    X, y = plan.dataset.X, plan.dataset.y
    X_train, y_train = X.iloc[fold.train], y[fold.train]
    preprocessing = make_preprocessing(X)

    search = _make_search(contestant, preprocessing, fold, settings)
    start = perf_counter()
    search.fit(X_train, y_train)
    tuning_seconds = perf_counter() - start
    best = _best_parameters(search)

    rows = preprocessing.fit_transform(X_train)
    model = clone(contestant.estimator).set_params(**best)
    with _counted_warnings() as counted:
        start = perf_counter()
        model.fit(rows, y_train)
        fit_seconds = perf_counter() - start

    test_rows = preprocessing.transform(X.iloc[fold.test])
    result = FoldResult(
        score=float(np.mean(model.predict(test_rows) == y[fold.test])),
        tuning_seconds=tuning_seconds,
        fit_seconds=fit_seconds,
        predict_seconds=_time_prediction(model, test_rows),
        size=contestant.size(model),
        best_parameters=best,
        unconverged=len(counted) + _unconverged(search),
        fits=1 + contestant.candidates * len(fold.inner),
    )
    return result, Pipeline([("preprocessing", preprocessing), ("model", model)])


def _make_search(
    contestant: Contestant, preprocessing: BaseEstimator, fold: Fold, settings: StudySettings
) -> GridSearchCV:
    pipeline = CountingPipeline(
        [("preprocessing", clone(preprocessing)), ("model", clone(contestant.estimator))]
    )
    return GridSearchCV(
        pipeline,
        {f"model__{name}": values for name, values in contestant.grid.items()},
        scoring=_score,
        refit=False,  # the fit of the chosen setting is timed on its own
        cv=fold.inner,
        n_jobs=settings.n_jobs,
        error_score="raise",
    )


def _score(pipeline: CountingPipeline, X: Any, y: np.ndarray) -> dict[str, float]:
    # The search keeps no fitted model, so the count of warnings travels as a second score.
    return {"accuracy": pipeline.score(X, y), "unconverged": pipeline.unconverged_}


def _best_parameters(search: GridSearchCV) -> dict[str, Any]:
    best = search.cv_results_["params"][int(np.argmin(search.cv_results_["rank_test_accuracy"]))]
    return {name.removeprefix("model__"): value for name, value in best.items()}


def _unconverged(search: GridSearchCV) -> int:
    splits = range(search.n_splits_)
    return int(sum(search.cv_results_[f"split{i}_test_unconverged"].sum() for i in splits))


def _time_prediction(model: Any, test_rows: np.ndarray) -> float:
    """Time the prediction of 1000 rows, the test rows repeated as needed."""
    rows = test_rows[np.resize(np.arange(len(test_rows)), TIMED_ROWS)]
    times = []
    for _ in range(TIMED_REPEATS):
        start = perf_counter()
        model.predict(rows)
        times.append(perf_counter() - start)
    return median(times)


@contextmanager
def _counted_warnings() -> Iterator[list[warnings.WarningMessage]]:
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


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Give every process one thread, so that times compare the contestants and little else.

    libsvm uses one thread anyway; and threads that wait for a busy core have been seen to make
    the fit of a small network a hundred times slower.
    """
    with parallel_config("loky", inner_max_num_threads=1), threadpool_limits(1):
        yield


def _warm_up(contestants: list[Contestant], settings: StudySettings) -> None:
    """Load every library, here and in the worker processes, before any time is measured."""
    _fit_a_little(contestants)
    workers = effective_n_jobs(settings.n_jobs)
    if workers > 1:
        # Two calls for each worker: the first ones take so long that every worker gets one.
        with _one_thread_each():
            Parallel(workers)(delayed(_fit_a_little)(contestants) for _ in range(2 * workers))


def _fit_a_little(contestants: list[Contestant]) -> None:
    X, y = np.arange(24.0).reshape(12, 2) / 24, np.arange(12) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for contestant in contestants:
            try:
                clone(contestant.estimator).fit(X, y).predict(X)
            except Exception:
                continue  # it will fail again on the data, and be reported there


def _one_line(failure: Exception) -> str:
    lines = str(failure).strip().splitlines()
    return f"{type(failure).__name__}: {lines[0]}" if lines else type(failure).__name__
