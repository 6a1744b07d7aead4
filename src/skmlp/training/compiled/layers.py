"""Layers in compiled form: products, activations and their derivatives, dropout.

Shapes: B rows; a layer leads from p units to m.
"""

from __future__ import annotations

import math

import numpy as np

from .blas import (
    sparse_times,
    sparse_transposed_times,
    times,
    times_transposed,
    transposed_times,
)
from .codes import (
    BIASES_AT,
    CODE,
    COLUMNS,
    ELU,
    GELU,
    IDENTITY,
    IS_SAVED,
    LEAKY_RELU,
    LEVELS_AT,
    LOGISTIC,
    MISH,
    RELU,
    SELU,
    SILU,
    SOFTPLUS,
    TANH,
    THRESHOLD,
    UNITS_AT,
    WEIGHTS_AT,
    WIDTH,
)
from .columns import (
    add_to_columns,
    columns_times,
    columns_times_transposed,
    columns_transposed_times,
    sum_of_columns,
)
from .compiling import compiled, part

# Klambauer et al. (2017), arXiv:1706.02515: the fixed point is mean 0 and variance 1.
_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_ALPHA = _SELU_SCALE * 1.6732632423543772848170429916717
_LEVELS = 1 << 16


@compiled
def copy(source, target):
    for i in range(source.size):
        target[i] = source[i]


@compiled
def softplus(v):
    """log(1 + exp(v)), exact at every v."""
    return max(v, type(v)(0)) + math.log1p(math.exp(-abs(v)))


@compiled
def activate(code, slope, z, h):
    """h = f(z); z and h may be the same array."""
    zero, one, half = z.dtype.type(0), z.dtype.type(1), z.dtype.type(0.5)
    if code == RELU:
        for i in range(z.size):
            h[i] = zero if z[i] <= zero else z[i]  # NaN stays NaN
    elif code == IDENTITY:
        copy(z, h)
    elif code == LOGISTIC:
        for i in range(z.size):
            h[i] = one / (one + math.exp(-z[i]))
    elif code == TANH:
        for i in range(z.size):
            h[i] = math.tanh(z[i])
    elif code == LEAKY_RELU:
        below = z.dtype.type(slope)
        for i in range(z.size):
            h[i] = z[i] * below if z[i] <= zero else z[i]
    elif code == ELU:
        for i in range(z.size):
            h[i] = math.expm1(z[i]) if z[i] <= zero else z[i]
    elif code == SELU:
        scale, alpha = z.dtype.type(_SELU_SCALE), z.dtype.type(_SELU_ALPHA)
        for i in range(z.size):
            h[i] = alpha * math.expm1(z[i]) if z[i] <= zero else scale * z[i]
    elif code == GELU:
        root = z.dtype.type(math.sqrt(0.5))
        for i in range(z.size):
            h[i] = z[i] * half * (one + math.erf(z[i] * root))
    elif code == SILU:
        for i in range(z.size):
            h[i] = z[i] / (one + math.exp(-z[i]))
    elif code == MISH:
        for i in range(z.size):
            h[i] = z[i] * math.tanh(softplus(z[i]))
    elif code == SOFTPLUS:
        for i in range(z.size):
            h[i] = softplus(z[i])


@compiled
def activate_backward(code, slope, saved, d):
    """d *= f'(z); ``saved`` is z or f(z), see `NEEDS_INPUT`."""
    zero, one, half = d.dtype.type(0), d.dtype.type(1), d.dtype.type(0.5)
    if code == RELU:
        for i in range(d.size):
            d[i] = zero if saved[i] <= zero else d[i]
    elif code == LOGISTIC:
        for i in range(d.size):
            d[i] *= saved[i] * (one - saved[i])
    elif code == TANH:
        for i in range(d.size):
            d[i] *= one - saved[i] * saved[i]
    elif code == LEAKY_RELU:
        below = d.dtype.type(slope)
        for i in range(d.size):
            d[i] = d[i] * below if saved[i] <= zero else d[i]
    elif code == ELU:
        for i in range(d.size):
            d[i] = d[i] * (saved[i] + one) if saved[i] <= zero else d[i]
    elif code == SELU:
        scale, alpha = d.dtype.type(_SELU_SCALE), d.dtype.type(_SELU_ALPHA)
        for i in range(d.size):
            d[i] *= saved[i] + alpha if saved[i] <= zero else scale
    elif code == GELU:
        root, top = d.dtype.type(math.sqrt(0.5)), d.dtype.type(1 / math.sqrt(2 * math.pi))
        for i in range(d.size):
            v = saved[i]
            share = half * (one + math.erf(v * root))
            d[i] *= share + v * top * math.exp(-half * v * v)
    elif code == SILU:
        for i in range(d.size):
            s = one / (one + math.exp(-saved[i]))
            d[i] *= s * (one + saved[i] * (one - s))
    elif code == MISH:
        for i in range(d.size):
            t = math.tanh(softplus(saved[i]))
            d[i] *= t + saved[i] * (one - t * t) / (one + math.exp(-saved[i]))
    elif code == SOFTPLUS:
        for i in range(d.size):
            d[i] *= -math.expm1(-saved[i])


@part
def kept_scale(values, threshold):
    """1/(1 - p), rounded to float32 in every dtype, as the masks of the other executor are."""
    return values.dtype.type(np.float32(_LEVELS / (_LEVELS - threshold)))


@compiled
def drop(values, levels, threshold):
    """Inverted dropout: times 0 or 1/(1 - p), by 16 random bits each."""
    scale, zero = kept_scale(values, threshold), values.dtype.type(0)
    for i in range(values.size):
        values[i] *= scale if levels[i] >= threshold else zero


@compiled
def drop_columns(B, values, levels, threshold):
    """As `drop`, for columns: the levels are in the order of rows."""
    scale, zero = kept_scale(values, threshold), values.dtype.type(0)
    m = values.size // B
    for j in range(m):
        for i in range(B):
            values[j * B + i] *= scale if levels[i * m + j] >= threshold else zero


@compiled
def add_to_rows(B, rows, biases):
    m = biases.size
    for i in range(B):
        row = rows[i * m : (i + 1) * m]
        for j in range(m):
            row[j] += biases[j]


@compiled
def sum_of_rows(B, rows, total):
    m = total.size
    for j in range(m):
        total[j] = rows[j]
    for i in range(1, B):
        row = rows[i * m : (i + 1) * m]
        for j in range(m):
            total[j] += row[j]


@part
def forward(gemm, rows, order, first, layers, slope, flat, units, saved, B, levels, step, batch):
    """Values of all layers' units for the B rows from order[first] on; the last: logits.

    ``rows``: see `rows_of`; dense ones are copied to the input's units. ``step`` chooses the
    dropout levels; below zero nothing is dropped.
    """
    X, sparse, last = rows[0], rows[3].size > 0, layers.shape[0] - 1
    d, columns = X.shape[1], layers[0, COLUMNS]
    if columns:
        for i in range(B):
            row = X[order[first + i]]
            for j in range(d):
                units[j * B + i] = row[j]
    elif not sparse:
        for i in range(B):
            copy(X[order[first + i]], units[i * d : (i + 1) * d])
    for layer in range(1, last + 1):
        p, m, at = layers[layer - 1, WIDTH], layers[layer, WIDTH], layers[layer, UNITS_AT]
        w_at, b_at = layers[layer, WEIGHTS_AT], layers[layer, BIASES_AT]
        a_at = layers[layer - 1, UNITS_AT]
        out = units[at : at + B * m]
        if sparse and layer == 1:
            sparse_times(rows, order, first, B, m, flat[w_at : w_at + p * m], out)
            add_to_rows(B, out, flat[b_at : b_at + m])
        elif columns:
            a = units[a_at : a_at + B * p]
            columns_times(B, p, m, a, flat[w_at : w_at + p * m], out)
            add_to_columns(B, out, flat[b_at : b_at + m])
        else:
            times(gemm, B, p, m, units[a_at : a_at + B * p], flat[w_at : w_at + p * m], out)
            add_to_rows(B, out, flat[b_at : b_at + m])
        if layer < last:
            code, threshold = layers[layer, CODE], layers[layer, THRESHOLD]
            kept = saved[at : at + B * m]
            if code in (GELU, SILU, MISH):
                copy(out, kept)
                activate(code, slope, kept, out)
            else:
                activate(code, slope, out, out)
                if layers[layer, IS_SAVED]:
                    copy(out, kept)
            if step >= 0 and threshold:
                here = layers[layer, LEVELS_AT] + step * batch * m
                if columns:
                    drop_columns(B, out, levels[here : here + B * m], threshold)
                else:
                    drop(out, levels[here : here + B * m], threshold)


@part
def backward(
    gemm, rows, order, first, layers, slope, flat, gradient, units, saved, deltas, B, levels, step,
    batch,
):  # fmt: skip
    """Gradients of all parameters, from the logits' in the last layer's part of ``deltas``."""
    columns = layers[0, COLUMNS]
    for layer in range(layers.shape[0] - 1, 0, -1):
        below = layer - 1
        p, m, at = layers[below, WIDTH], layers[layer, WIDTH], layers[layer, UNITS_AT]
        w_at, b_at = layers[layer, WEIGHTS_AT], layers[layer, BIASES_AT]
        a_at = layers[below, UNITS_AT]
        d, by_weight = deltas[at : at + B * m], gradient[w_at : w_at + p * m]
        if layer == 1 and rows[3].size > 0:
            sparse_transposed_times(rows, order, first, B, m, d, by_weight)
            sum_of_rows(B, d, gradient[b_at : b_at + m])
        elif columns:
            columns_transposed_times(B, p, m, units[a_at : a_at + B * p], d, by_weight)
            sum_of_columns(B, d, gradient[b_at : b_at + m])
        else:
            transposed_times(gemm, B, p, m, units[a_at : a_at + B * p], d, by_weight)
            sum_of_rows(B, d, gradient[b_at : b_at + m])
        if below:
            back = deltas[a_at : a_at + B * p]
            if columns:
                columns_times_transposed(B, p, m, d, flat[w_at : w_at + p * m], back)
            else:
                times_transposed(gemm, B, p, m, d, flat[w_at : w_at + p * m], back)
            if step >= 0 and layers[below, THRESHOLD]:
                here = layers[below, LEVELS_AT] + step * batch * p
                if columns:
                    drop_columns(B, back, levels[here : here + B * p], layers[below, THRESHOLD])
                else:
                    drop(back, levels[here : here + B * p], layers[below, THRESHOLD])
            kept = saved if layers[below, IS_SAVED] else units
            activate_backward(layers[below, CODE], slope, kept[a_at : a_at + B * p], back)
