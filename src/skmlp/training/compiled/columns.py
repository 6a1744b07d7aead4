"""Pieces of a layer of a small network: the values of one unit, for all rows, lie together.

A loop over the rows of a batch is long enough for vector instructions where one over a few units
is not. Shapes are those of `dense`, but for a (p, B), z and d (m, B).
"""

from __future__ import annotations

from .dense import alpha_dropped, alpha_scale, alpha_shift, kept_scale


def gather(B, p, X, order, first, out):
    """out (p, B): rows order[first:first + B] of X."""
    for i in range(B):
        at = order[first + i] * p
        for k in range(p):
            out[k * B + i] = X[at + k]


def forward(gemm, product, B, p, m, a, W, b, z):
    """z = Wᵀ · a + b."""
    for j in range(m):
        for i in range(B):
            z[j * B + i] = b[j]
        for k in range(p):
            w = W[k * m + j]
            for i in range(B):
                z[j * B + i] += w * a[k * B + i]


def gradient(gemm, product, B, p, m, a, d, by_weight, by_bias):
    """by_weight (p, m) = a · dᵀ, and by_bias (m,) the sums of d's columns."""
    zero = type(d[0])(0)
    for k in range(p):
        for j in range(m):
            total = zero
            for i in range(B):
                total += a[k * B + i] * d[j * B + i]
            by_weight[k * m + j] = total
    for j in range(m):
        total = zero
        for i in range(B):
            total += d[j * B + i]
        by_bias[j] = total


def back(gemm, B, p, m, d, W, out):
    """out (p, B) = W · d."""
    zero = type(d[0])(0)
    for k in range(p):
        for i in range(B):
            out[k * B + i] = zero
        for j in range(m):
            w = W[k * m + j]
            for i in range(B):
                out[k * B + i] += w * d[j * B + i]


def drop(B, m, threshold, levels, values):
    """As `dense.drop`: the levels are in the order of rows."""
    scale, zero = type(values[0])(kept_scale(threshold)), type(values[0])(0)
    for j in range(m):
        for i in range(B):
            values[j * B + i] *= scale if levels[i * m + j] >= threshold else zero


def alpha_drop(B, m, threshold, levels, values):
    """As `dense.alpha_drop`."""
    x = type(values[0])
    scale, shift = x(alpha_scale(threshold)), x(alpha_shift(threshold))
    dropped = x(alpha_dropped(threshold))
    for j in range(m):
        for i in range(B):
            kept = levels[i * m + j] >= threshold
            values[j * B + i] = scale * values[j * B + i] + shift if kept else dropped


def alpha_drop_back(B, m, threshold, levels, values):
    """As `dense.alpha_drop_back`."""
    scale, zero = type(values[0])(alpha_scale(threshold)), type(values[0])(0)
    for j in range(m):
        for i in range(B):
            values[j * B + i] *= scale if levels[i * m + j] >= threshold else zero
