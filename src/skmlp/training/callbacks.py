"""The skorch side of training: what callbacks see, when a user gives some.

The loop is ours (`Stack`), because skorch's own takes more than twice a raw loop; a fit without
callbacks does not come here at all. Here the same loop runs inside a real `skorch.NeuralNet`,
which records a history and notifies callbacks as skorch documents it.
"""

from __future__ import annotations

import dis
import time
from contextlib import suppress
from types import TracebackType
from typing import Any

import numpy as np
import scipy.sparse
import sklearn.base
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from skorch.dataset import Dataset
from skorch.utils import freeze_parameter
from torch import Tensor

from ..network.tensors import dense_tensor
from ..task import Observed, TrainingTask
from .stack import Stack
from .validation import Validated


class TrainingStopped(Exception):
    """A callback asked for the end of training."""


class StackLoss(torch.nn.Module):
    """The task's loss, averaged over rows, as a torch criterion."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.loss.per_row(logits, targets).mean()


class TrainingEngine(NeuralNet):
    """One network in training, as a skorch net.

    ``module_`` is the `StackedMLP`, ``optimizer_`` the torch optimizer that trains it, and
    ``history`` has per epoch ``train_loss``, ``dur``, and with validation rows ``valid_loss``
    and ``valid_score``, each with ``_best``. Scorers may call ``predict`` and ``predict_proba``.
    """

    def __init__(self, task: TrainingTask):
        view = task.callback_view
        assert view is not None
        super().__init__(
            module=torch.nn.Module,
            criterion=StackLoss,
            lr=task.learning_rate_init,
            max_epochs=task.max_iter,
            batch_size=task.batch_size,
            train_split=None,
            callbacks=without_freezers(view.callbacks),
            verbose=task.verbose,
            device=task.device,
        )
        self.task_, self.view_ = task, view
        self.stack_ = Stack([task], observer=self)
        if view.classes is not None:
            self.classes_ = view.classes

    # What skorch initializes, here taken from the stack

    @property
    def _default_callbacks(self):
        return []

    def initialize_callbacks(self):
        before = self.view_.before
        if before is None:
            return super().initialize_callbacks()
        self.callbacks_ = before.callbacks  # training goes on: what they have recorded stays
        return self

    def initialize_module(self):
        self.module_ = self.stack_.module
        return self

    def initialize_criterion(self):
        self.criterion_ = StackLoss(self.stack_.module.loss)
        return self

    def initialize_optimizer(self, triggered_directly=None):
        self.optimizer_ = self.stack_.optimizer.torch_optimizer
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = self.view_.estimator_type
        if tags.estimator_type == "classifier":
            tags.classifier_tags = sklearn.utils.ClassifierTags()
        else:
            tags.regressor_tags = sklearn.utils.RegressorTags()
        return tags

    # Training

    def run(self) -> Stack:
        """Train to the end and return the stack with its outcome."""
        task, (member,) = self.task_, self.stack_.members
        self.initialize()
        if self.view_.before is not None:
            self._go_on_from(self.view_.before)
        labels = task.train.labels
        datasets = {
            "dataset_train": Dataset(task.train.X, labels),
            "dataset_valid": _dataset(task.validation),
        }
        try:
            self.notify("on_train_begin", X=task.train.X, y=labels)
            while not member.progress.stopping_reason and self.stack_.outcomes[0] is None:
                self._run_epoch(datasets)
        except TrainingStopped:
            member.progress.stopping_reason = "callback"
        self.stack_.restore_best()
        # callbacks may load other weights here: EarlyStopping(load_best=True) does
        with suppress(TrainingStopped):
            self.notify("on_train_end", X=task.train.X, y=labels)
        self.stack_.let_leave()
        return self.stack_

    def _go_on_from(self, before: Observed) -> None:
        self.history_ = before.history
        for group in self.optimizer_.param_groups:
            # where torch's schedulers look when they go on
            group.setdefault("initial_lr", self.task_.learning_rate_init)

    def _run_epoch(self, datasets: dict[str, Any]) -> None:
        start = time.perf_counter()
        self.notify("on_epoch_begin", **datasets)
        self._n_batches = 0
        self.stack_.advance()
        self.history.record("train_batch_count", self._n_batches)
        self.stack_.end_epochs()
        progress = self.stack_.members[0].progress
        if self.stack_.outcomes[0] is None:
            self._record("train_loss", progress.loss_curve, lower_is_better=True)
            if progress.validation_scores:
                self._record("valid_loss", progress.validation_loss_curve, lower_is_better=True)
                self._record("valid_score", progress.validation_scores, lower_is_better=False)
            self.history.record("dur", time.perf_counter() - start)
            with self.stack_.evaluated():
                self.notify("on_epoch_end", **datasets)

    def _record(self, name: str, curve: list[float], *, lower_is_better: bool) -> None:
        sign = 1 if lower_is_better else -1
        best = all(sign * curve[-1] < sign * earlier for earlier in curve[:-1])
        self.history.record(name, curve[-1])
        self.history.record(f"{name}_best", best)

    def notify(self, method_name, **cb_kwargs):
        """Notify callbacks; one that raises KeyboardInterrupt to stop training stops it.

        Raises
        ------
        KeyboardInterrupt
            If the interrupt came from the keyboard: that one is not swallowed.
        """
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as interrupt:
            if raised_by_callback(interrupt.__traceback__):
                raise TrainingStopped from interrupt
            raise

    # The stack's observer

    def begin_batch(self, x: Tensor, rows: np.ndarray) -> None:
        # callbacks compare predictions with the user's labels, not with the loss's targets
        self._batch = x[0], np.asarray(self.task_.train.labels)[rows]
        self.notify("on_batch_begin", batch=self._batch, training=True)

    def gradients_computed(self) -> None:
        parameters = list(self.module_.named_parameters())
        self.notify(
            "on_grad_computed", named_parameters=parameters, batch=self._batch, training=True
        )

    def end_batch(self, logits: Tensor, targets: Tensor) -> None:
        loss = self.criterion_(logits, targets)
        self._n_batches += 1
        self._end_batch(*self._batch, logits[0], loss, training=True)

    def validated(self, found: Validated) -> None:
        """Tell callbacks of the validation rows in batches, as skorch's own loop does."""
        rows, size = self.task_.validation, self.batch_size
        assert rows is not None
        labels = np.asarray(rows.labels)
        begins = range(0, len(rows), size)
        for begin in begins:
            part = slice(begin, begin + size)
            batch = (rows.X[part], labels[part])
            self.notify("on_batch_begin", batch=batch, training=False)
            mean_loss = self.criterion_(found.logits[part], found.targets[part])
            self._end_batch(*batch, found.logits[part], mean_loss, training=False)
        self.history.record("valid_batch_count", len(begins))

    def _end_batch(self, x, y, logits: Tensor, loss: Tensor, *, training: bool) -> None:
        prefix = "train" if training else "valid"
        self.history.record_batch(f"{prefix}_loss", loss.item())
        self.history.record_batch(f"{prefix}_batch_size", x.shape[0])
        self.notify("on_batch_end", batch=(x, y), training=training, loss=loss, y_pred=logits)

    # Predictions for scorers

    def forward_iter(self, X, training=False, device="cpu"):
        """Yield logits (n, m) of rows X, or of the rows of a dataset, in one piece."""
        if isinstance(X, Dataset):
            X = X.X
        if not (isinstance(X, Tensor) or scipy.sparse.issparse(X)):
            X = dense_tensor(np.asarray(X), self.stack_.dtype, self.stack_.device)
        yield self.stack_.module.logits_of(0, X).to(device)

    def _logits(self, X) -> np.ndarray:
        return torch.cat(list(self.forward_iter(X))).cpu().numpy()

    def predict(self, X):
        """Labels or values, as the estimator predicts them."""
        return self.view_.predict(self._logits(X))

    def predict_proba(self, X):
        """Probabilities of the classes, as the estimator gives them.

        Raises
        ------
        AttributeError
            For a regressor, or where the loss gives no probabilities.
        """
        if self.view_.predict_proba is None:
            raise AttributeError("There is no predict_proba: the loss gives no probabilities.")
        return self.view_.predict_proba(self._logits(X))

    def score(self, X, y):
        """As the estimator's ``score``."""
        assert self.view_.score is not None
        return self.view_.score(y, self.predict(X))


def without_freezers(callbacks: Any) -> Any:
    """The user's callbacks, as skorch takes them: the objects themselves.

    Raises
    ------
    ValueError
        If one would freeze layers.
    """
    for callback in callbacks or ():
        callback = callback[1] if isinstance(callback, tuple) else callback
        if getattr(callback, "fn", None) is freeze_parameter:
            raise ValueError(
                "The callback Freezer has no effect here: gradients are not autograd's. "
                "'layer_learning_rates' freezes layers: (0, 1) the first of two."
            )
    return callbacks


def raised_by_callback(traceback: TracebackType | None) -> bool:
    """Whether an exception was raised by a `raise` statement in a callback's own method.

    An interrupt from the keyboard comes between any two instructions; a callback that wants to
    stop executes a `raise`. skorch uses KeyboardInterrupt for both.
    """
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame
    operation = dis.opname[frame.f_code.co_code[traceback.tb_lasti]]
    return operation == "RAISE_VARARGS" and isinstance(frame.f_locals.get("self"), Callback)


def _dataset(rows) -> Dataset | None:
    return None if rows is None else Dataset(rows.X, rows.labels)
