"""Losses: how far logits z are from targets t, the gradient in z, and what z predicts.

Shapes: z is (K, B, m) and t (K, B, k) for K networks, B rows, m logits and k targets, mostly as
many. Every loss is summed over the targets, so that the gradient in z of one row is what `delta`
gives; scikit-learn's MLP trains with the same gradients.

Functions use the methods of their tensors: reading the table imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from . import loss_of_classes as of_classes
from . import loss_of_numbers as of_numbers

if TYPE_CHECKING:
    from torch import Tensor

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
        ``mean(z, *options)``: what the network predicts, probabilities or expected values,
        (K, B, m) or (K, B, k).
    options : tuple of str
        The numbers that it depends on besides: names of the estimators' parameters, each a number
        or several.
    domain : Domain or None
        Which targets it takes, if not all.
    smooth : bool
        Whether its gradient is continuous, as full-batch methods need it.
    has_probabilities : bool
        Of classes: whether ``mean`` gives their probabilities, and targets may be shares.
    may_be_bounded : bool
        Whether it may be that of outputs with bounds: see `loss_forms`.
    n_logits : callable
        ``n_logits(k, options)``: the network's outputs for k targets.
    loop : callable, optional
        ``loop(n, m, k, z, t, scale, options, d)``: the sum over n rows of ``scale`` times the loss,
        in float64; d becomes its gradient in z. All are flat; a row's scale is there for each of
        its k targets. Without it, networks with the loss are not for the compiled loops.
    mean_loop : callable, optional
        ``mean_loop(n, m, k, z)``: z becomes mean(z), of k numbers a row, for scores of the mean.
    widths : tuple of int
        Of the groups of logits and targets whose losses are added up; none: all are one group.
    score_options : tuple of float or None
        What the score depends on; None: as the score says.
    is_bounded : bool
        Whether the last two options are bounds of the outputs, which ``loop`` knows nothing of.
    has_quantile_axis : bool
        Whether predictions have an axis of quantiles even where there is one.
    periodic : bool
        Whether targets are angles, which have no mean as numbers have.
    """

    name: str
    problem: Problem
    score: str
    out_activation: str
    per_row: Callable[..., Tensor]
    delta: Callable[..., Tensor] | None
    mean: Callable[..., Tensor]
    options: tuple[str, ...] = ()
    domain: Domain | None = None
    smooth: bool = True
    has_probabilities: bool = False
    may_be_bounded: bool = False
    n_logits: Callable[[int, Sequence[float]], int] = lambda n_targets, options: n_targets
    loop: Callable[..., float] | None = None
    mean_loop: Callable[..., None] | None = None
    widths: tuple[int, ...] = ()
    score_options: tuple[float, ...] | None = None
    is_bounded: bool = False
    has_quantile_axis: bool = False
    periodic: bool = False

    def given(self, options: Sequence[float | Tensor]) -> Loss:
        """The loss with its options given: what is left depends on z and t alone."""
        if not self.options:
            return self
        per_row, delta, mean = self.per_row, self.delta, self.mean
        return replace(
            self,
            options=(),
            per_row=lambda z, t: per_row(z, t, *options),
            delta=delta and (lambda z, t: delta(z, t, *options)),
            mean=lambda z: mean(z, *options),
        )

    def gradient(self, z: Tensor, t: Tensor) -> Tensor:
        """The gradient in z of each row's loss, a new tensor (K, B, m); options are given."""
        if self.delta is not None:
            return self.delta(z, t)
        import torch

        with torch.inference_mode(False), torch.enable_grad():
            z, t = z.clone().requires_grad_(), t.clone()
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


# What a fit's task calls a loss is its key here, or one of `loss_forms`.
LOSSES: dict[str, Loss] = {
    "log_loss": Loss(
        name="log_loss",
        problem="classes",
        score="accuracy",
        out_activation="softmax",
        per_row=of_classes.log_loss,
        delta=lambda z, t: of_classes.softmax(z).sub_(t),
        mean=of_classes.softmax,
        has_probabilities=True,
        loop=of_classes.log_loss_loop,
    ),
    "binary_log_loss": Loss(
        name="log_loss",
        problem="labels",
        score="subset_accuracy",
        out_activation="logistic",
        per_row=of_classes.binary_log_loss,
        delta=lambda z, t: z.sigmoid().sub_(t),
        mean=lambda z: z.sigmoid(),
        has_probabilities=True,
        loop=of_classes.binary_log_loss_loop,
    ),
    "focal": Loss(
        name="focal",
        problem="classes",
        score="accuracy",
        out_activation="softmax",
        per_row=of_classes.focal,
        delta=of_classes.focal_delta,
        mean=lambda z, gamma: of_classes.softmax(z),
        options=("focal_gamma",),
        has_probabilities=True,
        loop=of_classes.focal_loop,
    ),
    "binary_focal": Loss(
        name="focal",
        problem="labels",
        score="subset_accuracy",
        out_activation="logistic",
        per_row=of_classes.binary_focal,
        delta=of_classes.binary_focal_delta,
        mean=lambda z, gamma: z.sigmoid(),
        options=("focal_gamma",),
        has_probabilities=True,
        loop=of_classes.binary_focal_loop,
    ),
    "hinge": Loss(
        name="hinge",
        problem="classes",
        score="accuracy",
        out_activation="identity",
        per_row=of_classes.hinge,
        delta=of_classes.hinge_delta,
        mean=lambda z: z,
        loop=of_classes.hinge_loop,
        smooth=False,
    ),
    "binary_hinge": Loss(
        name="hinge",
        problem="labels",
        score="subset_accuracy",
        out_activation="identity",
        per_row=of_classes.binary_hinge,
        delta=of_classes.binary_hinge_delta,
        mean=lambda z: z,
        loop=of_classes.binary_hinge_loop,
        smooth=False,
    ),
    "squared_hinge": Loss(
        name="squared_hinge",
        problem="classes",
        score="accuracy",
        out_activation="identity",
        per_row=of_classes.squared_hinge,
        delta=of_classes.squared_hinge_delta,
        mean=lambda z: z,
        loop=of_classes.squared_hinge_loop,
    ),
    "binary_squared_hinge": Loss(
        name="squared_hinge",
        problem="labels",
        score="subset_accuracy",
        out_activation="identity",
        per_row=of_classes.binary_squared_hinge,
        delta=of_classes.binary_squared_hinge_delta,
        mean=lambda z: z,
        loop=of_classes.binary_squared_hinge_loop,
    ),
    "squared_error": Loss(
        name="squared_error",
        problem="numbers",
        score="r2",
        out_activation="identity",
        per_row=of_numbers.squared_error,
        delta=lambda z, t: z.sub(t),
        mean=lambda z: z,
        may_be_bounded=True,
        loop=of_numbers.squared_error_loop,
    ),
    "poisson": Loss(
        name="poisson",
        problem="numbers",
        score="r2",
        out_activation="exp",
        per_row=of_numbers.poisson,
        delta=lambda z, t: z.exp().sub_(t),
        mean=lambda z: z.exp(),
        loop=of_numbers.poisson_loop,
        mean_loop=of_numbers.exp_loop,
        domain=NON_NEGATIVE,
    ),
    "gamma": Loss(
        name="gamma",
        problem="numbers",
        score="r2",
        out_activation="exp",
        per_row=of_numbers.gamma,
        delta=lambda z, t: 1 - t * z.neg().exp_(),
        mean=lambda z: z.exp(),
        loop=of_numbers.gamma_loop,
        mean_loop=of_numbers.exp_loop,
        domain=POSITIVE,
    ),
    "tweedie": Loss(
        name="tweedie",
        problem="numbers",
        score="r2",
        out_activation="exp",
        per_row=of_numbers.tweedie,
        delta=of_numbers.tweedie_delta,
        mean=lambda z, power: z.exp(),
        options=("tweedie_power",),
        loop=of_numbers.tweedie_loop,
        mean_loop=of_numbers.exp_loop,
        domain=NON_NEGATIVE,
    ),
    "absolute_error": Loss(
        name="absolute_error",
        problem="numbers",
        score="d2_absolute_error",
        out_activation="identity",
        per_row=of_numbers.absolute_error,
        delta=lambda z, t: (z - t).sign_(),
        mean=lambda z: z,
        may_be_bounded=True,
        loop=of_numbers.absolute_error_loop,
        smooth=False,
    ),
    "quantile": Loss(
        name="quantile",
        problem="numbers",
        score="d2_pinball",
        out_activation="identity",
        per_row=of_numbers.quantiles,
        delta=of_numbers.quantiles_delta,
        mean=lambda z, *quantiles: z,
        options=("quantile",),
        may_be_bounded=True,
        n_logits=lambda n_targets, quantiles: n_targets * len(quantiles),
        loop=of_numbers.quantiles_loop,
        smooth=False,
    ),
    "huber": Loss(
        name="huber",
        problem="numbers",
        score="r2",
        out_activation="identity",
        per_row=of_numbers.huber,
        delta=lambda z, t, delta: (z - t).clamp(-delta, delta),
        mean=lambda z, delta: z,
        options=("huber_delta",),
        may_be_bounded=True,
        loop=of_numbers.huber_loop,
    ),
    "log_cosh": Loss(
        name="log_cosh",
        problem="numbers",
        score="r2",
        out_activation="identity",
        per_row=of_numbers.log_cosh,
        delta=lambda z, t: (z - t).tanh_(),
        mean=lambda z: z,
        may_be_bounded=True,
        loop=of_numbers.log_cosh_loop,
    ),
    "gaussian": Loss(
        name="gaussian",
        problem="numbers",
        score="r2",
        out_activation="identity",
        per_row=of_numbers.gaussian,
        delta=of_numbers.gaussian_delta,
        mean=of_numbers.gaussian_mean,
        n_logits=lambda n_targets, options: 2 * n_targets,
        loop=of_numbers.gaussian_loop,
        mean_loop=of_numbers.gaussian_mean_loop,
    ),
    "circular": Loss(
        name="circular",
        problem="numbers",
        score="circular",
        out_activation="atan2",
        per_row=of_numbers.circular,
        delta=of_numbers.circular_delta,
        mean=of_numbers.circular_mean,
        n_logits=lambda n_targets, options: 2 * n_targets,
        loop=of_numbers.circular_loop,
        mean_loop=of_numbers.circular_mean_loop,
        periodic=True,
    ),
}


def losses_of(problem: Problem) -> dict[str, str]:
    """What users may call the losses for a problem, and their keys in the table."""
    return {loss.name: key for key, loss in LOSSES.items() if loss.problem == problem}
