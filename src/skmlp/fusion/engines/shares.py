"""A search's calls, dealt to an engine's workers."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from ..waves import Wave
from .engine import MOST_ATTEMPTS, Engine, WorkersLost
from .outcomes import Outcome
from .packing import Packed, Stock, pack
from .worker import Share

Call = Callable[[], Any]
T = TypeVar("T")


def run_shares(engine: Engine, calls: Sequence[Call], wave: Wave) -> Generator[tuple[int, Outcome]]:
    """Run calls on an engine's workers, a share each; yield the place of each with its outcome.

    Parameters
    ----------
    engine : Engine
    calls : sequence of callable
    wave : Wave
        How many networks wait for one another, in each worker.

    Raises
    ------
    PicklingError
        If a call cannot be sent to another process.
    RuntimeError
        If workers die again and again.
    """
    dealt, shares, arrays = make_shares(engine, calls, wave)
    left = dict(enumerate(shares))
    for attempt in range(MOST_ATTEMPTS):
        try:
            with closing(engine.run(dict(left), arrays)) as ended:
                for share, packed in ended:
                    del left[share]
                    yield from zip(dealt[share], map(pickle.loads, packed), strict=True)
            return
        except WorkersLost as error:
            if not error.again or attempt == MOST_ATTEMPTS - 1:
                raise gave_up(engine, error) from error


def gave_up(engine: Engine, error: BaseException) -> RuntimeError:
    reason = str(error).partition("\n")[0]
    return RuntimeError(
        f"Workers of fused(engine={engine.name!r}) died again and again while they ran the same "
        f"calls: {reason}. Most often memory runs out: use a smaller "
        "'width', fewer or larger workers, or engine=None, which trains in this process."
    )


def make_shares(
    engine: Engine, calls: Sequence[Call], wave: Wave
) -> tuple[list[list[int]], list[Share], dict[str, np.ndarray]]:
    """Places of the calls dealt to workers; each share packed; the large arrays they need."""
    stock = Stock()
    on_gpu = engine.has_gpus() and pack_calls(calls, stock, engine).on_gpu
    dealt = deal(range(len(calls)), engine.n_workers(on_gpu=on_gpu))
    if engine.one_machine:
        wave = replace(wave, most_bytes=wave.most_bytes // len(dealt))
    packed = [pack_calls([calls[place] for place in part], stock, engine) for part in dealt]
    shares = [Share(calls, wave, rank) for rank, calls in enumerate(packed)]
    return dealt, shares, stock.arrays


def deal(places: Sequence[T], n_workers: int) -> list[list[T]]:
    """One part per worker, dealt to and fro, so that parts are alike in kind and size.

    Searches order their calls (folds within settings, sizes within folds): to and fro, a worker
    does not always get the second of two.

    Examples
    --------
    >>> deal("abcdefgh", 2)
    [['a', 'd', 'e', 'h'], ['b', 'c', 'f', 'g']]
    """
    parts: list[list[T]] = [[] for _ in range(min(n_workers, len(places)))]
    order = [*range(len(parts)), *reversed(range(len(parts)))]
    for turn, place in enumerate(places):
        parts[order[turn % len(order)]].append(place)
    return parts


def pack_calls(calls: Sequence[Call], stock: Stock, engine: Engine) -> Packed:
    try:
        return pack(list(calls), stock)
    except Exception as error:
        raise pickle.PicklingError(
            f"fused(engine={engine.name!r}) sends the fits to other processes, but one of them "
            f"cannot be pickled: {type(error).__name__}: {error}. Take out what belongs to this "
            "process alone (open files, locks, connections, generators), or use engine=None, "
            "which trains in this process."
        ) from error
