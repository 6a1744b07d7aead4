"""A network's arrays in the form that the compiled loops take."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import scipy.sparse

from ...network.architecture import NetworkArrays
from ...task import TrainingTask
from .codes import (
    ACTIVATION_CODES,
    BIASES_AT,
    CODE,
    COLUMNS,
    IS_SAVED,
    LEVELS_AT,
    LOSS_CODES,
    N_COLUMNS,
    NEEDS_INPUT,
    OPTIMIZER_CODES,
    SCORE_CODES,
    THRESHOLD,
    UNITS_AT,
    WEIGHTS_AT,
    WIDTH,
)

# Products of at most this many multiplications are loops over the rows of a batch: a call of BLAS
# costs as much.
_FEW = 1 << 13


def layer_table(
    sizes: Sequence[int],
    activations: Sequence[str],
    n_rows: int,
    thresholds: Sequence[int] | np.ndarray | None = None,
    *,
    sparse: bool = False,
    columns: bool = False,
) -> np.ndarray:
    """The table of layers, see `codes`, of a workspace for ``n_rows`` rows.

    Sparse rows are used where they are: the input has no units then. ``columns``: the values of
    one unit lie together, if the network is small.
    """
    table = np.zeros((len(sizes), N_COLUMNS), dtype=np.int64)
    table[:, WIDTH] = sizes
    n_input = 0 if sparse else n_rows * sizes[0]
    table[1:, UNITS_AT] = np.cumsum([n_input, *(n_rows * size for size in sizes[1:-1])])
    n_weights = [fan_in * fan_out for fan_in, fan_out in pairwise(sizes)]
    table[1:, WEIGHTS_AT] = np.cumsum([0, *n_weights[:-1]])
    table[1:, BIASES_AT] = sum(n_weights) + np.cumsum([0, *sizes[1:-1]])
    table[1:-1, CODE] = [ACTIVATION_CODES[name] for name in activations]
    if thresholds is not None:
        table[1:-1, THRESHOLD] = thresholds
    table[0, COLUMNS] = columns and not sparse and n_rows * max(n_weights) <= _FEW
    table[:, IS_SAVED] = np.isin(table[:, CODE], NEEDS_INPUT) | (table[:, THRESHOLD] > 0)
    return table


def set_levels(table: np.ndarray, begins: Sequence[int]) -> None:
    """Note where each hidden layer's random levels of the next step begin."""
    table[1:-1, LEVELS_AT] = begins


class Workspace:
    """Memory for the units of a table's layers, and for the gradients in them."""

    def __init__(self, table: np.ndarray, n_rows: int, dtype: str, *, gradients: bool = True):
        n = int(table[-1, UNITS_AT] + n_rows * table[-1, WIDTH])
        self.units = np.empty(n, dtype)
        self.saved = np.empty(n, dtype)
        self.deltas = np.empty(n if gradients else 0, dtype)


class Parameters:
    """The weights and biases of one network in one flat array: all weights, then all biases."""

    def __init__(self, sizes: Sequence[int], dtype: str):
        self.shapes = list(pairwise(sizes))
        self.n_weights = sum(i * o for i, o in self.shapes)
        self.flat = np.zeros(self.n_weights + sum(o for _, o in self.shapes), dtype)

    def set(self, coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> None:
        for block, values in zip(self.blocks(self.flat), [*coefs, *intercepts], strict=True):
            block[...] = values

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
        and isinstance(task.optimizer.family, str)
        and task.optimizer.family in OPTIMIZER_CODES
        and task.loss in LOSS_CODES
        and task.score in SCORE_CODES
        and set(task.activations) <= set(ACTIVATION_CODES)
        and all(_is_known(rows.X) for rows in (task.train, task.validation) if rows)
    )


def _is_known(X) -> bool:
    # A column's number fits int32 wherever the weights of its first layer fit memory.
    return isinstance(X, np.ndarray) or (
        scipy.sparse.issparse(X) and X.format == "csr" and X.shape[1] <= np.iinfo(np.int32).max
    )
