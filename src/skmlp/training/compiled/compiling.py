"""How functions are compiled, and where what comes of it is kept.

A `Loop` is called from Python and kept on disk; ``compiled`` functions and ``part``s are what loops
are made of, and are kept inside them. Pieces (see `pieces`) are called by loops, and kept on disk
each by itself.
"""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba

R = TypeVar("R")

# What the arithmetic may be changed to: sums in another order, products and sums as one operation.
# NaN and infinity keep their meaning.
_FASTMATH = {"contract", "reassoc", "nsz", "arcp"}

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": _FASTMATH,
    "no_cfunc_wrapper": True,
    "_nrt": False,  # no memory is allocated
}
_INNER = {**_OPTIONS, "no_cpython_wrapper": True}  # not called from Python
_PIECE = {name: _OPTIONS[name] for name in ("nogil", "error_model", "fastmath", "_nrt")}


def compiled(function: Callable[..., Any]) -> Any:
    """A function that loops call, and nobody else."""
    return numba.njit(**_INNER)(function)


def part(function: Callable[..., Any]) -> Any:
    """A part of loops: its code is put into each that calls it.

    A function that is called is compiled alone, and once more with each caller; parts are
    compiled with their callers only. Large ones that are called from one or two places are parts.
    """
    return numba.njit(inline="always", **_INNER)(function)


class Loop:
    """A compiled function that Python calls, without the interpreter's lock.

    It is compiled once for each dtype and machine, when it is first called, and kept in
    `cache_folder`. Where that is impossible it is compiled once a process.
    """

    def __init__(self, function: Callable[..., Any]):
        self.function = function
        self._of_dtype: dict[str, Any] = {}
        self._first = threading.Lock()

    def __call__(self, dtype: str, *arguments: Any) -> Any:
        """Call it; ``dtype`` is that of the network's arrays among the arguments."""
        if dtype in self._of_dtype:
            return self._of_dtype[dtype](*arguments)
        with self._first, _garbage_waits():
            folder = _folder(dtype)
            with _numba_keeps_in(folder):
                dispatcher = numba.njit(cache=True, **_OPTIONS)(self.function)
            result = _again_if_broken(folder, lambda: dispatcher(*arguments))
            self._of_dtype[dtype] = dispatcher
        return result


def compiled_piece(function: Callable[..., Any], signature: Any, dtype: str) -> Any:
    """A function that loops call by its ``address``, kept on disk as a `Loop` is."""
    folder = _folder(dtype)

    def found() -> Any:
        with _numba_keeps_in(folder):
            return numba.cfunc(signature, cache=True, **_PIECE)(function)

    with _garbage_waits():
        return _again_if_broken(folder, found)


def _folder(dtype: str) -> Path:
    # A folder for each dtype: two processes that write one index at a time may each name
    # their own code as the other's.
    return cache_folder() / dtype


def _again_if_broken(folder: Path, call: Callable[[], R]) -> R:
    try:
        return call()
    except Exception:
        # Loops raise nothing: it is what is on disk that cannot be read or written.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        return call()


@contextmanager
def _garbage_waits() -> Iterator[None]:
    """Compiling makes millions of objects, few of them garbage: it takes 0.9 of the time so."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


_decorating = threading.Lock()


@contextmanager
def _numba_keeps_in(folder: Path) -> Iterator[None]:
    """Within it, functions that are decorated are kept in a folder."""
    with _decorating:
        settings: Any = numba.config
        before, settings.CACHE_DIR = settings.CACHE_DIR, str(folder)
        try:
            yield
        finally:
            settings.CACHE_DIR = before


@cache
def cache_folder() -> Path:
    """Where compiled loops are kept: in a folder that has the name of what they are made of.

    In ``SKMLP_CACHE_DIR``, or else in the user's folder for such things; where nothing can be
    written there, in a folder of this process for temporary files.
    """
    given = os.environ.get("SKMLP_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    try:
        base = Path(given) if given else Path.home() / ".cache"
        folder = base / "skmlp" / _fingerprint()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"0")
        return folder
    except (OSError, RuntimeError):  # no home
        return Path(_temporary_folder().name)


@cache
def _temporary_folder() -> tempfile.TemporaryDirectory:
    """It is removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="skmlp-", ignore_cleanup_errors=True)


@cache
def _fingerprint() -> str:
    """Of all sources that may have loops, and of numba: what another version made is not found."""
    digest = hashlib.sha256(numba.__version__.encode())
    training = Path(__file__).parents[1]
    for source in sorted([*training.rglob("*.py"), *(training.parent / "network").glob("*.py")]):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
