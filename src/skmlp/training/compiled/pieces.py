"""Pieces that loops call by their address: layers, activations, losses, scores, optimizers.

A piece is a plain function, that of a choice in the choice's row, written for flat arrays without a
length: it is told how many entries there are. It is compiled alone, when a network first has it, so
that the loops are quickly compiled and need not know what there is to choose from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from . import elementary  # noqa: F401  tells numba how to compile what pieces call
from .compiling import compiled_piece

_INDEX, _NUMBER = types.intp, types.float64
_NUMBERS, _INDICES = types.CPointer(types.float64), types.CPointer(types.intp)
_CSR = (types.CPointer(types.int32), types.CPointer(types.int64))


def _void(*given: Any) -> Any:
    return types.void(*given)


# What each kind takes and gives, for arrays of a network's dtype (x); rows are flat, row by row.
KINDS: dict[str, Callable[[Any], Any]] = {
    # (n, slope, z, h): h = f(z), which may be the same array. Or, for a derivative,
    # (n, slope, saved, d): d *= f'(z); saved is f(z), or z where the row says so.
    "activation": lambda x: _void(_INDEX, _NUMBER, x, x),
    # (n, m, k, z, t, scale, options, d): the sum over n rows of scale · loss, of m logits and k
    # targets each; d is its gradient in z; scale has an entry for each target
    "loss": lambda x: _NUMBER(*[_INDEX] * 3, x, x, _NUMBERS, _NUMBERS, x),
    # (n, m, k, z): rows of m logits become rows of k predictions, from the front
    "mean": lambda x: _void(*[_INDEX] * 3, x),
    # (n, m, k, mean, t, weights, options): the score of n rows of m predictions
    "score": lambda x: _NUMBER(*[_INDEX] * 3, x, x, _NUMBERS, _NUMBERS),
    # (n, step, rate, settings, flat, gradient, first, second, third): a step of n parameters, the
    # first of which is number 1; the last three are its memory, settings what its row makes of them
    "update": lambda x: _void(_INDEX, _NUMBER, _NUMBER, _NUMBERS, x, x, x, x, x),
    # See `rules`
    "penalty": lambda x: _NUMBER(_INDEX, _NUMBER, _NUMBER, x, x),
    "bound": lambda x: _void(_INDEX, _NUMBER, _NUMBER, x),
    "bound_back": lambda x: _void(_INDEX, _NUMBER, _NUMBER, x, x),
    "clip": lambda x: _void(_INDEX, _NUMBER, _NUMBER, x),
    "decay": lambda x: _void(_INDEX, _NUMBER, x),
    "average": lambda x: _void(_INDEX, _NUMBER, x, x),
    # Of layers: see `products` and `dense`
    "gather": lambda x: _void(_INDEX, _INDEX, x, _INDICES, _INDEX, x),
    "product": lambda x: _void(*[_INDEX] * 3, x, _INDEX, _INDEX, x, x, x),
    "forward": lambda x: _void(*[_INDEX] * 5, x, x, x, x),
    "gradient": lambda x: _void(*[_INDEX] * 5, x, x, x, x),
    "back": lambda x: _void(*[_INDEX] * 4, x, x, x),
    "drop": lambda x: _void(_INDEX, _INDEX, _INDEX, types.CPointer(types.uint16), x),
    "sparse": lambda x: _void(*[_INDEX] * 3, _INDICES, _INDEX, x, *_CSR, x, x, x),
}

_addresses: dict[tuple[Callable, str], int] = {}
_kept: dict[tuple[Callable, str], Any] = {}  # an address is one as long as its function is
_compiling = threading.Lock()


def address_of(piece: Callable[..., Any] | None, kind: str, dtype: str) -> int:
    """Where the machine code of a piece for a dtype is; compiled if it has not been yet.

    Of none it is 0.
    """
    if piece is None:
        return 0
    key = piece, dtype
    if key not in _addresses:
        with _compiling:
            if key not in _addresses:
                _addresses[key] = _address_of(piece, kind, dtype)
    return _addresses[key]


def _address_of(piece: Callable[..., Any], kind: str, dtype: str) -> int:
    signature = KINDS[kind](types.CPointer(getattr(types, dtype)))
    found = _kept[piece, dtype] = compiled_piece(piece, signature, dtype)
    return found.address


def _caller(result: Any) -> Any:
    """What calls the function at an address; an array is handed over as where it begins."""

    @intrinsic
    def call(typing, address, *arguments):
        def generate(context, builder, signature, given):
            values = [builder.extract_value(given[1], i) for i in range(len(arguments))]
            for i, kind in enumerate(arguments):
                if isinstance(kind, types.Array):
                    values[i] = context.make_array(kind)(context, builder, values[i]).data
            gives = context.get_value_type(result) if result is _NUMBER else ir.VoidType()
            kind = ir.FunctionType(gives, [value.type for value in values])
            found = builder.call(builder.inttoptr(given[0], kind.as_pointer()), values)
            return found if result is _NUMBER else context.get_dummy_value()

        return result(address, types.StarArgTuple(arguments)), generate

    return call


call: Any = _caller(types.none)
call_for_number: Any = _caller(_NUMBER)
