"""Products of matrices that fit the cache, block by block, in vectors.

BLAS first copies its matrices into an order of its own; for small ones that takes as long as the
product. Here some rows times some vectors of columns are summed up in registers, from the matrices
as they are.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# Registers hold the sums of this many rows and vectors, a vector of each, and one number.
_ROWS, _VECTORS = 4, 3
_BYTES = 64 if binding.get_host_cpu_features().get("avx512f") else 32
_INDEX, _INT = ir.IntType(64), ir.IntType(32)


class _Vectors:
    """LLVM's instructions for vectors of a type of number; loads and stores may have a mask."""

    def __init__(self, builder: Any, number: Any, width: Any = None):
        self.builder, bits = builder, number.bitwidth
        self.align, self.lanes = bits // 8, 8 * _BYTES // bits
        self.of_numbers = ir.DoubleType() if bits == 64 else ir.FloatType()
        self.type = ir.VectorType(self.of_numbers, self.lanes)
        self.name = f"v{self.lanes}f{bits}"
        self.width = width

    def _constant(self, values: list[int]) -> Any:
        return ir.Constant(ir.VectorType(_INT, self.lanes), [ir.Constant(_INT, v) for v in values])

    def zero(self) -> Any:
        return ir.Constant(self.type, [ir.Constant(self.of_numbers, 0.0)] * self.lanes)

    def all(self, value: Any) -> Any:
        """A vector whose entries are one number."""
        kind = ir.VectorType(value.type, self.lanes)
        first = self.builder.insert_element(
            ir.Constant(kind, ir.Undefined), value, ir.Constant(_INT, 0)
        )
        return self.builder.shuffle_vector(first, first, self._constant([0] * self.lanes))

    def _mask(self) -> Any:
        places = self._constant(list(range(self.lanes)))
        width = self.all(self.builder.trunc(self.width, _INT))
        return self.builder.icmp_signed("<", places, width)

    def _function(self, name: str, gives: Any, *takes: Any) -> Any:
        kind = ir.FunctionType(gives, takes)
        return cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}")

    def load(self, pointer: Any, masked: bool) -> Any:
        place = self.builder.bitcast(pointer, self.type.as_pointer())
        if not masked:
            return self.builder.load(place, align=self.align)
        mask, align = self._mask(), ir.Constant(_INT, self.align)
        takes = place.type, _INT, mask.type, self.type
        load = self._function(f"masked.load.{self.name}.p0", self.type, *takes)
        return self.builder.call(load, [place, align, mask, self.zero()])

    def store(self, value: Any, pointer: Any, masked: bool) -> None:
        place = self.builder.bitcast(pointer, self.type.as_pointer())
        if not masked:
            self.builder.store(value, place, align=self.align)
            return
        mask, align = self._mask(), ir.Constant(_INT, self.align)
        takes = self.type, place.type, _INT, mask.type
        store = self._function(f"masked.store.{self.name}.p0", ir.VoidType(), *takes)
        self.builder.call(store, [value, place, align, mask])

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        function = self._function(f"fmuladd.{self.name}", self.type, *[self.type] * 3)
        return self.builder.call(function, [a, b, c])


def _block(n_rows: int, n_vectors: int, masked: bool) -> Any:
    """Some rows of C = start + A · B, and some vectors of columns, the last of ``width`` entries.

    Entry (i, k) of A is a[a_at + i · a_row + k · a_column]; those of B and C are
    b[b_at + k · m + j] and c[c_at + i · m + j], for rows of m entries.
    """

    @intrinsic
    def block(typing, n, a, a_at, a_row, a_column, b, b_at, c, c_at, m, start, width):
        def generate(context, builder, signature, given):
            n, a, a_at, a_row, a_column, b, b_at, c, c_at, m, start, width = given
            vectors = _Vectors(builder, signature.args[1].dtype, width)

            def at(pointer, *offsets):
                total = offsets[0]
                for offset in offsets[1:]:
                    total = builder.add(total, offset)
                return builder.gep(pointer, [total])

            def whole(number):
                return ir.Constant(_INDEX, number)

            columns = [
                (whole(v * vectors.lanes), masked and v == n_vectors - 1) for v in range(n_vectors)
            ]
            begins = [builder.add(a_at, builder.mul(whole(i), a_row)) for i in range(n_rows)]
            sums = [[cgutils.alloca_once(builder, vectors.type) for _ in columns] for _ in begins]
            for v, (column, cut) in enumerate(columns):
                value = vectors.load(at(start, b_at, column), cut)
                for row in sums:
                    builder.store(value, row[v])
            with cgutils.for_range(builder, n) as loop:
                b_row, a_here = builder.mul(loop.index, m), builder.mul(loop.index, a_column)
                right = [vectors.load(at(b, b_row, b_at, column), cut) for column, cut in columns]
                for row, begin in zip(sums, begins, strict=True):
                    number = builder.load(at(a, begin, a_here), align=vectors.align)
                    left = vectors.all(number)
                    for place, factor in zip(row, right, strict=True):
                        found = vectors.multiply_add(left, factor, builder.load(place))
                        builder.store(found, place)
            for i, row in enumerate(sums):
                c_row = builder.add(c_at, builder.mul(whole(i), m))
                for place, (column, cut) in zip(row, columns, strict=True):
                    vectors.store(builder.load(place), at(c, c_row, column), cut)
            return context.get_dummy_value()

        return types.none(n, a, a_at, a_row, a_column, b, b_at, c, c_at, m, start, width), generate

    return block


@intrinsic
def _lanes_of(typing, pointer):
    """How many numbers are in a vector."""
    lanes = _BYTES // (pointer.dtype.bitwidth // 8)

    def generate(context, builder, signature, given):
        return ir.Constant(_INDEX, lanes)

    return types.intp(pointer), generate


lanes_of: Any = _lanes_of
_full, _full_row = _block(_ROWS, _VECTORS, False), _block(1, _VECTORS, False)
_one, _one_row = _block(_ROWS, 1, True), _block(1, 1, True)
_two, _two_row = _block(_ROWS, 2, True), _block(1, 2, True)
_three, _three_row = _block(_ROWS, 3, True), _block(1, 3, True)


def product(n_rows, n, m, a, a_row, a_column, b, c, start):
    """C (n_rows, m) = A · B + start, for A (n_rows, n), B (n, m) and a row to start from.

    A may be transposed: ``a_row`` and ``a_column`` are the steps from row to row and from column
    to column.
    """
    lanes = lanes_of(b)
    wide = _VECTORS * lanes
    for j in range(0, m, wide):
        left, i, width = m - j, 0, (m - j - 1) % lanes + 1
        while i < n_rows:
            many, at, to = n_rows - i >= _ROWS, i * a_row, i * m + j
            if left >= wide:
                if many:
                    _full(n, a, at, a_row, a_column, b, j, c, to, m, start, width)
                else:
                    _full_row(n, a, at, a_row, a_column, b, j, c, to, m, start, width)
            elif left > 2 * lanes:
                if many:
                    _three(n, a, at, a_row, a_column, b, j, c, to, m, start, width)
                else:
                    _three_row(n, a, at, a_row, a_column, b, j, c, to, m, start, width)
            elif left > lanes:
                if many:
                    _two(n, a, at, a_row, a_column, b, j, c, to, m, start, width)
                else:
                    _two_row(n, a, at, a_row, a_column, b, j, c, to, m, start, width)
            elif many:
                _one(n, a, at, a_row, a_column, b, j, c, to, m, start, width)
            else:
                _one_row(n, a, at, a_row, a_column, b, j, c, to, m, start, width)
            i += _ROWS if many else 1
