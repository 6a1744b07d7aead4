"""Penalties on the weights, and clipping of the gradients, for K networks at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from .._task import TrainingTask
from ..network.mlp import StackedMLP, per_network, squares_per_network, sum_per_network
from .batches import Chunk


class Penalty:
    """alpha·(l1_ratio·|W|₁ + (1 - l1_ratio)/2·|W|²) / (the batch's sum of sample weights).

    The subgradient of |w| at 0 is taken as 0.
    """

    def __init__(self, tasks: Sequence[TrainingTask], module: StackedMLP):
        self.blocks, self.gradients = module.blocks, module.gradients
        self.l1 = np.array([t.alpha * t.l1_ratio for t in tasks])
        self.l2 = np.array([t.alpha * (1.0 - t.l1_ratio) for t in tasks])
        self.active = bool(self.l1.any() or self.l2.any())
        self._recorded: list[Tensor] = []

    def start_chunk(self, chunk: Chunk) -> None:
        """Prepare the factors of all steps of a chunk at once: they are cheap only together."""
        self._weight_sums = chunk.weight_sums
        if self.active:
            self._l1_factors = _Factors(self.l1[:, None] / chunk.weight_sums)
            self._l2_factors = _Factors(self.l2[:, None] / chunk.weight_sums)
            self._recorded = []

    def add_gradient(self, s: int) -> None:
        """Add the penalty's gradient at step s of the chunk."""
        if self.active:
            self._add(self._l2_factors, s, lambda weights: weights)
            self._add(self._l1_factors, s, torch.sign)

    def _add(self, factors: _Factors, s: int, direction: Callable[[Tensor], Tensor]) -> None:
        if not factors.any:
            return
        if factors.uniform[s]:
            flat = direction(self.blocks.flat_weights)
            self.gradients.flat_weights.add_(flat, alpha=factors.first[s])
            return
        column = per_network(factors.all[:, s], self.blocks.flat)
        for gradient, w in zip(self.gradients.weights, self.blocks.weights, strict=True):
            gradient.addcmul_(direction(w), column)

    def record(self) -> None:
        """Remember the penalty of the weights as they are, for `total`."""
        if self.active:
            self._recorded.append(self._norms())

    def _norms(self) -> Tensor:
        """Per network |W|² and, where it is penalized, |W|₁: shape (1 or 2, K)."""
        flat = self.blocks.flat_weights
        if not self._l1_factors.any:
            if self.blocks.n_networks == 1:
                return torch.dot(flat, flat).view(1, 1)
            return squares_per_network(self.blocks.weights).unsqueeze(0)
        sizes = sum_per_network([w.abs() for w in self.blocks.weights])
        return torch.stack([squares_per_network(self.blocks.weights), sizes])

    def _from_norms(self, norms: np.ndarray) -> np.ndarray:
        """Penalties before the division, from norms (1 or 2, K, …)."""
        factors = np.stack([0.5 * self.l2, self.l1])[: len(norms)]
        return np.einsum("ik,ik...->k...", factors, norms)

    def total(self, chunk: Chunk) -> np.ndarray:
        """Per network, the sum over the chunk's steps of batch rows times the penalty."""
        if not self.active:
            return np.zeros(len(self.l1))
        norms = torch.stack(self._recorded, 2).cpu().numpy().astype(float)
        return (self._from_norms(norms) * chunk.n_rows / chunk.weight_sums).sum(1)

    def value(self, s: int) -> float:
        """The penalty now, in the batch of step s, summed over networks."""
        if not self.active:
            return 0.0
        norms = self._norms().cpu().numpy().astype(float)
        return float((self._from_norms(norms) / self._weight_sums[:, s]).sum())


class _Factors:
    """Numbers of K networks at each step of a chunk, and where all K are equal."""

    def __init__(self, values: np.ndarray):
        self.all = values
        self.any = bool(values.any())
        self.first = values[0].tolist()
        self.uniform = (values == values[:1]).all(0).tolist()


class Clipping:
    """Gradients cut to [-max_grad_value, max_grad_value], then scaled to norm max_grad_norm.

    The norm is over all weights and biases of a network, as `torch.nn.utils.clip_grad_norm_`'s.
    """

    def __init__(self, tasks: Sequence[TrainingTask], module: StackedMLP):
        self.gradients = module.gradients
        flat = module.gradients.flat
        self._values = _limits([t.max_grad_value for t in tasks], flat)
        self._norms = _limits([t.max_grad_norm for t in tasks], flat)

    def apply(self) -> None:
        if self._values is not None:
            for gradient in self.gradients.all:
                torch.clamp(gradient, -self._values, self._values, out=gradient)
        if self._norms is not None:
            norms = squares_per_network(self.gradients.all).sqrt_()
            # 1e-6 as in torch.nn.utils.clip_grad_norm_
            factors = (self._norms / (norms.view(-1, 1, 1) + 1e-6)).clamp_(max=1.0)
            for gradient in self.gradients.all:
                gradient.mul_(factors)


def _limits(values: Sequence[float | None], like: Tensor) -> Tensor | None:
    if all(value is None for value in values):
        return None
    return per_network(np.array([np.inf if v is None else v for v in values]), like)
