"""A network's arrays in the form that the compiled loops take."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse

from ...augmentation import runs_users_code
from ...network.activations import ACTIVATIONS
from ...network.architecture import NetworkArrays
from ...network.loss_forms import loss_of
from ...task import FULL_BATCH_METHODS, TrainingTask
from ..optimizers import OPTIMIZERS
from ..validation import SCORES
from .codes import UNITS_AT, WIDTH


def workspace(table: np.ndarray, n_rows: int, k: int, dtype: str) -> tuple[np.ndarray, ...]:
    """Memory for the units of a table's layers, what is kept of them, and the gradients in them;
    for the k targets of each of ``n_rows``, and for their weights, target by target."""
    n = int(table[-1, UNITS_AT] + n_rows * table[-1, WIDTH])
    return (
        *(np.empty(n, dtype) for _ in range(3)),
        np.empty(n_rows * k, dtype),
        np.empty(n_rows * k),
    )


class Parameters:
    """The weights and biases of one network in one flat array: all weights, then all biases."""

    def __init__(self, sizes: Sequence[int], dtype: str):
        self.shapes = list(pairwise(sizes))
        self.n_weights = sum(i * o for i, o in self.shapes)
        self.flat = np.zeros(self.n_weights + sum(o for _, o in self.shapes), dtype)

    def set(self, coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> None:
        self.flat[:] = self.flat_of(coefs, intercepts)

    def flat_of(self, coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> np.ndarray:
        """A network's arrays in this form."""
        flat = np.empty_like(self.flat)
        for block, values in zip(self.blocks(flat), [*coefs, *intercepts], strict=True):
            block[...] = values
        return flat

    def blocks(self, flat: np.ndarray) -> list[np.ndarray]:
        """Views of an array of this form: weights (fan_in, fan_out), then biases (fan_out,)."""
        sizes = [i * o for i, o in self.shapes] + [o for _, o in self.shapes]
        shapes = [*self.shapes, *((o,) for _, o in self.shapes)]
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def copies(self, flat: np.ndarray) -> NetworkArrays:
        """The network as new arrays."""
        found = [block.copy() for block in self.blocks(flat)]
        return NetworkArrays(found[: len(self.shapes)], found[len(self.shapes) :], {})


def fixed(array: np.ndarray, dtype: str) -> np.ndarray:
    """Rows as the loops take them: contiguous, and read-only, whatever the caller's are.

    Code is compiled anew for arrays that can be written to.
    """
    if array.dtype != dtype or not (array.flags.c_contiguous and array.flags.aligned):
        array = np.require(array, dtype, ["C", "A"])
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view


def rows_of(X, dtype: str) -> tuple[np.ndarray, ...]:
    """Rows as the loops take them: (dense, data, indices, indptr), some of them without entries.

    So the loops are compiled once, for dense rows and for sparse ones, whatever their indices are.

    Raises
    ------
    ValueError
        If the indices of sparse rows point outside of them.
    """
    if not scipy.sparse.issparse(X):
        return fixed(X, dtype), *_csr(np.empty(0), np.empty(0), np.empty(0), dtype)
    view = scipy.sparse.csr_array((X.data, X.indices, X.indptr), X.shape)  # nothing is copied
    view.check_format()
    empty = fixed(np.empty((0, X.shape[1])), dtype)
    return empty, *_csr(view.data, view.indices, view.indptr, dtype)


def _csr(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, dtype: str):
    return fixed(data, dtype), fixed(indices, "int32"), fixed(indptr, "int64")


def is_plain(task: TrainingTask) -> bool:
    """Whether every choice of a task has a compiled form."""
    return (
        task.device == "cpu"
        and task.callback_view is None
        and task.normalization is None
        and not task.residual
        and _has_loop(task.optimizer.family)
        and loss_of(task.loss).loop is not None
        and SCORES[task.score].loop is not None
        and all(ACTIVATIONS[name].loop is not None for name in task.activations)
        and _is_known_augmentation(task)
        and all(_is_known(rows.X) for rows in (task.train, task.validation) if rows)
    )


def _has_loop(family: Any) -> bool:
    if not isinstance(family, str):
        return False
    if family in FULL_BATCH_METHODS:
        return not FULL_BATCH_METHODS[family].takes_products
    return OPTIMIZERS[family].loop is not None


def _is_known_augmentation(task: TrainingTask) -> bool:
    # A function of the user's runs beside no other code of the user's; what is added to sparse
    # rows fills them in.
    dense = isinstance(task.train.X, np.ndarray)
    return task.augmentation is None or (dense and not runs_users_code(task.augmentation))


def _is_known(X) -> bool:
    # A column's number fits int32 wherever the weights of its first layer fit memory.
    return isinstance(X, np.ndarray) or (
        scipy.sparse.issparse(X) and X.format == "csr" and X.shape[1] <= np.iinfo(np.int32).max
    )
