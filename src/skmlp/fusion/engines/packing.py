"""Calls as bytes, with their large arrays apart, so that each array is sent once."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cloudpickle
import joblib
import numpy as np

from ...estimators.base import BaseMLP

# As joblib's max_nbytes: smaller arrays are written into each share. Larger ones are read-only in
# the workers, as they are in joblib's.
LARGE_BYTES = 1_000_000


@dataclass(frozen=True)
class Packed:
    """An object as bytes.

    Attributes
    ----------
    data : bytes
    tokens : tuple of str
        The large arrays that ``data`` needs.
    on_gpu : bool
        Whether an estimator in it may train on CUDA. (``device`` as a searched parameter is not
        seen.)
    """

    data: bytes
    tokens: tuple[str, ...]
    on_gpu: bool


class Stock:
    """The large arrays that packed objects hold, each content once.

    Attributes
    ----------
    arrays : dict of str to ndarray
    """

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        # With a reference to each array seen, so that no other array gets its id.
        self._seen: dict[int, tuple[np.ndarray, str]] = {}

    def token(self, array: np.ndarray) -> str:
        """What stands for an array; equal for arrays of equal content, dtype and layout."""
        if id(array) not in self._seen:
            self._seen[id(array)] = array, joblib.hash(array)
        token = self._seen[id(array)][1]
        self.arrays.setdefault(token, array)
        return token


class _Packer(cloudpickle.Pickler):
    """Writes tokens in place of large arrays; classes and functions of a script by value."""

    def __init__(self, file: io.BytesIO, stock: Stock):
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.stock = stock
        self.tokens: set[str] = set()
        self.devices: set[str] = set()

    def persistent_id(self, obj: Any) -> str | None:
        if isinstance(obj, BaseMLP):
            self.devices.add(str(obj.device))
        if not is_large_array(obj):
            return None
        token = self.stock.token(obj)
        self.tokens.add(token)
        return token


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, arrays: Mapping[str, np.ndarray]):
        super().__init__(file)
        self._arrays = arrays

    def persistent_load(self, pid: str) -> np.ndarray:
        return self._arrays[pid]


def is_large_array(obj: Any) -> bool:
    return (
        type(obj) in (np.ndarray, np.memmap)
        and obj.nbytes >= LARGE_BYTES
        and not obj.dtype.hasobject
    )


def pack(obj: Any, stock: Stock) -> Packed:
    """Pack an object; its large arrays go into ``stock``."""
    file = io.BytesIO()
    packer = _Packer(file, stock)
    packer.dump(obj)
    on_gpu = any(device == "auto" or device.startswith("cuda") for device in packer.devices)
    return Packed(file.getvalue(), tuple(sorted(packer.tokens)), on_gpu)


def unpack(data: bytes, arrays: Mapping[str, np.ndarray]) -> Any:
    """The object of `pack`, its large arrays being read-only views of ``arrays``."""
    return _Unpacker(io.BytesIO(data), {t: read_only(a) for t, a in arrays.items()}).load()


def read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
