"""Dropout masks of a stack, from the levels that each network's own generator draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .draws import (
    alpha_dropped,
    alpha_scale,
    alpha_shift,
    kept_scale,
    random_levels,
    steps_per_draw,
    thresholds,
)
from .dropout_schedules import DropoutTime


class DropoutMasks:
    """Dropout for K networks: what units are multiplied by, and what is then added to them.

    Inverted dropout (Srivastava et al. 2014) multiplies by 0 or 1/(1 - p) and adds nothing; alpha
    dropout (Klambauer et al. 2017): see `alpha_scale`.

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
    types : sequence of str, optional
        Per network, "standard" or "alpha".
    scheduled : sequence of bool, optional
        Per network, whether `set_time` will be called.
    """

    def __init__(
        self,
        probabilities: Sequence[Sequence[float]],
        widths: Sequence[int],
        batch_size: int,
        generators: Sequence[np.random.Generator],
        dtype: torch.dtype,
        device: torch.device,
        types: Sequence[str] = (),
        scheduled: Sequence[bool] = (),
    ):
        self.probabilities = np.array(probabilities)
        self.thresholds = thresholds(probabilities)
        # Levels are drawn from the first step to the last that a schedule drops anything at, so
        # that all networks draw at the same steps.
        self._draws = self.thresholds > 0
        self._is_alpha = np.array([kind == "alpha" for kind in types] or [False] * len(generators))
        self._scheduled = np.array(scheduled or [False] * len(generators))
        self.widths, self.batch_size, self.generators = widths, batch_size, list(generators)
        self.dtype, self.device = dtype, device
        self.steps_per_draw = steps_per_draw(batch_size, widths)
        self._step = self.steps_per_draw
        self._masks: list[Tensor | None] = [None] * len(widths)
        self._shifts: list[Tensor | None] = [None] * len(widths)
        # Of scheduled networks: their masks change with their probabilities.
        self._levels: list[dict[int, np.ndarray]] = [{} for _ in widths]
        self._states = [rng.bit_generator.state for rng in generators]

    @property
    def active(self) -> bool:
        return bool(self._draws.any())

    def keep(self, networks: Sequence[int]) -> None:
        places = list(networks)
        self.probabilities, self.thresholds = self.probabilities[places], self.thresholds[places]
        self._draws, self._is_alpha = self._draws[places], self._is_alpha[places]
        self._scheduled = self._scheduled[places]
        self.generators = [self.generators[k] for k in places]
        self._states = [self._states[k] for k in places]
        self._levels = [
            {new: of[k] for new, k in enumerate(places) if k in of} for of in self._levels
        ]
        index = torch.as_tensor(places, device=self.device)
        self._masks, self._shifts = (
            [None if m is None else m.index_select(0, index) for m in masks]
            for masks in (self._masks, self._shifts)
        )

    def set_time(self, k: int, time: DropoutTime) -> None:
        """Network k's steps to come are of an epoch with these probabilities."""
        before = self.thresholds[k].copy()
        self.thresholds[k] = thresholds(self.probabilities[k] * time.factor)
        self._draws[k] &= not time.over
        for layer in np.flatnonzero(self.thresholds[k] != before).tolist():
            if k in self._levels[layer]:
                self._set_mask(layer, k, self._levels[layer][k])

    def next_step(self, n_rows: int) -> list[Tensor | None]:
        """Masks (K, n_rows, width) of each hidden layer; None for a layer without dropout."""
        if self._step >= self.steps_per_draw:
            self._draw_all()
        self._step += 1
        return self._of_step(self._masks, n_rows)

    def shifts(self, n_rows: int) -> list[Tensor | None]:
        """What is added after the masks of the last `next_step`; empty without alpha dropout."""
        return self._of_step(self._shifts, n_rows) if self._is_alpha.any() else []

    def _of_step(self, masks: list[Tensor | None], n_rows: int) -> list[Tensor | None]:
        return [None if m is None else m[:, self._step - 1, :n_rows] for m in masks]

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
        for layer in range(len(self.widths)):
            self._draw(layer)
        self._step = 0

    def _draw(self, layer: int) -> None:
        self._masks[layer] = self._shifts[layer] = None
        self._levels[layer] = {}
        shape = (self.steps_per_draw, self.batch_size, self.widths[layer])
        n, thresholds = len(self.generators), self.thresholds[:, layer]
        masks = np.ones((n, *shape), dtype=np.float32) if thresholds.any() else None
        alpha = self._is_alpha & (thresholds > 0)
        shifts = np.zeros((n, *shape), dtype=np.float32) if alpha.any() else None
        for k in np.flatnonzero(self._draws[:, layer]).tolist():
            levels, threshold = random_levels(self.generators[k], shape), thresholds[k]
            if self._scheduled[k]:
                self._levels[layer][k] = levels
            if threshold:
                assert masks is not None
                shift = self._fill(masks[k], k, threshold, levels)
                if shifts is not None:
                    shifts[k] = shift
        self._masks[layer], self._shifts[layer] = self._tensor(masks), self._tensor(shifts)

    def _fill(self, mask: np.ndarray, k: int, threshold: float, levels: np.ndarray) -> Any:
        """Put the factors that levels make of network k's units into a mask; return the shifts."""
        kept, is_alpha = levels >= threshold, self._is_alpha[k]
        scale = alpha_scale(threshold) if is_alpha else kept_scale(threshold)
        np.multiply(kept, scale, out=mask)
        return np.where(kept, alpha_shift(threshold), alpha_dropped(threshold)) if is_alpha else 0.0

    def _set_mask(self, layer: int, k: int, levels: np.ndarray) -> None:
        """Put network k's mask for new probabilities in place of what it has."""
        threshold, shape = self.thresholds[k, layer], (len(self.generators), *levels.shape)
        mask = np.ones(levels.shape, dtype=np.float32)
        shift = self._fill(mask, k, threshold, levels) if threshold else 0.0
        if self._masks[layer] is None:
            self._masks[layer] = torch.ones(shape, dtype=self.dtype, device=self.device)
        if self._shifts[layer] is None and self._is_alpha[k]:
            self._shifts[layer] = torch.zeros(shape, dtype=self.dtype, device=self.device)
        for tensors, values in ((self._masks, mask), (self._shifts, shift)):
            tensor = tensors[layer]
            if tensor is not None:
                tensor[k] = torch.as_tensor(values, dtype=self.dtype, device=self.device)

    def _tensor(self, values: np.ndarray | None) -> Tensor | None:
        return None if values is None else torch.from_numpy(values).to(self.device, self.dtype)
