"""Optimizers, a row for each: torch.optim's class, and the same step as a loop.

Loops, which are compiled where numba is installed, get the flat parameters of one network and
arrays of as many entries; ``type(flat[0])`` makes a number of their dtype.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..task import OptimizerSettings
from .torch_optimizers import Lion, Muon, ScheduleFreeAdam, ScheduleFreeSGD


class FusedAdam(torch.optim.Adam):
    """torch.optim.Adam, calling torch's fused kernel without the wrappers around it.

    On a small network the wrappers take ten times as long as the kernel.
    """

    steps_on_device = True

    def step(self, closure=None):
        for group in self.param_groups:
            beta_1, beta_2 = group["betas"]
            parameters, gradients, means, squares, largest, steps = self._lists(group)
            steps[0].add_(1)
            torch._fused_adam_(
                parameters,
                gradients,
                means,
                squares,
                largest,
                steps,
                lr=group["lr"],
                beta1=beta_1,
                beta2=beta_2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=group["amsgrad"],
                maximize=False,
            )

    # Tells torch.optim.Optimizer not to wrap this method in its profiler hook.
    step.hooked = True  # type: ignore[attr-defined]

    def _lists(self, group) -> list[list[Tensor]]:
        parameters = group["params"]
        states = [self.state[p] or self._start(p, group["amsgrad"]) for p in parameters]
        step = states[0]["step"]
        for state in states:
            state["step"] = step  # one count: a group's parameters take all their steps together
        return [
            parameters,
            [p.grad for p in parameters],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [state["max_exp_avg_sq"] for state in states] if group["amsgrad"] else [],
            [step] * len(states),
        ]

    def _start(self, parameter: Tensor, amsgrad: bool) -> dict[str, Tensor]:
        state = self.state[parameter]
        state["step"] = torch.zeros((), device=parameter.device)
        state["exp_avg"] = torch.zeros_like(parameter)
        state["exp_avg_sq"] = torch.zeros_like(parameter)
        if amsgrad:
            state["max_exp_avg_sq"] = torch.zeros_like(parameter)
        return state


# torch._fused_adam_ is not public: without it, torch.optim.Adam does the same, more slowly.
_ADAM = FusedAdam if hasattr(torch, "_fused_adam_") else torch.optim.Adam


@dataclass(frozen=True)
class OptimizerFamily:
    """One optimizer.

    Attributes
    ----------
    make, arguments : callable
        Its class, and how our parameters become the class's arguments.
    loop : callable, optional
        ``loop(n, step, rate, settings, flat, gradient, first, second, third)``: the step number
        ``step``, from 1, of n parameters; the last three are its memory, zero at first. Without
        it, networks with the optimizer are not for the compiled loops.
    settings : callable
        The numbers that the loop gets as ``settings``, which it may change.
    state : tuple of str
        What the class calls ``first``, ``second`` and ``third`` in its state.
    counts : mapping of str to int
        The entries of its state that are numbers, and their places in ``settings``; that of the
        number of steps is -1.
    velocity : str, optional
        The state that holds a running sum of gradients: scikit-learn's SGD sums gradients times
        their rates, so when the rate changes the sum is rescaled.
    default_weight_decay : float
    by_array : bool
        Whether steps depend on whole matrices, not on each entry alone. Its class is told by a
        group's ``n_hidden`` how many of its parameters, from the first, are matrices of hidden
        layers.
    is_linear : bool
        Whether its updates are linear in the rate. If not, its class takes the rates of k networks
        as a tensor (k, 1, 1).
    evaluated : str, optional
        The state that holds the weights with which the network is evaluated, where these are not
        those at which gradients are taken.
    """

    make: Callable[..., torch.optim.Optimizer]
    arguments: Callable[[OptimizerSettings], dict[str, Any]]
    loop: Callable[..., None] | None = None
    settings: Callable[[OptimizerSettings], list[float]] = lambda s: []
    state: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=lambda: {"step": -1})
    velocity: str | None = None
    default_weight_decay: float = 0.0
    by_array: bool = False
    is_linear: bool = True
    evaluated: str | None = None


def _betas_and_epsilon(s: OptimizerSettings) -> dict[str, Any]:
    return {"betas": (s.beta_1, s.beta_2), "eps": s.epsilon}


def _momentum(s: OptimizerSettings) -> dict[str, Any]:
    return {"momentum": s.momentum, "nesterov": s.nesterovs_momentum and s.momentum > 0}


def _defaults(s: OptimizerSettings) -> dict[str, Any]:
    return {}


def _amsgrad(s: OptimizerSettings) -> dict[str, Any]:
    return {**_betas_and_epsilon(s), "amsgrad": True}


def _muon(s: OptimizerSettings) -> dict[str, Any]:
    return {**_betas_and_epsilon(s), "momentum": s.momentum, "nesterov": s.nesterovs_momentum}


def _adam_numbers(s: OptimizerSettings) -> list[float]:
    return [s.beta_1, s.beta_2, s.epsilon]


def _sgd_numbers(s: OptimizerSettings) -> list[float]:
    return [s.momentum, float(s.nesterovs_momentum and s.momentum > 0)]


def _adam_loop(n, step, rate, settings, flat, gradient, mean, square, _3):
    number, beta_1, beta_2 = type(flat[0]), settings[0], settings[1]
    by = number(rate / (1 - beta_1**step))
    root = number(1 / math.sqrt(1 - beta_2**step))
    epsilon = number(settings[2])
    keep_1, add_1 = number(beta_1), number(1 - beta_1)
    keep_2, add_2 = number(beta_2), number(1 - beta_2)
    for i in range(n):
        g = gradient[i]
        mean[i] = keep_1 * mean[i] + add_1 * g
        square[i] = keep_2 * square[i] + add_2 * g * g
        flat[i] -= by * mean[i] / (math.sqrt(square[i]) * root + epsilon)


def _amsgrad_loop(n, step, rate, settings, flat, gradient, mean, square, largest):
    """Reddi, Kale & Kumar (2018), arXiv:1904.09237: Adam, with rates that never rise."""
    number, beta_1, beta_2 = type(flat[0]), settings[0], settings[1]
    by = number(rate / (1 - beta_1**step))
    root = number(1 / math.sqrt(1 - beta_2**step))
    epsilon = number(settings[2])
    keep_1, add_1 = number(beta_1), number(1 - beta_1)
    keep_2, add_2 = number(beta_2), number(1 - beta_2)
    for i in range(n):
        g = gradient[i]
        mean[i] = keep_1 * mean[i] + add_1 * g
        square[i] = keep_2 * square[i] + add_2 * g * g
        largest[i] = largest[i] if largest[i] > square[i] else square[i]  # NaN comes through
        flat[i] -= by * mean[i] / (math.sqrt(largest[i]) * root + epsilon)


def _lion_loop(n, step, rate, settings, flat, gradient, mean, _2, _3):
    number, beta_1, beta_2 = type(flat[0]), settings[0], settings[1]
    by, least = number(rate), number(settings[2])
    keep_1, add_1 = number(beta_1), number(1 - beta_1)
    keep_2, add_2 = number(beta_2), number(1 - beta_2)
    for i in range(n):
        g = gradient[i]
        blend = keep_1 * mean[i] + add_1 * g
        if blend > least:
            flat[i] -= by
        elif blend < -least:
            flat[i] += by
        elif blend != blend:
            flat[i] = blend  # NaN comes through
        mean[i] = keep_2 * mean[i] + add_2 * g


def _nadam_loop(n, step, rate, settings, flat, gradient, mean, square, _3):
    """Dozat (2016), with torch's momentum_decay of 0.004."""
    number, beta_1, beta_2 = type(flat[0]), settings[0], settings[1]
    mu = beta_1 * (1 - 0.5 * 0.96 ** (step * 0.004))
    following = beta_1 * (1 - 0.5 * 0.96 ** ((step + 1) * 0.004))
    # in float32, as torch counts it in every dtype
    settings[3] = np.float32(settings[3]) * np.float32(mu)
    product = settings[3]
    by_gradient = number(rate * (1 - mu) / (1 - product))
    by_mean = number(rate * following / (1 - product * following))
    correction, epsilon = number(1 / (1 - beta_2**step)), number(settings[2])
    keep_1, add_1 = number(beta_1), number(1 - beta_1)
    keep_2, add_2 = number(beta_2), number(1 - beta_2)
    for i in range(n):
        g = gradient[i]
        mean[i] = keep_1 * mean[i] + add_1 * g
        square[i] = keep_2 * square[i] + add_2 * g * g
        below = math.sqrt(square[i] * correction) + epsilon
        flat[i] -= (by_gradient * g + by_mean * mean[i]) / below


def _radam_loop(n, step, rate, settings, flat, gradient, mean, square, _3):
    """Liu et al. (2019), arXiv:1908.03265: plain momentum until the variance can be trusted."""
    number, beta_1, beta_2 = type(flat[0]), settings[0], settings[1]
    bias_2 = 1 - beta_2**step
    longest = 2 / (1 - beta_2) - 1
    length = longest - 2 * step * beta_2**step / bias_2
    by = rate / (1 - beta_1**step)
    adapts, certain = length > 5, 0.0
    if adapts:
        certain = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    plain, adapted = number(by), number(by * math.sqrt(certain) * math.sqrt(bias_2))
    epsilon = number(settings[2])
    keep_1, add_1 = number(beta_1), number(1 - beta_1)
    keep_2, add_2 = number(beta_2), number(1 - beta_2)
    for i in range(n):
        g = gradient[i]
        mean[i] = keep_1 * mean[i] + add_1 * g
        square[i] = keep_2 * square[i] + add_2 * g * g
        if adapts:
            flat[i] -= adapted * mean[i] / (math.sqrt(square[i]) + epsilon)
        else:
            flat[i] -= plain * mean[i]


def _adamax_loop(n, step, rate, settings, flat, gradient, mean, largest, _3):
    number, beta_1 = type(flat[0]), settings[0]
    by = number(rate / (1 - beta_1**step))
    keep_1, add_1, beta_2 = number(beta_1), number(1 - beta_1), number(settings[1])
    epsilon = number(settings[2])
    for i in range(n):
        g = gradient[i]
        mean[i] = keep_1 * mean[i] + add_1 * g
        now, before = abs(g) + epsilon, largest[i] * beta_2
        largest[i] = before if before > now else now  # NaN comes through
        flat[i] -= by * mean[i] / largest[i]


def _rmsprop_loop(n, step, rate, settings, flat, gradient, square, _2, _3):
    number = type(flat[0])
    keep, add, by, epsilon = number(0.99), number(1 - 0.99), number(rate), number(1e-8)
    for i in range(n):
        g = gradient[i]
        square[i] = keep * square[i] + add * g * g
        flat[i] -= by * g / (math.sqrt(square[i]) + epsilon)


def _adagrad_loop(n, step, rate, settings, flat, gradient, total, _2, _3):
    number = type(flat[0])
    by, epsilon = number(rate), number(1e-10)
    for i in range(n):
        g = gradient[i]
        total[i] += g * g
        flat[i] -= by * g / (math.sqrt(total[i]) + epsilon)


def _adadelta_loop(n, step, rate, settings, flat, gradient, square, changes, _3):
    number = type(flat[0])
    keep, add, by, epsilon = number(0.9), number(1 - 0.9), number(rate), number(1e-6)
    for i in range(n):
        g = gradient[i]
        square[i] = keep * square[i] + add * g * g
        change = math.sqrt(changes[i] + epsilon) / math.sqrt(square[i] + epsilon) * g
        changes[i] = keep * changes[i] + add * change * change
        flat[i] -= by * change


def _sgd_loop(n, step, rate, settings, flat, gradient, velocity, _2, _3):
    number = type(flat[0])
    by, momentum, nesterov = number(rate), number(settings[0]), settings[1] > 0
    if momentum == 0:
        for i in range(n):
            flat[i] -= by * gradient[i]
        return
    for i in range(n):
        velocity[i] = momentum * velocity[i] + gradient[i]
        moves = gradient[i] + momentum * velocity[i] if nesterov else velocity[i]
        flat[i] -= by * moves


def _schedule_free_sgd_loop(n, step, rate, settings, flat, gradient, z, average, _3):
    number = type(flat[0])
    by, share = number(rate), number(1 / step)
    keep, add = number(settings[0]), number(1 - settings[0])
    for i in range(n):
        if step == 1:
            z[i], average[i] = flat[i], flat[i]
        z[i] += flat[i] - (add * z[i] + keep * average[i])  # decay
        z[i] -= by * gradient[i]
        average[i] += share * (z[i] - average[i])
        flat[i] = add * z[i] + keep * average[i]


def _schedule_free_adam_loop(n, step, rate, settings, flat, gradient, z, average, square):
    number, beta_2 = type(flat[0]), settings[1]
    by, share = number(rate), number(1 / step)
    keep, add = number(settings[0]), number(1 - settings[0])
    keep_2, add_2 = number(beta_2), number(1 - beta_2)
    root, epsilon = number(1 / math.sqrt(1 - beta_2**step)), number(settings[2])
    for i in range(n):
        if step == 1:
            z[i], average[i] = flat[i], flat[i]
        g = gradient[i]
        square[i] = keep_2 * square[i] + add_2 * g * g
        z[i] += flat[i] - (add * z[i] + keep * average[i])  # decay
        z[i] -= by * g / (math.sqrt(square[i]) * root + epsilon)
        average[i] += share * (z[i] - average[i])
        flat[i] = add * z[i] + keep * average[i]


_MOMENTS = ("exp_avg", "exp_avg_sq")

# Decoupled decay is `StackOptimizer.decay`'s, and the loops' own, the same way for each.
OPTIMIZERS: dict[str, OptimizerFamily] = {
    "adam": OptimizerFamily(_ADAM, _betas_and_epsilon, _adam_loop, _adam_numbers, _MOMENTS),
    "adamw": OptimizerFamily(
        _ADAM,
        _betas_and_epsilon,
        _adam_loop,
        _adam_numbers,
        _MOMENTS,
        default_weight_decay=0.01,
    ),
    "amsgrad": OptimizerFamily(
        _ADAM,
        _amsgrad,
        _amsgrad_loop,
        _adam_numbers,
        (*_MOMENTS, "max_exp_avg_sq"),
    ),
    "nadam": OptimizerFamily(
        torch.optim.NAdam,
        _betas_and_epsilon,
        _nadam_loop,
        lambda s: [*_adam_numbers(s), 1.0],
        _MOMENTS,
        counts={"step": -1, "mu_product": 3},
    ),
    "adamax": OptimizerFamily(
        torch.optim.Adamax,
        _betas_and_epsilon,
        _adamax_loop,
        _adam_numbers,
        ("exp_avg", "exp_inf"),
    ),
    "radam": OptimizerFamily(
        torch.optim.RAdam, _betas_and_epsilon, _radam_loop, _adam_numbers, _MOMENTS
    ),
    "rmsprop": OptimizerFamily(
        torch.optim.RMSprop, _defaults, _rmsprop_loop, state=("square_avg",)
    ),
    "adagrad": OptimizerFamily(torch.optim.Adagrad, _defaults, _adagrad_loop, state=("sum",)),
    "adadelta": OptimizerFamily(
        torch.optim.Adadelta, _defaults, _adadelta_loop, state=("square_avg", "acc_delta")
    ),
    "sgd": OptimizerFamily(
        torch.optim.SGD,
        _momentum,
        _sgd_loop,
        _sgd_numbers,
        ("momentum_buffer",),
        counts={},
        velocity="momentum_buffer",
    ),
    "lion": OptimizerFamily(
        Lion, _betas_and_epsilon, _lion_loop, _adam_numbers, ("exp_avg",), counts={}
    ),
    "muon": OptimizerFamily(Muon, _muon, by_array=True),
    "schedule_free_sgd": OptimizerFamily(
        ScheduleFreeSGD,
        lambda s: {"momentum": s.momentum},
        _schedule_free_sgd_loop,
        lambda s: [s.momentum],
        ("z", "average"),
        is_linear=False,
        evaluated="average",
    ),
    "schedule_free_adam": OptimizerFamily(
        ScheduleFreeAdam,
        _betas_and_epsilon,
        _schedule_free_adam_loop,
        _adam_numbers,
        ("z", "average", "exp_avg_sq"),
        is_linear=False,
        evaluated="average",
    ),
}


def evaluates_elsewhere(family: Any) -> bool:
    """Whether an optimizer returns other weights than those at which it takes gradients."""
    row = OPTIMIZERS.get(family) if isinstance(family, str) else None
    return row is not None and row.evaluated is not None


def is_optimizer_class(value: object) -> bool:
    """Whether value is a torch.optim.Optimizer class, or a functools.partial of one."""
    if isinstance(value, partial):
        value = value.func
    optimizer = torch.optim.Optimizer
    return inspect.isclass(value) and issubclass(value, optimizer) and value is not optimizer
