"""A scorer of scikit-learn's as the metric of a training: it is shown the estimator, fitted."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ..fusion.meeting import own_surroundings
from ..network.architecture import NetworkArrays
from ..task import Matrix, Metric, TrainingTask
from .prediction import Trained

# What an estimator has learned before its network is trained.
_LEARNED_FROM_ROWS = ("classes_", "n_outputs_", "n_features_in_")

BUILT_IN = (None, "score", "loss")


def is_metric(value: object) -> bool:
    """Whether `early_stopping_metric` may have a value."""
    if not isinstance(value, str) or value in BUILT_IN:
        return isinstance(value, str) or (callable(value) and not isinstance(value, type))
    from sklearn.metrics import get_scorer_names

    return value in get_scorer_names()


def metric_of(estimator: Any) -> Metric | Any:
    """What `TrainingTask.metric` is for an estimator's `early_stopping_metric`.

    Raises
    ------
    ValueError
        If a function of `sklearn.metrics` stands where a scorer should.
    """
    metric = estimator.early_stopping_metric
    if metric in BUILT_IN:
        return "loss" if metric == "loss" else None
    return ScorerMetric(metric, estimator)


class ScorerMetric:
    """A `Metric` by a scorer, which gets the estimator as it would be if training ended now.

    Parameters
    ----------
    metric : str or callable
        What the user gave.
    estimator : MLPClassifier or MLPRegressor
        Whose targets are known.
    """

    def __init__(self, metric: str | Callable[..., float], estimator: Any):
        from sklearn.metrics import check_scoring

        self.metric = metric
        self.scorer = check_scoring(estimator, scoring=metric)
        self._check_response(estimator)
        self._takes_weights = _takes_weights(self.scorer)
        self._view = _without_history(estimator)
        self._surroundings = own_surroundings()

    def _check_response(self, estimator: Any) -> None:
        """Raise if the scorer asks for probabilities, and there are none."""
        asked = getattr(self.scorer, "_response_method", None)
        if asked == "predict_proba" and not hasattr(estimator, asked):
            raise ValueError(
                f"{self._name} needs probabilities, which {type(estimator).__name__} has none of "
                f"with loss={estimator.loss!r}: take a metric of predictions, or "
                "early_stopping_metric='score' or 'loss'."
            )

    def __call__(
        self, task: TrainingTask, logits: np.ndarray, arrays: NetworkArrays, epoch: int
    ) -> float:
        from ..machine.device import users_torch

        rows = task.validation
        assert rows is not None
        fitted = _fitted(self._view, task, arrays)
        view: Any = copy(fitted)
        vars(view)["_logits"] = KnownLogits(fitted, rows.X, logits)
        more = {}
        if rows.weights is not None and self._takes_weights:
            more["sample_weight"] = rows.weights
        try:
            with self._surroundings(), users_torch():
                score = self.scorer(view, rows.X, rows.labels, **more)
        except Exception as error:
            error.add_note(f"It was raised by {self._name} after epoch {epoch}.")
            if isinstance(error, StopIteration):  # by which SciPy would be asked to stop
                raise RuntimeError("The scorer raised StopIteration.") from error
            raise
        return self._checked(score, epoch, len(rows))

    @property
    def _name(self) -> str:
        return f"early_stopping_metric={self.metric!r}"

    def _checked(self, score: Any, epoch: int, n_rows: int) -> float:
        """The score as a number, of which a best one can be found."""
        if not isinstance(score, Real):
            raise ValueError(
                f"{self._name} must return one number, such as a scorer made by "
                f"sklearn.metrics.make_scorer does. Got {score!r} after epoch {epoch}."
            )
        if not np.isfinite(float(score)):
            raise ValueError(
                f"{self._name} returned {score} on the {n_rows} validation rows after epoch "
                f"{epoch}: no best epoch can be told. Give X_val and y_val on which it is defined "
                "(with rows of every class, for example), a larger 'validation_fraction', or "
                "another metric."
            )
        return float(score)


class KnownLogits:
    """In place of an estimator's own: those of the held-out rows are not computed again."""

    def __init__(self, fitted: Any, X: Matrix, logits: np.ndarray):
        self.fitted, self.X, self.logits = fitted, X, logits

    def __call__(self, X: Any) -> np.ndarray:
        return self.logits if X is self.X else self.fitted._logits(X)


def _without_history(estimator: Any) -> Any:
    """A copy that knows of its rows only what predictions need.

    Scorers get arrays, so names of columns would only make it warn.
    """
    view = copy(estimator)
    for name in [*vars(view)]:
        if name.endswith("_") and name not in _LEARNED_FROM_ROWS:
            delattr(view, name)
    return view


def _fitted(view: BaseEstimator, task: TrainingTask, arrays: NetworkArrays) -> Any:
    fitted: Any = copy(view)
    fitted.coefs_, fitted.intercepts_, fitted.parameters_ = arrays
    fitted.n_layers_ = len(task.layer_sizes)
    fitted._trained = Trained(task.architecture, task.loss, task.loss_options)
    return fitted


def _takes_weights(scorer: Callable[..., float]) -> bool:
    """Whether a scorer takes ``sample_weight``; scikit-learn's own do if their function does."""
    try:
        parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    except (TypeError, ValueError):  # some functions written in C do not say
        return False
    return "sample_weight" in parameters
