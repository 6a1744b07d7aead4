"""Pieces of a layer from p units to m, for B rows: the values of one row lie together.

Arrays are flat: a (B, p) are the units below, W (p, m) and b (m,) the layer's parameters,
z (B, m) its own units, d (B, m) the gradient in them. ``product`` is the address of
`products.product`, or 0 for BLAS's, whose address is ``gemm``.
"""

from __future__ import annotations

from .. import draws
from .blas import AS_IT_IS, TRANSPOSED, call_gemm
from .compiling import part
from .pieces import call

# Products of at most this many multiplications are plain loops: a call of BLAS costs as much.
_FEW = 2048


@part
def add_rows(B, m, d, total):
    """total (m,) plus the rows of d (B, m)."""
    for i in range(B):
        for j in range(m):
            total[j] += d[i * m + j]


# They are rounded to float32 in every dtype, as the masks of the other executor are.
kept_scale = part(draws.kept_scale)
alpha_scale = part(draws.alpha_scale)
alpha_shift = part(draws.alpha_shift)
alpha_dropped = part(draws.alpha_dropped)


def gather(B, p, X, order, first, out):
    """out (B, p): rows order[first:first + B] of X."""
    for i in range(B):
        at = order[first + i] * p
        for k in range(p):
            out[i * p + k] = X[at + k]


def forward(gemm, product, B, p, m, a, W, b, z):
    """z = a · W + b."""
    zero, one = type(z[0])(0), type(z[0])(1)
    if m == 1:
        for i in range(B):
            total = zero
            for k in range(p):
                total += a[i * p + k] * W[k]
            z[i] = total + b[0]
    elif product:
        call(product, B, p, m, a, p, 1, W, z, b)
    else:
        call_gemm(gemm, AS_IT_IS, AS_IT_IS, m, B, p, one, zero, W, m, a, p, z, m)
        for i in range(B):
            for j in range(m):
                z[i * m + j] += b[j]


def gradient(gemm, product, B, p, m, a, d, by_weight, by_bias):
    """by_weight (p, m) = aᵀ · d, and by_bias (m,) the sum of d's rows."""
    zero, one = type(d[0])(0), type(d[0])(1)
    for j in range(m):
        by_bias[j] = zero
    if m == 1:
        for k in range(p):
            by_weight[k] = zero
        for i in range(B):
            for k in range(p):
                by_weight[k] += d[i] * a[i * p + k]
    elif product:
        call(product, p, B, m, a, 1, p, d, by_weight, by_bias)
    else:
        call_gemm(gemm, AS_IT_IS, TRANSPOSED, m, p, B, one, zero, d, m, a, p, by_weight, m)
    add_rows(B, m, d, by_bias)


def back(gemm, B, p, m, d, W, out):
    """out (B, p) = d · Wᵀ."""
    zero, one = type(d[0])(0), type(d[0])(1)
    if m > 1 and B * p * m > _FEW:
        call_gemm(gemm, TRANSPOSED, AS_IT_IS, p, B, m, one, zero, W, m, d, m, out, p)
        return
    for i in range(B):
        if m == 1:
            for k in range(p):
                out[i * p + k] = d[i] * W[k]
            continue
        for k in range(p):
            total = zero
            for j in range(m):
                total += d[i * m + j] * W[k * m + j]
            out[i * p + k] = total


def drop(B, m, threshold, levels, values):
    """Inverted dropout: times 0 or 1/(1 - p), by 16 random bits each."""
    scale, zero = type(values[0])(kept_scale(threshold)), type(values[0])(0)
    for i in range(B * m):
        values[i] *= scale if levels[i] >= threshold else zero


def alpha_drop(B, m, threshold, levels, values):
    """Alpha dropout: see `draws.alpha_scale`."""
    x = type(values[0])
    scale, shift = x(alpha_scale(threshold)), x(alpha_shift(threshold))
    dropped = x(alpha_dropped(threshold))
    for i in range(B * m):
        values[i] = scale * values[i] + shift if levels[i] >= threshold else dropped


def alpha_drop_back(B, m, threshold, levels, values):
    """Its derivative, times what is there."""
    scale, zero = type(values[0])(alpha_scale(threshold)), type(values[0])(0)
    for i in range(B * m):
        values[i] *= scale if levels[i] >= threshold else zero


def sparse_forward(B, p, m, order, first, data, indices, indptr, W, b, z):
    """As `forward` for the CSR rows order[first:first + B]."""
    for i in range(B):
        row = order[first + i]
        for j in range(m):
            z[i * m + j] = b[j]
        for k in range(indptr[row], indptr[row + 1]):
            v, at = data[k], indices[k] * m
            for j in range(m):
                z[i * m + j] += v * W[at + j]


def sparse_gradient(B, p, m, order, first, data, indices, indptr, d, by_weight, by_bias):
    """As `gradient` for the CSR rows order[first:first + B]."""
    zero = type(d[0])(0)
    for k in range(p * m):
        by_weight[k] = zero
    for i in range(B):
        row = order[first + i]
        for k in range(indptr[row], indptr[row + 1]):
            v, at = data[k], indices[k] * m
            for j in range(m):
                by_weight[at + j] += v * d[i * m + j]
    for j in range(m):
        by_bias[j] = zero
    add_rows(B, m, d, by_bias)
