"""Comparisons of vectors of eight numbers: minima, choices, rising lists, and distances of boxes."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from .intrinsics import FLAGS, intrinsic
from .vectors import KIND, LANES, VECTOR, folded


def _least(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


def _most(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


@intrinsic
def least(_typing, a, b):
    """The smaller number in every lane; b where one is NaN."""

    def code(_context, builder, _signature, args):
        return _least(builder, *args)

    return VECTOR(a, b), code


@intrinsic
def most(_typing, a, b):
    """The larger number in every lane; b where one is NaN."""

    def code(_context, builder, _signature, args):
        return _most(builder, *args)

    return VECTOR(a, b), code


@intrinsic
def some_less(_typing, a, b):
    """Whether a < b in some lane."""

    def code(_context, builder, _signature, args):
        bits = builder.bitcast(builder.fcmp_ordered("<", *args), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(a, b), code


@intrinsic
def lanes_less(_typing, a, b):
    """The lanes in which a < b, as the bits of an integer."""

    def code(_context, builder, _signature, args):
        mask = builder.bitcast(builder.fcmp_ordered("<", *args), ir.IntType(LANES))
        return builder.zext(mask, ir.IntType(64))

    return types.int64(a, b), code


@intrinsic
def where_less(_typing, a, b, yes, no):
    """`yes` in the lanes in which a < b, and `no` in the others."""

    def code(_context, builder, _signature, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return VECTOR(a, b, yes, no), code


@intrinsic
def where_equal(_typing, a, b, yes, no):
    """`yes` in the lanes in which a = b, and `no` in the others."""

    def code(_context, builder, _signature, args):
        return builder.select(builder.fcmp_ordered("==", args[0], args[1]), args[2], args[3])

    return VECTOR(a, b, yes, no), code


@intrinsic
def lowest(_typing, a):
    """The smallest number of a vector."""

    def code(_context, builder, _signature, args):
        return folded(builder, args[0], _least)

    return types.float64(a), code


@intrinsic
def highest(_typing, a):
    """The largest number of a vector."""

    def code(_context, builder, _signature, args):
        return folded(builder, args[0], _most)

    return types.float64(a), code


@intrinsic
def inserted(_typing, best, value):
    """Rising lists, one in each lane, with a number put in its place and the largest dropped."""

    def code(context, builder, signature, args):
        rest, parts = args[1], []
        for k in range(best.count):
            here = builder.extract_value(args[0], k)
            parts.append(_least(builder, rest, here))
            rest = _most(builder, rest, here)
        return context.make_tuple(builder, signature.return_type, parts)

    return best(best, value), code


@intrinsic
def gap(_typing, low, high, below, above):
    """The square of the distance of boxes, eight at once. A point is a box whose corners are the point."""

    def code(_context, builder, _signature, args):
        nothing = square = ir.Constant(KIND, None)
        for c in range(low.count):
            one, two, three, four = (builder.extract_value(value, c) for value in args)
            beyond = _most(builder, builder.fsub(one, four, flags=FLAGS), builder.fsub(three, two, flags=FLAGS))
            beyond = _most(builder, beyond, nothing)
            square = builder.fadd(builder.fmul(beyond, beyond, flags=FLAGS), square, flags=FLAGS)
        return square

    return VECTOR(low, high, below, above), code
