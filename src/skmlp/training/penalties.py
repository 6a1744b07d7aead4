"""Penalties on the weights, and clipping of the gradients, for K networks at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..network.mlp import (
    Blocks,
    StackedMLP,
    per_network,
    squares_per_network,
    sum_per_network,
)
from ..task import TrainingTask
from .batches import Chunk
from .row_weights import check_penalty


class Penalty:
    """alpha·(l1_ratio·|W|₁ + (1 - l1_ratio)/2·|W|²) / (the batch's sum of sample weights).

    The subgradient of |w| at 0 is taken as 0.
    """

    def __init__(self, tasks: Sequence[TrainingTask], module: StackedMLP):
        self.blocks, self.gradients = module.blocks, module.gradients
        self.l1 = np.array([t.alpha * t.l1_ratio for t in tasks])
        self.l2 = np.array([t.alpha * (1.0 - t.l1_ratio) for t in tasks])
        self.active = bool(self.l1.any() or self.l2.any())

    def start_chunk(self, chunk: Chunk) -> None:
        """Prepare the factors of all steps of a chunk at once: they are cheap only together."""
        self._weight_sums = chunk.weight_sums
        if self.active:
            like = self.blocks.flat
            dtype = str(like.dtype).removeprefix("torch.")
            check_penalty(self.l1 + self.l2, chunk.weight_sums.min(1), dtype)
            self._l1_factors = _Factors(self.l1[:, None] / chunk.weight_sums, like)
            self._l2_factors = _Factors(self.l2[:, None] / chunk.weight_sums, like)
            self._squares = _Squares(self.blocks, chunk.n_steps)
            self._sizes: list[Tensor] = []

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
        column = factors.columns[s]
        for gradient, w in zip(self.gradients.penalized, self.blocks.penalized, strict=True):
            gradient.addcmul_(direction(w), column)

    def record(self, s: int) -> None:
        """Remember the penalty of the weights as they are at step s, for `total`."""
        if self.active:
            self._squares.record(s)
            if self._l1_factors.any:
                self._sizes.append(self._absolute_sums())

    def _absolute_sums(self) -> Tensor:
        return sum_per_network([w.abs() for w in self.blocks.penalized])

    def _from_norms(self, squares: Tensor, sizes: Tensor | None) -> np.ndarray:
        """Penalties before the division, from |W|² and |W|₁ of shape (…, K)."""
        penalties = 0.5 * self.l2 * squares.cpu().numpy().astype(float)
        if sizes is not None:
            penalties += self.l1 * sizes.cpu().numpy().astype(float)
        return penalties

    def total(self, chunk: Chunk) -> np.ndarray:
        """Per network, the sum over the chunk's steps of batch rows times the penalty."""
        if not self.active:
            return np.zeros(len(self.l1))
        sizes = torch.stack(self._sizes) if self._sizes else None
        penalties = self._from_norms(self._squares.per_step(), sizes).T
        return (penalties * chunk.n_rows / chunk.weight_sums).sum(1)

    def value(self, s: int) -> float:
        """The penalty now, in the batch of step s, summed over networks."""
        if not self.active:
            return 0.0
        squares = squares_per_network(self.blocks.penalized)
        penalties = self._from_norms(squares, self._absolute_sums())
        return float((penalties / self._weight_sums[:, s]).sum())


class _Factors:
    """Numbers of K networks at each step of a chunk, and where all K are equal."""

    def __init__(self, values: np.ndarray, like: Tensor):
        self.any = bool(values.any())
        self.first = values[0].tolist()
        self.uniform = (values == values[:1]).all(0).tolist()
        if self.any and not all(self.uniform):
            steps = torch.as_tensor(values.T.copy(), dtype=like.dtype, device=like.device)
            self.columns = steps.view(*steps.shape, 1, 1).unbind()


class _Squares:
    """|W|² of each network at each step of a chunk, without an operation more than products."""

    def __init__(self, blocks: Blocks, n_steps: int):
        n, flat = blocks.n_networks, blocks.flat_weights
        self._product: Callable[..., Tensor] = torch.dot if n == 1 else torch.bmm
        self._pairs = [(flat, flat)]
        shape: tuple[int, ...] = ()
        if n > 1:
            rows = [w.view(n, 1, -1) for w in blocks.penalized]
            self._pairs, shape = [(r, r.mT) for r in rows], (n, 1, 1)
        self._found = flat.new_empty(n_steps, len(self._pairs), *shape)
        self._places = [step.unbind() for step in self._found.unbind()]

    def record(self, s: int) -> None:
        for (row, column), place in zip(self._pairs, self._places[s], strict=True):
            self._product(row, column, out=place)

    def per_step(self) -> Tensor:
        """Shape (steps, K)."""
        return self._found.sum(1).view(len(self._found), -1)


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
