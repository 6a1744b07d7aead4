"""Nested cross-validation: every contestant on the same folds, tuned inside them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from threadpoolctl import ThreadpoolController

from .answers import predictions, probabilities
from .contestants import Contestant
from .folds import Fold
from .measurement import measure, predict_seconds
from .plan import Plan
from .progress import Progress
from .rows import Rows
from .size import UNKNOWN, Size, model_size
from .tuning import Tuning, fit, is_fused, one_line, score_all, tune

__all__ = ["FoldResult", "preprocess", "run_plan"]


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What one contestant did on one outer fold.

    Parameters
    ----------
    contestant : str
    fold : int
        Number of the fold, from 0.
    scores : dict of str to float
        Each metric on the test rows.
    tuning : Tuning or None
        The search; None if there was none.
    parameters : dict
        The setting chosen.
    fit_seconds : float
        Time of fitting the chosen setting on all training rows of the fold.
    predict_seconds : float
        Time of predicting 1000 rows.
    peak_bytes : float
        Largest growth of the process's resident memory during that fit.
    size : Size
        Of the fitted model.
    unconverged, fits : int
        Fits that gave a convergence warning, out of all fits.
    predicted : ndarray of shape (n_test,) or None
        Predictions on the test rows.
    probabilities : ndarray of shape (n_test, n_classes) or None
        Where the model has them.
    no_probabilities : str or None
        Why a model that should have them gave none.
    model : Pipeline or None
        Fitted preprocessing and fitted model.
    error : str or None
        Why there are no numbers.
    """

    contestant: str
    fold: int
    scores: dict[str, float] = field(default_factory=dict)
    tuning: Tuning | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    fit_seconds: float = float("nan")
    predict_seconds: float = float("nan")
    peak_bytes: float = float("nan")
    size: Size = UNKNOWN
    unconverged: int = 0
    fits: int = 0
    predicted: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    no_probabilities: str | None = None
    model: Pipeline | None = None
    error: str | None = None

    @property
    def tuning_seconds(self) -> float:
        """Time of the search; 0 without one."""
        return self.tuning.seconds if self.tuning else 0.0


def run_plan(plan: Plan, progress: Progress | None = None) -> Iterator[FoldResult]:
    """Tune, fit and test every contestant on every fold, one result at a time.

    An iterator, so that whoever interrupts it keeps what is finished; fold by fold, so that what
    is finished can be compared. A contestant that fails on a fold has a result that says so.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skmlp.comparison import load_dataset, make_plan, run_plan
    >>> neighbours = {"neighbours": (KNeighborsClassifier(), {"n_neighbors": [5, 15]})}
    >>> plan = make_plan(load_dataset("circles"), neighbours, cv=3, random_state=0)
    >>> all(result.scores["accuracy"] > 0.9 for result in run_plan(plan))
    True
    """
    progress = progress or Progress()
    _warm_up(plan)
    pools = ThreadpoolController()  # of the libraries that are loaded by now
    for number, fold in enumerate(plan.folds):
        prepared = _prepare_or_tell(plan, fold)
        for contestant in plan.contestants:
            progress.begin(plan.dataset.name, contestant.name)
            yield _run(plan, contestant, number, prepared, pools)
            progress.advance()


@dataclass(frozen=True)
class Prepared:
    """The rows of an outer fold and of its inner folds, preprocessed once for all contestants."""

    preprocessing: Any
    outer: Rows
    inner: tuple[Rows, ...]


def _prepare_or_tell(plan: Plan, fold: Fold) -> Prepared | str:
    """The prepared rows, or why there are none: then all contestants fail on this fold."""
    try:
        return _prepare(plan, fold)
    except Exception as failure:
        return f"preprocessing: {one_line(failure)}"


def _prepare(plan: Plan, fold: Fold) -> Prepared:
    preprocessing, outer = preprocess(plan, fold.train, fold.test)
    inner = [
        preprocess(plan, fold.train[train], fold.train[validation])[1]
        for train, validation in fold.inner
    ]
    return Prepared(preprocessing, outer, tuple(inner))


def preprocess(plan: Plan, train: np.ndarray, test: np.ndarray) -> tuple[Any, Rows]:
    """Fit the preprocessing on training rows alone, and transform both."""
    data, weights = plan.dataset, plan.dataset.sample_weight
    preprocessing = clone(plan.preprocessing)
    X = preprocessing.fit_transform(data.X.iloc[train], data.y[train])
    rows = Rows(
        X,
        data.y[train],
        preprocessing.transform(data.X.iloc[test]),
        data.y[test],
        None if weights is None else weights[train],
        None if weights is None else weights[test],
    )
    return preprocessing, rows.frozen()


def _run(
    plan: Plan,
    contestant: Contestant,
    fold: int,
    prepared: Prepared | str,
    pools: ThreadpoolController,
) -> FoldResult:
    """One contestant on one fold; an error is a result.

    Every process has one thread, so that times compare the contestants and little else: libsvm
    uses one anyway, and threads that wait for a busy core have been seen to make the fit of a
    small network a hundred times slower.
    """
    if isinstance(prepared, str):
        return FoldResult(contestant.name, fold, error=prepared)
    try:
        with pools.limit(limits=1):
            return _measure(plan, contestant, fold, prepared)
    except Exception as failure:
        return FoldResult(contestant.name, fold, error=one_line(failure))


def _measure(plan: Plan, contestant: Contestant, fold: int, prepared: Prepared) -> FoldResult:
    tuning, rows = None, prepared.outer
    if contestant.grid and prepared.inner:
        tuning = tune(contestant, prepared.inner, plan.metrics[0], plan.n_jobs)
    parameters = tuning.best.parameters if tuning else {}
    estimator = contestant.build(**parameters)
    own_rows = rows.for_fit(estimator)  # copied before the clock runs
    with measure() as measured:
        model, unconverged = fit(
            estimator, own_rows, any(metric.needs_probabilities for metric in plan.metrics)
        )
    return FoldResult(
        contestant.name,
        fold,
        dict(
            zip(
                (one.name for one in plan.metrics),
                score_all(model, rows, plan.metrics),
                strict=True,
            )
        ),
        tuning,
        parameters,
        measured.seconds,
        predict_seconds(model, rows.X_test),
        measured.peak_bytes,
        model_size(model),
        unconverged + (sum(one.unconverged for one in tuning.candidates) if tuning else 0),
        1 + (tuning.fits if tuning else 0),
        predictions(model, rows.for_test(model)[0]),
        *_probabilities(plan, model, rows),
        Pipeline([("preprocessing", prepared.preprocessing), ("model", model)]),
    )


def _probabilities(plan: Plan, model: Any, rows: Rows) -> tuple[np.ndarray | None, str | None]:
    """Probabilities of the test rows, or why there are none; a score may well do without."""
    try:
        if not plan.dataset.classes or not hasattr(model, "predict_proba"):
            return None, None
        return probabilities(model, rows.for_test(model)[0], plan.dataset.classes), None
    except Exception as failure:
        return None, one_line(failure)


def _warm_up(plan: Plan) -> None:
    """Load every library, here and in the worker processes, before anything is measured."""
    _fit_a_little(plan, plan.contestants)
    workers = effective_n_jobs(plan.n_jobs)
    searched = [one for one in plan.contestants if one.grid and not is_fused(one)]
    if workers > 1 and searched:
        # Two calls for each worker: the first ones take so long that every worker gets one.
        with parallel_config("loky", inner_max_num_threads=1):
            Parallel(workers)(delayed(_load)(searched) for _ in range(2 * workers))


def _load(contestants: list[Contestant]) -> None:
    """Unpickling the contestants has loaded their libraries."""


def _fit_a_little(plan: Plan, contestants: tuple[Contestant, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for contestant in contestants:
            X = np.arange(24.0).reshape(12, 2) / 24
            y = np.arange(12) % 2
            try:
                model = clone(contestant.estimator).fit(X, y)
                model.predict(_safe_indexing(X, [0, 1]))
            except Exception:
                continue  # it will fail again on the data, and be reported there
