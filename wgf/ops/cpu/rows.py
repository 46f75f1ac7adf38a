"""The coordinates of one particle in registers, in float64, for sums over particles and affine maps in few dimensions.

A row is a *point* of `intrinsics`: a tuple whose length d the compiler knows. One loop therefore serves all small
dimensions, and the loads of d neighbouring numbers become vector loads.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from .intrinsics import FLAGS, SUM_FLAGS, intrinsic


def _place(context: Any, builder: Any, array_type: Any, array: Any, i: Any, i_type: Any, count: int, c: int) -> Any:
    """The address of rows[i, c], for rows of `count` numbers."""
    data = context.make_array(array_type)(context, builder, array).data
    row = builder.mul(context.cast(builder, i, i_type, types.intp), ir.Constant(ir.IntType(64), count))
    return builder.gep(data, [builder.add(row, ir.Constant(row.type, c))])


def _parts(builder: Any, value: Any, count: int) -> list[Any]:
    """The coordinates of a point, as LLVM values."""
    return [builder.extract_value(value, c) for c in range(count)]


@intrinsic
def row(_typing, rows, i, like):
    """Row i of a C-contiguous (n, d) array as a float64 point. `like` is any tuple of length d."""

    def code(context, builder, signature, args):
        loads = []
        for c in range(like.count):
            place = _place(context, builder, rows, args[0], args[1], i, like.count, c)
            loads.append(context.cast(builder, builder.load(place), rows.dtype, types.float64))
        return context.make_tuple(builder, signature.return_type, loads)

    return types.UniTuple(types.float64, like.count)(rows, i, like), code


@intrinsic
def set_row(_typing, rows, i, a):
    """rows[i, :] = a, rounded to the dtype of `rows`."""

    def code(context, builder, _signature, args):
        for c, s in enumerate(_parts(builder, args[2], a.count)):
            place = _place(context, builder, rows, args[0], args[1], i, a.count, c)
            builder.store(context.cast(builder, s, types.float64, rows.dtype), place)
        return context.get_dummy_value()

    return types.void(rows, i, a), code


@intrinsic
def plus_products(_typing, total, factor, u):
    """total + factor·u uᵀ, a lower triangle row by row; the sum may be reordered."""

    def code(context, builder, signature, args):
        parts, k, sums = _parts(builder, args[2], u.count), 0, []
        for c in range(u.count):
            scaled = builder.fmul(args[1], parts[c], flags=SUM_FLAGS)
            for e in range(c + 1):
                product = builder.fmul(scaled, parts[e], flags=SUM_FLAGS)
                sums.append(builder.fadd(product, builder.extract_value(args[0], k), flags=SUM_FLAGS))
                k += 1
        return context.make_tuple(builder, signature.return_type, sums)

    return total(total, factor, u), code


@intrinsic
def plus_outer(_typing, total, u, w):
    """total + u wᵀ, a (d, e) matrix row by row as one tuple; the sum may be reordered."""

    def code(context, builder, signature, args):
        left, right, sums = _parts(builder, args[1], u.count), _parts(builder, args[2], w.count), []
        for c in range(u.count):
            for e in range(w.count):
                product = builder.fmul(left[c], right[e], flags=SUM_FLAGS)
                old = builder.extract_value(args[0], c * w.count + e)
                sums.append(builder.fadd(product, old, flags=SUM_FLAGS))
        return context.make_tuple(builder, signature.return_type, sums)

    return total(total, u, w), code


@intrinsic
def times(_typing, u, matrix):
    """The product u A, for a (d, e) matrix given row by row as one tuple."""
    width = matrix.count // u.count

    def code(context, builder, signature, args):
        parts, entries, sums = _parts(builder, args[0], u.count), _parts(builder, args[1], matrix.count), []
        for column in range(width):
            total = builder.fmul(parts[0], entries[column], flags=FLAGS)
            for c in range(1, u.count):
                total = builder.fadd(
                    builder.fmul(parts[c], entries[c * width + column], flags=FLAGS), total, flags=FLAGS
                )
            sums.append(total)
        return context.make_tuple(builder, signature.return_type, sums)

    return types.UniTuple(u.dtype, width)(u, matrix), code
