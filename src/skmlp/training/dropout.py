"""Dropout masks of a stack, from the levels that each network's own generator draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .draws import LEVELS, random_levels, steps_per_draw, thresholds


class DropoutMasks:
    """Inverted dropout (Srivastava et al. 2014) for K networks: factors 0 or 1/(1 - p).

    Parameters
    ----------
    probabilities : sequence of tuple
        Per network, p of each hidden layer.
    widths : sequence of int
        Widths of the hidden layers.
    batch_size : int
        B.
    generators : sequence of numpy.random.Generator
        One per network.
    """

    def __init__(
        self,
        probabilities: Sequence[Sequence[float]],
        widths: Sequence[int],
        batch_size: int,
        generators: Sequence[np.random.Generator],
        dtype: torch.dtype,
        device: torch.device,
    ):
        self.thresholds = thresholds(probabilities)
        self.widths, self.batch_size, self.generators = widths, batch_size, list(generators)
        self.dtype, self.device = dtype, device
        self.steps_per_draw = steps_per_draw(batch_size, widths)
        self._step = self.steps_per_draw
        self._masks: list[Tensor | None] = []
        self._states = [rng.bit_generator.state for rng in generators]

    @property
    def active(self) -> bool:
        return bool(self.thresholds.any())

    def keep(self, networks: Sequence[int]) -> None:
        self.thresholds = self.thresholds[list(networks)]
        self.generators = [self.generators[k] for k in networks]
        self._states = [self._states[k] for k in networks]
        index = torch.as_tensor(list(networks), device=self.device)
        self._masks = [None if m is None else m.index_select(0, index) for m in self._masks]

    def next_step(self, n_rows: int) -> list[Tensor | None]:
        """Masks (K, n_rows, width) of each hidden layer; None for a layer without dropout."""
        if self._step >= self.steps_per_draw:
            self._draw_all()
        step, self._step = self._step, self._step + 1
        return [None if m is None else m[:, step, :n_rows] for m in self._masks]

    def position(self, k: int) -> tuple[Mapping[str, Any], int]:
        """Where network k's stream stands: its state before the next step's draw, and its step."""
        used_up = self._step >= self.steps_per_draw
        state = self.generators[k].bit_generator.state if used_up else self._states[k]
        return state, self._step

    def go_to(self, step: int) -> None:
        """Go on after ``step`` steps of the draw that the generators' states begin."""
        if step < self.steps_per_draw and self.active:
            self._draw_all()
        self._step = step

    def _draw_all(self) -> None:
        self._states = [rng.bit_generator.state for rng in self.generators]
        self._masks = [self._draw(i) for i in range(len(self.widths))]
        self._step = 0

    def _draw(self, layer: int) -> Tensor | None:
        thresholds = self.thresholds[:, layer]
        if not thresholds.any():
            return None
        shape = (self.steps_per_draw, self.batch_size, self.widths[layer])
        masks = np.ones((len(thresholds), *shape), dtype=np.float32)
        for mask, threshold, rng in zip(masks, thresholds, self.generators, strict=True):
            if threshold:
                np.multiply(random_levels(rng, shape) >= threshold, _scale(threshold), out=mask)
        return torch.from_numpy(masks).to(self.device, self.dtype)


def _scale(threshold: float) -> np.float32:
    return np.float32(LEVELS / (LEVELS - threshold))
