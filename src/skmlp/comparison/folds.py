"""The folds of a comparison: drawn once, used by every contestant."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold

from .datasets import Dataset
from .errors import InputError
from .settings import StudySettings

__all__ = ["Fold", "Plan", "make_folds", "plan_study"]


@dataclass(frozen=True, eq=False)
class Fold:
    """One outer fold and the inner folds of its training rows.

    Parameters
    ----------
    train, test : ndarray of int
        Row numbers in the data set.
    inner : list of (ndarray, ndarray)
        Training and validation positions, counted within `train`.
    """

    train: np.ndarray
    test: np.ndarray
    inner: list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Plan:
    """A data set and the folds that all contestants meet on it."""

    dataset: Dataset
    folds: list[Fold]


def plan_study(datasets: list[Dataset], settings: StudySettings) -> list[Plan]:
    """Draw the folds of all data sets, so that bad input is found before any work starts."""
    return [Plan(dataset, make_folds(dataset, settings)) for dataset in datasets]


def make_folds(dataset: Dataset, settings: StudySettings) -> list[Fold]:
    """Draw stratified outer folds and, within each training set, stratified inner folds.

    Raises
    ------
    InputError
        If a class has too few rows to be in every fold.

    Examples
    --------
    >>> from skmlp.comparison import StudySettings, load_dataset, make_folds
    >>> folds = make_folds(load_dataset("circles"), StudySettings(folds=4))
    >>> [len(fold.test) for fold in folds]
    [250, 250, 250, 250]
    """
    _check_class_sizes(dataset, settings)
    splitter = _splitter(settings.folds, settings)
    return [
        Fold(train, test, _inner_folds(dataset.y[train], settings))
        for train, test in splitter.split(dataset.X, dataset.y)
    ]


def _inner_folds(y: np.ndarray, settings: StudySettings) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(_splitter(settings.inner_folds, settings).split(np.zeros((len(y), 1)), y))


def _splitter(folds: int, settings: StudySettings) -> StratifiedKFold:
    return StratifiedKFold(folds, shuffle=True, random_state=settings.random_state)


def _check_class_sizes(dataset: Dataset, settings: StudySettings) -> None:
    counts = np.bincount(dataset.y)
    rarest = int(counts.argmin())
    # An outer training set misses at most ceil(n / folds) rows of a class of n rows.
    left = counts[rarest] - -(-counts[rarest] // settings.folds)
    if counts[rarest] >= settings.folds and left >= settings.inner_folds:
        return
    rows = "1 row" if counts[rarest] == 1 else f"{counts[rarest]} rows"
    raise InputError(
        f"Class {dataset.classes[rarest]!r} of {dataset.name} has only {rows}, too few for "
        f"{settings.folds} folds with {settings.inner_folds} inner folds each: use fewer "
        "--folds, add rows, or merge or remove the class."
    )
