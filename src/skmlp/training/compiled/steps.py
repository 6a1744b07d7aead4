"""Steps and predictions of one network in compiled form.

``gemm`` is BLAS's product for the dtype, ``layers`` the table of `codes`.
"""

from __future__ import annotations

from .codes import L1, L2, SLOPE, UNITS_AT, WIDTH
from .compiling import Loop
from .layers import backward, copy, forward
from .losses import batch_loss
from .updates import clip, penalize, update


@Loop
def take_steps(
    gemm, X, T, weights, order, begin, n_steps, batch, loss_code, layers, n_weights, optimizer,
    numbers, levels, flat, gradient, state, units, saved, deltas,
):  # fmt: skip
    """Take steps over rows; return the sum of batch rows times the batch's mean loss.

    Parameters
    ----------
    X, T : ndarray of shape (n, d) and (n, m)
    weights : ndarray of float64 of shape (n,), or (0,) for equal ones
    order : ndarray of int of shape (n,)
        Rows of the epoch; ``begin`` is the place of the first step's first.
    loss_code, optimizer : int
        Codes.
    levels : ndarray of uint16
        Random levels of dropout, of these steps.
    """
    total, slope, d = 0.0, numbers[SLOPE], X.shape[1]
    last = layers.shape[0] - 1
    m, at = layers[last, WIDTH], layers[last, UNITS_AT]
    for step in range(n_steps):
        first = begin + step * batch
        B = min(batch, order.size - first)
        weight, penalty = 0.0, 0.0
        for i in range(B):
            row = order[first + i]
            copy(X[row], units[i * d : (i + 1) * d])
            weight += weights[row] if weights.size else 1.0
        forward(gemm, layers, slope, flat, units, saved, B, levels, step, batch)
        loss = batch_loss(
            loss_code,
            B,
            m,
            units[at : at + B * m],
            T,
            order,
            first,
            weights,
            weight,
            deltas[at : at + B * m],
        )
        backward(gemm, layers, slope, flat, gradient, units, saved, deltas, B, levels, step, batch)
        if numbers[L1] or numbers[L2]:
            l1, l2 = numbers[L1] / weight, numbers[L2] / weight
            penalty = penalize(flat, gradient, n_weights, l1, l2)
        clip(gradient, numbers)
        update(optimizer, flat, gradient, state, n_weights, numbers)
        total += B * (loss / weight + penalty)
    return total


@Loop
def predict(gemm, X, begin, B, layers, slope, flat, units, saved, levels, z):
    """Logits of B rows of X from ``begin`` on, into as many rows of the flat z."""
    last, d = layers.shape[0] - 1, X.shape[1]
    m, at = layers[last, WIDTH], layers[last, UNITS_AT]
    for i in range(B):
        copy(X[begin + i], units[i * d : (i + 1) * d])
    forward(gemm, layers, slope, flat, units, saved, B, levels, -1, B)
    copy(units[at : at + B * m], z[begin * m : (begin + B) * m])
