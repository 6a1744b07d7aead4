"""Steps and validations of one network in compiled form.

``at`` are the addresses of `codes`, ``layers`` the table of `codes`.
"""

from __future__ import annotations

from ..averaging import EACH_STEP, EPOCHS, KEEP, WAIT, WEIGHT
from .codes import (
    AVERAGE,
    BOUND,
    BOUND_BACK,
    CLIP,
    DECAY,
    GEMM,
    GROUPS,
    HIGH,
    L1,
    L2,
    LOSS,
    LOW,
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
def losses_of(at, numbers, n, m, k, z, t, scale, d):
    """The sum over n rows of scale times loss; d becomes its gradient in z.

    Where outputs are bounded, z becomes them.
    """
    groups = int(numbers[GROUPS])
    options, widths, total = numbers[OPTIONS:], numbers[numbers.size - groups :], 0.0
    if at[BOUND]:
        call(at[BOUND], n * m, numbers[LOW], numbers[HIGH], z)
    if groups:
        begin = 0
        for _ in range(n):
            for group in range(groups):
                w, to = int(widths[group]), begin
                total += call_for_number(
                    at[LOSS], 1, w, w, z[to:], t[to:], scale[to:], options, d[to:]
                )
                begin += w
    else:
        total = call_for_number(at[LOSS], n, m, k, z, t, scale, options, d)
    if at[BOUND]:
        call(at[BOUND_BACK], n * m, numbers[LOW], numbers[HIGH], z, d)
    return total


@compiled
def logits_of(rows, order, at, numbers, at_once, layers, flat, units, saved, levels, z):
    """Put the logits of rows into z."""
    last, n, slope = layers.shape[0] - 1, order.size, numbers[SLOPE]
    m, begins = layers[last, WIDTH], layers[last, UNITS_AT]
    for first in range(0, n, at_once):
        B = min(at_once, n - first)
        # in these layers nothing is dropped: there is no step that chooses levels
        forward(at[GEMM], rows, order, first, layers, slope, flat, units, saved, B, levels, B, B)
        for i in range(B * m):
            z[first * m + i] = units[begins + i]


@compiled
def found_on(held_out, at, numbers, flat, levels, found):
    """Put loss and score on held-out rows into ``found``; see `held_out` of `validation`.

    Without a score it is the negative loss, and z is left as it is: logits.
    """
    (
        rows, T, shares, weights, of_score, order, at_once, layers, units, saved, z, gradient
    ) = held_out  # fmt: skip
    last, n = layers.shape[0] - 1, order.size
    m, k = layers[last, WIDTH], T.size // n
    logits_of(rows, order, at, numbers, at_once, layers, flat, units, saved, levels, z)
    found[0] = losses_of(at, numbers, n, m, k, z, T, shares, gradient)
    if at[MEAN]:
        call(at[MEAN], n, m, k, z)
        m = k
    if at[SCORE]:
        found[1] = call_for_number(at[SCORE], n, m, k, z, T, weights, of_score)
    else:
        found[1] = -found[0]
        if at[BOUND]:  # what is in z has gone through the bounds
            logits_of(rows, order, at, numbers, at_once, layers, flat, units, saved, levels, z)


@compiled
def take_in(at, averaging, flat, average):
    """Take the parameters into their average."""
    averaging[WEIGHT] = averaging[KEEP] * averaging[WEIGHT] + 1.0
    call(at[AVERAGE], flat.size, 1.0 / averaging[WEIGHT], flat, average)


@Loop
def validate(held_out, at, numbers, flat, levels, found):
    found_on(held_out, at, numbers, flat, levels, found)


@Loop
def take_steps(
    at, rows, T, weights, order, begin, n_steps, batch, layers, by_columns, n_weights, numbers,
    settings, levels, flat, gradient, state, averaging, average, space, held_out, rates, places,
    losses, found, kept,
):  # fmt: skip
    """Take steps over rows; add batch rows times the batch's mean loss to its epoch's sum.

    Parameters
    ----------
    rows : tuple of ndarray
        See `rows_of`.
    T : ndarray of shape (n, k)
    weights : ndarray of float64 of shape (n,), or (0,) for equal ones
    order : ndarray of int of shape (epochs · n,)
        Rows of one epoch after the other; ``begin`` is the place of the first step's first.
    settings : ndarray of float64
        Of the optimizer; the last one is the number of its steps.
    levels : ndarray of uint16
        Random levels of dropout, of these steps.
    averaging : ndarray of float64
        See `numbers_of_average`.
    average : ndarray
        As ``flat``: the weights to validate and to keep, where averaging has a weight.
    space : tuple of ndarray
        See `workspace`.
    held_out : tuple
        See `held_out` of `validation`.
    rates : tuple of ndarray
        Each without entries where nothing is asked for. Of each step, the factor of the rate, and
        the momentum or beta_1; of each parameter, what multiplies its steps, and memory.
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
    factors, momenta, of_layers, before = rates
    first, slope, n_rows = begin, numbers[SLOPE], order.size // losses.size
    last, n_settings = layers.shape[0] - 1, settings.size - 1
    m, k, begins = layers[last, WIDTH], T.shape[1], layers[last, UNITS_AT]
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
            for j in range(k):
                targets[i * k + j], scale[i * k + j] = T[row, j], of_row
        for i in range(B * k):
            scale[i] /= weight
        z, d = units[begins:], deltas[begins:]
        if by_columns and m > 1:  # to rows and back; one output's are the same
            logits = saved[begins:]
            transpose(m, B, z, logits)
            loss = losses_of(at, numbers, B, m, k, logits, targets, scale, z)
            transpose(B, m, z, d)
        else:
            loss = losses_of(at, numbers, B, m, k, z, targets, scale, d)
        backward(
            at[GEMM], rows, order, first, layers, slope, flat, gradient, units, saved, deltas, B,
            levels, step, batch,
        )  # fmt: skip
        if at[PENALTY]:
            l1, l2 = numbers[L1] / weight, numbers[L2] / weight
            penalty = call_for_number(at[PENALTY], n_weights, l1, l2, flat, gradient)
        if at[CLIP]:
            call(at[CLIP], flat.size, numbers[MAX_VALUE], numbers[MAX_NORM], gradient)
        rate = numbers[RATE]
        if factors.size:
            rate *= factors[step]
        if momenta.size:
            settings[0] = momenta[step]
        if of_layers.size:
            for i in range(flat.size):
                before[i] = flat[i]
        if at[DECAY]:
            call(at[DECAY], n_weights, 1.0 - rate * numbers[WEIGHT_DECAY], flat)
        if at[UPDATE]:
            settings[n_settings] += 1
            t = settings[n_settings]
            call(
                at[UPDATE], flat.size, t, rate, settings, flat, gradient,
                state[0], state[1], state[2],
            )  # fmt: skip
        if of_layers.size:
            for i in range(flat.size):
                flat[i] = before[i] + of_layers[i] * (flat[i] - before[i])
        if at[AVERAGE] and averaging[EACH_STEP]:
            take_in(at, averaging, flat, average)
        losses[epoch] += B * (loss + penalty)
        first += B
        if first == (epoch + 1) * n_rows:
            averaging[EPOCHS] += 1
            if at[AVERAGE] and not averaging[EACH_STEP] and averaging[EPOCHS] > averaging[WAIT]:
                take_in(at, averaging, flat, average)
            place = places[epoch] if places.size else -1
            if place >= 0:
                evaluated = average if averaging[WEIGHT] > 0 else flat
                found_on(held_out, at, numbers, evaluated, levels, found[place])
                if kept.size:
                    for i in range(flat.size):
                        kept[place, i] = evaluated[i]
