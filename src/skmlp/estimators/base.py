"""What MLPClassifier and MLPRegressor share: validate, build a task, train, store."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from functools import cache
from inspect import Parameter, signature
from typing import Any, Self, TypeVar

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from ..fusion.meeting import train_or_meet
from ..machine.device import resolve_prediction_device
from ..machine.warnings import warn_caller
from ..network.architecture import NetworkArrays
from ..network.depth import expected_depth
from ..network.loss_forms import loss_of
from ..task import (
    FULL_BATCH_OPTIMIZERS,
    Observed,
    Rows,
    TrainingResult,
    TrainingTask,
)
from .constraints import CONSTRAINTS
from .convergence import convergence_messages
from .equal_units import equal_units_message
from .prediction import Trained, predict_logits
from .rows import (
    as_rows,
    check_outputs,
    checked_groups,
    checked_weights,
    finite_in,
    fresh_random_state,
    held_out,
    take,
    with_weight,
)
from .tasks import TaskMaker
from .together import check_together

Method = TypeVar("Method", bound=Callable[..., Any])


def with_mini_batches(method: Method) -> Method:
    """A method that estimators have whose optimizer works in mini-batches."""
    return available_if(_has_mini_batches)(method)


def _has_mini_batches(estimator: BaseMLP) -> bool:
    if estimator.optimizer in FULL_BATCH_OPTIMIZERS:
        raise AttributeError(
            "partial_fit needs an optimizer that works in mini-batches: "
            f"optimizer={estimator.optimizer!r} is not one of them."
        )
    return True


@cache
def _defaults(estimator: type[BaseMLP]) -> dict[str, Any]:
    """Those of the parameters that have one."""
    parameters = signature(estimator.__init__).parameters
    given = {name: p.default for name, p in parameters.items() if name != "self"}
    return {name: value for name, value in given.items() if value is not Parameter.empty}


def clone_or_same(callback: Any) -> Any:
    """A copy with the same parameters; the callback itself where its parts cannot be copied.

    Writers, trials and the like belong to the process; who gives them means the same ones.
    """
    try:
        return clone(callback, safe=False)
    except Exception:
        return callback


def solver_message(name: str, value: object) -> str:
    return (
        f"{name} has no parameter 'solver': use 'optimizer', which takes scikit-learn's "
        f"solvers and more. Here: optimizer={value!r}."
    )


class BaseMLP(TaskMaker):
    """Parameters, validation and training of a multilayer perceptron.

    Subclasses say how ``y`` becomes targets, and logits become predictions.
    """

    _parameter_constraints: dict = CONSTRAINTS
    # Where scikit-learn routes metadata, groups that a splitter keeps apart come here unasked: rows
    # held out for early stopping would otherwise be of the same groups as those trained on.
    __metadata_request__fit = {"groups": True}

    def __new__(cls, *args, **parameters):
        if "solver" in parameters:
            raise TypeError(solver_message(cls.__name__, parameters["solver"]))
        return super().__new__(cls)

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        """Once for each class: scikit-learn reads the signature at every clone and every check."""
        return super()._get_param_names()

    def _set_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Store the arguments of ``__init__`` as they are."""
        for name, value in parameters.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def set_params(self, **parameters) -> Self:
        """Set parameters, as scikit-learn's estimators do.

        Parameters
        ----------
        **parameters : dict

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        if "solver" in parameters:
            raise ValueError(solver_message(type(self).__name__, parameters["solver"]))
        return super().set_params(**parameters)

    # What subclasses provide

    _checked_y: Callable[[np.ndarray], np.ndarray]  # ``y`` as `_learn` and `Targets` take it

    @abstractmethod
    def _learn(self, y: np.ndarray, classes: Any) -> None:
        """Learn from a first ``y`` what the outputs mean (classes, number of outputs)."""

    # Fitting

    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        groups=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training rows. float32 rows are trained in float32, others in float64, unless
            ``dtype`` says otherwise.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels or an indicator matrix (classification); numbers (regression).
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in its batch's mean loss; a weight of zero equals absence.
        groups : array-like of shape (n_samples,), default=None
            Group of each row. The rows that ``early_stopping`` holds out are then whole groups, a
            ``validation_fraction`` of them (rounded up), drawn without regard to classes. Without
            early stopping, and with ``X_val``, nothing is held out and they mean nothing. Metadata
            routing brings them here by default.
        X_val : {array-like, sparse matrix, DataFrame} of shape (n_validation, n_features)
            Validation rows. Their loss and score are recorded every ``validation_every`` epochs,
            and ``early_stopping`` looks at them instead of at a part of ``X``.
        y_val : array-like of shape (n_validation,) or (n_validation, n_outputs)
            Targets of the validation rows.
        sample_weight_val : array-like of shape (n_validation,), default=None
            Weights of the validation rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data cannot be used, before training; or if training diverges:
            the message has the epoch and the learning rate.
        """
        self._check_parameters()
        first = not (self.warm_start and hasattr(self, "coefs_"))
        rows = self._rows(X, y, sample_weight, first=first, minimum=2, complete=True)
        groups = checked_groups(groups, len(rows))
        random_state = fresh_random_state(self.random_state)
        validation = self._given_validation(X_val, y_val, sample_weight_val)
        index = with_weight(rows.weights)
        if self.early_stopping and validation is None:
            fraction, labels = self.validation_fraction, self._targets().in_proportion(rows.labels)
            index, held = held_out(rows, index, labels, fraction, random_state, groups)
            validation = take(rows, held)
        state = {} if first else self._going_on()
        limits = {"max_iter": self.max_iter, "max_time": self.max_time}
        return self._train(take(rows, index), validation, random_state, **limits, **state)

    def _partial_fit(self, X, y, sample_weight=None, classes=None) -> Self:
        """One epoch over the rows, going on where the last call stopped."""
        first = not hasattr(self, "coefs_")
        rows = self._rows(X, y, sample_weight, first=first, minimum=1, classes=classes)
        rows = take(rows, with_weight(rows.weights))
        random_state = fresh_random_state(self.random_state)
        state = {} if first else self._going_on(self._no_improvement_count)
        state["resume"] = None if first else getattr(self, "_checkpoint", None)
        return self._train(rows, None, random_state, max_iter=1, keep_checkpoint=True, **state)

    def _going_on(self, no_improvement_count: int = 0) -> dict[str, Any]:
        """What a task needs that starts where the last training ended."""
        best = self.best_loss_
        history = {
            "t": self.t_,
            "loss_curve": list(self.loss_curve_),
            "learning_rates": list(self.learning_rates_ or ()),
            "best_loss": np.inf if best is None else best,
            "no_improvement_count": no_improvement_count,
        }
        return {"initial": self._arrays(), "history": history}

    def _train(self, train: Rows, validation: Rows | None, random_state, **state) -> Self:
        task = self._task(train, validation, random_state, **state)
        if message := equal_units_message(task):
            warn_caller(f"{type(self).__name__}: {message}")
        self._store(train_or_meet(task), task)
        return self

    # Validation of the input

    def _check_parameters(self, *, partial: bool = False) -> None:
        """Check each parameter, then those that are fine alone but not together.

        Raises
        ------
        ValueError
        """
        self._validate_params()
        if partial and self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: it makes one epoch at a time, "
                "so stop calling it when your own validation score no longer improves."
            )
        check_together(self, len(self._hidden_layer_sizes()), self._weight_decay())

    def _rows(
        self, X, y, sample_weight, *, first: bool, minimum: int, classes=None, complete=False
    ):
        """Validated training rows; ``complete``: ``y`` must have whatever it had at first."""
        if first:
            # A fit that fails leaves the estimator unfitted, not half of two fits.
            self.__dict__.pop("coefs_", None)
        X, y = self._checked(X, y, ensure_min_samples=minimum, reset=first)
        weights = checked_weights(sample_weight, X, "sample_weight")
        if first:
            self._learn(y, classes)
        targets = self._targets()
        if not first:
            self._check_layer_sizes(X.shape[1])
            if complete:
                targets.check_continued(y)
        return Rows(X, targets.encoded(y), weights, y)

    def _checked(self, X, y, **checks):
        """X as float rows, y in the form that the other methods take."""
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            **checks,
        )
        y = y.toarray() if scipy.sparse.issparse(y) else y
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        return as_rows(X), self._checked_y(y)

    def _given_validation(self, X, y, sample_weight) -> Rows | None:
        if X is None and y is None and sample_weight is None:
            return None
        if X is None or y is None:
            raise ValueError(
                "X_val and y_val must be given together "
                f"(X_val is {'missing' if X is None else 'given'}, "
                f"y_val is {'missing' if y is None else 'given'})."
            )
        X, y = self._checked(X, y, reset=False)
        weights = checked_weights(sample_weight, X, "sample_weight_val")
        rows = Rows(X, self._targets().encoded(y, "y_val"), weights, y)
        return take(rows, with_weight(weights))

    def _check_layer_sizes(self, n_features: int) -> None:
        fitted = (self.coefs_[0].shape[0], *(w.shape[1] for w in self.coefs_))
        asked = self._layer_sizes(n_features)
        if fitted != asked:
            raise ValueError(
                f"The network was fitted with layers {fitted}, but the parameters and the data "
                f"now ask for {asked}. With warm_start=True or partial_fit 'hidden_layer_sizes' "
                "must stay as it was: set warm_start=False, or fit a clone."
            )
        trained = self._trained.architecture
        self._check_same("normalization", trained.normalization, self.normalization)
        self._check_same("residual", trained.residual, self._block_length())
        rules = {True: "fixup", False: "any other"}  # "fixup" adds arrays
        self._check_same("initialization", rules[trained.fixup], rules[self._has_fixup()])

    @staticmethod
    def _check_same(name: str, fitted: object, asked: object) -> None:
        """Check what decides which arrays a network has."""
        if fitted != asked:
            raise ValueError(
                f"The network was fitted with {name}={fitted!r}, but now has {name}={asked!r}. "
                "With warm_start=True or partial_fit it must stay as it was: set "
                "warm_start=False, or fit a clone."
            )

    # Results

    def _arrays(self) -> NetworkArrays:
        return NetworkArrays(self.coefs_, self.intercepts_, self.parameters_)

    def _store(self, result: TrainingResult, task: TrainingTask) -> None:
        self.coefs_, self.intercepts_, self.parameters_ = result.arrays
        self.n_layers_ = len(task.layer_sizes)
        self.out_activation_ = loss_of(task.loss).out_activation
        self.loss_, self.loss_curve_ = result.loss, result.loss_curve
        self.learning_rates_ = result.learning_rates
        self.validation_loss_curve_ = result.validation_loss_curve
        self.validation_scores_ = result.validation_scores
        self.best_loss_ = result.best_loss
        self.best_validation_score_ = result.best_validation_score
        self.n_iter_, self.t_ = result.n_iter, result.t
        self.expected_depth_ = expected_depth(task.architecture, task.stochastic_depth)
        self.stopping_reason_ = result.stopping_reason
        self._no_improvement_count = result.no_improvement_count
        # Parameters may be changed after fitting: predictions use what was trained.
        self._trained = Trained(task.architecture, task.loss, task.loss_options)
        self._store_observed(result.observed)
        self._checkpoint = result.checkpoint
        if result.checkpoint is None:
            del self._checkpoint  # only partial_fit keeps the optimizer's state, as large as two W
        for message in convergence_messages(result, task):
            warn_caller(f"{type(self).__name__}: {message}", ConvergenceWarning)

    def _store_observed(self, observed: Observed | None) -> None:
        for name in ("callbacks_", "history_"):
            self.__dict__.pop(name, None)
        if observed is not None:
            self.callbacks_, self.history_ = observed.callbacks, observed.history

    def _observed(self) -> Observed | None:
        return Observed(self.callbacks_, self.history_) if hasattr(self, "callbacks_") else None

    def __sklearn_clone__(self):
        """As scikit-learn clones; callbacks that cannot be copied are shared with the clone."""
        plain = copy(self)
        plain.callbacks = None
        cloned = BaseEstimator.__sklearn_clone__(plain)
        cloned.callbacks = self.callbacks and [clone_or_same(c) for c in self.callbacks]
        return cloned

    def __getstate__(self):
        """What is pickled: a model trained on an accelerator loads where there is none.

        Callbacks that have seen its training may hold tensors of the device; they are pickled as
        they were before it. What a scorer is shown becomes an estimator like others.
        """
        state = super().__getstate__()
        state = {name: value for name, value in state.items() if name != "_logits"}
        if self.device != "cpu" and "callbacks_" in state:
            state = {**state, "callbacks": [clone_or_same(c) for c in self.callbacks]}
            del state["callbacks_"]
        return state

    def __setstate__(self, state):
        """Of an earlier version's estimator: what that did not know gets its default."""
        defaults = _defaults(type(self))
        super().__setstate__(state if defaults.keys() <= state.keys() else {**defaults, **state})
        if "loss_curve_" in state and "expected_depth_" not in state:
            self._complete()

    def _complete(self) -> None:
        """Attributes of an earlier version's fit: rates are not known, blocks there were none."""
        architecture, loss, options = self._trained
        self._trained = Trained(architecture, loss, options or self._loss_options(loss))
        self.expected_depth_ = expected_depth(architecture, 1.0)
        has_none = self.optimizer in FULL_BATCH_OPTIMIZERS
        self.learning_rates_ = None if has_none else [np.nan] * len(self.loss_curve_)

    # Prediction

    def _logits(self, X) -> np.ndarray:
        """Logits (n, m) of new rows."""
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse=["csr", "csc"],
            dtype=(np.float64, np.float32),
            reset=False,
        )
        device = resolve_prediction_device(self.device, type(self).__name__)
        X = finite_in(as_rows(X), self.coefs_[0].dtype.name, "X")
        logits = predict_logits(X, self._arrays(), self._trained.architecture, device)
        check_outputs(logits)
        return logits

    def predict(self, X) -> np.ndarray:
        """Predict the rows of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Rows with the columns seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, an indicator matrix, or values.
        """
        logits = self._logits(X)
        return self._targets(self._trained).predictions(logits)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coefs_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
