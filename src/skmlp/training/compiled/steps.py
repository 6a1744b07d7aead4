"""Steps and validations of one network in compiled form.

``at`` are the addresses of `codes`, ``layers`` the table of `codes`.
"""

from __future__ import annotations

from .codes import (
    CLIP,
    DECAY,
    GEMM,
    L1,
    L2,
    LOSS,
    MAX_NORM,
    MAX_VALUE,
    MEAN,
    OPTIONS,
    PENALTY,
    RATE,
    SCORE,
    SLOPE,
    UNITS_AT,
    UPDATE,
    WEIGHT_DECAY,
    WIDTH,
)
from .compiling import Loop, compiled
from .layers import backward, forward
from .pieces import call, call_for_number


@compiled
def transpose(n, m, source, target):
    """target (m, n) from source (n, m)."""
    for i in range(n):
        for j in range(m):
            target[j * n + i] = source[i * m + j]


@compiled
def found_on(held_out, at, numbers, flat, levels, found):
    """Put loss and score on held-out rows into ``found``; see `held_out` of `validation`.

    Without a score it is the negative loss, and z is left as it is: logits.
    """
    (
        rows, T, shares, weights, of_score, order, at_once, layers, units, saved, z, gradient
    ) = held_out  # fmt: skip
    last, n, slope = layers.shape[0] - 1, order.size, numbers[SLOPE]
    m, begins = layers[last, WIDTH], layers[last, UNITS_AT]
    for first in range(0, n, at_once):
        B = min(at_once, n - first)
        # in these layers nothing is dropped: there is no step that chooses levels
        forward(at[GEMM], rows, order, first, layers, slope, flat, units, saved, B, levels, B, B)
        for i in range(B * m):
            z[first * m + i] = units[begins + i]
    found[0] = call_for_number(at[LOSS], n, m, z, T, shares, numbers[OPTIONS:], gradient)
    if at[MEAN]:
        call(at[MEAN], n * m, slope, z, z)
    if at[SCORE]:
        found[1] = call_for_number(at[SCORE], n, m, z, T, weights, of_score)
    else:
        found[1] = -found[0]


@Loop
def validate(held_out, at, numbers, flat, levels, found):
    found_on(held_out, at, numbers, flat, levels, found)


@Loop
def take_steps(
    at, rows, T, weights, order, begin, n_steps, batch, layers, by_columns, n_weights, numbers,
    settings, levels, flat, gradient, state, space, held_out, places, losses, found, kept,
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
    settings : ndarray of float64
        Of the optimizer; the last one is the number of its steps.
    levels : ndarray of uint16
        Random levels of dropout, of these steps.
    space : tuple of ndarray
        See `workspace`.
    held_out : tuple
        See `held_out` of `validation`.
    places : ndarray of int of shape (epochs,) or (0,)
        Where what is found at the end of each epoch has its place; -1: held-out rows are not
        looked at. Without entries: they never are.
    losses : ndarray of float64 of shape (epochs,)
    found : ndarray of float64 of shape (validations, 2)
        For loss and score on held-out rows.
    kept : ndarray of shape (validations, parameters)
        For the parameters then, or without entries.
    """
    units, saved, deltas, targets, scale = space
    first, slope, n_rows = begin, numbers[SLOPE], order.size // losses.size
    last, n_settings = layers.shape[0] - 1, settings.size - 1
    m, begins, options = layers[last, WIDTH], layers[last, UNITS_AT], numbers[OPTIONS:]
    for step in range(n_steps):
        epoch = first // n_rows
        B = min(batch, (epoch + 1) * n_rows - first)
        forward(
            at[GEMM], rows, order, first, layers, slope, flat, units, saved, B, levels, step, batch
        )
        weight, penalty = 0.0, 0.0
        for i in range(B):
            row = order[first + i]
            of_row = weights[row] if weights.size else 1.0
            weight += of_row
            for j in range(m):
                targets[i * m + j], scale[i * m + j] = T[row, j], of_row
        for i in range(B * m):
            scale[i] /= weight
        z, d = units[begins:], deltas[begins:]
        if by_columns and m > 1:  # to rows and back; one output's are the same
            logits = saved[begins:]
            transpose(m, B, z, logits)
            loss = call_for_number(at[LOSS], B, m, logits, targets, scale, options, z)
            transpose(B, m, z, d)
        else:
            loss = call_for_number(at[LOSS], B, m, z, targets, scale, options, d)
        backward(
            at[GEMM], rows, order, first, layers, slope, flat, gradient, units, saved, deltas, B,
            levels, step, batch,
        )  # fmt: skip
        if at[PENALTY]:
            l1, l2 = numbers[L1] / weight, numbers[L2] / weight
            penalty = call_for_number(at[PENALTY], n_weights, l1, l2, flat, gradient)
        if at[CLIP]:
            call(at[CLIP], flat.size, numbers[MAX_VALUE], numbers[MAX_NORM], gradient)
        if at[DECAY]:
            call(at[DECAY], n_weights, 1.0 - numbers[RATE] * numbers[WEIGHT_DECAY], flat)
        if at[UPDATE]:
            settings[n_settings] += 1
            t, rate = settings[n_settings], numbers[RATE]
            call(at[UPDATE], flat.size, t, rate, settings, flat, gradient, state[0], state[1])
        losses[epoch] += B * (loss + penalty)
        first += B
        if first == (epoch + 1) * n_rows:
            place = places[epoch] if places.size else -1
            if place >= 0:
                found_on(held_out, at, numbers, flat, levels, found[place])
                if kept.size:
                    for i in range(flat.size):
                        kept[place, i] = flat[i]
