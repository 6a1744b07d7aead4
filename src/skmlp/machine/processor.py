"""How torch uses the processor: its cores, and denormal numbers. Imports torch when called."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import threadpoolctl
from threadpoolctl import ThreadpoolController

# NumPy probes a dtype's limits once, and must not do so while denormals are flushed.
for _dtype in (np.float32, np.float64):
    np.finfo(_dtype)


@contextmanager
def one_thread(wanted: bool = True) -> Iterator[None]:
    """Within it, this thread's torch operations use one core, if that is wanted.

    The limit is that of the calling thread's OpenMP regions: other threads, and what
    `torch.get_num_threads` says afterwards, are as before.
    """
    if not wanted:
        yield
        return
    import torch

    torch.get_num_threads()  # torch sets a thread's count when it is first asked: before the limit
    with _pools("openmp").limit(limits=1):
        yield


@contextmanager
def one_blas_thread(wanted: bool = True) -> Iterator[None]:
    """Within it, NumPy and SciPy use one core for linear algebra, if that is wanted.

    Their BLAS has threads of its own, which keep a core busy for a while after each operation:
    beside torch's operations they made an L-BFGS fit 2 to 20 times as long. The limit is the
    process's: it is set when the first thread comes in, and restored when the last one leaves.
    """
    if not wanted:
        yield
        return
    _blas_limit.enter()
    try:
        yield
    finally:
        _blas_limit.leave()


class _BlasLimit:
    """How many want one thread, and what is restored after them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limiter: Any = None

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limiter = _pools("blas").limit(limits=1)
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _let_this_thread_set_limits()
                self._limiter.restore_original_limits()
                _let_this_thread_set_limits()


def _let_this_thread_set_limits() -> None:
    """Since 3.7 threadpoolctl ignores limits of other threads than the one that set the first."""
    clear = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


_blas_limit = _BlasLimit()


@cache
def _pools(kind: str) -> ThreadpoolController:
    return ThreadpoolController().select(user_api=kind)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Within it, this thread rounds numbers below the normal range (1e-38 in float32) to zero.

    Gradients of a network that has learned its rows fall below it, and the processor takes about a
    hundred times as long for such numbers: late epochs of float32 training took twice as long.
    """
    import torch

    if denormals_are_flushed() or not torch.set_flush_denormal(True):
        yield
        return
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def usual_denormals() -> Iterator[None]:
    """Within it, this thread keeps denormal numbers: for code that is not ours."""
    import torch

    if not denormals_are_flushed():
        yield
        return
    torch.set_flush_denormal(False)
    try:
        yield
    finally:
        torch.set_flush_denormal(True)


def denormals_are_flushed() -> bool:
    """Whether this thread rounds denormal numbers to zero."""
    import torch

    tiny = torch.full((), 1e-40, dtype=torch.float32)
    return (tiny + tiny).item() == 0.0
