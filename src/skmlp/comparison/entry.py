"""`skmlp.compare`: contestants side by side, from data to result."""

from __future__ import annotations

from contextlib import nullcontext
from time import perf_counter
from typing import Any

from .dataset import make_dataset
from .plan import INNER_FOLDS, Plan, make_plan
from .progress import Progress, make_progress
from .result import Comparison
from .run import FoldResult, run_plan

__all__ = ["compare", "compare_plan"]


def compare(
    X: Any,
    y: Any,
    estimators: Any = None,
    *,
    cv: Any = None,
    scoring: Any = None,
    tune: bool = True,
    preprocessing: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    baseline: str | None = None,
    random_state: Any = None,
    n_jobs: int | None = None,
    progress: bool = True,
    quick: bool = False,
    task: str | None = None,
    inner_cv: Any = INNER_FOLDS,
    rope: Any = None,
    intelex: bool = False,
    name: str = "data",
) -> Comparison:
    """Compare estimators on the same folds: scores, significance, time, memory and size.

    Nested cross-validation: in each outer fold every contestant gets the same preprocessed
    training rows, searches its grid on the same inner folds of them, is fitted with the best
    setting, and is scored on test rows that neither preprocessing nor tuning has seen.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Columns of numbers stay numbers, text becomes categories; missing values are allowed.
    y : array-like of shape (n_samples,)
        Class labels or numbers.
    estimators : dict, default=None
        Names and estimators, or pairs (estimator, grid) to be tuned. They get preprocessed rows.
        None: an MLP and support vector machines with linear, RBF, polynomial (degree 2 and 3) and
        sigmoid kernels, see `skmlp.comparison.default_contestants`.
    cv : int, splitter or iterable of (train, test), default=None
        Outer folds, drawn once; None is 5, or 3 with ``quick``. They are shuffled, stratified for
        classes and keep groups together; RepeatedStratifiedKFold and the like may repeat them.
    scoring : str, callable, list of str or dict, default=None
        Scores of scikit-learn, greater is better; tuning maximizes the first. None is "accuracy"
        or "r2". If one needs probabilities, machines without get them by calibration.
    tune : bool, default=True
        Whether to search the grids.
    preprocessing : transformer or "passthrough", default=None
        None imputes, one-hot encodes and scales.
    groups : array-like of shape (n_samples,), default=None
        Rows of one group stay on one side of every split, inner ones too.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of rows in every fit and score, but not in preprocessing.
    baseline : str, default=None
        The contestant that the others are compared with; None is the first one.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, and of contestants that have none. None draws one, and records it.
    n_jobs : int, default=None
        Processes of each search (-1: one per core). Networks of skmlp train as one stack instead.
    progress : bool, default=True
        Whether to show what is running and the remaining time, on standard error.
    quick : bool, default=False
        A first look: 3 outer folds, half the settings, at most 2000 rows.
    task : {"classification", "regression"}, default=None
        None decides by the values of y.
    inner_cv : int or splitter, default=3
        Folds of the searches.
    rope : float or dict of str to float, default=None
        Scores that differ by up to this are practically equal (the region of practical
        equivalence). None is 0.01 for scores that are 1 at best, and 1 % of the baseline's mean
        for others.
    intelex : bool, default=False
        Whether the default contestants use the SVC of scikit-learn-intelex.
    name : str, default="data"
        Name of the data set in tables.

    Returns
    -------
    Comparison
        Ctrl-C gives what is finished, with ``partial`` true; it is raised if nothing is.

    Raises
    ------
    InputError
        If the data or settings cannot be compared (a ValueError; before anything is fitted).

    Notes
    -----
    Differences are tested by the corrected t-test of Nadeau & Bengio (2003) and by the correlated
    Bayesian t-test of Benavoli et al. (2017), see `skmlp.comparison.significance`; times and
    memory are measured as `skmlp.comparison.measurement` says.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from skmlp import compare
    >>> X, y = load_iris(return_X_y=True)
    >>> estimators = {"linear": SVC(kernel="linear"), "rbf": (SVC(), {"C": [1, 10]})}
    >>> comparison = compare(X, y, estimators, random_state=0, progress=False)
    >>> print(comparison.table[["accuracy", "candidates", "best_params"]].round(3).to_csv())
    contestant,accuracy,candidates,best_params
    linear,0.967,1,
    rbf,0.947,2,C=1
    """
    dataset = make_dataset(X, y, task=task, groups=groups, sample_weight=sample_weight, name=name)
    plan = make_plan(
        dataset,
        estimators,
        cv=cv,
        inner_cv=inner_cv,
        scoring=scoring,
        tune=tune,
        preprocessing=preprocessing,
        baseline=baseline,
        rope=rope,
        random_state=random_state,
        n_jobs=n_jobs,
        quick=quick,
        intelex=intelex,
    )
    return compare_plan(plan, make_progress([plan]) if progress else None)


def compare_plan(plan: Plan, progress: Progress | None = None) -> Comparison:
    """Run a plan; an interrupt gives what is finished.

    Parameters
    ----------
    plan : Plan
    progress : Progress, default=None
        Told of every contestant and fold. If it is not yet entered, it is for this run only.

    Raises
    ------
    KeyboardInterrupt
        If nothing was finished.
    """
    results: list[FoldResult] = []
    start = perf_counter()
    try:
        with progress or nullcontext():
            for result in run_plan(plan, progress):
                results.append(result)
    except KeyboardInterrupt:
        if not results:
            raise
    return Comparison(plan, tuple(results), perf_counter() - start)
