"""Losses of numbers: functions of tensors, and the same as loops.

Shapes are those of `losses`: z (K, B, m), t (K, B, k), a row's loss (K, B). A loop gets them flat,
as `Loss` says.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .elementary import exp, log1p, tanh

if TYPE_CHECKING:
    from torch import Tensor


def squared_error(z: Tensor, t: Tensor) -> Tensor:
    return 0.5 * (z - t).square_().sum(-1)


def poisson(z: Tensor, t: Tensor) -> Tensor:
    # half the deviance with a log link: t log(t / μ) - t + μ, μ = exp(z)
    return (t.xlogy(t) - t * z - t + z.exp()).sum(-1)


def gamma(z: Tensor, t: Tensor) -> Tensor:
    # half the deviance with a log link: log(μ / t) + t / μ - 1, μ = exp(z)
    return (z + t * z.neg().exp_() - t.log() - 1).sum(-1)


def tweedie(z: Tensor, t: Tensor, power: float | Tensor) -> Tensor:
    # half the deviance with a log link (Jørgensen 1987, Exponential Dispersion Models):
    # t^(2-p) / ((1-p)(2-p)) - t μ^(1-p) / (1-p) + μ^(2-p) / (2-p), μ = exp(z)
    a, b = 1 - power, 2 - power
    return (t**b / (a * b) - t * (a * z).exp_() / a + (b * z).exp_() / b).sum(-1)


def tweedie_delta(z: Tensor, t: Tensor, power: float | Tensor) -> Tensor:
    return ((2 - power) * z).exp_() - t * ((1 - power) * z).exp_()


def absolute_error(z: Tensor, t: Tensor) -> Tensor:
    return (z - t).abs_().sum(-1)


def huber(z: Tensor, t: Tensor, delta: float | Tensor) -> Tensor:
    # 0.5 r² where |r| <= δ, else δ (|r| - δ/2)  (Huber 1964)
    size = (z - t).abs_()
    cut = size.clamp(max=delta)
    return (cut * (size - 0.5 * cut)).sum(-1)


def pinball(difference: Tensor, quantile: float | Tensor) -> Tensor:
    """The loss of predictions that are too high by so much, entry by entry.

    Its mean is lowest at the quantile (Koenker & Bassett 1978).
    """
    return (difference * (1 - quantile)).maximum(difference * -quantile)


def quantiles(z: Tensor, t: Tensor, *several: float | Tensor) -> Tensor:
    """Logits of one target's quantiles stand together."""
    n = len(several)
    return sum(pinball(z[..., i::n] - t, q).sum(-1) for i, q in enumerate(several))  # type: ignore[return-value]


def quantiles_delta(z: Tensor, t: Tensor, *several: float | Tensor) -> Tensor:
    delta, n = z.new_empty(z.shape), len(several)
    for i, quantile in enumerate(several):
        sign = (z[..., i::n] - t).sign_()  # at the kink 0, which is a subgradient there
        delta[..., i::n] = sign.clamp(min=0) * (1 - quantile) + sign.clamp(max=0) * quantile
    return delta


def log_cosh(z: Tensor, t: Tensor) -> Tensor:
    # log((exp(r) + exp(-r)) / 2) = |r| + log(1 + exp(-2|r|)) - log 2
    from torch.nn.functional import softplus

    size = (z - t).abs_()
    return (size + softplus(-2 * size) - math.log(2)).sum(-1)


def gaussian(z: Tensor, t: Tensor) -> Tensor:
    # minus the logarithm of the normal density (Nix & Weigend 1994), s = log(1 / σ²):
    # ((μ - t)² exp(s) - s + log 2π) / 2
    mean, log_precision = z.chunk(2, -1)
    squares = (mean - t).square_() * log_precision.exp()
    return 0.5 * (squares - log_precision + math.log(2 * math.pi)).sum(-1)


def gaussian_delta(z: Tensor, t: Tensor) -> Tensor:
    import torch

    mean, log_precision = z.chunk(2, -1)
    difference = mean - t
    pull = difference * log_precision.exp()
    return torch.cat([pull, 0.5 * (pull * difference - 1)], -1)


def gaussian_mean(z: Tensor) -> Tensor:
    return z.chunk(2, -1)[0]


def circular(z: Tensor, t: Tensor) -> Tensor:
    # |(x, y) - (cos t, sin t)|² / 2 = r (1 - cos(φ - t)) + (r - 1)² / 2, in polar coordinates.
    # Of the pair divided by its length r the gradient is sin(φ - t) / r: without bound where
    # networks start, and smaller and smaller as r grows, which no step ever makes less.
    x, y = z.chunk(2, -1)
    return 0.5 * ((x - t.cos()).square_() + (y - t.sin()).square_()).sum(-1)


def circular_delta(z: Tensor, t: Tensor) -> Tensor:
    import torch

    return z - torch.cat([t.cos(), t.sin()], -1)


def circular_mean(z: Tensor) -> Tensor:
    x, y = z.chunk(2, -1)
    return y.atan2(x)


def squared_error_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        difference = np.float64(z[i]) - np.float64(t[i])
        sum_of_losses += scale[i] * (0.5 * difference * difference)
        d[i] = difference * scale[i]
    return sum_of_losses


def poisson_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        v, w = np.float64(z[i]), np.float64(t[i])
        e = exp(v)
        sum_of_losses += scale[i] * (e - w * v - w + (w * math.log(w) if w > 0 else 0.0))
        d[i] = (e - w) * scale[i]
    return sum_of_losses


def gamma_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        v, w = np.float64(z[i]), np.float64(t[i])
        e = w * exp(-v)
        sum_of_losses += scale[i] * (v + e - math.log(w) - 1.0)
        d[i] = (1.0 - e) * scale[i]
    return sum_of_losses


def tweedie_loop(n, m, k, z, t, scale, options, d):
    a, b = 1.0 - options[0], 2.0 - options[0]
    sum_of_losses = 0.0
    for i in range(n * m):
        v, w = np.float64(z[i]), np.float64(t[i])
        e, f = w * exp(a * v), exp(b * v)
        sum_of_losses += scale[i] * (w**b / (a * b) - e / a + f / b)
        d[i] = (f - e) * scale[i]
    return sum_of_losses


def absolute_error_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        difference = np.float64(z[i]) - np.float64(t[i])
        sum_of_losses += scale[i] * abs(difference)
        d[i] = scale[i] if difference > 0 else (-scale[i] if difference < 0 else 0.0)
    return sum_of_losses


def huber_loop(n, m, k, z, t, scale, options, d):
    delta, sum_of_losses = options[0], 0.0
    for i in range(n * m):
        difference = np.float64(z[i]) - np.float64(t[i])
        size = abs(difference)
        cut = delta if size > delta else size
        sum_of_losses += scale[i] * (cut * (size - 0.5 * cut))
        d[i] = (-cut if difference < 0 else cut) * scale[i]
    return sum_of_losses


def quantiles_loop(n, m, k, z, t, scale, options, d):
    several, sum_of_losses = m // k, 0.0
    for j in range(several):
        quantile = options[j]
        for i in range(n * k):
            at = i * several + j
            difference = np.float64(z[at]) - np.float64(t[i])
            slope = 1.0 - quantile if difference > 0 else (-quantile if difference < 0 else 0.0)
            sum_of_losses += scale[i] * (slope * difference)
            d[at] = slope * scale[i]
    return sum_of_losses


def log_cosh_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses, log_2 = 0.0, math.log(2.0)
    for i in range(n * m):
        difference = np.float64(z[i]) - np.float64(t[i])
        size = abs(difference)
        sum_of_losses += scale[i] * (size + log1p(exp(-2.0 * size)) - log_2)
        d[i] = tanh(difference) * scale[i]
    return sum_of_losses


def gaussian_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses, constant = 0.0, math.log(2.0 * math.pi)
    for i in range(n):
        for j in range(k):
            mean, at, weight = i * m + j, i * k + j, scale[i * k + j]
            log_precision = np.float64(z[mean + k])
            difference = np.float64(z[mean]) - np.float64(t[at])
            pull = difference * exp(log_precision)
            square = pull * difference
            sum_of_losses += weight * (0.5 * (square - log_precision + constant))
            d[mean], d[mean + k] = pull * weight, 0.5 * (square - 1.0) * weight
    return sum_of_losses


def circular_loop(n, m, k, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n):
        for j in range(k):
            x, angle, weight = i * m + j, np.float64(t[i * k + j]), scale[i * k + j]
            by_x = np.float64(z[x]) - math.cos(angle)
            by_y = np.float64(z[x + k]) - math.sin(angle)
            sum_of_losses += weight * (0.5 * (by_x * by_x + by_y * by_y))
            d[x], d[x + k] = by_x * weight, by_y * weight
    return sum_of_losses


# What logits predict: rows of m logits become rows of k values, from the front.


def exp_loop(n, m, k, z):
    for i in range(n * m):
        z[i] = exp(z[i])


def gaussian_mean_loop(n, m, k, z):
    for i in range(n):
        for j in range(k):
            z[i * k + j] = z[i * m + j]


def circular_mean_loop(n, m, k, z):
    for i in range(n):
        for j in range(k):  # what is written has been read: k (i + 1) <= m i + k, with m = 2 k
            z[i * k + j] = math.atan2(z[i * m + k + j], z[i * m + j])
