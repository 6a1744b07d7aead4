"""One GPU per worker."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext


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
