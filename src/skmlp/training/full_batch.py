"""Full-batch training: scipy's minimizers over one network's parameters, in float64.

An `Evaluator` gives the loss and its gradient: torch's is here, that of compiled loops with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, Protocol, cast

import numpy as np
import scipy.optimize
import scipy.sparse
import torch
from torch import Tensor

from ..network.architecture import NetworkArrays
from ..network.tensors import dense_tensor
from ..task import FULL_BATCH_METHODS, Rows, TrainingResult, TrainingTask
from .curvature import hessian_product
from .progress import DivergenceError, Progress, check_finite
from .stack import build_module, finished, random_streams
from .starting import starting_weights
from .validation import Validation, metric_of

# Rows per forward and backward pass: bounds the memory of the hidden layers.
_ROWS_AT_ONCE = 8192


class Evaluator(Protocol):
    """A network as a function of one float64 vector: all weights, then the rest.

    Attributes
    ----------
    task : TrainingTask
    n_weights : int
        Of its entries, those that are penalized.
    parts : sequence
        What `evaluate` takes: the rows, some at a time.
    """

    task: TrainingTask
    n_weights: int
    parts: Sequence[Any]

    def vector(self) -> np.ndarray:
        """The vector, which is not to be written to."""
        ...

    def set_vector(self, vector: np.ndarray) -> None: ...

    def evaluate(self, part: Any) -> tuple[float, np.ndarray]:
        """What some rows add to the mean loss over all rows, and to its gradient."""
        ...

    def validate(self, epoch: int) -> tuple[float, float]:
        """Loss and metric on the held-out rows."""
        ...

    def network(self) -> NetworkArrays:
        """The network as new arrays."""
        ...


class CurvedEvaluator(Evaluator, Protocol):
    """One that has second derivatives too."""

    def product(self, part: Any, vector: np.ndarray) -> np.ndarray:
        """What some rows add to the product of the mean loss's Hessian matrix with a vector."""
        ...


def train_full_batch(
    task: TrainingTask, run: Any, evaluator: Callable[[TrainingTask], Evaluator] | None = None
) -> TrainingResult | Exception:
    """Train one network by ``task.optimizer.family``, a full-batch method."""
    start = perf_counter()
    try:
        chosen = (evaluator or TorchEvaluator)(without_plateau(task))
        result = FullBatchProblem(chosen, run).minimize()
        result.seconds = perf_counter() - start
        return result
    except Exception as error:
        if not (isinstance(error, DivergenceError) or callable(task.metric)):
            raise
        return error


class _OutOfEvaluations(Exception):
    """``max_fun`` evaluations have been made."""


class FullBatchProblem:
    """Loss and gradient of one network as a function of one float64 vector.

    Without an L1 penalty the vector is (W, b). With one it is (U, V, b) with W = U - V and
    U, V >= 0, where |W| = U + V is smooth; the bounds make exact zeros.
    """

    def __init__(self, evaluator: Evaluator, run: Any = None):
        self.evaluator, self.run = evaluator, run
        self._begin = None if evaluator.task.max_time is None else perf_counter()
        self.task = task = evaluator.task
        self.progress = Progress(task, **task.history)
        weight_sum = row_weights(task.train).sum()
        self.l1 = float(task.alpha * task.l1_ratio / weight_sum)
        self.l2 = float(task.alpha * (1.0 - task.l1_ratio) / weight_sum)
        self.n_weights = evaluator.n_weights
        self.method = FULL_BATCH_METHODS[task.optimizer.family]
        self._n_evaluations = 0

    def minimize(self) -> TrainingResult:
        with np.errstate(over="ignore", invalid="ignore"):
            found = self._minimize_bounded() if self.method.takes_bounds else self._minimize()
        self._set(found.x)
        self._close(found)
        return finished(self.progress, self._final_arrays(), None)

    def _minimize_bounded(self):
        """By a method that counts evaluations and looks at the gradient as we do."""
        return scipy.optimize.minimize(
            self.value_and_gradient,
            self._start(),
            method=self.method.scipy_name,
            jac=True,
            bounds=self._bounds(),
            callback=self._end_iteration,
            options={
                "maxiter": self.task.max_iter,
                "maxfun": self.task.max_fun,
                "gtol": self.task.tol,
                # so that tol alone decides, as in scikit-learn's LogisticRegression
                "ftol": 64 * np.finfo(float).eps,
            },
        )

    def _minimize(self):
        """By a method that is stopped from here: by max_fun, and by the largest entry of the
        gradient, where scipy looks at its norm."""
        start = self._start()
        self._reached = scipy.optimize.OptimizeResult(x=start, fun=np.inf, nit=0, success=False)
        try:
            self._reached.fun, _ = self._counted(start)
            if self._reached.fun == np.inf or self._is_minimum(start):
                self._reached.success = True
                return self._reached
            return scipy.optimize.minimize(
                self._counted,
                start,
                method=self.method.scipy_name,
                jac=True,
                hessp=self.product if self.method.takes_products else None,
                callback=self._end_counted_iteration,
                options={"maxiter": self.task.max_iter, "gtol": self.task.tol},
            )
        except _OutOfEvaluations:
            self.progress.stopping_reason = "max_fun"
            return self._reached

    def _counted(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        self._count()
        value, gradient = self.value_and_gradient(x)
        # Of the evaluations of an iteration the last one is where it ended, unless it stayed.
        self._evaluated = x.copy(), float(np.abs(gradient).max())
        # What is not a number is never accepted: to scipy nothing is lower, and nothing higher.
        return value if np.isfinite([value, self._evaluated[1]]).all() else np.inf, gradient

    def _is_minimum(self, x: np.ndarray) -> bool:
        where, largest_entry = self._evaluated
        return largest_entry <= self.task.tol and np.array_equal(x, where)

    def _count(self) -> None:
        if self._n_evaluations >= self.task.max_fun:
            raise _OutOfEvaluations
        self._n_evaluations += 1

    def _end_counted_iteration(self, intermediate_result) -> None:
        self._reached = intermediate_result
        self._end_iteration(intermediate_result)
        if self._is_minimum(intermediate_result.x):
            self.progress.stopping_reason = "converged"
            raise StopIteration

    def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean loss with penalty, and its gradient, at the vector x."""
        self._set(x)
        value, gradient = 0.0, np.zeros(self.evaluator.vector().size)
        for part in self._parts():
            its_value, its_gradient = self.evaluator.evaluate(part)
            value += its_value
            gradient += its_gradient
        return self._penalized(value, gradient, x)

    def product(self, x: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """The Hessian matrix at x times a vector."""
        self._count()
        self._set(x)
        evaluator = cast(CurvedEvaluator, self.evaluator)
        product = np.zeros(vector.size)
        for part in self._parts():
            product += evaluator.product(part, vector)
        product[: self.n_weights] += self.l2 * vector[: self.n_weights]
        check_finite(float(np.abs(product).max()), self.progress.n_iter + 1, None, "curvature")
        return product

    def _parts(self):
        for part in self.evaluator.parts:
            if self.run is not None and self.run.stop.is_set():
                raise InterruptedError("Training was interrupted.")
            yield part

    def _penalized(self, value: float, gradient: np.ndarray, x: np.ndarray):
        weights = self.evaluator.vector()[: self.n_weights]
        value += 0.5 * self.l2 * float(weights @ weights)
        gradient[: self.n_weights] += self.l2 * weights
        if not self.l1:
            return value, gradient
        value += self.l1 * float(x[: 2 * self.n_weights].sum())
        by_weight, by_bias = np.split(gradient, [self.n_weights])
        return value, np.concatenate([by_weight + self.l1, self.l1 - by_weight, by_bias])

    def _start(self) -> np.ndarray:
        flat = self.evaluator.vector().copy()
        if not self.l1:
            return flat
        weights, biases = np.split(flat, [self.n_weights])
        return np.concatenate([weights.clip(min=0), (-weights).clip(min=0), biases])

    def _bounds(self):
        if not self.l1:
            return None
        n_biases = self.evaluator.vector().size - self.n_weights
        return [(0, None)] * (2 * self.n_weights) + [(None, None)] * n_biases

    def _set(self, x: np.ndarray) -> None:
        if self.l1:
            up, down, biases = np.split(x, [self.n_weights, 2 * self.n_weights])
            x = np.concatenate([up - down, biases])
        self.evaluator.set_vector(x)

    def _end_iteration(self, intermediate_result) -> None:
        """After each iteration: history, validation, early stopping.

        Raises
        ------
        StopIteration
            How scipy is asked to stop.
        """
        progress = self.progress
        check_finite(float(intermediate_result.fun), progress.n_iter + 1, None)
        self._validate_if_due(intermediate_result.x)
        progress.end_epoch(float(intermediate_result.fun), 0.0)
        if self._begin is not None:
            progress.spend(perf_counter() - self._begin)
        if self.run is not None and self.run.bar is not None:
            self.run.bar.note(progress)
        if progress.stopping_reason is not None:
            raise StopIteration

    def _validate_if_due(self, x: np.ndarray) -> None:
        progress = self.progress
        if self.task.validation is not None and progress.validation_is_due:
            self._set(x)
            if progress.validate(*self.evaluator.validate(progress.running_epoch)):
                progress.best_weights = self.evaluator.network()

    def _close(self, found) -> None:
        if not self.progress.loss_curve:  # the start was a minimum: no iteration was made
            check_finite(float(found.fun), 0, None)
            self.progress.loss_curve.append(float(found.fun))
            self.progress.best_loss = float(found.fun)
        if self.progress.stopping_reason is None:
            self.progress.stopping_reason = _reason(found, self.task)
        self._validate_if_due(found.x)

    def _final_arrays(self) -> NetworkArrays:
        found, dtype = self.progress.best_weights or self.evaluator.network(), self.task.dtype
        return NetworkArrays(
            [a.astype(dtype) for a in found.coefs],
            [a.astype(dtype) for a in found.intercepts],
            {name: a.astype(dtype) for name, a in found.others.items()},
        )


class TorchEvaluator:
    """A `CurvedEvaluator` by torch, on the task's device."""

    def __init__(self, task: TrainingTask):
        self.task, self.device = task, torch.device(task.device)
        # Convergence tests on a float32 loss stop too early, so the arithmetic is float64.
        self.module = build_module([task], torch.float64, self.device)
        initial_rng, _, _ = random_streams(task)
        self.module.blocks.set_network(0, *starting_weights(task, initial_rng))
        self.validation = None
        if task.validation is not None:
            self.validation = Validation(task, torch.float64, self.device)
        self.n_weights = self.module.blocks.flat_weights.numel()
        self.parts = self._split_rows()

    def vector(self) -> np.ndarray:
        return self.module.blocks.flat.cpu().numpy()

    def set_vector(self, vector: np.ndarray) -> None:
        self.module.blocks.flat.copy_(torch.from_numpy(np.ascontiguousarray(vector)))

    def evaluate(self, part) -> tuple[float, np.ndarray]:
        X, targets, scale = self._tensors(part)
        logits = self.module.compute_gradients(X, targets, scale)
        losses = self.module.loss.per_row(logits, targets)
        value = float(torch.dot(losses.view(-1), scale.view(-1)))
        return value, self.module.gradients.flat.cpu().numpy()

    def product(self, part, vector: np.ndarray) -> np.ndarray:
        along = self._dense(vector)
        return hessian_product(self.module, *self._tensors(part), along).cpu().numpy()

    def _tensors(self, part) -> tuple[Tensor, Tensor, Tensor]:
        X, targets, scale = part
        return X if isinstance(X, Tensor) else self._dense(X).unsqueeze(0), targets, scale

    def validate(self, epoch: int) -> tuple[float, float]:
        assert self.validation is not None
        found = self.validation(self.module)
        score = metric_of(
            self.task,
            *found[:2],
            epoch,
            None,
            logits=lambda: found.logits.cpu().numpy().copy(),
            arrays=self.network,
        )
        return found.loss, score

    def network(self) -> NetworkArrays:
        return self.module.blocks.network(0)

    def _split_rows(self):
        """The rows part by part: (rows, targets, weight in the mean).

        A single part of dense rows is moved to the device once, several at each evaluation.
        """
        rows, weights = self.task.train, row_weights(self.task.train)
        keep = len(rows) <= _ROWS_AT_ONCE and not scipy.sparse.issparse(rows.X)
        parts = []
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            part = slice(begin, begin + _ROWS_AT_ONCE)
            X = self._dense(rows.X[part]).unsqueeze(0) if keep else rows.X[part]
            targets = self._dense(rows.targets[part]).unsqueeze(0)
            scale = self._dense(weights[part] / weights.sum()).view(1, -1, 1)
            parts.append((X, targets, scale))
        return parts

    def _dense(self, X) -> Tensor:
        return dense_tensor(X, torch.float64, self.device)


def row_weights(rows: Rows) -> np.ndarray:
    return np.ones(len(rows)) if rows.weights is None else rows.weights


def without_plateau(task: TrainingTask) -> TrainingTask:
    """A full-batch method has its own tolerance, and no rate: only validation stops it."""
    patience = task.n_iter_no_change if task.early_stopping else float("inf")
    return replace(task, n_iter_no_change=patience, learning_rate="constant", warmup=0)


def _reason(found, task: TrainingTask) -> str:
    if found.success:
        return "converged"
    if found.nfev > task.max_fun:
        return "max_fun"
    return "max_iter" if found.nit >= task.max_iter else "line_search"
