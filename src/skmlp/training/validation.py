"""Loss and score on held-out rows.

Shapes: z is (n, m), m logits, and t (n, k), k targets; weights (n,); or all of them with a leading
axis K.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from ..network.architecture import NetworkArrays
from ..network.loss_forms import loss_of
from ..network.loss_of_numbers import pinball
from ..network.losses import Loss
from ..network.mlp import StackedMLP
from ..network.tensors import dense_tensor, device_rows
from ..task import TrainingTask
from .batches import RowOrder, RowStore
from .loss_options import options_of
from .progress import check_finite
from .row_weights import validation_weights

# Networks are validated together up to this many numbers in their widest layers: beyond, each
# has enough to do, and all their rows side by side would take much memory.
_NUMBERS_AT_ONCE = 1 << 22

OfTensors = Callable[..., Tensor]


# Accuracies are sums of whole weights, divided once: a network's patience asks whether a score is
# higher than another, and equal counts must be equal numbers whatever the order of summation.


def _accuracy(z: Tensor, t: Tensor, weights: Tensor, mean: Callable) -> Tensor:
    return ((z.argmax(-1) == t.argmax(-1)) * weights).sum(-1) / weights.sum(-1)


def _subset_accuracy(z: Tensor, t: Tensor, weights: Tensor, mean: Callable) -> Tensor:
    return (((z > 0) == (t > 0.5)).all(-1) * weights).sum(-1) / weights.sum(-1)


def _columns_accuracy(
    z: Tensor, t: Tensor, weights: Tensor, mean: Callable, *widths: float
) -> Tensor:
    """The share of rows that are right in every column, of so many classes each."""
    pairs = zip(*(values.split(list(map(int, widths)), -1) for values in (z, t)), strict=True)
    right = torch.stack([of.argmax(-1) == true.argmax(-1) for of, true in pairs])
    return (right.all(0) * weights).sum(-1) / weights.sum(-1)


def _r2(z: Tensor, t: Tensor, weights: Tensor, mean: Callable) -> Tensor:
    """R² averaged over outputs; a constant target counts 1 if met and 0 if missed.

    So does sklearn.metrics.r2_score.
    """
    share = (weights / weights.sum(-1, keepdim=True)).unsqueeze(-1)
    residual = (share * (t - mean(z)).square()).sum(-2)
    total = (share * (t - (share * t).sum(-2, keepdim=True)).square()).sum(-2)
    return _explained(residual, total, t.amax(-2) == t.amin(-2))


def _d2_pinball(
    z: Tensor, t: Tensor, weights: Tensor, mean: Callable, *options: float | Tensor
) -> Tensor:
    """As `_r2`, of the pinball loss, compared with the targets' quantile; mean of all quantiles.

    So does sklearn.metrics.d2_pinball_score, of one. Quantiles of one target stand together;
    options beyond them are not the score's.
    """
    share = (weights / weights.sum(-1, keepdim=True)).unsqueeze(-1)
    ordered, order = t.sort(-2)
    shares, found = share.expand_as(t).gather(-2, order).cumsum(-2), mean(z)
    several, scores = found.shape[-1] // t.shape[-1], []
    for i, quantile in enumerate(options[:several]):
        below = (shares < quantile).sum(-2, keepdim=True).clamp(max=t.shape[-2] - 1)
        both = found[..., i::several], ordered.gather(-2, below)
        lost, total = ((share * pinball(of - t, quantile)).sum(-2) for of in both)
        scores.append(_explained(lost, total, t.amax(-2) == t.amin(-2)))
    return scores[0] if several == 1 else torch.stack(scores).mean(0)


def _circular(z: Tensor, t: Tensor, weights: Tensor, mean: Callable) -> Tensor:
    """As `_r2`, of 1 - cos(difference), compared with the targets' mean direction."""
    share = (weights / weights.sum(-1, keepdim=True)).unsqueeze(-1)
    y, x = ((share * part).sum(-2, keepdim=True) for part in (t.sin(), t.cos()))
    lost, total = ((share * (1 - (of - t).cos())).sum(-2) for of in (mean(z), y.atan2(x)))
    return _explained(lost, total, total == 0)


def _explained(lost: Tensor, total: Tensor, constant: Tensor) -> Tensor:
    """The share of what the best constant loses that is not lost."""
    missed = (lost > 0).to(lost.dtype)
    return (1 - torch.where(constant, missed, lost / torch.where(constant, 1, total))).mean(-1)


# The same as loops, which are compiled where numba is installed: z (or means) and t are flat, m
# numbers and k targets a row.


def _accuracy_loop(n, m, k, z, t, weights, options):
    hits, weight = 0.0, 0.0
    for i in range(n):
        best, right = i * m, i * m
        for j in range(i * m + 1, (i + 1) * m):
            best = j if z[j] > z[best] else best
            right = j if t[j] > t[right] else right
        hits += weights[i] if best == right else 0.0
        weight += weights[i]
    return hits / weight


def _subset_accuracy_loop(n, m, k, z, t, weights, options):
    hits, weight = 0.0, 0.0
    for i in range(n):
        hit = True
        for j in range(i * m, (i + 1) * m):
            hit &= (z[j] > 0) == (t[j] > 0.5)
        hits += weights[i] if hit else 0.0
        weight += weights[i]
    return hits / weight


def _columns_accuracy_loop(n, m, k, z, t, weights, options):
    hits, weight = 0.0, 0.0
    for i in range(n):
        hit, column, begin = True, 0, i * m
        while begin < (i + 1) * m:
            best, right, end = begin, begin, begin + int(options[column])
            for j in range(begin + 1, end):
                best = j if z[j] > z[best] else best
                right = j if t[j] > t[right] else right
            hit &= best == right
            column, begin = column + 1, end
        hits += weights[i] if hit else 0.0
        weight += weights[i]
    return hits / weight


def _r2_loop(n, m, k, mean, t, weights, options):
    score = 0.0
    for j in range(m):
        weight, centre, constant = 0.0, 0.0, True
        for i in range(n):
            weight += weights[i]
            centre += weights[i] * t[i * m + j]
            constant &= t[i * m + j] == t[j]
        centre /= weight
        residual, total = 0.0, 0.0
        for i in range(n):
            value = np.float64(t[i * m + j])
            residual += weights[i] * (value - mean[i * m + j]) ** 2
            total += weights[i] * (value - centre) ** 2
        if constant:
            score += 0.0 if residual > 0 else 1.0
        else:
            score += 1.0 - residual / total
    return score / m


def _d2_pinball_loop(n, m, k, mean, t, weights, options):
    several, score = m // k, 0.0
    for c in range(m):
        quantile, j, weight = options[c % several], c // several, 0.0
        low, high = np.float64(t[j]), np.float64(t[j])
        for i in range(n):
            value = np.float64(t[i * k + j])
            weight += weights[i]
            low, high = min(low, value), max(high, value)
        constant = low == high
        # Rows are not sorted, because a loop has no memory of its own: the quantile is between low
        # and high, which come as close as numbers are.
        for _ in range(64):
            centre, below = 0.5 * low + 0.5 * high, 0.0
            for i in range(n):
                below += weights[i] if t[i * k + j] <= centre else 0.0
            if below < quantile * weight:
                low = centre
            else:
                high = centre
        lost, total = 0.0, 0.0
        for i in range(n):
            value = np.float64(t[i * k + j])
            by, best_by = mean[i * m + c] - value, high - value
            lost += weights[i] * by * ((1.0 - quantile) if by > 0 else -quantile)
            total += weights[i] * best_by * ((1.0 - quantile) if best_by > 0 else -quantile)
        if constant:
            score += 0.0 if lost > 0 else 1.0
        else:
            score += 1.0 - lost / total
    return score / m


def _circular_loop(n, m, k, mean, t, weights, options):
    score = 0.0
    for j in range(k):
        x, y, lost, total = 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            angle = np.float64(t[i * k + j])
            x += weights[i] * math.cos(angle)
            y += weights[i] * math.sin(angle)
        centre = math.atan2(y, x)
        for i in range(n):
            angle = np.float64(t[i * k + j])
            lost += weights[i] * (1.0 - math.cos(mean[i * k + j] - angle))
            total += weights[i] * (1.0 - math.cos(centre - angle))
        if total > 0:
            score += 1.0 - lost / total
        else:
            score += 0.0 if lost > 0 else 1.0
    return score / k


class Score(NamedTuple):
    """One score.

    Attributes
    ----------
    of : callable
        ``of(z, t, weights, mean, *options)``, of tensors.
    loop : callable, optional
        ``loop(n, m, k, mean, t, weights, options)``: the same of flat arrays.
    options : tuple of float or None
        Numbers that it depends on; None: the options of the loss.
    """

    of: OfTensors
    loop: Callable[..., float] | None = None
    options: tuple[float, ...] | None = ()

    def given(self, loss: Loss, of_loss: Sequence[Any]) -> Sequence[Any]:
        """Its options, where a loss has these."""
        if loss.score_options is not None:
            return loss.score_options
        return of_loss if self.options is None else self.options


SCORES: dict[str, Score] = {
    "accuracy": Score(_accuracy, _accuracy_loop),
    "subset_accuracy": Score(_subset_accuracy, _subset_accuracy_loop),
    "columns_accuracy": Score(_columns_accuracy, _columns_accuracy_loop),
    "r2": Score(_r2, _r2_loop),
    "circular": Score(_circular, _circular_loop),
    "d2_pinball": Score(_d2_pinball, _d2_pinball_loop, None),
    "d2_absolute_error": Score(_d2_pinball, _d2_pinball_loop, (0.5,)),
}


def metric_of(
    task: TrainingTask,
    loss: float,
    score: float,
    epoch: int,
    rate: float | None,
    logits: Callable[[], np.ndarray],
    arrays: Callable[[], NetworkArrays],
) -> float:
    """What decides about a network: its score, its negative loss, or what the user's scorer says.

    Parameters
    ----------
    task : TrainingTask
    loss, score : float
        On the held-out rows.
    epoch : int
    rate : float or None
        The learning rate, where there is one.
    logits, arrays : callable
        Of the network on the held-out rows, and itself: for a scorer.

    Raises
    ------
    Exception
        What the scorer raises; ValueError if it gives no finite number.
    DivergenceError
        If it cannot be asked, because the loss is infinite or NaN.
    """
    if task.metric is None:
        return score
    if task.metric == "loss":
        return -loss
    check_finite(loss, epoch, rate, what="validation loss")
    return task.metric(task, logits(), arrays(), epoch)


class Validated(NamedTuple):
    """What a validation found: loss, score, and logits and targets (n, m) of one network."""

    loss: float
    score: float
    logits: Tensor
    targets: Tensor


class Validation:
    """The held-out rows of one network, on its device."""

    def __init__(self, task: TrainingTask, dtype: torch.dtype, device: torch.device):
        rows = task.validation
        assert rows is not None
        options, self.score = options_of([task], dtype, device), SCORES[task.score]
        self.loss = loss_of(task.loss).given(options)
        self.options = self.score.given(self.loss, options)
        self.X = device_rows(rows.X, dtype, device)
        self.targets = dense_tensor(rows.targets, dtype, device)
        self.weights = dense_tensor(validation_weights(rows), dtype, device)

    def __call__(self, module: StackedMLP, k: int = 0) -> Validated:
        """Validate network k of a stack."""
        z = module.logits_of(k, self.X)
        loss = _weighted_mean(self.loss.per_row(z, self.targets), self.weights)
        score = self.score.of(z, self.targets, self.weights, self.loss.mean, *self.options)
        loss_value, score_value = torch.stack([loss, score]).tolist()
        return Validated(loss_value, score_value, z, self.targets)


class ValidationOneByOne:
    """The held-out rows of a stack's networks, validated one network after the other.

    Parameters
    ----------
    tasks : sequence of TrainingTask
        Those of the stack, in its order. Some may have no held-out rows.
    """

    def __init__(self, tasks: Sequence[TrainingTask], dtype: torch.dtype, device: torch.device):
        self._validations = [
            None if task.validation is None else Validation(task, dtype, device) for task in tasks
        ]

    def keep(self, networks: Sequence[int]) -> None:
        """Forget the networks that are not listed."""
        self._validations = [self._validations[k] for k in networks]

    def __call__(self, module: StackedMLP, networks: Sequence[int]) -> dict[int, Validated]:
        """Validate networks of the stack; those without held-out rows are left out."""
        pairs = ((k, self._validations[k]) for k in networks)
        return {k: validation(module, k) for k, validation in pairs if validation is not None}


class ValidationTogether:
    """As `ValidationOneByOne`, but all networks that are asked for at once.

    A network with fewer rows than others repeats its first one, with weight zero.
    """

    def __init__(self, tasks: Sequence[TrainingTask], dtype: torch.dtype, device: torch.device):
        self._dtype, self._device = dtype, device
        self._tasks, self._rows = list(tasks), [task.validation for task in tasks]
        self._store = RowStore([rows for rows in self._rows if rows is not None], dtype, device)
        self._put_side_by_side()

    def keep(self, networks: Sequence[int]) -> None:
        self._store.keep([self._place_of[k] for k in networks if k in self._place_of])
        self._tasks = [self._tasks[k] for k in networks]
        self._rows = [task.validation for task in self._tasks]
        self._put_side_by_side()

    def _put_side_by_side(self) -> None:
        with_rows = [(k, rows) for k, rows in enumerate(self._rows) if rows is not None]
        self._place_of = {k: place for place, (k, _) in enumerate(with_rows)}
        held_out = [rows for _, rows in with_rows]
        self._n_rows = list(map(len, held_out))
        if not held_out:
            return
        most = max(self._n_rows)
        orders = [RowOrder(n, most, False, np.random.default_rng(0)) for n in self._n_rows]
        chunk = self._store.chunk(orders, 1)
        weights = [np.pad(validation_weights(rows), (0, most - len(rows))) for rows in held_out]
        self.X, self.targets = chunk.X, chunk.targets
        self.weights = torch.as_tensor(np.stack(weights)).to(self.X)

    def __call__(self, module: StackedMLP, networks: Sequence[int]) -> dict[int, Validated]:
        networks = [k for k in networks if k in self._place_of]
        if not networks:
            return {}
        places = [self._place_of[k] for k in networks]
        X, targets, weights = (self._of(places, t) for t in (self.X, self.targets, self.weights))
        z = module.logits(X, networks)
        common = self._tasks[0].common
        options = options_of([self._tasks[k] for k in networks], self._dtype, self._device)
        row, score = loss_of(common.loss).given(options), SCORES[common.score]
        losses = _weighted_mean(row.per_row(z, targets), weights)
        scores = score.of(z, targets, weights, row.mean, *score.given(row, options))
        found = {}
        for i, (loss, score) in enumerate(torch.stack([losses, scores], 1).tolist()):
            n = self._n_rows[places[i]]
            found[networks[i]] = Validated(loss, score, z[i, :n], targets[i, :n])
        return found

    def _of(self, places: list[int], values: Tensor) -> Tensor:
        if len(places) == len(values):
            return values
        return values.index_select(0, torch.as_tensor(places, device=values.device))


def validation_of(
    tasks: Sequence[TrainingTask], dtype: torch.dtype, device: torch.device
) -> ValidationOneByOne | ValidationTogether:
    """How a stack's networks are validated."""
    rows = [task.validation for task in tasks if task.validation is not None]
    if len(rows) < 2 or any(scipy.sparse.issparse(r.X) for r in rows):
        return ValidationOneByOne(tasks, dtype, device)
    numbers = len(rows) * max(map(len, rows)) * max(tasks[0].common.layer_sizes)
    kind = ValidationTogether if numbers <= _NUMBERS_AT_ONCE else ValidationOneByOne
    return kind(tasks, dtype, device)


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum(-1) / weights.sum(-1)
