"""All layers of a network, by the pieces that their table names."""

from __future__ import annotations

from .codes import (
    ACTIVATE,
    BACK,
    BIASES_AT,
    DERIVE,
    DROP,
    DROP_BACK,
    FORWARD,
    GRADIENT,
    INPUT,
    LEVELS_AT,
    OUTPUT,
    PRODUCT,
    SAVED,
    THRESHOLD,
    UNITS_AT,
    WEIGHTS_AT,
    WIDTH,
)
from .compiling import compiled
from .pieces import call


@compiled
def copy(source, target):
    for i in range(source.size):
        target[i] = source[i]


@compiled
def forward(gemm, rows, order, first, layers, slope, flat, units, saved, B, levels, step, batch):
    """Values of all layers' units for the B rows from order[first] on; the last: logits.

    ``rows``: see `rows_of`; dense ones are copied to the input's units. ``step`` chooses the
    dropout levels.
    """
    X, data, indices, indptr = rows
    last, sparse = layers.shape[0] - 1, indptr.size > 0
    if not sparse:
        call(layers[0, FORWARD], B, X.shape[1], X, order, first, units)
    for layer in range(1, last + 1):
        p, m, at = layers[layer - 1, WIDTH], layers[layer, WIDTH], layers[layer, UNITS_AT]
        W, b = flat[layers[layer, WEIGHTS_AT] :], flat[layers[layer, BIASES_AT] :]
        below, out = units[layers[layer - 1, UNITS_AT] :], units[at:]
        piece = layers[layer, FORWARD]
        if sparse and layer == 1:
            call(piece, B, p, m, order, first, data, indices, indptr, W, b, out)
        else:
            call(piece, gemm, layers[layer, PRODUCT], B, p, m, below, W, b, out)
        if layer < last:
            threshold = layers[layer, THRESHOLD]
            if layers[layer, SAVED] == INPUT:
                copy(units[at : at + B * m], saved[at : at + B * m])
            call(layers[layer, ACTIVATE], B * m, slope, out, out)
            if layers[layer, SAVED] == OUTPUT:
                copy(units[at : at + B * m], saved[at : at + B * m])
            if threshold:
                here = levels[layers[layer, LEVELS_AT] + step * batch * m :]
                call(layers[layer, DROP], B, m, threshold, here, out)


@compiled
def backward(
    gemm, rows, order, first, layers, slope, flat, gradient, units, saved, deltas, B, levels, step,
    batch,
):  # fmt: skip
    """Gradients of all parameters, from the logits' in the last layer's part of ``deltas``."""
    _, data, indices, indptr = rows
    for layer in range(layers.shape[0] - 1, 0, -1):
        below, w_at = layer - 1, layers[layer, WEIGHTS_AT]
        p, m, a_at = layers[below, WIDTH], layers[layer, WIDTH], layers[below, UNITS_AT]
        d, a, piece = deltas[layers[layer, UNITS_AT] :], units[a_at:], layers[layer, GRADIENT]
        by_weight, by_bias = gradient[w_at:], gradient[layers[layer, BIASES_AT] :]
        if layer == 1 and indptr.size > 0:
            call(piece, B, p, m, order, first, data, indices, indptr, d, by_weight, by_bias)
        else:
            call(piece, gemm, layers[layer, PRODUCT], B, p, m, a, d, by_weight, by_bias)
        if below:
            out, threshold = deltas[a_at:], layers[below, THRESHOLD]
            call(layers[layer, BACK], gemm, B, p, m, d, flat[w_at:], out)
            if threshold:
                here = levels[layers[below, LEVELS_AT] + step * batch * p :]
                call(layers[below, DROP_BACK], B, p, threshold, here, out)
            kept = saved[a_at:] if layers[below, SAVED] else a
            call(layers[below, DERIVE], B * p, slope, kept, out)
