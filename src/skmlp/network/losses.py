"""Losses: how far logits z are from targets t, and the gradient in z.

Shapes: z and t are (K, B, m) for K networks, B rows and m outputs. Every loss is summed over
the outputs, so that the gradient in z of one row is what `delta` gives; scikit-learn's MLP
trains with the same gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from .elementary import exp, log1p

# Below this many classes a softmax over the last axis runs row by row without vector
# instructions; laid out classes first it is 2 (K = 1) to 12 (K = 120) times faster. Measured
# on 64 x 10 and 32 x 2 blocks.
_FEW_CLASSES = 32


@dataclass(frozen=True)
class Loss:
    """One loss.

    Attributes
    ----------
    out_activation : str
        Name of the output activation, as in scikit-learn's ``out_activation_``.
    per_row : callable
        ``per_row(z, t)``: the loss of each row, shape (K, B).
    delta : callable
        ``delta(z, t)``: its gradient in z, a new tensor (K, B, m). Without it, the gradient is
        autograd's: see `gradient`.
    mean : callable
        ``mean(z)``: what the network predicts, probabilities or expected values (K, B, m).
    loop : callable, optional
        ``loop(n, m, z, t, scale, d)``: the sum over n rows of ``scale`` times the loss, in
        float64; d becomes its gradient in z. All are flat; a row's scale is there for each of its
        m outputs. Without it, networks with the loss are not for the compiled loops.
    mean_loop : callable, optional
        ``mean_loop(n, slope, z, h)``: h = mean(z), entry by entry, for scores of the mean.
    """

    out_activation: str
    per_row: Callable[[Tensor, Tensor], Tensor]
    delta: Callable[[Tensor, Tensor], Tensor] | None
    mean: Callable[[Tensor], Tensor]
    loop: Callable[..., float] | None = None
    mean_loop: Callable[[int, float, Any, Any], None] | None = None

    def gradient(self, z: Tensor, t: Tensor) -> Tensor:
        """The gradient in z of each row's loss, a new tensor (K, B, m)."""
        if self.delta is not None:
            return self.delta(z, t)
        with torch.inference_mode(False), torch.enable_grad():
            z = z.clone().requires_grad_()
            return torch.autograd.grad(self.per_row(z, t).sum(), z)[0]


def _softmax(z: Tensor) -> Tensor:
    if z.shape[-1] > _FEW_CLASSES or z.device.type != "cpu":
        return torch.softmax(z, -1)
    return torch.softmax(z.mT.contiguous(), -2).mT


def _log_loss(z: Tensor, t: Tensor) -> Tensor:
    z, t = z.mT.contiguous(), t.mT  # sums over few classes: see _FEW_CLASSES
    return torch.logsumexp(z, -2) * t.sum(-2) - (z * t).sum(-2)


def _binary_log_loss(z: Tensor, t: Tensor) -> Tensor:
    # -t log p - (1 - t) log(1 - p) with p = 1 / (1 + exp(-z)), from z itself:
    # max(z, 0) - z t + log(1 + exp(-|z|))
    losses = z.clamp(min=0).addcmul_(z, t, value=-1)
    return losses.add_(softplus(z.abs().neg_())).sum(-1)


def _squared_error(z: Tensor, t: Tensor) -> Tensor:
    return 0.5 * (z - t).square_().sum(-1)


def _poisson(z: Tensor, t: Tensor) -> Tensor:
    # half the deviance with a log link: t log(t / μ) - t + μ, μ = exp(z)
    return (torch.xlogy(t, t) - t * z - t + torch.exp(z)).sum(-1)


def _log_loss_loop(n, m, z, t, scale, d):
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


def _binary_log_loss_loop(n, m, z, t, scale, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        v, w = np.float64(z[i]), np.float64(t[i])
        e = exp(-abs(v))
        sum_of_losses += scale[i] * (max(v, 0.0) - v * w + log1p(e))
        d[i] = ((e if v < 0 else 1.0) / (1.0 + e) - w) * scale[i]
    return sum_of_losses


def _squared_error_loop(n, m, z, t, scale, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        difference = np.float64(z[i]) - np.float64(t[i])
        sum_of_losses += scale[i] * (0.5 * difference * difference)
        d[i] = difference * scale[i]
    return sum_of_losses


def _poisson_loop(n, m, z, t, scale, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        v, w = np.float64(z[i]), np.float64(t[i])
        e = exp(v)
        sum_of_losses += scale[i] * (e - w * v - w + (w * math.log(w) if w > 0 else 0.0))
        d[i] = (e - w) * scale[i]
    return sum_of_losses


def _exp_loop(n, slope, z, h):
    for i in range(n):
        h[i] = exp(z[i])


LOSSES: dict[str, Loss] = {
    "log_loss": Loss(
        "softmax",
        _log_loss,
        lambda z, t: _softmax(z).sub_(t),
        _softmax,
        _log_loss_loop,
    ),
    "binary_log_loss": Loss(
        "logistic",
        _binary_log_loss,
        lambda z, t: torch.sigmoid(z).sub_(t),
        torch.sigmoid,
        _binary_log_loss_loop,
    ),
    "squared_error": Loss("identity", _squared_error, torch.sub, lambda z: z, _squared_error_loop),
    "poisson": Loss(
        "exp",
        _poisson,
        lambda z, t: torch.exp(z).sub_(t),
        torch.exp,
        _poisson_loop,
        _exp_loop,
    ),
}
