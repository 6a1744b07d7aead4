"""The tables that tell the compiled loops what a network is made of: see `codes`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ...network.activations import ACTIVATIONS
from ...network.loss_forms import loss_of
from ...task import TrainingTask
from ..optimizers import OPTIMIZERS
from ..validation import SCORES
from . import columns, dense, products, rules
from .blas import gemm_address
from .codes import (
    ACTIVATE,
    AVERAGE,
    BACK,
    BIASES_AT,
    BOUND,
    BOUND_BACK,
    CLIP,
    DECAY,
    DERIVE,
    DROP,
    DROP_BACK,
    FORWARD,
    GEMM,
    GRADIENT,
    GROUPS,
    HIGH,
    INPUT,
    L1,
    L2,
    LEVELS_AT,
    LOSS,
    LOW,
    MAX_NORM,
    MAX_VALUE,
    MEAN,
    N_ADDRESSES,
    N_COLUMNS,
    OPTIONS,
    OUTPUT,
    PENALTY,
    PRODUCT,
    RATE,
    SAVED,
    SCORE,
    SLOPE,
    THRESHOLD,
    UNITS_AT,
    UPDATE,
    WEIGHT_DECAY,
    WEIGHTS_AT,
    WIDTH,
)
from .pieces import address_of

# Products of at most this many multiplications are loops over the rows of a batch: a call of BLAS
# costs as much.
_FEW = 1 << 13
# Weights of fewer bytes are read from the cache again and again faster than BLAS copies them.
_CACHE_BYTES = 1 << 16


def is_small(sizes: Sequence[int], n_rows: int) -> bool:
    """Whether the values of one unit should lie together: see `columns`."""
    return n_rows * max(p * m for p, m in pairwise(sizes)) <= _FEW


def layer_table(
    sizes: Sequence[int],
    activations: Sequence[str],
    n_rows: int,
    dtype: str,
    thresholds: Sequence[int] | np.ndarray | None = None,
    *,
    sparse: bool = False,
    by_columns: bool = False,
    alpha_dropout: bool = False,
) -> np.ndarray:
    """The table of layers, see `codes`, of a workspace for ``n_rows`` rows.

    Sparse rows are used where they are: the input has no units then. ``by_columns``: the values
    of one unit lie together.
    """
    table, form = np.zeros((len(sizes), N_COLUMNS), np.int64), columns if by_columns else dense
    table[:, WIDTH] = sizes
    n_input = 0 if sparse else n_rows * sizes[0]
    table[1:, UNITS_AT] = np.cumsum([n_input, *(n_rows * size for size in sizes[1:-1])])
    n_weights = [fan_in * fan_out for fan_in, fan_out in pairwise(sizes)]
    table[1:, WEIGHTS_AT] = np.cumsum([0, *n_weights[:-1]])
    table[1:, BIASES_AT] = sum(n_weights) + np.cumsum([0, *sizes[1:-1]])
    if thresholds is not None:
        table[1:-1, THRESHOLD] = thresholds
    in_cache = np.array([0, *n_weights]) * np.dtype(dtype).itemsize < _CACHE_BYTES
    if form is dense and (in_cache & (table[:, WIDTH] > 1))[1:].any():
        table[in_cache, PRODUCT] = address_of(products.product, "product", dtype)
    table[0, FORWARD] = address_of(form.gather, "gather", dtype)
    table[1:, FORWARD] = address_of(form.forward, "forward", dtype)
    table[1:, GRADIENT] = address_of(form.gradient, "gradient", dtype)
    table[2:, BACK] = address_of(form.back, "back", dtype)
    if table[:, THRESHOLD].any():
        drop = form.alpha_drop if alpha_dropout else form.drop
        back = form.alpha_drop_back if alpha_dropout else form.drop
        table[1:-1, DROP] = address_of(drop, "drop", dtype)
        table[1:-1, DROP_BACK] = address_of(back, "drop", dtype)
    if sparse:
        table[1, FORWARD] = address_of(dense.sparse_forward, "sparse", dtype)
        table[1, GRADIENT] = address_of(dense.sparse_gradient, "sparse", dtype)
    for layer, row in zip(table[1:-1], map(ACTIVATIONS.__getitem__, activations), strict=True):
        layer[ACTIVATE] = address_of(row.loop, "activation", dtype)
        layer[DERIVE] = address_of(row.loop_backward, "activation", dtype)
        layer[SAVED] = (OUTPUT if layer[THRESHOLD] else 0) if row.saves_output else INPUT
    return table


def set_thresholds(table: np.ndarray, thresholds: np.ndarray) -> None:
    """Note below which levels each hidden layer's units are dropped, where some were before."""
    table[1:-1, THRESHOLD] = thresholds


def set_levels(table: np.ndarray, begins: Sequence[int]) -> None:
    """Note where each hidden layer's random levels of the next step begin."""
    table[1:-1, LEVELS_AT] = begins


def numbers_of(task: TrainingTask) -> np.ndarray:
    """The numbers at the start of training."""
    loss, n_options = loss_of(task.loss), len(task.loss_options)
    numbers = np.zeros(OPTIONS + n_options + len(loss.widths))
    numbers[RATE] = task.learning_rate_init
    numbers[L1] = task.alpha * task.l1_ratio
    numbers[L2] = task.alpha * (1.0 - task.l1_ratio)
    numbers[WEIGHT_DECAY] = task.weight_decay
    numbers[MAX_VALUE] = np.inf if task.max_grad_value is None else task.max_grad_value
    numbers[MAX_NORM] = np.inf if task.max_grad_norm is None else task.max_grad_norm
    numbers[SLOPE] = task.negative_slope
    if loss.is_bounded:
        numbers[LOW], numbers[HIGH] = task.loss_options[-2:]
    numbers[GROUPS] = len(loss.widths)
    numbers[OPTIONS:] = (*task.loss_options, *loss.widths)
    return numbers


def addresses_of(task: TrainingTask) -> np.ndarray:
    """The addresses of what a network has besides its layers."""
    at, dtype, loss = np.zeros(N_ADDRESSES, np.int64), task.dtype, loss_of(task.loss)
    at[GEMM] = gemm_address(dtype)
    at[LOSS] = address_of(loss.loop, "loss", dtype)
    if loss.is_bounded:
        at[BOUND] = address_of(rules.bound, "bound", dtype)
        at[BOUND_BACK] = address_of(rules.bound_back, "bound_back", dtype)
    if task.validation is not None and task.metric is None:
        at[MEAN] = address_of(loss.mean_loop, "mean", dtype)
        at[SCORE] = address_of(SCORES[task.score].loop, "score", dtype)
    if task.alpha:
        at[PENALTY] = address_of(rules.penalize, "penalty", dtype)
    optimizer = OPTIMIZERS.get(task.optimizer.family)
    if optimizer is not None:  # full-batch methods only want the gradient
        at[UPDATE] = address_of(optimizer.loop, "update", dtype)
        if task.max_grad_value is not None or task.max_grad_norm is not None:
            at[CLIP] = address_of(rules.clip, "clip", dtype)
        if task.weight_decay:
            at[DECAY] = address_of(rules.decay, "decay", dtype)
        if task.averaging is not None:
            at[AVERAGE] = address_of(rules.average, "average", dtype)
    return at
