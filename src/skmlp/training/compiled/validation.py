"""Held-out rows in the form that the compiled loops take."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy.sparse import issparse

from ...network.loss_forms import loss_of
from ...task import TrainingTask
from ..row_weights import validation_weights
from ..validation import SCORES
from .arrays import fixed, rows_of, workspace
from .codes import N_COLUMNS, WIDTH
from .tables import layer_table

# Numbers in the widest layer's output per pass: it then stays within the cache.
_NUMBERS_AT_ONCE = 1 << 18

LOGITS = 10  # the place, among what `held_out` gives, of what a validation without score leaves


def held_out(task: TrainingTask) -> tuple[Any, ...]:
    """A network's held-out rows and the memory for them, as the loops take them; may be none.

    Rows, targets, weights that sum to 1 (for each target), weights, the score's options, the order
    of rows, how many are predicted at once; the table of layers, and memory for units, logits and
    their gradient.
    """
    if task.validation is None:
        return _none_held_out(task.dtype)
    dtype, sizes, rows = task.dtype, task.layer_sizes, task.validation
    is_sparse = issparse(rows.X)
    at_once = max(1, min(len(rows), _NUMBERS_AT_ONCE // max(sizes[is_sparse:])))
    table = layer_table(sizes, task.activations, at_once, dtype, sparse=is_sparse)
    weights = validation_weights(rows).astype(np.float64)
    shares = np.repeat(weights / weights.sum(), rows.targets.shape[1])
    options = SCORES[task.score].given(loss_of(task.loss), task.loss_options)
    return _as_loops_take(rows.X, rows.targets, shares, weights, options, at_once, table, dtype)


@cache
def _none_held_out(dtype: str) -> tuple[Any, ...]:
    nothing, no_layers = np.empty((0, 1), dtype), np.zeros((1, N_COLUMNS), np.int64)
    return _as_loops_take(nothing, nothing, np.empty(0), np.empty(0), (), 0, no_layers, dtype)


def _as_loops_take(
    X: Any,
    targets: np.ndarray,
    shares: np.ndarray,
    weights: np.ndarray,
    options: Sequence[float],
    at_once: int,
    table: np.ndarray,
    dtype: str,
) -> tuple[Any, ...]:
    return (
        rows_of(X, dtype),
        np.array(targets, dtype).ravel(),  # as those of a step: the same code takes both
        np.array(shares, np.float64),
        fixed(weights, "float64"),
        fixed(np.array(options), "float64"),
        fixed(np.arange(X.shape[0]), "int64"),
        at_once,
        table,
        *workspace(table, at_once, targets.shape[1], dtype)[:2],
        *(np.empty(len(targets) * int(table[-1, WIDTH]), dtype) for _ in range(2)),
    )
