"""Everything that is decided before the first fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .catalog import LARGE, default_contestants
from .contestants import Contestant, as_contestants
from .dataset import Dataset
from .errors import InputError
from .folds import Fold, make_folds
from .metrics import Metric, make_metrics
from .preprocessing import resolve_preprocessing

__all__ = ["Plan", "make_plan"]

# scikit-learn and NumPy accept seeds in this range.
LARGEST_SEED = 2**32 - 1

FOLDS, QUICK_FOLDS, INNER_FOLDS = 5, 3, 3
QUICK_ROWS = 2000


@dataclass(frozen=True, eq=False)
class Plan:
    """A comparison that is checked and ready to run.

    Parameters
    ----------
    dataset : Dataset
    folds : tuple of Fold
        Shared by all contestants.
    contestants : tuple of Contestant
    metrics : tuple of Metric
        The first is the one that tuning maximizes.
    preprocessing : BaseEstimator
        Unfitted; a clone is fitted on the training rows of each fold, inner ones too.
    baseline : str
        The contestant that the others are compared with.
    random_state : int
    n_jobs : int or None
        Processes of the searches of others than skmlp's networks, which train as one stack.
    settings : dict of str to object
        What the caller chose, to repeat it.
    notes : tuple of str
        What the reader of the results has to know.
    """

    dataset: Dataset
    folds: tuple[Fold, ...]
    contestants: tuple[Contestant, ...]
    metrics: tuple[Metric, ...]
    preprocessing: BaseEstimator
    baseline: str
    random_state: int
    n_jobs: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def splits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The outer folds as pairs (train, test), as scikit-learn's ``cv=`` takes them."""
        return [(fold.train, fold.test) for fold in self.folds]

    @property
    def test_to_train(self) -> float:
        """n_test / n_train, over the outer folds."""
        return sum(len(fold.test) for fold in self.folds) / sum(
            len(fold.train) for fold in self.folds
        )

    def contestant(self, name: str) -> Contestant:
        """The contestant of this name."""
        return next(one for one in self.contestants if one.name == name)


def make_plan(
    dataset: Dataset,
    estimators: Any = None,
    *,
    cv: Any = None,
    inner_cv: Any = INNER_FOLDS,
    scoring: Any = None,
    tune: bool = True,
    preprocessing: Any = None,
    baseline: str | None = None,
    rope: Any = None,
    random_state: Any = None,
    n_jobs: int | None = None,
    quick: bool = False,
    intelex: bool = False,
) -> Plan:
    """Decide everything, and refuse what cannot be compared; parameters as in `compare`.

    Raises
    ------
    InputError
        If the settings are wrong, or do not go with the data set.
    """
    seed = _seed(random_state)
    _check_n_jobs(n_jobs)
    for name, flag in (("tune", tune), ("quick", quick), ("intelex", intelex)):
        if not isinstance(flag, (bool, np.bool_)):
            raise InputError(f"Got {name}={flag!r}, but expected True or False.")
    dataset = _fewer_rows(dataset, seed) if quick else dataset
    metrics = make_metrics(scoring, dataset, rope)
    folds = make_folds(
        dataset,
        (QUICK_FOLDS if quick else FOLDS) if cv is None else cv,
        inner_cv if tune else None,
        seed,
    )
    contestants = _contestants(dataset, estimators, folds, quick, seed, intelex)
    if not tune:
        contestants = tuple(contestant.untuned() for contestant in contestants)
    return Plan(
        dataset,
        folds,
        contestants,
        metrics,
        resolve_preprocessing(preprocessing, dataset.X),
        _baseline(baseline, contestants),
        seed,
        n_jobs,
        {
            "cv": _words(cv, len(folds)),
            "inner_cv": _words(inner_cv, len(folds[0].inner)) if tune else None,
            "scoring": [metric.name for metric in metrics],
            "tune": tune,
            "baseline": _baseline(baseline, contestants),
            "random_state": seed,
            "n_jobs": n_jobs,
            "quick": quick,
        },
        (*dataset.notes, *_notes(contestants, metrics, folds, estimators is None, tune)),
    )


def _seed(random_state: Any) -> int:
    """A number that repeats the comparison, drawn where none is given."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    if not isinstance(random_state, Integral) or isinstance(random_state, bool):
        raise InputError(
            f"Got random_state={random_state!r}, but expected an int, a numpy RandomState or None."
        )
    seed = int(random_state)
    if not 0 <= seed <= LARGEST_SEED:
        raise InputError(
            f"Got random_state={seed}, but expected 0 to {LARGEST_SEED}: use random_state=0."
        )
    return seed


def _check_n_jobs(n_jobs: Any) -> None:
    is_int = isinstance(n_jobs, Integral) and not isinstance(n_jobs, bool)
    if n_jobs is not None and (not is_int or n_jobs == 0):
        raise InputError(
            f"Got n_jobs={n_jobs!r}: use None or 1, a number of processes, or -1 for one process "
            "per core."
        )


def _fewer_rows(dataset: Dataset, seed: int) -> Dataset:
    """At most 2000 rows, classes in proportion; a large data set is no quick one."""
    n = len(dataset.y)
    if n <= QUICK_ROWS:
        return dataset
    rows = np.sort(dataset.mixed(np.arange(n), seed)[:QUICK_ROWS])
    return dataset.take(rows, f"quick: {QUICK_ROWS} of {n} rows were drawn.")


def _contestants(
    dataset: Dataset, estimators: Any, folds: Any, quick: bool, seed: int, intelex: bool
) -> tuple[Contestant, ...]:
    if estimators is None:
        largest = max(len(fold.train) for fold in folds)
        estimators = default_contestants(
            dataset.task, largest, quick=quick, random_state=seed, intelex=intelex
        )
    return tuple(seeded(one, seed) for one in as_contestants(estimators, dataset))


def seeded(contestant: Contestant, seed: int) -> Contestant:
    """The contestant with this seed wherever it has ``random_state=None``, so that it repeats."""
    unset = {
        name: seed
        for name, value in contestant.estimator.get_params().items()
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    }
    return Contestant(contestant.name, contestant.build(**unset), contestant.grid)


def _baseline(name: str | None, contestants: tuple[Contestant, ...]) -> str:
    names = [contestant.name for contestant in contestants]
    if name is None:
        return names[0]
    if name not in names:
        raise InputError(
            f"Got baseline={name!r}, but expected one of {', '.join(map(repr, names))}."
        )
    return name


def _words(cv: Any, count: int) -> str:
    return f"{count} folds" + ("" if cv is None or isinstance(cv, int) else f" of {cv!r}"[:200])


def _notes(
    contestants: tuple[Contestant, ...],
    metrics: tuple[Metric, ...],
    folds: tuple[Fold, ...],
    default: bool,
    tune: bool,
) -> list[str]:
    notes = []
    if default and max(len(fold.train) for fold in folds) >= LARGE:
        notes.append(
            f"From {LARGE:,} training rows on, exact kernels would take hours: they are "
            "approximated by Nystroem features and a linear support vector machine. The MLP has "
            "fewer settings and stops early."
        )
    untuned = [one.name for one in contestants if not one.grid]
    if untuned:
        why = "no grid was given" if tune else "tune=False"
        notes.append(f"Not tuned ({why}): {', '.join(untuned)}.")
    without = [one.name for one in contestants if not hasattr(one.estimator, "predict_proba")]
    if without and any(metric.needs_probabilities for metric in metrics):
        notes.append(
            "Probabilities by CalibratedClassifierCV(ensemble=False), whose predictions are also "
            f"the ones scored: {', '.join(without)}."
        )
    return notes
