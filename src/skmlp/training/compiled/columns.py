"""Products of small networks in compiled form: the values of one unit, for all rows, lie together.

A loop over the rows of a batch is long enough for vector instructions where one over a few units
is not. Shapes: (p, B) and (m, B), flat; weights are (p, m) as ever.
"""

from __future__ import annotations

from .compiling import compiled, part


@compiled
def add_multiple(factor, row, out):
    for i in range(out.size):
        out[i] += factor * row[i]


@compiled
def columns_times(B, p, m, a, W, z):
    """z (m, B) = Wᵀ · a, for a (p, B)."""
    z[:] = z.dtype.type(0)
    for j in range(m):
        for k in range(p):
            add_multiple(W[k * m + j], a[k * B : (k + 1) * B], z[j * B : (j + 1) * B])


@compiled
def columns_transposed_times(B, p, m, a, d, out):
    """out (p, m) = a · dᵀ, for a (p, B) and d (m, B)."""
    zero = out.dtype.type(0)
    for k in range(p):
        row = a[k * B : (k + 1) * B]
        for j in range(m):
            by, total = d[j * B : (j + 1) * B], zero
            for i in range(B):
                total += row[i] * by[i]
            out[k * m + j] = total


@compiled
def columns_times_transposed(B, p, m, d, W, out):
    """out (p, B) = W · d, for d (m, B)."""
    out[:] = out.dtype.type(0)
    for k in range(p):
        for j in range(m):
            add_multiple(W[k * m + j], d[j * B : (j + 1) * B], out[k * B : (k + 1) * B])


@compiled
def add_to_columns(B, z, biases):
    for j in range(biases.size):
        for i in range(j * B, (j + 1) * B):
            z[i] += biases[j]


@compiled
def sum_of_columns(B, d, total):
    for j in range(total.size):
        column, found = d[j * B : (j + 1) * B], total.dtype.type(0)
        for i in range(B):
            found += column[i]
        total[j] = found


@part
def transpose(n, m, source, target):
    """target (m, n) from source (n, m)."""
    for i in range(n):
        for j in range(m):
            target[j * n + i] = source[i * m + j]
