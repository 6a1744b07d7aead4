"""What a worker does: run a share of calls as one meeting."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._meeting import run_together
from .._waves import Wave
from .gpus import own_gpu
from .outcomes import pack_outcome
from .packing import unpack


@dataclass(frozen=True)
class Share:
    """Calls for one worker.

    Attributes
    ----------
    packed : bytes
        The calls, see `packing.pack`.
    tokens : tuple of str
        The large arrays that they need.
    wave : Wave
        How many of the calls may wait for one another.
    rank : int
        Which worker's share it is, counted on the worker's machine; it decides the GPU.
    on_gpu : bool
        Whether the calls train on a GPU.
    """

    packed: bytes
    tokens: tuple[str, ...]
    wave: Wave
    rank: int = 0
    on_gpu: bool = False


class Recorded:
    """A call that keeps its warnings instead of printing them."""

    def __init__(self, call: Callable[[], Any], rank: int):
        self.call, self.rank = call, rank
        self.warnings: list[warnings.WarningMessage] = []

    def __call__(self) -> Any:
        with warnings.catch_warnings(record=True) as self.warnings, own_gpu(self.rank):
            warnings.simplefilter("always")  # the filters at home decide
            return self.call()


def run_share(share: Share, arrays: Mapping[str, np.ndarray]) -> list[bytes]:
    """Run a share's calls, which train as stacks.

    Parameters
    ----------
    share : Share
    arrays : mapping of str to ndarray
        What the share's tokens stand for.

    Returns
    -------
    list of bytes
        A packed `Outcome` per call, in their order.

    Raises
    ------
    RuntimeError
        If the calls need something that is not installed here.
    """
    calls = [Recorded(call, share.rank) for call in load_calls(share, arrays)]
    places = {id(call): place for place, call in enumerate(calls)}
    packed = [b""] * len(calls)
    with own_gpu(share.rank):
        for member in run_together(calls, share.wave):
            place = places[id(member.call)]
            packed[place] = pack_outcome(member.result, member.error, calls[place].warnings)
    return packed


def load_calls(share: Share, arrays: Mapping[str, np.ndarray]) -> list[Callable[[], Any]]:
    try:
        return unpack(share.packed, arrays)
    except Exception as error:
        raise RuntimeError(
            f"A worker of fused cannot load the search's calls: {type(error).__name__}: {error}. "
            "Workers need the same packages and modules as this process: install them there, or "
            "define your own estimators in the script or notebook itself, whose code is sent."
        ) from error
