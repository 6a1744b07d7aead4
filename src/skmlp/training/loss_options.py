"""The options of the losses of networks that train together, as their losses take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..network.mlp import per_network
from ..task import TrainingTask


def options_of(
    tasks: Sequence[TrainingTask], dtype: torch.dtype, device: torch.device
) -> list[float | Tensor]:
    """Each option: the number that all networks have, or theirs as a tensor (K, 1, 1)."""
    like = torch.empty(0, dtype=dtype, device=device)
    columns = zip(*(task.loss_options for task in tasks), strict=True)
    return [_as_one(column, like) for column in columns]


def _as_one(values: tuple[float, ...], like: Tensor) -> float | Tensor:
    return values[0] if len(set(values)) == 1 else per_network(np.array(values), like)
