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
def address_of(array, at):
    return np.intp(array.ctypes.data) + at * array.itemsize


@compiled
def times(gemm, B, p, m, a, a_at, W, w_at, z, z_at):
    """z (B, m) = a (B, p) · W (p, m)."""
    zero, one = z.dtype.type(0), z.dtype.type(1)
    if B * p * m > _FEW:
        first, second, out = address_of(W, w_at), address_of(a, a_at), address_of(z, z_at)
        call_gemm(gemm, _N, _N, m, B, p, one, zero, first, m, second, p, out, m)
    elif m == 1:
        for i in range(B):
            total = zero
            for k in range(p):
                total += a[a_at + i * p + k] * W[w_at + k]
            z[z_at + i] = total
    else:
        for i in range(B):
            for j in range(m):
                z[z_at + i * m + j] = zero
            for k in range(p):
                v = a[a_at + i * p + k]
                for j in range(m):
                    z[z_at + i * m + j] += v * W[w_at + k * m + j]


@compiled
def transposed_times(gemm, B, p, m, a, a_at, d, d_at, out, at):
    """out (p, m) = aᵀ · d, for a (B, p) and d (B, m)."""
    zero, one = out.dtype.type(0), out.dtype.type(1)
    if B * p * m > _FEW:
        first, second, result = address_of(d, d_at), address_of(a, a_at), address_of(out, at)
        call_gemm(gemm, _N, _T, m, p, B, one, zero, first, m, second, p, result, m)
        return
    for k in range(p * m):
        out[at + k] = zero
    if m == 1:
        for i in range(B):
            v = d[d_at + i]
            for k in range(p):
                out[at + k] += v * a[a_at + i * p + k]
    else:
        for i in range(B):
            for k in range(p):
                v = a[a_at + i * p + k]
                for j in range(m):
                    out[at + k * m + j] += v * d[d_at + i * m + j]


@compiled
def times_transposed(gemm, B, p, m, d, d_at, W, w_at, out, at):
    """out (B, p) = d · Wᵀ, for d (B, m) and W (p, m)."""
    zero, one = out.dtype.type(0), out.dtype.type(1)
    if B * p * m > _FEW:
        first, second, result = address_of(W, w_at), address_of(d, d_at), address_of(out, at)
        call_gemm(gemm, _T, _N, p, B, m, one, zero, first, m, second, m, result, p)
    elif m == 1:
        for i in range(B):
            v = d[d_at + i]
            for k in range(p):
                out[at + i * p + k] = v * W[w_at + k]
    else:
        for i in range(B):
            for k in range(p):
                total = zero
                for j in range(m):
                    total += d[d_at + i * m + j] * W[w_at + k * m + j]
                out[at + i * p + k] = total
