"""What a worker does: run a share of calls as one meeting."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...settings import config, current_executor
from ..meeting import run_together
from ..waves import Wave
from .gpus import own_gpu
from .outcomes import pack_outcome
from .packing import Packed, unpack


@dataclass(frozen=True)
class Share:
    """Calls for one worker.

    Attributes
    ----------
    calls : Packed
        A list of callables, see `packing.pack`.
    wave : Wave
        How many of the calls may wait for one another.
    executor : str
        That of the process that searches.
    rank : int
        Which worker's share it is, counted on the worker's machine; it decides the GPU.
    """

    calls: Packed
    wave: Wave
    rank: int = 0
    executor: str = field(default_factory=current_executor)


class Recorded:
    """A call that keeps its warnings instead of printing them."""

    def __init__(self, call: Callable[[], Any], share: Share):
        self.call, self.share = call, share
        self.warnings: list[warnings.WarningMessage] = []

    def __call__(self) -> Any:
        with warnings.catch_warnings(record=True) as self.warnings, share_gpu(self.share):
            warnings.simplefilter("always")  # the filters at home decide
            return self.call()


def run_share(share: Share, arrays: Mapping[str, np.ndarray]) -> list[bytes]:
    """Run a share's calls, which train as stacks.

    Parameters
    ----------
    share : Share
    arrays : mapping of str to ndarray
        What the tokens of the share's calls stand for.

    Returns
    -------
    list of bytes
        A packed `Outcome` per call, in their order.

    Raises
    ------
    RuntimeError
        If the calls need something that is not installed here.
    """
    calls = [Recorded(call, share) for call in load_calls(share, arrays)]
    packed = [b""] * len(calls)
    with share_gpu(share), config(executor=share.executor):
        for member in run_together(calls, share.wave):
            warned = calls[member.place].warnings
            packed[member.place] = pack_outcome(member.result, member.error, warned)
    return packed


def share_gpu(share: Share) -> AbstractContextManager:
    """The worker's own GPU for this thread, where the calls train on one."""
    return own_gpu(share.rank) if share.calls.on_gpu else nullcontext()


def load_calls(share: Share, arrays: Mapping[str, np.ndarray]) -> list[Callable[[], Any]]:
    try:
        return unpack(share.calls.data, arrays)
    except Exception as error:
        raise RuntimeError(
            f"A worker of fused cannot load the search's calls: {type(error).__name__}: {error}. "
            "Workers need the same packages and modules as this process: install them there, or "
            "define your own estimators in the script or notebook itself, whose code is sent."
        ) from error
