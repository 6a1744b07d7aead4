"""The optimizer's state in the form of a checkpoint: torch's names, block by block.

So a network may go on in either executor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...task import OptimizerSettings
from .arrays import Parameters
from .codes import MU_PRODUCT, STEP

# What torch.optim's classes call the two arrays of their state, and which numbers they count.
_ARRAYS = {
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq"),
    "nadam": ("exp_avg", "exp_avg_sq"),
    "adamax": ("exp_avg", "exp_inf"),
    "radam": ("exp_avg", "exp_avg_sq"),
    "rmsprop": ("square_avg",),
    "adagrad": ("sum",),
    "adadelta": ("square_avg", "acc_delta"),
    "sgd": ("momentum_buffer",),
}
_NUMBERS = {"nadam": {"step": STEP, "mu_product": MU_PRODUCT}, "sgd": {}}
_ONE_COUNT = {"step": STEP}


def state_of(
    settings: OptimizerSettings, parameters: Parameters, state: np.ndarray, numbers: np.ndarray
) -> list[dict[str, Any]]:
    """A dictionary of arrays for each block: weights, then biases, which are (1, fan_out)."""
    if settings.family == "sgd" and not settings.momentum:
        return [{} for _ in parameters.blocks(state[0])]
    counts = {
        name: np.array(numbers[place], np.float32)
        for name, place in _NUMBERS.get(settings.family, _ONE_COUNT).items()
    }
    found: list[dict[str, Any]] = [dict(counts) for _ in parameters.blocks(state[0])]
    for name, flat in zip(_ARRAYS[settings.family], state, strict=False):
        for block, values in zip(found, parameters.blocks(flat), strict=True):
            block[name] = np.atleast_2d(values).copy()
    return found


def read_state(
    settings: OptimizerSettings,
    blocks: list[dict[str, Any]],
    parameters: Parameters,
    state: np.ndarray,
    numbers: np.ndarray,
) -> None:
    """Go on with the state of a checkpoint."""
    for name, flat in zip(_ARRAYS[settings.family], state, strict=False):
        for block, values in zip(blocks, parameters.blocks(flat), strict=True):
            if block.get(name) is not None:
                values[...] = np.reshape(block[name], values.shape)
    for name, place in _NUMBERS.get(settings.family, _ONE_COUNT).items():
        if name in blocks[0]:
            numbers[place] = float(blocks[0][name])
