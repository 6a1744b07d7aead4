"""Processes of this machine, one per core: joblib's own, which stay warm between searches."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Mapping
from concurrent.futures.process import BrokenProcessPool
from typing import ClassVar

import joblib
import numpy as np

from .engine import Engine, WorkersLost
from .gpus import n_gpus_here
from .worker import Share, run_share


class LokyEngine(Engine):
    """joblib's reusable pool of processes, each with its part of the cores.

    joblib writes each large array to shared memory once, and kills the processes when a search is
    interrupted.
    """

    name: ClassVar[str] = "loky"
    one_machine: ClassVar[bool] = True

    def n_workers(self, *, on_gpu: bool = False) -> int:
        cores = joblib.cpu_count()
        return min(cores, n_gpus_here()) if on_gpu else cores

    def has_gpus(self) -> bool:
        return n_gpus_here() > 0

    def close(self) -> None:
        """The processes stay, for whoever uses joblib next."""

    def run(
        self, shares: Mapping[int, Share], arrays: Mapping[str, np.ndarray]
    ) -> Generator[tuple[int, list[bytes]]]:
        parallel = joblib.Parallel(
            max(self.n_workers(), 1),
            backend="loky",
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch="all",
            verbose=0,
        )
        ended = parallel(
            joblib.delayed(_run)(
                place, share, {token: arrays[token] for token in share.calls.tokens}
            )
            for place, share in shares.items()
        )
        try:
            # not "yield from": that would close joblib's generator before the warnings are off
            for place_and_outcomes in ended:  # noqa: UP028
                yield place_and_outcomes
        except BrokenProcessPool as error:
            raise WorkersLost(str(error)) from error
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # joblib's, of results that nobody asked for
                ended.close()


def _run(place: int, share: Share, arrays: Mapping[str, np.ndarray]) -> tuple[int, list[bytes]]:
    return place, run_share(share, arrays)
