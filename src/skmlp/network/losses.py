"""Losses: how far logits z are from targets t, the gradient in z, and what z predicts.

Shapes: z and t are (K, B, m) for K networks, B rows and m outputs. Every loss is summed over
the outputs, so that the gradient in z of one row is what `delta` gives; scikit-learn's MLP
trains with the same gradients.

Functions use the methods of their tensors: reading the table imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from .elementary import exp, log1p, tanh

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
POSITIVE = Domain("more than zero", lambda lowest: lowest > 0)


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
        ``per_row(z, t, *options)``: the loss of each row, shape (K, B). Options are numbers, or
        tensors (K, 1, 1).
    delta : callable
        ``delta(z, t, *options)``: its gradient in z, a new tensor (K, B, m). Without it, the
        gradient is autograd's: see `gradient`.
    mean : callable
        ``mean(z)``: what the network predicts, probabilities or expected values (K, B, m).
    options : tuple of str
        The numbers that it depends on besides: names of the estimators' parameters.
    domain : Domain or None
        Which targets it takes, if not all.
    smooth : bool
        Whether its gradient is continuous, as full-batch methods need it.
    n_logits : callable
        ``n_logits(m)``: the network's outputs for m targets.
    loop : callable, optional
        ``loop(n, m, z, t, scale, options, d)``: the sum over n rows of ``scale`` times the loss,
        in float64; d becomes its gradient in z. All are flat; a row's scale is there for each of
        its m outputs. Without it, networks with the loss are not for the compiled loops.
    mean_loop : callable, optional
        ``mean_loop(n, slope, z, h)``: h = mean(z), entry by entry, for scores of the mean.
    """

    name: str
    problem: Problem
    score: str
    out_activation: str
    per_row: Callable[..., Tensor]
    delta: Callable[..., Tensor] | None
    mean: Callable[[Tensor], Tensor]
    options: tuple[str, ...] = ()
    domain: Domain | None = None
    smooth: bool = True
    n_logits: Callable[[int], int] = lambda n_targets: n_targets
    loop: Callable[..., float] | None = None
    mean_loop: Callable[[int, float, Any, Any], None] | None = None

    def given(self, options: Sequence[float | Tensor]) -> Loss:
        """The loss with its options given: what is left depends on z and t alone."""
        if not self.options:
            return self
        per_row, delta = self.per_row, self.delta
        return replace(
            self,
            options=(),
            per_row=lambda z, t: per_row(z, t, *options),
            delta=delta and (lambda z, t: delta(z, t, *options)),
        )

    def gradient(self, z: Tensor, t: Tensor) -> Tensor:
        """The gradient in z of each row's loss, a new tensor (K, B, m); options are given."""
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


def _gamma(z: Tensor, t: Tensor) -> Tensor:
    # half the deviance with a log link: log(μ / t) + t / μ - 1, μ = exp(z)
    return (z + t * z.neg().exp_() - t.log() - 1).sum(-1)


def _tweedie(z: Tensor, t: Tensor, power: float | Tensor) -> Tensor:
    # half the deviance with a log link (Jørgensen 1987, Exponential Dispersion Models):
    # t^(2-p) / ((1-p)(2-p)) - t μ^(1-p) / (1-p) + μ^(2-p) / (2-p), μ = exp(z)
    a, b = 1 - power, 2 - power
    return (t**b / (a * b) - t * (a * z).exp_() / a + (b * z).exp_() / b).sum(-1)


def _tweedie_delta(z: Tensor, t: Tensor, power: float | Tensor) -> Tensor:
    return ((2 - power) * z).exp_() - t * ((1 - power) * z).exp_()


def _absolute_error(z: Tensor, t: Tensor) -> Tensor:
    return (z - t).abs_().sum(-1)


def _huber(z: Tensor, t: Tensor, delta: float | Tensor) -> Tensor:
    # 0.5 r² where |r| <= δ, else δ (|r| - δ/2)  (Huber 1964)
    size = (z - t).abs_()
    cut = size.clamp(max=delta)
    return (cut * (size - 0.5 * cut)).sum(-1)


def pinball(difference: Tensor, quantile: float | Tensor) -> Tensor:
    """The loss of predictions that are too high by so much, entry by entry.

    Its mean is lowest at the quantile (Koenker & Bassett 1978).
    """
    return (difference * (1 - quantile)).maximum(difference * -quantile)


def _quantile_delta(z: Tensor, t: Tensor, quantile: float | Tensor) -> Tensor:
    sign = (z - t).sign_()  # at the kink 0, which is a subgradient there
    return sign.clamp(min=0) * (1 - quantile) + sign.clamp(max=0) * quantile


def _log_cosh(z: Tensor, t: Tensor) -> Tensor:
    # log((exp(r) + exp(-r)) / 2) = |r| + log(1 + exp(-2|r|)) - log 2
    from torch.nn.functional import softplus

    size = (z - t).abs_()
    return (size + softplus(-2 * size) - math.log(2)).sum(-1)


def _log_loss_loop(n, m, z, t, scale, options, d):
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


def _binary_log_loss_loop(n, m, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        v, w = np.float64(z[i]), np.float64(t[i])
        e = exp(-abs(v))
        sum_of_losses += scale[i] * (max(v, 0.0) - v * w + log1p(e))
        d[i] = ((e if v < 0 else 1.0) / (1.0 + e) - w) * scale[i]
    return sum_of_losses


def _squared_error_loop(n, m, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        difference = np.float64(z[i]) - np.float64(t[i])
        sum_of_losses += scale[i] * (0.5 * difference * difference)
        d[i] = difference * scale[i]
    return sum_of_losses


def _poisson_loop(n, m, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        v, w = np.float64(z[i]), np.float64(t[i])
        e = exp(v)
        sum_of_losses += scale[i] * (e - w * v - w + (w * math.log(w) if w > 0 else 0.0))
        d[i] = (e - w) * scale[i]
    return sum_of_losses


def _gamma_loop(n, m, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        v, w = np.float64(z[i]), np.float64(t[i])
        e = w * exp(-v)
        sum_of_losses += scale[i] * (v + e - math.log(w) - 1.0)
        d[i] = (1.0 - e) * scale[i]
    return sum_of_losses


def _tweedie_loop(n, m, z, t, scale, options, d):
    a, b = 1.0 - options[0], 2.0 - options[0]
    sum_of_losses = 0.0
    for i in range(n * m):
        v, w = np.float64(z[i]), np.float64(t[i])
        e, f = w * exp(a * v), exp(b * v)
        sum_of_losses += scale[i] * (w**b / (a * b) - e / a + f / b)
        d[i] = (f - e) * scale[i]
    return sum_of_losses


def _absolute_error_loop(n, m, z, t, scale, options, d):
    sum_of_losses = 0.0
    for i in range(n * m):
        difference = np.float64(z[i]) - np.float64(t[i])
        sum_of_losses += scale[i] * abs(difference)
        d[i] = scale[i] if difference > 0 else (-scale[i] if difference < 0 else 0.0)
    return sum_of_losses


def _huber_loop(n, m, z, t, scale, options, d):
    delta, sum_of_losses = options[0], 0.0
    for i in range(n * m):
        difference = np.float64(z[i]) - np.float64(t[i])
        size = abs(difference)
        cut = delta if size > delta else size
        sum_of_losses += scale[i] * (cut * (size - 0.5 * cut))
        d[i] = (-cut if difference < 0 else cut) * scale[i]
    return sum_of_losses


def _quantile_loop(n, m, z, t, scale, options, d):
    quantile, sum_of_losses = options[0], 0.0
    for i in range(n * m):
        difference = np.float64(z[i]) - np.float64(t[i])
        slope = 1.0 - quantile if difference > 0 else (-quantile if difference < 0 else 0.0)
        sum_of_losses += scale[i] * (slope * difference)
        d[i] = slope * scale[i]
    return sum_of_losses


def _log_cosh_loop(n, m, z, t, scale, options, d):
    sum_of_losses, log_2 = 0.0, math.log(2.0)
    for i in range(n * m):
        difference = np.float64(z[i]) - np.float64(t[i])
        size = abs(difference)
        sum_of_losses += scale[i] * (size + log1p(exp(-2.0 * size)) - log_2)
        d[i] = tanh(difference) * scale[i]
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
    "gamma": Loss(
        name="gamma",
        problem="numbers",
        score="r2",
        out_activation="exp",
        per_row=_gamma,
        delta=lambda z, t: 1 - t * z.neg().exp_(),
        mean=lambda z: z.exp(),
        loop=_gamma_loop,
        mean_loop=_exp_loop,
        domain=POSITIVE,
    ),
    "tweedie": Loss(
        name="tweedie",
        problem="numbers",
        score="r2",
        out_activation="exp",
        per_row=_tweedie,
        delta=_tweedie_delta,
        mean=lambda z: z.exp(),
        options=("tweedie_power",),
        loop=_tweedie_loop,
        mean_loop=_exp_loop,
        domain=NON_NEGATIVE,
    ),
    "absolute_error": Loss(
        name="absolute_error",
        problem="numbers",
        score="d2_absolute_error",
        out_activation="identity",
        per_row=_absolute_error,
        delta=lambda z, t: (z - t).sign_(),
        mean=lambda z: z,
        loop=_absolute_error_loop,
        smooth=False,
    ),
    "quantile": Loss(
        name="quantile",
        problem="numbers",
        score="d2_pinball",
        out_activation="identity",
        per_row=lambda z, t, quantile: pinball(z - t, quantile).sum(-1),
        delta=_quantile_delta,
        mean=lambda z: z,
        options=("quantile",),
        loop=_quantile_loop,
        smooth=False,
    ),
    "huber": Loss(
        name="huber",
        problem="numbers",
        score="r2",
        out_activation="identity",
        per_row=_huber,
        delta=lambda z, t, delta: (z - t).clamp(-delta, delta),
        mean=lambda z: z,
        options=("huber_delta",),
        loop=_huber_loop,
    ),
    "log_cosh": Loss(
        name="log_cosh",
        problem="numbers",
        score="r2",
        out_activation="identity",
        per_row=_log_cosh,
        delta=lambda z, t: (z - t).tanh_(),
        mean=lambda z: z,
        loop=_log_cosh_loop,
    ),
}


def losses_of(problem: Problem) -> dict[str, str]:
    """What users may call the losses for a problem, and their keys in the table."""
    return {loss.name: key for key, loss in LOSSES.items() if loss.problem == problem}
