"""The workers of the active Dask client."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import ClassVar
from urllib.parse import urlsplit

import distributed
import numpy as np

from ..meeting import Cancelled
from .engine import MOST_ATTEMPTS, Engine, WorkersLost
from .worker import Share, run_share

# Seconds to wait for a first worker, as in joblib's own Dask backend.
_WAIT_FOR_WORKERS = 10
# Seconds between looks at which workers are there.
_LOOK_EVERY = 0.5
# Seconds between looks of a running share at whether somebody still wants it.
_WATCH_EVERY = 0.2


class DaskEngine(Engine):
    """One share per worker of the cluster; its large arrays are scattered to all workers once.

    Raises
    ------
    ValueError
        If there is no active client.
    """

    name: ClassVar[str] = "dask"

    def __init__(self) -> None:
        try:
            self.client = distributed.get_client()
        except ValueError as error:
            raise ValueError(
                "fused(engine='dask') found no Dask client. Make one first: "
                "client = distributed.Client() starts workers on this machine, "
                "distributed.Client('address:8786') connects to a cluster."
            ) from error
        self._scattered: dict[str, distributed.Future] = {}

    def n_workers(self, *, on_gpu: bool = False) -> int:
        return len(self.workers())

    def has_gpus(self) -> bool:
        return False  # the number of workers is the cluster's, with GPUs or without

    def close(self) -> None:
        self._scattered = {}

    def run(
        self, shares: Mapping[int, Share], arrays: Mapping[str, np.ndarray]
    ) -> Generator[tuple[int, list[bytes]]]:
        futures = self._scatter(arrays)
        running = _Running(self, futures)
        try:
            for place, share in shares.items():
                running.submit(place, share)
            with other_tasks_may_run():
                while running.shares:
                    yield from running.ended()
                    running.move_orphans()
        finally:
            self.client.cancel(list(running.shares))

    def workers(self) -> list[str]:
        """Addresses, in a fixed order."""
        if not self.client.nthreads():
            try:
                self.client.wait_for_workers(1, timeout=_WAIT_FOR_WORKERS)
            except TimeoutError as error:
                raise ValueError(
                    f"fused(engine='dask'): the cluster of {self.client!r} has no worker, and "
                    f"none came within {_WAIT_FOR_WORKERS} seconds. Start workers, or scale the "
                    "cluster up."
                ) from error
        return sorted(self.client.nthreads())

    def _scatter(self, arrays: Mapping[str, np.ndarray]) -> dict[str, distributed.Future]:
        """Futures of the arrays; those of the last search that this one needs stay as they are."""
        usable = {
            t: f for t, f in self._scattered.items() if t in arrays and f.status == "finished"
        }
        new = [token for token in arrays if token not in usable]
        if new:
            # hash=False: the names that contents give would outlive a worker that has died
            futures = self.client.scatter([arrays[t] for t in new], broadcast=True, hash=False)
            usable.update(zip(new, futures, strict=True))
        self._scattered = usable
        return usable


class _Running:
    """Shares that run, each on a worker of its own.

    Left alone, Dask puts several on one worker while others are idle; and a task that prefers a
    worker waits for ever when that one dies while there is no other. So each share is bound to a
    worker, and bound to another one when its worker is gone.
    """

    def __init__(self, engine: DaskEngine, arrays: Mapping[str, distributed.Future]):
        self.engine, self.arrays = engine, arrays
        self.shares: dict[distributed.Future, tuple[int, Share, str]] = {}
        self._attempts: Counter[int] = Counter()

    def submit(self, place: int, share: Share) -> None:
        """Run a share on the worker that has the fewest.

        Raises
        ------
        WorkersLost
            If its workers have died too often.
        """
        self._attempts[place] += 1
        if self._attempts[place] > MOST_ATTEMPTS:
            raise WorkersLost(f"{MOST_ATTEMPTS} of them in turn", again=False)
        workers = self.engine.workers()
        load = Counter(worker for _, _, worker in self.shares.values())
        worker = min(workers, key=lambda address: load[address])
        future = self.engine.client.submit(
            run_here,
            replace(share, rank=ranks_on_host(workers)[worker]),
            {token: self.arrays[token] for token in share.calls.tokens},
            workers=[worker],
            pure=False,
        )
        self.shares[future] = place, share, worker

    def ended(self) -> Iterator[tuple[int, list[bytes]]]:
        """Wait a while, then yield the shares that have ended."""
        with suppress(distributed.TimeoutError, distributed.CancelledError):
            distributed.wait(list(self.shares), _LOOK_EVERY, return_when="FIRST_COMPLETED")
        for future in [future for future in self.shares if future.done()]:
            place, _, _ = self.shares.pop(future)
            yield place, result_of(future)

    def move_orphans(self) -> None:
        """Submit again what was bound to a worker that is no longer there."""
        alive = self.engine.client.nthreads()
        orphans = [f for f, (_, _, worker) in self.shares.items() if worker not in alive]
        self.engine.client.cancel(orphans)
        for place, share, _ in [self.shares.pop(future) for future in orphans]:
            self.submit(place, share)


def ranks_on_host(workers: list[str]) -> dict[str, int]:
    """Each worker's number among the workers of its host.

    Examples
    --------
    >>> ranks_on_host(["tcp://a:1", "tcp://a:2", "tcp://b:1"])
    {'tcp://a:1': 0, 'tcp://a:2': 1, 'tcp://b:1': 0}
    """
    seen: dict[str | None, int] = defaultdict(int)
    ranks = {}
    for worker in workers:
        host = urlsplit(worker).hostname
        ranks[worker] = seen[host]
        seen[host] += 1
    return ranks


def result_of(future: distributed.Future) -> list[bytes]:
    """What a share that has ended returned.

    Raises
    ------
    WorkersLost
        If its workers died as often as the scheduler allows, or took its data with them.
    Exception
        What the worker raised.
    """
    if future.status in ("cancelled", "lost"):
        raise WorkersLost("the only worker that had the data died")
    error = future.exception()
    if isinstance(error, distributed.KilledWorker):
        raise WorkersLost(str(error), again=False) from error
    return future.result()


def other_tasks_may_run() -> AbstractContextManager:
    """Within it, this thread leaves its place to other tasks, if it is a task of a worker."""
    try:
        distributed.get_worker()
    except ValueError:
        return nullcontext()
    return distributed.worker_client()


# In a worker


def run_here(share: Share, arrays: Mapping[str, np.ndarray]) -> list[bytes]:
    """Run a share with as many threads of torch as this worker has of its own."""
    worker = distributed.get_worker()
    with torch_threads(worker.state.nthreads), stopped_when_cancelled(worker):
        return run_share(share, arrays)


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def stopped_when_cancelled(worker: distributed.Worker) -> Iterator[None]:
    """Within it, `Cancelled` is raised in this thread when nobody wants its task any longer.

    Dask itself lets a task that has begun run to its end.
    """
    key, thread, over = worker.get_current_task(), threading.get_ident(), threading.Event()

    def watch() -> None:
        while not over.wait(_WATCH_EVERY):
            task = worker.state.tasks.get(key)
            unwanted = task is None or task.state == "cancelled"
            if unwanted and not is_importing(thread):
                raise_in(thread, Cancelled)
                return

    watcher = threading.Thread(target=watch, name="skmlp-watcher", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def is_importing(thread: int) -> bool:
    """Whether a thread is importing a module; to interrupt it would leave half of the module."""
    frame = sys._current_frames().get(thread)
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


def raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise an error in another thread, as soon as it runs Python code."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
