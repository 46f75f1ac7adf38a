"""Vectors of eight float64 numbers as a type of compiled code: eight particles at once, written as one.

The compiler finds vector loops only where it can prove a lot. With this type a loop is a vector loop by how it is
written. A *point* of vectors holds eight points, and the functions of `intrinsics` and `rows` for points take it. On
machines with shorter registers a vector takes several.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.extending import overload, register_model

from .intrinsics import FLAGS, intrinsic

LANES = 8
KIND = ir.VectorType(ir.DoubleType(), LANES)
_BYTES = 8  # of a number


class _Vector(types.Type):
    """The type of a vector for the compiler."""


VECTOR = _Vector("vector")


@register_model(_Vector)
class _Model(models.PrimitiveModel):
    """A vector is one value in a register."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, KIND)


def _spread(builder: Any, number: Any) -> Any:
    """The vector that has a number in all lanes."""
    nothing = ir.Constant(KIND, ir.Undefined)
    one = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), None))


def _call(builder: Any, name: str, result: Any, args: list[Any]) -> Any:
    """A call of an LLVM intrinsic for vectors, by its whole name."""
    found = builder.module.globals.get(name)
    return builder.call(
        found or ir.Function(builder.module, ir.FunctionType(result, [a.type for a in args]), name), args
    )


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """The address of a number in an array taken as flat."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index])


# ------------------------------------------------------------------------------------------------ making


@intrinsic
def spread(_typing, x):
    """The vector with a number in all lanes; of a point, the point of such vectors."""
    if isinstance(x, types.UniTuple):

        def each(context, builder, signature, args):
            parts = [_spread(builder, builder.extract_value(args[0], c)) for c in range(x.count)]
            return context.make_tuple(builder, signature.return_type, parts)

        return types.UniTuple(VECTOR, x.count)(x), each

    def code(context, builder, _signature, args):
        return _spread(builder, context.cast(builder, args[0], x, types.float64))

    return VECTOR(x), code


@intrinsic
def numbered(_typing):
    """The vector 0, 1, 2, …."""

    def code(_context, _builder, _signature, _args):
        return ir.Constant(KIND, [float(k) for k in range(LANES)])

    return VECTOR(), code


@intrinsic
def vector_at(_typing, array, i):
    """Eight numbers of a float64 array that is taken as flat, from the i-th on; or eight times `array`, if a number."""
    if not isinstance(array, types.Array):

        def same(_context, builder, _signature, args):
            return _spread(builder, args[0])

        return VECTOR(array, i), same

    def code(context, builder, _signature, args):
        at = context.cast(builder, args[1], i, types.intp)
        place = _address(context, builder, array, args[0], at)
        return builder.load(builder.bitcast(place, KIND.as_pointer()), align=_BYTES)

    return VECTOR(array, i), code


@intrinsic
def set_vector(_typing, array, i, value):
    """Store a vector in a float64 array that is taken as flat, from the i-th number on."""

    def code(context, builder, _signature, args):
        at = context.cast(builder, args[1], i, types.intp)
        place = _address(context, builder, array, args[0], at)
        builder.store(args[2], builder.bitcast(place, KIND.as_pointer()), align=_BYTES)
        return context.get_dummy_value()

    return types.void(array, i, value), code


@intrinsic
def points_at(_typing, columns, j, like):
    """Eight points from column j on of a C-contiguous (d, n) float64 array. `like` is any tuple of length d."""

    def code(context, builder, signature, args):
        array = context.make_array(columns)(context, builder, args[0])
        width, at = builder.extract_value(array.shape, 1), context.cast(builder, args[1], j, types.intp)
        loads = []
        for c in range(like.count):
            place = builder.gep(array.data, [builder.add(builder.mul(width, ir.Constant(width.type, c)), at)])
            loads.append(builder.load(builder.bitcast(place, KIND.as_pointer()), align=_BYTES))
        return context.make_tuple(builder, signature.return_type, loads)

    return types.UniTuple(VECTOR, like.count)(columns, j, like), code


@intrinsic
def set_points(_typing, columns, j, a):
    """Store eight points from column j on of a C-contiguous (d, n) float64 array."""

    def code(context, builder, _signature, args):
        array = context.make_array(columns)(context, builder, args[0])
        width, at = builder.extract_value(array.shape, 1), context.cast(builder, args[1], j, types.intp)
        for c in range(a.count):
            place = builder.gep(array.data, [builder.add(builder.mul(width, ir.Constant(width.type, c)), at)])
            value = builder.extract_value(args[2], c)
            builder.store(value, builder.bitcast(place, KIND.as_pointer()), align=_BYTES)
        return context.get_dummy_value()

    return types.void(columns, j, a), code


# ------------------------------------------------------------------------------------------------ arithmetic


def _register(symbol: Any, instruction: str) -> None:
    """Give vectors an operator."""

    @intrinsic
    def body(_typing, a, b):
        def code(_context, builder, _signature, args):
            return getattr(builder, instruction)(*args, flags=FLAGS)

        return VECTOR(a, b), code

    @overload(symbol)
    def choose(a, b):
        return (lambda a, b: body(a, b)) if a == b == VECTOR else None


for _symbol, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _register(_symbol, _instruction)


@intrinsic
def quotient(_typing, a, b):
    """a/b in every lane."""

    def code(_context, builder, _signature, args):
        return builder.fdiv(*args)

    return VECTOR(a, b), code


@intrinsic
def root(_typing, a):
    """√a in every lane."""

    def code(_context, builder, _signature, args):
        return _call(builder, f"llvm.sqrt.v{LANES}f64", KIND, list(args))

    return VECTOR(a), code


def folded(builder: Any, value: Any, combine: Any) -> Any:
    """All lanes combined, halves with halves."""
    nothing, kind = ir.Constant(KIND, ir.Undefined), ir.VectorType(ir.IntType(32), LANES)
    for half in (4, 2, 1):
        turned = ir.Constant(kind, [(k + half) % LANES for k in range(LANES)])
        value = combine(builder, value, builder.shuffle_vector(value, nothing, turned))
    return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))


def _sum(builder: Any, a: Any, b: Any) -> Any:
    return builder.fadd(a, b, flags=FLAGS)


@intrinsic
def total(_typing, a):
    """The sum of the lanes; of a tuple of vectors, the tuple of sums."""
    if isinstance(a, types.UniTuple):

        def each(context, builder, signature, args):
            sums = [folded(builder, builder.extract_value(args[0], c), _sum) for c in range(a.count)]
            return context.make_tuple(builder, signature.return_type, sums)

        return types.UniTuple(types.float64, a.count)(a), each

    def code(_context, builder, _signature, args):
        return folded(builder, args[0], _sum)

    return types.float64(a), code
