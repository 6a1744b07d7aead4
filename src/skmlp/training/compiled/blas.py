"""Matrix products by SciPy's BLAS, from compiled code and without the interpreter's lock.

The addresses of BLAS's functions are arguments, so that compiled code can be kept on disk.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic


@cache
def gemm_address(dtype: str) -> int:
    """Where BLAS's general matrix product for a dtype is."""
    name = {"float32": "sgemm", "float64": "dgemm"}[dtype]
    return get_cython_function_address("scipy.linalg.cython_blas", name)


@intrinsic
def _call_gemm(typing, address, trans_a, trans_b, m, n, k, one, zero, a, lda, b, ldb, c, ldc):
    """C = op(A) op(B), column by column: BLAS's ?gemm, which takes pointers to all.

    a, b and c are pointers.
    """

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
        arguments += [place(one), builder.bitcast(a, pointer), place(lda, integer)]
        arguments += [builder.bitcast(b, pointer), place(ldb, integer)]
        arguments += [place(zero), builder.bitcast(c, pointer), place(ldc, integer)]
        kind = ir.FunctionType(ir.VoidType(), [pointer] * len(arguments))
        builder.call(builder.inttoptr(address, kind.as_pointer()), arguments)
        return context.get_dummy_value()

    integer = types.intp
    arguments = (*[integer] * 6, one, zero, a, integer, b, integer, c, integer)
    return types.none(*arguments), generate


call_gemm: Any = _call_gemm  # numba gives the first argument itself

AS_IT_IS, TRANSPOSED = ord("N"), ord("T")
