"""A contestant: a model, and the settings it may choose from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import ParameterGrid
from sklearn.utils.validation import has_fit_parameter

from .dataset import Dataset
from .errors import InputError

__all__ = ["Contestant", "as_contestants", "calibrated", "format_parameters", "parts"]

Grid = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]]


@dataclass(frozen=True)
class Contestant:
    """A model and its grid.

    Parameters
    ----------
    name : str
        Shown in tables and figures.
    estimator : BaseEstimator
        It gets preprocessed rows; it is cloned, never fitted itself.
    grid : dict of str to list, or list of such dicts
        Parameter names and the values to try; empty: the estimator is taken as it is.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skmlp.comparison import Contestant
    >>> Contestant("neighbours", KNeighborsClassifier(), {"n_neighbors": [1, 5, 9]}).candidates
    3
    """

    name: str
    estimator: BaseEstimator
    grid: Grid = field(default_factory=dict)

    @property
    def settings(self) -> list[dict[str, Any]]:
        """The settings of the grid, in scikit-learn's order; one, empty, without a grid."""
        return list(ParameterGrid(self.grid)) if self.grid else [{}]

    @property
    def candidates(self) -> int:
        """Number of settings in the grid."""
        return len(self.settings)

    def untuned(self) -> Contestant:
        """The same without its grid."""
        return replace(self, grid={})

    def build(self, **parameters: Any) -> BaseEstimator:
        """An unfitted clone of the estimator with these parameters."""
        return clone(self.estimator).set_params(**parameters)


def as_contestants(estimators: Any, dataset: Dataset) -> tuple[Contestant, ...]:
    """Read what the caller gave as contestants, and check it against the data set.

    Parameters
    ----------
    estimators : dict, or sequence of Contestant
        A dict of names to estimators, or to pairs (estimator, grid).
    dataset : Dataset

    Raises
    ------
    InputError
        If something is no estimator, of the other task, has an impossible grid, or does not take
        sample weights when there are some.
    """
    if isinstance(estimators, Mapping):
        found = tuple(_from_entry(str(name), entry) for name, entry in estimators.items())
    elif isinstance(estimators, Sequence) and all(isinstance(e, Contestant) for e in estimators):
        found = tuple(estimators)
    else:
        raise InputError(
            f"Got estimators={estimators!r}, but expected a dict of names to estimators or to "
            "pairs (estimator, grid), or None for an MLP beside the SVC kernels."
        )
    if not found:
        raise InputError("estimators is empty: give at least one, or None for the default ones.")
    names = [contestant.name for contestant in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(f"Two contestants are called {min(twice)!r}: rename one of them.")
    for contestant in found:
        _check(contestant, dataset)
    return found


def _from_entry(name: str, entry: Any) -> Contestant:
    if isinstance(entry, Contestant):
        return replace(entry, name=name)
    estimator, grid = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, {})
    return Contestant(name, estimator, grid)


def _check(contestant: Contestant, dataset: Dataset) -> None:
    name, estimator = contestant.name, contestant.estimator
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise InputError(
            f"{name!r} is {estimator!r}, but expected an estimator of scikit-learn's interface: "
            "an object with fit and predict, not a class."
        )
    right, wrong = (
        (is_classifier, is_regressor) if dataset.classes else (is_regressor, is_classifier)
    )
    if wrong(estimator) and not right(estimator):
        raise InputError(
            f"{name!r} is no {'classifier' if dataset.classes else 'regressor'}, but the task is "
            f"{dataset.task}: choose another estimator, or give the task.{dataset.or_regression}"
        )
    _check_grid(contestant)
    if dataset.sample_weight is not None and not takes_weights(estimator):
        raise InputError(
            f"{name!r} takes no sample_weight in fit: leave it out, or compare without weights."
        )


def _check_grid(contestant: Contestant) -> None:
    try:
        settings = contestant.settings
    except (TypeError, ValueError) as error:
        raise InputError(f"The grid of {contestant.name!r} is none: {error}") from error
    known = contestant.estimator.get_params()
    for name in {name for setting in settings for name in setting}:
        if name.split("__")[0] not in known:
            raise InputError(
                f"The grid of {contestant.name!r} names {name!r}, which is no parameter of "
                f"{type(contestant.estimator).__name__}: "
                f"{', '.join(p for p in known if '__' not in p)}."
            )


def takes_weights(estimator: BaseEstimator) -> bool:
    """Whether ``fit`` takes sample weights; a meta-estimator does if what it holds does."""
    if hasattr(estimator, "steps"):
        return False  # a pipeline wants them under a step's name
    inner = getattr(estimator, "regressor", None) or getattr(estimator, "estimator", None)
    if inner is not None and hasattr(inner, "fit"):
        return takes_weights(inner)
    return has_fit_parameter(estimator, "sample_weight")


def calibrated(estimator: BaseEstimator, folds: int) -> BaseEstimator:
    """The estimator with probabilities: itself where it has them, else calibrated.

    Platt's sigmoid on the decision values of all training rows, each from a fold that did not see
    it (``ensemble=False``): what ``SVC(probability=True)`` was, which scikit-learn 1.9 deprecates.
    """
    if hasattr(estimator, "predict_proba"):
        return estimator
    return CalibratedClassifierCV(estimator, ensemble=False, cv=folds)


def parts(estimator: Any) -> Iterator[Any]:
    """An estimator and the estimators among its parameters, however deep."""
    yield estimator
    if hasattr(estimator, "get_params"):
        for value in estimator.get_params(deep=True).values():
            if isinstance(value, BaseEstimator):
                yield value


def format_parameters(parameters: Mapping[str, Any]) -> str:
    """Write parameters as in a call, by the last part of their names.

    Examples
    --------
    >>> from skmlp.comparison import format_parameters
    >>> format_parameters({"regressor__C": 10, "regressor__gamma": "scale"})
    'C=10, gamma=scale'
    """
    return ", ".join(
        f"{name.rpartition('__')[2]}={_plain(value)}" for name, value in parameters.items()
    )


def _plain(value: Any) -> str:
    """A value without spaces, so that commas between parameters stand out."""
    return str(value).replace(", ", ",") if isinstance(value, tuple) else str(value)
