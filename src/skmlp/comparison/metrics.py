"""The scores of a comparison, each with what it needs and what counts as equal in practice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, get_scorer, top_k_accuracy_score

from .dataset import Dataset
from .errors import InputError
from .rows import own

__all__ = ["Metric", "make_metrics"]

DEFAULT_SCORING = {"classification": "accuracy", "regression": "r2"}

# A difference of one percentage point in accuracy is the usual region of practical equivalence
# (Benavoli et al. 2017). For scores without a fixed scale it is one per cent of the baseline's.
ROPE = 0.01

# Scores that are 1 at best and of that order: for these the region is ROPE as it stands.
UNIT_SCALE = (
    "accuracy",
    "balanced_accuracy",
    "top_k_accuracy",
    "average_precision",
    "f1",
    "precision",
    "recall",
    "jaccard",
    "roc_auc",
    "r2",
    "explained_variance",
    "matthews_corrcoef",
    "d2_",
)

SHARES_OF_ROWS = (accuracy_score, top_k_accuracy_score)


@dataclass(frozen=True)
class Metric:
    """A score: greater is better.

    Parameters
    ----------
    name : str
        Shown in tables.
    scorer : callable
        ``scorer(fitted, X, y)``, as scikit-learn's scorers.
    needs_probabilities : bool
        Whether it calls ``predict_proba``.
    rope : float or None
        Differences up to this size are practically none; None is 1 % of the baseline's mean.
    """

    name: str
    scorer: Callable[..., float]
    needs_probabilities: bool = False
    rope: float | None = ROPE

    def score(self, fitted: Any, X: Any, y: np.ndarray, weights: np.ndarray | None) -> float:
        """Score a fitted model on rows, weighted if there are weights."""
        extra = {} if weights is None else {"sample_weight": weights}
        return float(self.scorer(fitted, X, y, **extra))

    def is_share_of_rows(self) -> bool:
        """Whether the score of n rows comes in steps of 1/n."""
        return getattr(self.scorer, "_score_func", None) in SHARES_OF_ROWS

    def equivalence(self, baseline_mean: float) -> float:
        """Half-width of the region of practical equivalence."""
        return ROPE * abs(baseline_mean) if self.rope is None else self.rope


def make_metrics(
    scoring: Any, dataset: Dataset, rope: float | Mapping[str, float] | None = None
) -> tuple[Metric, ...]:
    """Look up scorers, and try them on the target before anything is fitted.

    Parameters
    ----------
    scoring : str, callable, sequence of str, dict of str to str or callable, or None
        The first is the one that tuning maximizes. None is accuracy or r2.
    dataset : Dataset
    rope : float, dict of str to float, or None
        Half-width of the region of practical equivalence, for all metrics or by name.

    Raises
    ------
    InputError
        If a scorer is unknown, or cannot score this target (with these weights).

    Examples
    --------
    >>> from skmlp.comparison import load_dataset
    >>> from skmlp.comparison.metrics import make_metrics
    >>> metrics = make_metrics(["accuracy", "neg_log_loss"], load_dataset("circles"))
    >>> [(metric.name, metric.needs_probabilities, metric.rope) for metric in metrics]
    [('accuracy', False, 0.01), ('neg_log_loss', True, None)]
    """
    named = _named(DEFAULT_SCORING[dataset.task] if scoring is None else scoring)
    ropes = _ropes(rope, named)
    metrics = []
    for name, scorer in named.items():
        found = _look_up(name, scorer)
        metrics.append(Metric(name, found, _try(name, found, dataset), ropes[name]))
    return tuple(metrics)


def _named(scoring: Any) -> dict[str, Any]:
    if isinstance(scoring, str):
        return {scoring: scoring}
    if callable(scoring):
        return {getattr(scoring, "__name__", None) or "score": scoring}
    if isinstance(scoring, Mapping):
        named = {str(name): scorer for name, scorer in scoring.items()}
    elif isinstance(scoring, (list, tuple)) and all(isinstance(name, str) for name in scoring):
        named = {name: name for name in scoring}
    else:
        raise InputError(
            f"Got scoring={scoring!r}, but expected a name of scikit-learn, a callable, a list of "
            "names or a dict of names to scorers."
        )
    if not named:
        raise InputError("scoring is empty: name at least one score, such as 'accuracy'.")
    return named


def _look_up(name: str, scorer: Any) -> Callable[..., float]:
    if callable(scorer):
        return scorer
    try:
        return get_scorer(scorer)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"Unknown scoring {scorer!r}: sklearn.metrics.get_scorer_names() lists what there is."
        ) from error


def _ropes(
    rope: float | Mapping[str, float] | None, named: Mapping[str, Any]
) -> dict[str, float | None]:
    default: dict[str, float | None] = {
        name: ROPE if name.startswith(UNIT_SCALE) else None for name in named
    }
    given = (
        rope if isinstance(rope, Mapping) else {} if rope is None else dict.fromkeys(named, rope)
    )
    for name, width in given.items():
        if name not in named:
            raise InputError(
                f"rope names {name!r}, which is not in scoring: {', '.join(map(repr, named))}."
            )
        if not isinstance(width, Real) or not np.isfinite(width) or width < 0:
            raise InputError(
                f"Got rope={width!r} for {name!r}, but expected a number of 0 or more."
            )
    return {**default, **given}


class Oracle(BaseEstimator):
    """Knows the target; with or without probabilities. Scorers are tried on it."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset
        self._estimator_type = "classifier" if dataset.classes else "regressor"
        if dataset.classes:
            self.classes_ = np.array(dataset.classes)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = self._estimator_type
        return tags

    def predict(self, X):
        return own(self.dataset.y)

    def _scores(self) -> np.ndarray:
        return np.eye(len(self.dataset.classes))[self.dataset.codes]


class DecidingOracle(Oracle):
    def decision_function(self, X):
        scores = self._scores()
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores


class ProbableOracle(DecidingOracle):
    def predict_proba(self, X):
        return self._scores()


def _try(name: str, scorer: Callable[..., float], dataset: Dataset) -> bool:
    """Whether a scorer needs probabilities, found by trying it on one who knows."""
    kinds = [DecidingOracle, ProbableOracle] if dataset.classes else [Oracle]
    extra = {} if dataset.sample_weight is None else {"sample_weight": own(dataset.sample_weight)}
    failures: list[Exception] = []
    for kind in kinds:
        try:
            scorer(kind(dataset), own(dataset.X), own(dataset.y), **extra)
        except Exception as failure:
            failures.append(failure)
        else:
            return kind is ProbableOracle
    raise InputError(
        f"scoring={name!r} cannot score this target"
        f"{' with sample_weight' if extra else ''}: {str(failures[-1]).rstrip('.')}."
        f"{dataset.or_regression}"
    ) from failures[-1]
