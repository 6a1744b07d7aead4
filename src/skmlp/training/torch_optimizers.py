"""Optimizers that torch.optim has not, or not for K networks side by side.

As torch.optim's classes they go through parameter groups; each parameter may have a leading axis of
networks, which stay apart.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


class PlainOptimizer(torch.optim.Optimizer):
    """Steps parameter by parameter. Subclasses have `begin` and `move`.

    Parameters
    ----------
    params : iterable
    lr : float
    **numbers : object
        Defaults of the groups' other settings.
    """

    def __init__(self, params, lr: float, **numbers: Any):
        super().__init__(params, {"lr": lr, **numbers})

    def begin(self, p: Tensor, group: dict[str, Any], place: int) -> dict[str, Tensor]:
        """The state before the first step of a parameter at a place of its group."""
        raise NotImplementedError

    def move(
        self, p: Tensor, g: Tensor, state: dict[str, Tensor], group: dict[str, Any], place: int
    ) -> None:
        """One step, by the gradient g."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for place, p in enumerate(group["params"]):
                if not self.state[p]:
                    self.state[p].update(self.begin(p, group, place))
                self.move(p, p.grad, self.state[p], group, place)

    # Tells torch.optim.Optimizer not to wrap this method in its profiler hook.
    step.hooked = True  # type: ignore[attr-defined]


class Lion(PlainOptimizer):
    """Steps by the sign of an average of gradients: Chen et al. (2023), arXiv:2302.06675.

    c = β₁ m + (1 - β₁) g, w ← w - rate · sign(c), m ← β₂ m + (1 - β₂) g. An entry of c that is at
    most ``eps`` counts as zero: the sign of what rounding leaves of a gradient is no direction.
    """

    def begin(self, p, group, place):
        return {"exp_avg": torch.zeros_like(p)}

    def move(self, p, g, state, group, place):
        (beta_1, beta_2), mean = group["betas"], state["exp_avg"]
        blend = mean.mul(beta_1).add_(g, alpha=1 - beta_1)
        # what is not above eps becomes 0, and NaN stays NaN
        signs = torch.where(blend.abs() > group["eps"], blend.sign(), blend - blend)
        p.add_(signs, alpha=-group["lr"])
        mean.mul_(beta_2).add_(g, alpha=1 - beta_2)


class ScheduleFree(PlainOptimizer):
    """Gradients between a sequence of steps and its mean: Defazio et al. (2024), arXiv:2405.15682.

    y = (1 - β) z + β x, z ← z - rate · direction(gradient at y), x ← x + (z - x) / t. The
    parameters are y, and the network is evaluated at x, ``average`` of the state. All steps count
    equally, as theirs do unless the rate warms up. What has moved the parameters between two steps,
    decoupled decay, moves z. ``lr`` may be a tensor.
    """

    def begin(self, p, group, place):
        return {"step": torch.zeros(()), "z": p.clone(), "average": p.clone()}

    def move(self, p, g, state, group, place):
        state["step"] += 1
        z, average, beta = state["z"], state["average"], self.between(group)
        z.add_(p - self._point(z, average, beta))
        z.sub_(self.direction(g, state, group) * group["lr"])
        average.lerp_(z, 1 / float(state["step"]))
        p.copy_(self._point(z, average, beta))

    @staticmethod
    def _point(z: Tensor, average: Tensor, beta: float) -> Tensor:
        return (z * (1 - beta)).add_(average, alpha=beta)

    def between(self, group: dict[str, Any]) -> float:
        """How near to the mean gradients are taken, from 0 to 1."""
        raise NotImplementedError

    def direction(self, g: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> Tensor:
        raise NotImplementedError


class ScheduleFreeSGD(ScheduleFree):
    """`ScheduleFree` by the gradient itself."""

    def between(self, group):
        return group["momentum"]

    def direction(self, g, state, group):
        return g


class ScheduleFreeAdam(ScheduleFree):
    """`ScheduleFree` by g / (√v + ε), with v as Adam has it."""

    def begin(self, p, group, place):
        return {**super().begin(p, group, place), "exp_avg_sq": torch.zeros_like(p)}

    def between(self, group):
        return group["betas"][0]

    def direction(self, g, state, group):
        beta_2, square = group["betas"][1], state["exp_avg_sq"]
        square.mul_(beta_2).addcmul_(g, g, value=1 - beta_2)
        correction = 1 - beta_2 ** float(state["step"])
        return g / (square / correction).sqrt_().add_(group["eps"])


# Jordan (2024), https://kellerjordan.github.io/posts/muon: coefficients of a polynomial whose
# slope at zero is steep, so that five iterations bring singular values near one.
_COEFFICIENTS = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5
_SMALLEST_NORM = 1e-7


def orthogonalized(matrices: Tensor) -> Tensor:
    """U Vᵀ of matrices U S Vᵀ (…, i, o), nearly: singular values from about 0.7 to 1.2.

    By Newton and Schulz's iteration. Very small singular values stay small.
    """
    if matrices.shape[-2] > matrices.shape[-1]:
        return orthogonalized(matrices.mT).mT
    a, b, c = _COEFFICIENTS
    norms = torch.linalg.matrix_norm(matrices, keepdim=True)
    x = matrices / norms.clamp(min=_SMALLEST_NORM)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x


class Muon(PlainOptimizer):
    """Momentum, orthogonalized: Jordan (2024), as torch.optim.Muon has it, in the network's dtype.

    For the first ``n_hidden`` parameters of a group, the matrices of the hidden layers:
    m ← μ m + (1 - μ) g, u = (1 - μ) g + μ m with Nesterov's momentum, else m, and
    w ← w - rate · 0.2 √max(i, o) · orthogonalized(u). That factor gives steps of the size of
    Adam's (Liu et al. 2025, arXiv:2502.16982), so that one rate serves the others, which take
    Adam's.
    """

    def begin(self, p, group, place):
        if place < group["n_hidden"]:
            return {"momentum_buffer": torch.zeros_like(p)}
        moments = {name: torch.zeros_like(p) for name in ("exp_avg", "exp_avg_sq")}
        return {"step": torch.zeros(()), **moments}

    def move(self, p, g, state, group, place):
        if place < group["n_hidden"]:
            self._move_matrix(p, g, state["momentum_buffer"], group)
        else:
            self._move_by_adam(p, g, state, group)

    @staticmethod
    def _move_matrix(p: Tensor, g: Tensor, mean: Tensor, group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        mean.lerp_(g, 1 - momentum)
        moves = g.lerp(mean, momentum) if group["nesterov"] else mean
        by = group["lr"] * 0.2 * math.sqrt(max(p.shape[-2:]))
        p.add_(orthogonalized(moves), alpha=-by)

    @staticmethod
    def _move_by_adam(
        p: Tensor, g: Tensor, state: dict[str, Tensor], group: dict[str, Any]
    ) -> None:
        (beta_1, beta_2), mean, square = group["betas"], state["exp_avg"], state["exp_avg_sq"]
        state["step"] += 1
        t = float(state["step"])
        mean.mul_(beta_1).add_(g, alpha=1 - beta_1)
        square.mul_(beta_2).addcmul_(g, g, value=1 - beta_2)
        below = (square / (1 - beta_2**t)).sqrt_().add_(group["eps"])
        p.addcdiv_(mean, below, value=-group["lr"] / (1 - beta_1**t))
