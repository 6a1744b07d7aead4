"""What an estimator's parameters and rows become: the task of training one network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import floor
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

from ..augmentation import augmentation_of
from ..machine.device import resolve_device, resolve_dtype
from ..machine.warnings import warn_caller
from ..network.loss_forms import Key, loss_of
from ..task import (
    FULL_BATCH_OPTIMIZERS,
    CallbackView,
    Checkpoint,
    Observed,
    OptimizerSettings,
    Rows,
    TrainingTask,
)
from .prediction import Trained
from .rows import finite_in, per_layer
from .scoring import metric_of
from .targets import Targets


class TaskMaker(BaseEstimator, ABC):
    """The parameters of a multilayer perceptron, as the task that they ask for."""

    # What subclasses provide

    @abstractmethod
    def _targets(self, trained: Trained | None = None) -> Targets:
        """What the outputs of a trained network mean; without one, of one by the parameters."""

    def _with_class_weights(self, rows: Rows) -> Rows:
        return rows

    @abstractmethod
    def _observed(self) -> Observed | None:
        """What callbacks have seen of the last fit."""

    # The task

    def _hidden_layer_sizes(self) -> tuple[int, ...]:
        sizes = self.hidden_layer_sizes
        return (int(sizes),) if isinstance(sizes, Integral) else tuple(map(int, sizes))

    def _block_length(self) -> int:
        """Layers of each residual block; 0 where there are none."""
        if isinstance(self.residual, bool | np.bool_):
            return 2 if self.residual else 0
        return int(self.residual)

    def _has_fixup(self) -> bool:
        return isinstance(self.initialization, str) and self.initialization == "fixup"

    def _layer_sizes(self, n_features: int) -> tuple[int, ...]:
        loss = self._targets().loss
        n_logits = loss_of(loss).n_logits(self.n_outputs_, self._loss_options(loss))
        return (n_features, *self._hidden_layer_sizes(), n_logits)

    def _loss_options(self, loss: Key) -> tuple[float, ...]:
        """The numbers that the loss depends on; a parameter may be several."""
        values = (getattr(self, name) for name in loss_of(loss).options)
        return tuple(float(number) for value in values for number in np.ravel(value))

    def _task(self, train: Rows, validation: Rows | None, random_state, **state) -> TrainingTask:
        """The task by the parameters, and by what it goes on from."""
        name, hidden, loss = type(self).__name__, self._hidden_layer_sizes(), self._targets().loss
        device = resolve_device(self.device, name)
        dtype = resolve_dtype(self.dtype, train.X.dtype, device, name)
        train = self._with_class_weights(train)
        return TrainingTask(
            train=self._in_dtype(train, dtype),
            validation=None if validation is None else self._in_dtype(validation, dtype, "_val"),
            layer_sizes=self._layer_sizes(train.X.shape[1]),
            activations=per_layer(self.activation, len(hidden)),
            negative_slope=float(self.negative_slope),
            normalization=self.normalization,
            residual=self._block_length(),
            fixup=self._has_fixup(),
            loss=loss,
            score=loss_of(loss).score,
            loss_options=self._loss_options(loss),
            initialization=self.initialization,
            bias_initialization=self.bias_initialization,
            seed=int(random_state.randint(2**31 - 1)),
            device=device,
            dtype=dtype,
            optimizer=OptimizerSettings(
                self.optimizer,
                float(self.momentum),
                bool(self.nesterovs_momentum),
                float(self.beta_1),
                float(self.beta_2),
                float(self.epsilon),
            ),
            alpha=float(self.alpha),
            l1_ratio=float(self.l1_ratio),
            weight_decay=self._weight_decay(),
            dropout=tuple(float(p) for p in per_layer(self.dropout, len(hidden))),
            stochastic_depth=float(1.0 if self.stochastic_depth is None else self.stochastic_depth),
            dropout_type=self.dropout_type,
            dropout_schedule=self.dropout_schedule,
            dropout_cutoff=self._dropout_cutoff(),
            input_dropout=float(self.input_dropout),
            augmentation=augmentation_of(self.augmentation),
            max_grad_norm=self.max_grad_norm,
            max_grad_value=self.max_grad_value,
            learning_rate_init=float(self.learning_rate_init),
            learning_rate=self.learning_rate,
            power_t=float(self.power_t),
            warmup=self.warmup,
            learning_rate_decay=float(self.learning_rate_decay),
            learning_rate_period=self.learning_rate_period,
            period_multiplier=float(self.period_multiplier),
            learning_rate_end=float(self.learning_rate_end),
            base_momentum=self.base_momentum,
            horizon=self.max_iter,
            layer_learning_rates=self._layer_learning_rates(),
            bias_learning_rate=float(self.bias_learning_rate),
            batch_size=self._batch_size(len(train)),
            averaging=self.averaging,
            averaging_horizon=float(self.averaging_horizon),
            averaging_wait=self._averaging_wait(),
            shuffle=bool(self.shuffle),
            max_fun=self.max_fun,
            tol=float(self.tol),
            n_iter_no_change=self.n_iter_no_change,
            early_stopping=bool(self.early_stopping),
            metric=None if validation is None else metric_of(self),
            validation_every=int(self.validation_every),
            verbose=int(self.verbose),
            callback_view=self._callback_view(state.get("resume")) if self.callbacks else None,
            **state,
        )

    def _in_dtype(self, rows: Rows, dtype: str, suffix: str = "") -> Rows:
        """Rows in the dtype of the arithmetic, with targets as the loss takes them."""
        X = finite_in(rows.X, dtype, f"X{suffix}")
        targets = self._targets().expanded(rows.targets, dtype, suffix)
        return Rows(X, targets, rows.weights, rows.labels)

    def _callback_view(self, resume: Checkpoint | None) -> CallbackView:
        targets = self._targets()
        return CallbackView(
            self.callbacks,
            targets.predictions,
            targets.probabilities if loss_of(targets.loss).has_probabilities else None,
            get_tags(self).estimator_type,
            targets.classes,
            before=None if resume is None else self._observed(),
            score=targets.score,
        )

    def _layer_learning_rates(self) -> tuple[float, ...]:
        rates = self.layer_learning_rates
        return () if rates is None else tuple(float(rate) for rate in rates)

    def _weight_decay(self) -> float:
        if self.weight_decay != "auto":
            return float(self.weight_decay)
        from ..training.optimizers import OPTIMIZERS

        family = OPTIMIZERS.get(self.optimizer) if isinstance(self.optimizer, str) else None
        return family.default_weight_decay if family else 0.0

    def _dropout_cutoff(self) -> int:
        """In epochs: a share of ``max_iter`` is rounded, to at least one."""
        cutoff = self.dropout_cutoff
        if isinstance(cutoff, Integral):
            return int(cutoff)
        return max(1, round(float(cutoff) * self.max_iter))

    def _averaging_wait(self) -> int:
        """Epochs before the first that is averaged: at least the last one is."""
        if self.averaging != "swa":
            return 0
        # 0.29 of 100 epochs are 28.999999999999996
        return min(floor(self.averaging_start * self.max_iter + 1e-9), self.max_iter - 1)

    def _batch_size(self, n: int) -> int:
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n and self.optimizer not in FULL_BATCH_OPTIMIZERS:
            warn_caller(
                f"Got batch_size={self.batch_size}, larger than the {n} training rows: "
                "it is clipped to them."
            )
        return min(int(self.batch_size), n)
