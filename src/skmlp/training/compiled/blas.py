"""Matrix products by SciPy's BLAS, from compiled code and without the interpreter's lock.

The addresses of BLAS's functions are arguments, so that compiled code can be kept on disk.
Matrices are row by row in flat arrays; ``at`` is where one begins.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

from .compiling import compiled, part

# Products of at most this many multiplications are plain loops: a call of BLAS costs as much.
_FEW = 2048


@cache
def gemm_address(dtype: str) -> int:
    """Where BLAS's general matrix product for a dtype is."""
    name = {"float32": "sgemm", "float64": "dgemm"}[dtype]
    return get_cython_function_address("scipy.linalg.cython_blas", name)


@intrinsic
def _call_gemm(typing, address, trans_a, trans_b, m, n, k, one, zero, a, lda, b, ldb, c, ldc):
    """C = op(A) op(B), column by column: BLAS's ?gemm, which takes pointers to all."""

    def generate(context, builder, signature, given):
        (address, trans_a, trans_b, m, n, k, one, zero, a, lda, b, ldb, c, ldc) = given
        pointer = ir.IntType(8).as_pointer()

        def place(value, kind=None):
            value = value if kind is None else builder.trunc(value, kind)
            slot = cgutils.alloca_once(builder, value.type)
            builder.store(value, slot)
            return builder.bitcast(slot, pointer)

        char, integer = ir.IntType(8), ir.IntType(32)
        arguments = [place(trans_a, char), place(trans_b, char)]
        arguments += [place(size, integer) for size in (m, n, k)]
        arguments += [place(one), builder.inttoptr(a, pointer), place(lda, integer)]
        arguments += [builder.inttoptr(b, pointer), place(ldb, integer)]
        arguments += [place(zero), builder.inttoptr(c, pointer), place(ldc, integer)]
        kind = ir.FunctionType(ir.VoidType(), [pointer] * len(arguments))
        builder.call(builder.inttoptr(address, kind.as_pointer()), arguments)
        return context.get_dummy_value()

    integer = types.intp
    arguments = (*[integer] * 6, one, zero, *[integer] * 6)
    return types.none(*arguments), generate


call_gemm: Any = _call_gemm  # numba gives the first argument itself

_N, _T = ord("N"), ord("T")


@part
def address_of(array):
    return np.intp(array.ctypes.data)


@compiled
def times(gemm, B, p, m, a, W, z):
    """z (B, m) = a (B, p) · W (p, m)."""
    zero, one = z.dtype.type(0), z.dtype.type(1)
    if B * p * m > _FEW:
        first, second, out = address_of(W), address_of(a), address_of(z)
        call_gemm(gemm, _N, _N, m, B, p, one, zero, first, m, second, p, out, m)
    elif m == 1:
        for i in range(B):
            row, total = a[i * p : (i + 1) * p], zero
            for k in range(p):
                total += row[k] * W[k]
            z[i] = total
    else:
        for i in range(B):
            row, out = a[i * p : (i + 1) * p], z[i * m : (i + 1) * m]
            for j in range(m):
                out[j] = zero
            for k in range(p):
                v, w = row[k], W[k * m : (k + 1) * m]
                for j in range(m):
                    out[j] += v * w[j]


@compiled
def sparse_times(rows, order, first, B, m, W, z):
    """As `times` for the CSR rows order[first:first + B]."""
    _, data, indices, indptr = rows
    for i in range(B):
        row, out = order[first + i], z[i * m : (i + 1) * m]
        for j in range(m):
            out[j] = z.dtype.type(0)
        for k in range(indptr[row], indptr[row + 1]):
            v, at = data[k], indices[k] * m
            for j in range(m):
                out[j] += v * W[at + j]


@compiled
def sparse_transposed_times(rows, order, first, B, m, d, out):
    """As `transposed_times` for the CSR rows order[first:first + B]."""
    _, data, indices, indptr = rows
    for k in range(out.size):
        out[k] = out.dtype.type(0)
    for i in range(B):
        row, by = order[first + i], d[i * m : (i + 1) * m]
        for k in range(indptr[row], indptr[row + 1]):
            v, at = data[k], indices[k] * m
            for j in range(m):
                out[at + j] += v * by[j]


@compiled
def transposed_times(gemm, B, p, m, a, d, out):
    """out (p, m) = aᵀ · d, for a (B, p) and d (B, m)."""
    zero, one = out.dtype.type(0), out.dtype.type(1)
    if B * p * m > _FEW:
        first, second, result = address_of(d), address_of(a), address_of(out)
        call_gemm(gemm, _N, _T, m, p, B, one, zero, first, m, second, p, result, m)
        return
    for k in range(p * m):
        out[k] = zero
    for i in range(B):
        row = a[i * p : (i + 1) * p]
        if m == 1:
            v = d[i]
            for k in range(p):
                out[k] += v * row[k]
        else:
            by = d[i * m : (i + 1) * m]
            for k in range(p):
                v, into = row[k], out[k * m : (k + 1) * m]
                for j in range(m):
                    into[j] += v * by[j]


@compiled
def times_transposed(gemm, B, p, m, d, W, out):
    """out (B, p) = d · Wᵀ, for d (B, m) and W (p, m)."""
    zero, one = out.dtype.type(0), out.dtype.type(1)
    if B * p * m > _FEW:
        first, second, result = address_of(W), address_of(d), address_of(out)
        call_gemm(gemm, _T, _N, p, B, m, one, zero, first, m, second, m, result, p)
        return
    for i in range(B):
        into = out[i * p : (i + 1) * p]
        if m == 1:
            v = d[i]
            for k in range(p):
                into[k] = v * W[k]
        else:
            by = d[i * m : (i + 1) * m]
            for k in range(p):
                w, total = W[k * m : (k + 1) * m], zero
                for j in range(m):
                    total += by[j] * w[j]
                into[k] = total
