"""Stochastic depth: which residual blocks each network's next step goes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..network.depth import blocks_of, survival_probabilities
from ..task import TrainingTask

# Streams of a task are numbered; see `stack.random_streams` for the first ones.
_STREAM = 4


class Survivors:
    """Draws of K networks, step by step: block l is there with probability p_l.

    Huang et al. (2016), arXiv:1603.09382.

    Parameters
    ----------
    last : sequence of float
        Per network, the probability p_L of its last block.
    n_blocks : int
        L.
    generators : sequence of (numpy.random.Generator or None)
        One per network; None where the last block always survives.

    Attributes
    ----------
    active : bool
        Whether any network drops blocks.
    """

    def __init__(
        self,
        last: Sequence[float],
        n_blocks: int,
        generators: Sequence[np.random.Generator | None],
        dtype: torch.dtype,
        device: torch.device,
    ):
        self.probabilities = np.array([survival_probabilities(n_blocks, p) for p in last])
        self.generators = list(generators)
        self.dtype, self.device = dtype, device
        self._set_active()

    def _set_active(self) -> None:
        self.active = any(rng is not None for rng in self.generators)

    def keep(self, networks: Sequence[int]) -> None:
        """Forget the networks that are not listed."""
        self.probabilities = self.probabilities[list(networks)]
        self.generators = [self.generators[k] for k in networks]
        self._set_active()

    def next_step(self) -> list[bool | Tensor]:
        """Per block: whether it is there, in all networks or in none; or who has it, (K, 1, 1)."""
        draws = [
            self._draw(*each) for each in zip(self.probabilities, self.generators, strict=True)
        ]
        there = np.array(draws).T
        some = torch.as_tensor(there, dtype=self.dtype, device=self.device).view(*there.shape, 1, 1)
        return [
            bool(block[0]) if (block == block[0]).all() else some[i]
            for i, block in enumerate(there)
        ]

    @staticmethod
    def _draw(probabilities: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        if rng is None:
            return np.ones(len(probabilities), bool)
        return rng.random(len(probabilities)) < probabilities

    def position(self, k: int) -> Mapping[str, Any] | None:
        """Where network k's stream stands."""
        rng = self.generators[k]
        return None if rng is None else rng.bit_generator.state


def survivors_of(
    tasks: Sequence[TrainingTask], dtype: torch.dtype, device: torch.device
) -> Survivors:
    """The draws of a stack's networks."""
    return Survivors(
        [task.stochastic_depth for task in tasks],
        len(blocks_of(tasks[0].architecture)),
        [survivor_stream(task) if task.stochastic_depth < 1.0 else None for task in tasks],
        dtype,
        device,
    )


def survivor_stream(task: TrainingTask) -> np.random.Generator:
    """The generator of a task's draws: one of its own, so that all others are what they are."""
    rng = np.random.default_rng(np.random.SeedSequence(task.seed, spawn_key=(_STREAM,)))
    if task.resume is not None and task.resume.random.depth is not None:
        rng.bit_generator.state = task.resume.random.depth
    return rng
