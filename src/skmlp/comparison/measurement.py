"""Time, peak memory and size: measured on the running process, never estimated.

Time is wall-clock, `time.perf_counter`.

Peak memory is the largest growth of the process's resident memory while something runs. Python's
own counters (`tracemalloc`) do not see what libsvm, BLAS and torch allocate, and
`resource.getrusage` only knows the highest point since the process began. So, in this order:

1. Linux: the kernel's own high-water mark, reset before the measured block
   (``/proc/self/clear_refs``) and read after it (``VmHWM`` in ``/proc/self/status``). It misses
   nothing, however short, and costs nothing while the block runs. The kernel counts pages in
   batches, so that a value may be off by some 0.1 MB for each core.
2. Elsewhere, with psutil: a thread that reads the resident memory every millisecond.
3. Otherwise the peak is NaN.

Freed memory that the C library keeps would be reused unseen, so it is first handed back to the
system (``malloc_trim``, glibc). What remains uncounted: memory of child processes (an estimator's
own ``n_jobs``) and of accelerators; anything that other threads allocate meanwhile is counted.
"""

from __future__ import annotations

import ctypes
import math
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

__all__ = ["Measured", "measure", "predict_seconds"]

TIMED_ROWS = 1000
TIMED_REPEATS = 3
SAMPLING_SECONDS = 0.001


@dataclass
class Measured:
    """What a block took; filled when it ends.

    Attributes
    ----------
    seconds : float
        Wall-clock time.
    peak_bytes : float
        Largest growth of the resident memory; NaN where it cannot be measured.
    """

    seconds: float = math.nan
    peak_bytes: float = math.nan


@contextmanager
def measure() -> Iterator[Measured]:
    """Measure the time and the peak memory of a block.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.comparison.measurement import measure
    >>> with measure() as measured:
    ...     rows = np.ones(4_000_000)
    >>> bool(30e6 < measured.peak_bytes < 40e6)
    True
    """
    measured = Measured()
    peak = _peak_meter()
    peak.start()
    start = perf_counter()
    try:
        yield measured
    finally:
        measured.seconds = perf_counter() - start
        measured.peak_bytes = peak.stop()


def predict_seconds(model: Any, rows: Any) -> float:
    """Seconds to predict 1000 rows, the given ones repeated as needed; the median of three."""
    repeated = np.resize(np.arange(rows.shape[0]), TIMED_ROWS)
    times = []
    for _ in range(TIMED_REPEATS):
        timed = _safe_indexing(rows, repeated)  # a copy, which the model may write to
        start = perf_counter()
        model.predict(timed)
        times.append(perf_counter() - start)
    return median(times)


class NoPeak:
    """Where nothing can be measured."""

    def start(self) -> None: ...

    def stop(self) -> float:
        return math.nan


class KernelPeak:
    """The high-water mark that Linux keeps of each process."""

    _STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def start(self) -> None:
        release_freed_memory()
        self._RESET.write_text("5")
        self._before = self._read()

    def stop(self) -> float:
        return float(max(0, self._read() - self._before))

    def _read(self) -> int:
        found = re.search(r"VmHWM:\s+(\d+) kB", self._STATUS.read_text())
        assert found is not None
        return 1024 * int(found.group(1))

    @classmethod
    def works(cls) -> bool:
        """Whether a planted allocation is seen, and forgotten after the reset."""
        try:
            peak = cls()
            peak.start()
            np.ones(_PLANTED // 8)
            seen = peak.stop()
            peak.start()
            return seen >= 0.9 * _PLANTED and peak.stop() < 0.5 * _PLANTED
        except (OSError, AssertionError):
            return False


_PLANTED = 8 << 20


class SampledPeak:
    """The highest resident memory that a thread has seen."""

    def __init__(self, resident: Callable[[], int]):
        self._resident = resident

    def start(self) -> None:
        release_freed_memory()
        self._before = self._highest = self._resident()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._ended.set()
        self._thread.join()
        return float(max(self._highest, self._resident()) - self._before)

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLING_SECONDS):
            self._highest = max(self._highest, self._resident())


def resident_memory() -> Callable[[], int] | None:
    """How to read this process's resident memory in bytes; None without psutil."""
    try:
        import psutil
    except ImportError:
        return None
    process = psutil.Process(os.getpid())
    return lambda: process.memory_info().rss


@cache
def _kernel_peak_works() -> bool:
    return KernelPeak.works()


def _peak_meter() -> KernelPeak | SampledPeak | NoPeak:
    if _kernel_peak_works():
        return KernelPeak()
    resident = resident_memory()
    return NoPeak() if resident is None else SampledPeak(resident)


def how_peaks_are_measured() -> str:
    """The method in use, in words, for the settings of a comparison."""
    return {
        KernelPeak: "the kernel's high-water mark of resident memory",
        SampledPeak: "resident memory sampled every millisecond",
        NoPeak: "not measured: install psutil",
    }[type(_peak_meter())]


def release_freed_memory() -> None:
    """Have the C library hand back to the system what has been freed."""
    library = _c_library()
    if library is None:
        return
    library.malloc_trim(0)
    if hasattr(library, "mallinfo2"):  # from glibc 2.33 on
        _release_the_top(library)


_BLOCK = 120 << 10  # small enough not to get a mapping of its own
_MOST_OF_A_THREAD = 64 << 20  # heaps but the first are no larger
_MADV_DONTNEED = 4


def _release_the_top(library: Any) -> None:
    """Also what is free at the end of this thread's heap.

    ``malloc_trim`` leaves it where the heap is not the process's first, or cannot shrink because
    something else lies behind it. So it is taken in blocks, until the heap has to grow; the system
    may drop the pages of a block in use, whose content nobody reads, and the blocks are freed.
    """
    library.mallinfo2.restype = _Mallinfo2
    before = library.mallinfo2()
    most = (before.keepcost + _MOST_OF_A_THREAD) // _BLOCK
    blocks = [library.malloc(_BLOCK)]
    # asked seldom: it walks through all free chunks
    while library.mallinfo2().arena == before.arena and len(blocks) < most:
        blocks += [library.malloc(_BLOCK) for _ in blocks]
    _drop_and_free(library, blocks, _BLOCK)
    # Once more as one, for the pages at the beginnings of the blocks.
    size = max(1, len(blocks) - 2) * _BLOCK
    _drop_and_free(library, [library.malloc(size)], size)


def _drop_and_free(library: Any, blocks: list[int], size: int) -> None:
    page = os.sysconf("SC_PAGESIZE")
    for block in blocks:
        first, end = -(-block // page) * page, (block + size) // page * page
        library.madvise(first, end - first, _MADV_DONTNEED)
    for block in blocks:
        library.free(block)


class _Mallinfo2(ctypes.Structure):
    """What all heaps together have from the system, and what is free at the end of the first."""

    _fields_ = [
        ("arena", ctypes.c_size_t),
        ("_between", 8 * ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    ]


@cache
def _c_library() -> Any:
    """The C library where it is glibc, otherwise None."""
    try:
        library = ctypes.CDLL(None)
        library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        library.free.restype, library.free.argtypes = None, [ctypes.c_void_p]
        library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        library.malloc_trim.argtypes = [ctypes.c_size_t]
    except (AttributeError, OSError, TypeError):
        return None
    return library
