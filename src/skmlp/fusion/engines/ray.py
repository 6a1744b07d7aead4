"""The processes of a Ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import ClassVar

import numpy as np
import ray
from ray.exceptions import NodeDiedError, ObjectLostError, RayTaskError, WorkerCrashedError

from .engine import MOST_ATTEMPTS, Engine, WorkersLost
from .worker import Share, run_share


class RayEngine(Engine):
    """One share per CPU of the cluster, or per GPU where the networks train on GPUs.

    As joblib's Ray backend does, it connects to the cluster of the environment variable
    ``RAY_ADDRESS``, or starts one on this machine, unless ``ray.init`` has been called. Large
    arrays are put into Ray's object store once.
    """

    name: ClassVar[str] = "ray"

    def __init__(self) -> None:
        if not ray.is_initialized():
            ray.init()
        self._stored: dict[str, ray.ObjectRef] = {}

    def n_workers(self, *, on_gpu: bool = False) -> int:
        return max(1, int(ray.cluster_resources().get("GPU" if on_gpu else "CPU", 0)))

    def has_gpus(self) -> bool:
        return ray.cluster_resources().get("GPU", 0) >= 1

    def close(self) -> None:
        self._stored = {}

    def run(
        self, shares: Mapping[int, Share], arrays: Mapping[str, np.ndarray]
    ) -> Generator[tuple[int, list[bytes]]]:
        self._store(arrays)
        places = {self._submit(share): place for place, share in shares.items()}
        running = list(places)
        try:
            while running:
                ended, running = ray.wait(running, num_returns=1)
                yield places[ended[0]], self._result(ended[0])
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def _store(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Put arrays into the object store; what the last search put and this one needs stays."""
        self._stored = {
            token: self._stored[token] if token in self._stored else ray.put(array)
            for token, array in arrays.items()
        }

    def _submit(self, share: Share) -> ray.ObjectRef:
        run = ray.remote(_run).options(
            num_cpus=1,
            num_gpus=1 if share.calls.on_gpu and self.has_gpus() else 0,
            max_retries=MOST_ATTEMPTS - 1,
            name="skmlp-share",
        )
        return run.remote(share, *(self._stored[token] for token in share.calls.tokens))

    def _result(self, reference: ray.ObjectRef) -> list[bytes]:
        try:
            return ray.get(reference)
        except RayTaskError as error:
            raise error.cause from error
        except (WorkerCrashedError, NodeDiedError) as error:
            raise WorkersLost(str(error), again=False) from error
        except ObjectLostError as error:
            self._stored = {}
            raise WorkersLost(str(error)) from error


def _run(share: Share, *arrays: np.ndarray) -> list[bytes]:
    return run_share(share, dict(zip(share.calls.tokens, arrays, strict=True)))
