"""Losses of classes and of labels: functions of tensors, and the same as loops.

Shapes are those of `losses`: z (K, B, m), t (K, B, k), a row's loss (K, B). A loop gets them flat,
as `Loss` says.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .elementary import exp, log1p

if TYPE_CHECKING:
    from torch import Tensor

# Below this many classes a softmax over the last axis runs row by row without vector
# instructions; laid out classes first it is 2 (K = 1) to 12 (K = 120) times faster. Measured
# on 64 x 10 and 32 x 2 blocks.
FEW_CLASSES = 32


def softmax(z: Tensor) -> Tensor:
    if z.shape[-1] > FEW_CLASSES or z.device.type != "cpu":
        return z.softmax(-1)
    return z.mT.contiguous().softmax(-2).mT


def log_loss(z: Tensor, t: Tensor) -> Tensor:
    z, t = z.mT.contiguous(), t.mT  # sums over few classes: see FEW_CLASSES
    return z.logsumexp(-2) * t.sum(-2) - (z * t).sum(-2)


def binary_log_loss(z: Tensor, t: Tensor) -> Tensor:
    # -t log p - (1 - t) log(1 - p) with p = 1 / (1 + exp(-z)), from z itself:
    # max(z, 0) - z t + log(1 + exp(-|z|))
    from torch.nn.functional import softplus

    losses = z.clamp(min=0).addcmul_(z, t, value=-1)
    return losses.add_(softplus(z.abs().neg_())).sum(-1)


def focal(z: Tensor, t: Tensor, gamma: float | Tensor) -> Tensor:
    # -Σ t (1 - p)^γ log p  (Lin et al. 2017)
    _, log_p, q = _softmax_and_rest(z)
    return -(t * q**gamma * log_p).sum(-1)


def focal_delta(z: Tensor, t: Tensor, gamma: float | Tensor) -> Tensor:
    p, log_p, q = _softmax_and_rest(z)
    ratio = (log_p / q).where(q > 0, -1.0)  # log p / (1 - p), which tends to -1
    by_log_p = t * q**gamma * (gamma * p * ratio - 1)
    return by_log_p - p * by_log_p.sum(-1, keepdim=True)


def _softmax_and_rest(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """p, log p and 1 - p of a softmax, each to full precision where p is near one."""
    top, place = z.max(-1, keepdim=True)
    e = (z - top).exp_()
    others = e.scatter(-1, place, 0.0).sum(-1, keepdim=True)
    partition = 1 + others
    rest = (partition - e).scatter(-1, place, others)
    return e / partition, z - top - others.log1p(), rest / partition


def binary_focal(z: Tensor, t: Tensor, gamma: float | Tensor) -> Tensor:
    there = _softplus(-z) * z.neg().sigmoid_() ** gamma
    missing = _softplus(z) * z.sigmoid() ** gamma
    return (t * there + (1 - t) * missing).sum(-1)


def binary_focal_delta(z: Tensor, t: Tensor, gamma: float | Tensor) -> Tensor:
    p, q = z.sigmoid(), z.neg().sigmoid_()
    there = q**gamma * (gamma * p * _softplus(-z) + q)
    missing = p**gamma * (gamma * q * _softplus(z) + p)
    return (1 - t) * missing - t * there


def _softplus(z: Tensor) -> Tensor:
    from torch.nn.functional import softplus

    return z.clamp(min=0) + softplus(-z.abs())  # torch's own drops what is below 2e-9


def hinge(z: Tensor, t: Tensor) -> Tensor:
    # Σ max(0, z - z of the class + 1), over the other classes (Weston & Watkins 1999)
    return _margins(z, t).sum(-1)


def hinge_delta(z: Tensor, t: Tensor) -> Tensor:
    return _and_of_the_class(_margins(z, t).sign_(), t)  # at the kink 0, a subgradient there


def squared_hinge(z: Tensor, t: Tensor) -> Tensor:
    return _margins(z, t).square_().sum(-1)


def squared_hinge_delta(z: Tensor, t: Tensor) -> Tensor:
    return _and_of_the_class(2 * _margins(z, t), t)


def _margins(z: Tensor, t: Tensor) -> Tensor:
    """How much of each other class' margin is missing."""
    right = (z * t).sum(-1, keepdim=True)
    return (z - right).add_(1.0).clamp_(min=0.0).mul_(1 - t)


def _and_of_the_class(others: Tensor, t: Tensor) -> Tensor:
    return others - t * others.sum(-1, keepdim=True)


def binary_hinge(z: Tensor, t: Tensor) -> Tensor:
    return (1 - (2 * t - 1) * z).clamp_(min=0.0).sum(-1)


def binary_hinge_delta(z: Tensor, t: Tensor) -> Tensor:
    side = 2 * t - 1
    return -side * (1 - side * z).clamp_(min=0.0).sign_()


def binary_squared_hinge(z: Tensor, t: Tensor) -> Tensor:
    return (1 - (2 * t - 1) * z).clamp_(min=0.0).square_().sum(-1)


def binary_squared_hinge_delta(z: Tensor, t: Tensor) -> Tensor:
    side = 2 * t - 1
    return -2 * side * (1 - side * z).clamp_(min=0.0)


def log_loss_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(0, n * m, m):
        top = z[i]
        for j in range(i + 1, i + m):
            top = max(top, z[j])
        for j in range(i, i + m):
            d[j] = exp(z[j] - top)
        partition, weight, loss = 0.0, 0.0, 0.0
        for j in range(i, i + m):
            partition += d[j]
            weight += t[j]
            loss -= t[j] * (np.float64(z[j]) - top)
        for j in range(i, i + m):
            d[j] = (d[j] / partition - t[j]) * scale[j]
        sum_of_losses += scale[i] * (loss + weight * math.log(partition))
    return sum_of_losses


def binary_log_loss_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        v, w = np.float64(z[i]), np.float64(t[i])
        e = exp(-abs(v))
        sum_of_losses += scale[i] * (max(v, 0.0) - v * w + log1p(e))
        d[i] = ((e if v < 0 else 1.0) / (1.0 + e) - w) * scale[i]
    return sum_of_losses


def focal_loop(n, m, k, z, t, scale, options, d):
    gamma, sum_of_losses = options[0], 0.0
    for i in range(0, n * m, m):
        best = i
        for j in range(i + 1, i + m):
            best = j if z[j] > z[best] else best
        others, top = 0.0, np.float64(z[best])
        for j in range(i, i + m):
            others += math.exp(np.float64(z[j]) - top) if j != best else 0.0
        partition, total = 1.0 + others, 0.0
        log_partition = math.log1p(others)
        for j in range(i, i + m):
            e, weight = math.exp(np.float64(z[j]) - top), np.float64(t[j])
            rest = (others if j == best else partition - e) / partition
            log_p = np.float64(z[j]) - top - log_partition
            ratio = log_p / rest if rest > 0 else -1.0
            factor = weight * rest**gamma
            sum_of_losses -= scale[i] * factor * log_p
            d[j] = factor * (gamma * (e / partition) * ratio - 1.0)
            total += d[j]
        for j in range(i, i + m):
            p = math.exp(np.float64(z[j]) - top) / partition
            d[j] = (d[j] - p * total) * scale[j]
    return sum_of_losses


def binary_focal_loop(n, m, k, z, t, scale, options, d):
    gamma, sum_of_losses = options[0], 0.0
    for i in range(n * m):
        v, w = np.float64(z[i]), np.float64(t[i])
        e = math.exp(-abs(v))
        large, small, log_large = 1.0 / (1.0 + e), e / (1.0 + e), math.log1p(e)
        p, q = (large, small) if v > 0 else (small, large)
        of_label = log_large + max(-v, 0.0)  # -log p
        of_none = log_large + max(v, 0.0)  # -log q
        there, missing = q**gamma, p**gamma
        sum_of_losses += scale[i] * (w * there * of_label + (1.0 - w) * missing * of_none)
        there *= gamma * p * of_label + q
        missing *= gamma * q * of_none + p
        d[i] = ((1.0 - w) * missing - w * there) * scale[i]
    return sum_of_losses


def hinge_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(0, n * m, m):
        right, pull = i, 0.0
        for j in range(i + 1, i + m):
            right = j if t[j] > t[right] else right
        for j in range(i, i + m):
            margin = np.float64(z[j]) - np.float64(z[right]) + 1.0
            active = j != right and margin > 0
            sum_of_losses += scale[i] * margin if active else 0.0
            pull += scale[i] if active else 0.0
            d[j] = scale[i] if active else 0.0
        d[right] = -pull
    return sum_of_losses


def squared_hinge_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(0, n * m, m):
        right, pull = i, 0.0
        for j in range(i + 1, i + m):
            right = j if t[j] > t[right] else right
        for j in range(i, i + m):
            margin = np.float64(z[j]) - np.float64(z[right]) + 1.0
            lacking = margin if j != right and margin > 0 else 0.0
            sum_of_losses += scale[i] * (lacking * lacking)
            slope = 2.0 * lacking * scale[i]
            pull += slope
            d[j] = slope
        d[right] = -pull
    return sum_of_losses


def binary_hinge_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        side = 2.0 * t[i] - 1.0
        margin = 1.0 - side * z[i]
        sum_of_losses += scale[i] * margin if margin > 0 else 0.0
        d[i] = -side * scale[i] if margin > 0 else 0.0
    return sum_of_losses


def binary_squared_hinge_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        side = 2.0 * t[i] - 1.0
        margin = max(1.0 - side * z[i], 0.0)
        sum_of_losses += scale[i] * (margin * margin)
        d[i] = -2.0 * side * margin * scale[i]
    return sum_of_losses
