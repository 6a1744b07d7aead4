"""What every engine provides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from typing import ClassVar

import numpy as np

from .worker import Share

# A share whose workers die this often is given up: most likely it is what kills them.
MOST_ATTEMPTS = 3


class WorkersLost(Exception):
    """Workers, or data that they held, are gone.

    ``again``: whether the shares that are left should be run again.
    """

    def __init__(self, message: str, *, again: bool = True):
        super().__init__(message)
        self.again = again


class Engine(ABC):
    """A set of workers that run shares of calls.

    Attributes
    ----------
    name : str
        As the user writes it.
    one_machine : bool
        Whether all workers share this machine's memory.
    """

    name: ClassVar[str]
    one_machine: ClassVar[bool] = False

    @abstractmethod
    def n_workers(self, *, on_gpu: bool = False) -> int:
        """How many workers there are; ``on_gpu``: how many that train on a GPU of their own."""

    @abstractmethod
    def has_gpus(self) -> bool:
        """Whether workers may have GPUs."""

    @abstractmethod
    def run(
        self, shares: Mapping[int, Share], arrays: Mapping[str, np.ndarray]
    ) -> Generator[tuple[int, list[bytes]]]:
        """Run shares, each on a worker; yield what came of each, in the order in which they end.

        Closing the iterator stops what still runs.

        Parameters
        ----------
        shares : mapping of int to Share
        arrays : mapping of str to ndarray
            What the tokens of the shares stand for.

        Yields
        ------
        tuple of (int, list of bytes)
            A share's key, and packed outcomes: see `worker.run_share`.

        Raises
        ------
        WorkersLost
            If shares that are not yielded yet cannot end.
        """

    @abstractmethod
    def close(self) -> None:
        """Forget what the workers keep for later searches."""
