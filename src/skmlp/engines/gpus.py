"""One GPU per worker."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import cloudpickle
import numpy as np

from .._base import BaseMLP


def gpu_of(rank: int, n_gpus: int) -> int | None:
    """The GPU of a machine's worker of that rank; None where there is nothing to choose.

    Examples
    --------
    >>> [gpu_of(rank, n_gpus=2) for rank in range(4)]
    [0, 1, 0, 1]
    """
    return rank % n_gpus if n_gpus > 1 else None


def own_gpu(rank: int) -> AbstractContextManager:
    """Within it, ``device="cuda"`` of this thread is the GPU of the worker of that rank."""
    index = gpu_of(rank, n_gpus_here())
    if index is None:
        return nullcontext()
    import torch

    return torch.cuda.device(index)


def n_gpus_here() -> int:
    """How many CUDA devices this process sees."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def trains_on_gpu(calls: Sequence[Callable[[], Any]]) -> bool:
    """Whether an estimator in the calls may train on CUDA.

    ``device`` as a searched parameter is not seen: then the workers share the GPUs in turn.
    """
    finder = _DeviceFinder(io.BytesIO())
    finder.dump(list(calls))
    return any(device == "auto" or device.startswith("cuda") for device in finder.devices)


class _DeviceFinder(cloudpickle.Pickler):
    """Goes through all objects, as a pickler does, and notes the estimators' devices."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self.devices: set[str] = set()

    def persistent_id(self, obj: Any) -> str | None:
        if isinstance(obj, BaseMLP):
            self.devices.add(str(obj.device))
        return "array" if isinstance(obj, np.ndarray) else None
