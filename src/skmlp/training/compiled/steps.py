"""Steps and predictions of one network in compiled form.

``gemm`` is BLAS's product for the dtype, ``layers`` the table of `codes`.
"""

from __future__ import annotations

from .codes import COLUMNS, L1, L2, NO_STEP, SLOPE, UNITS_AT, WIDTH
from .columns import transpose
from .compiling import Loop
from .layers import backward, copy, forward
from .losses import batch_loss
from .updates import clip, penalize, update


@Loop
def take_steps(
    gemm, rows, T, weights, order, begin, n_steps, batch, loss_code, layers, n_weights, optimizer,
    numbers, levels, flat, gradient, state, units, saved, deltas, losses,
):  # fmt: skip
    """Take steps over rows; add batch rows times the batch's mean loss to its epoch's sum.

    Parameters
    ----------
    rows : tuple of ndarray
        See `rows_of`.
    T : ndarray of shape (n, m)
    weights : ndarray of float64 of shape (n,), or (0,) for equal ones
    order : ndarray of int of shape (epochs · n,)
        Rows of one epoch after the other; ``begin`` is the place of the first step's first.
    loss_code, optimizer : int
        Codes.
    levels : ndarray of uint16
        Random levels of dropout, of these steps.
    losses : ndarray of float64 of shape (epochs,)
    """
    first, slope, n_rows = begin, numbers[SLOPE], order.size // losses.size
    last = layers.shape[0] - 1
    m, at = layers[last, WIDTH], layers[last, UNITS_AT]
    columns = layers[0, COLUMNS] and m > 1
    for step in range(n_steps):
        epoch = first // n_rows
        B = min(batch, (epoch + 1) * n_rows - first)
        weight, penalty = 0.0, 0.0
        for i in range(B):
            weight += weights[order[first + i]] if weights.size else 1.0
        forward(gemm, rows, order, first, layers, slope, flat, units, saved, B, levels, step, batch)
        out, by = units[at : at + B * m], deltas[at : at + B * m]
        if columns:  # to rows and back; one output's are the same
            logits = saved[at : at + B * m]
            transpose(m, B, out, logits)
            loss = batch_loss(loss_code, B, m, logits, T, order, first, weights, weight, out)
            transpose(B, m, out, by)
        else:
            loss = batch_loss(loss_code, B, m, out, T, order, first, weights, weight, by)
        backward(
            gemm,
            rows,
            order,
            first,
            layers,
            slope,
            flat,
            gradient,
            units,
            saved,
            deltas,
            B,
            levels,
            step,
            batch,
        )
        if numbers[L1] or numbers[L2]:
            l1, l2 = numbers[L1] / weight, numbers[L2] / weight
            penalty = penalize(flat, gradient, n_weights, l1, l2)
        if optimizer != NO_STEP:
            clip(gradient, numbers)
            update(optimizer, flat, gradient, state, n_weights, numbers)
        losses[epoch] += B * (loss / weight + penalty)
        first += B


@Loop
def predict(gemm, rows, order, begin, B, layers, slope, flat, units, saved, levels, z):
    """Logits of the B rows from order[begin] on, into as many rows of the flat z."""
    last = layers.shape[0] - 1
    m, at = layers[last, WIDTH], layers[last, UNITS_AT]
    forward(gemm, rows, order, begin, layers, slope, flat, units, saved, B, levels, -1, B)
    copy(units[at : at + B * m], z[begin * m : (begin + B) * m])
