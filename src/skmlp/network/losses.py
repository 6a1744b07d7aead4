"""Losses: how far logits z are from targets t, the gradient in z, and what z predicts.

Shapes: z and t are (K, B, m) for K networks, B rows and m outputs. Every loss is summed over
the outputs, so that the gradient in z of one row is what `delta` gives; scikit-learn's MLP
trains with the same gradients.

Functions use the methods of their tensors: reading the table imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from .elementary import exp, log1p

if TYPE_CHECKING:
    from torch import Tensor

# Below this many classes a softmax over the last axis runs row by row without vector
# instructions; laid out classes first it is 2 (K = 1) to 12 (K = 120) times faster. Measured
# on 64 x 10 and 32 x 2 blocks.
_FEW_CLASSES = 32

# What targets are: one of several classes (indicators), labels that are each there or not (also
# the second of two classes), or numbers.
Problem = Literal["classes", "labels", "numbers"]


class Domain(NamedTuple):
    """The numbers that a loss has a value for.

    Attributes
    ----------
    words : str
        As errors name them.
    has : callable
        Whether targets whose lowest is this number are all in it.
    """

    words: str
    has: Callable[[float], bool]


NON_NEGATIVE = Domain("at least zero", lambda lowest: lowest >= 0)


@dataclass(frozen=True)
class Loss:
    """One loss.

    Attributes
    ----------
    name : str
        What users call it; losses for other problems may have the same name.
    problem : {"classes", "labels", "numbers"}
    score : str
        A key of `SCORES`: what validation measures, higher is better.
    out_activation : str
        Name of the output activation, as in scikit-learn's ``out_activation_``.
    per_row : callable
        ``per_row(z, t)``: the loss of each row, shape (K, B).
    delta : callable
        ``delta(z, t)``: its gradient in z, a new tensor (K, B, m). Without it, the gradient is
        autograd's: see `gradient`.
    mean : callable
        ``mean(z)``: what the network predicts, probabilities or expected values (K, B, m).
    domain : Domain or None
        Which targets it takes, if not all.
    n_logits : callable
        ``n_logits(m)``: the network's outputs for m targets.
    loop : callable, optional
        ``loop(n, m, z, t, scale, d)``: the sum over n rows of ``scale`` times the loss, in
        float64; d becomes its gradient in z. All are flat; a row's scale is there for each of its
        m outputs. Without it, networks with the loss are not for the compiled loops.
    mean_loop : callable, optional
        ``mean_loop(n, slope, z, h)``: h = mean(z), entry by entry, for scores of the mean.
    """

    name: str
    problem: Problem
    score: str
    out_activation: str
    per_row: Callable[[Tensor, Tensor], Tensor]
    delta: Callable[[Tensor, Tensor], Tensor] | None
    mean: Callable[[Tensor], Tensor]
    domain: Domain | None = None
    n_logits: Callable[[int], int] = lambda n_targets: n_targets
    loop: Callable[..., float] | None = None
    mean_loop: Callable[[int, float, Any, Any], None] | None = None

    def gradient(self, z: Tensor, t: Tensor) -> Tensor:
        """The gradient in z of each row's loss, a new tensor (K, B, m)."""
        if self.delta is not None:
            return self.delta(z, t)
        import torch

        with torch.inference_mode(False), torch.enable_grad():
            z = z.clone().requires_grad_()
            return torch.autograd.grad(self.per_row(z, t).sum(), z)[0]

    def check_targets(self, targets: np.ndarray, what: str) -> None:
        """Raise unless all targets are in the domain.

        Raises
        ------
        ValueError
        """
        if self.domain is not None and not self.domain.has(lowest := targets.min()):
            raise ValueError(
                f"loss={self.name!r} needs targets of {self.domain.words}; {what} goes down to "
                f"{lowest:g}. Use loss='squared_error'."
            )


def _softmax(z: Tensor) -> Tensor:
    if z.shape[-1] > _FEW_CLASSES or z.device.type != "cpu":
        return z.softmax(-1)
    return z.mT.contiguous().softmax(-2).mT


def _log_loss(z: Tensor, t: Tensor) -> Tensor:
    z, t = z.mT.contiguous(), t.mT  # sums over few classes: see _FEW_CLASSES
    return z.logsumexp(-2) * t.sum(-2) - (z * t).sum(-2)


def _binary_log_loss(z: Tensor, t: Tensor) -> Tensor:
    # -t log p - (1 - t) log(1 - p) with p = 1 / (1 + exp(-z)), from z itself:
    # max(z, 0) - z t + log(1 + exp(-|z|))
    from torch.nn.functional import softplus

    losses = z.clamp(min=0).addcmul_(z, t, value=-1)
    return losses.add_(softplus(z.abs().neg_())).sum(-1)


def _squared_error(z: Tensor, t: Tensor) -> Tensor:
    return 0.5 * (z - t).square_().sum(-1)


def _poisson(z: Tensor, t: Tensor) -> Tensor:
    # half the deviance with a log link: t log(t / μ) - t + μ, μ = exp(z)
    return (t.xlogy(t) - t * z - t + z.exp()).sum(-1)


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


# What a fit's task calls a loss is its key here.
LOSSES: dict[str, Loss] = {
    "log_loss": Loss(
        name="log_loss",
        problem="classes",
        score="accuracy",
        out_activation="softmax",
        per_row=_log_loss,
        delta=lambda z, t: _softmax(z).sub_(t),
        mean=_softmax,
        loop=_log_loss_loop,
    ),
    "binary_log_loss": Loss(
        name="log_loss",
        problem="labels",
        score="subset_accuracy",
        out_activation="logistic",
        per_row=_binary_log_loss,
        delta=lambda z, t: z.sigmoid().sub_(t),
        mean=lambda z: z.sigmoid(),
        loop=_binary_log_loss_loop,
    ),
    "squared_error": Loss(
        name="squared_error",
        problem="numbers",
        score="r2",
        out_activation="identity",
        per_row=_squared_error,
        delta=lambda z, t: z.sub(t),
        mean=lambda z: z,
        loop=_squared_error_loop,
    ),
    "poisson": Loss(
        name="poisson",
        problem="numbers",
        score="r2",
        out_activation="exp",
        per_row=_poisson,
        delta=lambda z, t: z.exp().sub_(t),
        mean=lambda z: z.exp(),
        loop=_poisson_loop,
        mean_loop=_exp_loop,
        domain=NON_NEGATIVE,
    ),
}


def losses_of(problem: Problem) -> dict[str, str]:
    """What users may call the losses for a problem, and their keys in the table."""
    return {loss.name: key for key, loss in LOSSES.items() if loss.problem == problem}
