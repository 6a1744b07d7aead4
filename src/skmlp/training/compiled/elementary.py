"""Elementary functions in a form that a compiler turns into instructions for several numbers.

Those of the C library take one number a call, which costs 5 to 20 times as much. Here are sums and
products without branches: a reduction, and a series or polynomial for what remains. Errors are a
few units in the last place. NaN stays NaN; beyond the largest finite result it is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload
from numpy.polynomial import chebyshev
from scipy.special import erfcx

from ...network import elementary

# The order of operations is kept: the reduction depends on it.
_OPTIONS: dict[str, Any] = {"fastmath": {"contract", "nsz", "arcp"}, "error_model": "numpy"}

_WIDE = types.float64
# For float64 and float32: terms of the series of exp, where its argument is cut, what it becomes
# above (an infinite power of 2 times more than 1: times less it would be no number), ln 2 as a
# number of few digits and what remains of it (Cody and Waite 1980).
_EXP = {
    types.float64: (13, -708.0, 709.43, 710.0, 0.693147180369123816490, 1.90821492927058770002e-10),
    types.float32: (7, -87.0, 88.37, 89.0, 0.693359375, -2.12194440e-4),
}


@intrinsic
def _rounded(typing, v):
    """The nearest whole number, as a number of the same type."""

    def generate(context, builder, signature, given):
        rounds = builder.module.declare_intrinsic("llvm.rint", [given[0].type])
        return builder.call(rounds, given)

    return v(v), generate


@intrinsic
def _two_to(typing, k):
    """2 to the power of a whole number: its bits are an exponent."""
    bits, bias, fraction = (64, 1023, 52) if k == _WIDE else (32, 127, 23)

    def generate(context, builder, signature, given):
        integer = ir.IntType(bits)
        n = builder.fptosi(given[0], ir.IntType(32))
        n = builder.add(n, ir.Constant(ir.IntType(32), bias))
        n = builder.zext(n, integer) if bits > 32 else n
        n = builder.shl(n, ir.Constant(integer, fraction))
        return builder.bitcast(n, given[0].type)

    return k(k), generate


def _number(kind: Any) -> Callable[[float], Any]:
    return np.float64 if kind == _WIDE else np.float32


def _polynomial(kind: Any, coefficients: Sequence[float]) -> Callable[[Any], Any]:
    """A polynomial by Horner's rule, given its coefficients from the lowest power on.

    It is one expression: a loop over coefficients would stay a loop.
    """
    constants = {f"c{i}": _number(kind)(c) for i, c in enumerate(coefficients)}
    expression = f"c{len(coefficients) - 1}"
    for i in reversed(range(len(coefficients) - 1)):
        expression = f"({expression} * v + c{i})"
    value = eval(f"lambda v: {expression}", constants)
    return numba.njit(inline="always", **_OPTIONS)(value)


_made: dict[Any, Any] = {}


def _parts_of_exp(kind: Any) -> Callable[[Any], Any]:
    """What gives 2ᵏ and exp(r) - 1 for v = k ln 2 + r, with r at most half of ln 2."""
    if kind not in _made:
        number, (n_terms, *places) = _number(kind), _EXP[kind]
        low, high, beyond, ln_2, rest = map(number, places)
        per_ln_2, zero = number(1 / math.log(2)), number(0)
        series = _polynomial(kind, [1 / math.factorial(i) for i in range(2, n_terms + 1)])

        def parts(v):
            x = low if v < low else v
            x = beyond if x > high else x
            k: Any = _rounded(x * per_ln_2)  # type: ignore[call-arg]
            k = k if k == k else zero
            r = x - k * ln_2 - k * rest
            return _two_to(k), r + r * r * series(r)

        _made[kind] = numba.njit(inline="always", **_OPTIONS)(parts)
    return _made[kind]


def _compiled_as(function: Callable[[Any], Any], inline: str = "never") -> Callable[..., Any]:
    """Decorate what makes the compiled form of a function for a type of number."""
    return overload(function, jit_options=_OPTIONS, inline=inline)  # type: ignore[arg-type]


@_compiled_as(elementary.exp)
def _exp(v):
    parts = _parts_of_exp(v)

    def value(v):
        scale, rest = parts(v)
        return scale + scale * rest

    return value


@_compiled_as(elementary.expm1)
def _expm1(v):
    parts, one = _parts_of_exp(v), _number(v)(1)

    def value(v):
        scale, rest = parts(v)
        return scale * rest + (scale - one)

    return value


@_compiled_as(elementary.tanh)
def _tanh(v):
    """(exp(2v) - 1) / (exp(2v) + 1); beyond ``most`` it is 1."""
    parts, number = _parts_of_exp(v), _number(v)
    one, two, most = number(1), number(2), number(20)

    def value(v):
        size = abs(v)
        size = most if size > most else size
        scale, rest = parts(size + size)
        above = scale * rest + (scale - one)
        h = above / (above + two)
        return -h if v < 0 else h

    return value


@_compiled_as(elementary.log1p)
def _log1p(v):
    """log(1 + f) = 2 artanh(f / (2 + f)), for f from √½ - 1 to √2 - 1."""
    number, n_terms = _number(v), 11 if v == _WIDE else 5
    top, ln_2 = number(math.sqrt(2) - 1), number(math.log(2))
    zero, half, one, two = map(number, (0, 0.5, 1, 2))
    series = _polynomial(v, [2 / (2 * i + 1) for i in range(1, n_terms + 1)])

    def value(v):
        above = v > top
        f = (v - one) * half if above else v
        s = f / (two + f)
        square = s * s
        return s * (two + square * series(square)) + (ln_2 if above else zero)

    return value


@_compiled_as(elementary.erf, inline="always")  # too long for LLVM to put it into loops by itself
def _erf(v):
    """1 - t g(2t - 1) exp(-v²) with t = 1 / (1 + v/3), for v > 0; g is fitted to scipy's erfcx."""
    number, parts = _number(v), _parts_of_exp(v)
    one, two, third = map(number, (1, 2, 1 / 3))
    places = np.cos((np.arange(200) + 0.5) * np.pi / 200)
    t = (places + 1) / 2
    fitted = chebyshev.chebfit(places, erfcx(3 * (1 / t - 1)) / t, 22 if v == _WIDE else 11)
    g = _polynomial(v, chebyshev.cheb2poly(fitted).tolist())

    def value(v):
        size = abs(v)
        t = one / (one + size * third)
        scale, rest = parts(-size * size)
        found = one - t * g(two * t - one) * (scale + scale * rest)
        return -found if v < 0 else found

    return value
