"""Instructions that numba lacks: constants of the type of an argument, the bits of a float, vectors in registers.

Everything works for float32 and float64, and becomes a few instructions that LLVM can vectorise. In numba a float64
literal times a float32 is a float64, which takes twice the time: constants are therefore written `cast(0.5, x)`.

A *point* is a tuple of d numbers in registers, d known to the compiler. One loop therefore serves all dimensions.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic as _intrinsic

intrinsic: Any = _intrinsic  # numba adds the first argument of a call; a type checker would miss it

FLAGS = ("contract", "nsz")  # a product and a sum may be fused; NaN and infinity are kept
SUM_FLAGS = (*FLAGS, "reassoc")  # a sum may also be reordered, so that it vectorises

_INTEGERS: dict[Any, Any] = {types.float32: types.int32, types.float64: types.int64}
_MANTISSA = {types.float32: 23, types.float64: 52}
_BIAS = {types.float32: 127, types.float64: 1023}
_ROOT_HALF = {types.float32: 0x3F3504F3, types.float64: 0x3FE6A09E667F3BCD}  # the bits of √½


def _constant(number: Any, value: float) -> Any:
    """A constant of a float type, for LLVM."""
    return ir.Constant(ir.FloatType() if number == types.float32 else ir.DoubleType(), value)


def _integer(number: Any) -> Any:
    """The LLVM integer type with the bits of a float type."""
    return ir.IntType(_INTEGERS[number].bitwidth)


# ------------------------------------------------------------------------------------------------ constants


@intrinsic
def cast(_typing, value, x):
    """`value` in the type of x."""

    def code(context, builder, signature, args):
        return context.cast(builder, args[0], signature.args[0], signature.return_type)

    return x(value, x), code


@intrinsic
def pick(_typing, x, single, double):
    """`single` where x is a float32, `double` where it is a float64; in the type of x."""

    def code(context, builder, signature, args):
        which = 1 if x == types.float32 else 2
        return context.cast(builder, args[which], signature.args[which], signature.return_type)

    return x(x, single, double), code


@intrinsic
def horner(_typing, x, single, double):
    """c₀ + c₁x + c₂x² + …, with the coefficients `single` for a float32 and `double` for a float64."""

    def code(context, builder, signature, args):
        coefficients = builder.extract_value
        values, count = (args[1], single.count) if x == types.float32 else (args[2], double.count)
        terms = [
            context.cast(builder, coefficients(values, i), types.float64, signature.return_type) for i in range(count)
        ]
        total = terms[-1]
        for term in terms[-2::-1]:
            total = builder.fadd(builder.fmul(total, args[0], flags=FLAGS), term, flags=FLAGS)
        return total

    return x(x, single, double), code


# ------------------------------------------------------------------------------------------------ bits


@intrinsic
def nearest(_typing, x):
    """The nearest integer, as a float."""

    def code(_context, builder, _signature, args):
        return builder.call(builder.module.declare_intrinsic("llvm.rint", [args[0].type]), args)

    return x(x), code


@intrinsic
def power_of_two(_typing, t):
    """2ⁿ for t = n + 1.5·2ᵐ (m = 23 or 52), whose low bits are n. n is in the range of normal numbers."""

    def code(_context, builder, _signature, args):
        integer = _integer(t)
        biased = builder.add(builder.bitcast(args[0], integer), ir.Constant(integer, _BIAS[t]))
        return builder.bitcast(builder.shl(biased, ir.Constant(integer, _MANTISSA[t])), args[0].type)

    return t(t), code


@intrinsic
def add_to_exponent(_typing, p, t):
    """p·2ⁿ for t as in `power_of_two`, by an integer addition. p and the result are normal numbers, or p = 1."""

    def code(_context, builder, _signature, args):
        integer = _integer(p)
        shifted = builder.shl(builder.bitcast(args[1], integer), ir.Constant(integer, _MANTISSA[p]))
        return builder.bitcast(builder.add(builder.bitcast(args[0], integer), shifted), args[0].type)

    return p(p, t), code


@intrinsic
def split(_typing, x):
    """(m, e) with x = m·2ᵉ and √½ ≤ m < √2, for a normal x > 0. e is a float."""

    def code(context, builder, signature, args):
        integer, shift = _integer(x), ir.Constant(_integer(x), _MANTISSA[x])
        whole = builder.bitcast(args[0], integer)
        exponent = builder.ashr(builder.sub(whole, ir.Constant(integer, _ROOT_HALF[x])), shift)
        mantissa = builder.bitcast(builder.sub(whole, builder.shl(exponent, shift)), args[0].type)
        parts = [mantissa, builder.sitofp(exponent, args[0].type)]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(x, 2)(x), code


@intrinsic
def rsqrt_estimate(_typing, x):
    """1/√x within 3.5 %, by halving the exponent (Lomont 2003), for a normal x > 0."""

    def code(_context, builder, _signature, args):
        integer = _integer(x)
        magic = 0x5F3759DF if x == types.float32 else 0x5FE6EB50C7B537A9
        half = builder.lshr(builder.bitcast(args[0], integer), ir.Constant(integer, 1))
        return builder.bitcast(builder.sub(ir.Constant(integer, magic), half), args[0].type)

    return x(x), code


# ------------------------------------------------------------------------------------------------ points


def fmuladd(module: Any, kind: Any) -> Any:
    """LLVM's a·b + c for numbers or for vectors, of which llvmlite has no names."""
    if not isinstance(kind, ir.VectorType):
        return module.declare_intrinsic("llvm.fmuladd", [kind], ir.FunctionType(kind, [kind] * 3))
    name = f"llvm.fmuladd.v{kind.count}{kind.element.intrinsic_name}"
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(kind, [kind] * 3), name)


def _fused(builder: Any, a: Any, b: Any, total: Any) -> Any:
    """total + a·b in one instruction if there is one. LLVM by itself does not fuse a product that is added twice."""
    return builder.call(fmuladd(builder.module, a.type), [a, b, total], fastmath=SUM_FLAGS)


def _parts(builder, value, count):
    """The coordinates of a point, as LLVM values."""
    return [builder.extract_value(value, c) for c in range(count)]


@intrinsic
def point(_typing, columns, j, dims):
    """The point (columns[0, j], columns[1, j], …) of a C-contiguous (d, n) array. `dims` is any tuple of length d.

    j must count from 0. If it could be negative, numba would test for that and the loads would not vectorise.
    """

    def code(context, builder, signature, args):
        array = context.make_array(columns)(context, builder, args[0])
        row = builder.extract_value(array.shape, 1)
        at = context.cast(builder, args[1], signature.args[1], types.intp)
        loads = []
        for c in range(dims.count):
            offset = builder.add(builder.mul(row, ir.Constant(row.type, c)), at)
            loads.append(builder.load(builder.gep(array.data, [offset])))
        return context.make_tuple(builder, signature.return_type, loads)

    return types.UniTuple(columns.dtype, dims.count)(columns, j, dims), code


@intrinsic
def difference(_typing, a, b):
    """a − b."""

    def code(context, builder, signature, args):
        pairs = zip(_parts(builder, args[0], a.count), _parts(builder, args[1], a.count), strict=True)
        return context.make_tuple(builder, signature.return_type, [builder.fsub(s, t, flags=FLAGS) for s, t in pairs])

    return a(a, b), code


@intrinsic
def together(_typing, a, b):
    """a + b."""

    def code(context, builder, signature, args):
        pairs = zip(_parts(builder, args[0], a.count), _parts(builder, args[1], a.count), strict=True)
        return context.make_tuple(builder, signature.return_type, [builder.fadd(s, t, flags=FLAGS) for s, t in pairs])

    return a(a, b), code


@intrinsic
def nearest_image(_typing, u, period):
    """u − L·rint(u/L) in every coordinate: the shortest of the differences u + kL between the images of two points."""

    def code(context, builder, signature, args):
        parts = []
        for s, length in zip(_parts(builder, args[0], u.count), _parts(builder, args[1], u.count), strict=True):
            turns = builder.call(builder.module.declare_intrinsic("llvm.rint", [s.type]), [builder.fdiv(s, length)])
            parts.append(builder.fsub(s, builder.fmul(turns, length)))
        return context.make_tuple(builder, signature.return_type, parts)

    return u(u, period), code


@intrinsic
def square(_typing, a, start):
    """start + |a|²."""

    def code(_context, builder, _signature, args):
        total = args[1]
        for s in _parts(builder, args[0], a.count):
            total = builder.fadd(builder.fmul(s, s, flags=FLAGS), total, flags=FLAGS)
        return total

    return start(a, start), code


@intrinsic
def plus(_typing, total, factor, a):
    """total + factor·a; the sum may be reordered."""

    def code(context, builder, signature, args):
        pairs = zip(_parts(builder, args[0], a.count), _parts(builder, args[2], a.count), strict=True)
        return context.make_tuple(builder, signature.return_type, [_fused(builder, args[1], t, s) for s, t in pairs])

    return total(total, factor, a), code


@intrinsic
def plus_pair(_typing, total, g, u, k):
    """(total_c + g·u_c …, total_d + k), a force and then a value; the sums may be reordered."""

    def code(context, builder, signature, args):
        *sums, value = _parts(builder, args[0], total.count)
        parts = zip(sums, _parts(builder, args[2], u.count), strict=True)
        forces = [_fused(builder, args[1], t, s) for s, t in parts]
        value = builder.fadd(value, args[3], flags=SUM_FLAGS)
        return context.make_tuple(builder, signature.return_type, [*forces, value])

    return total(total, g, u, k), code


@intrinsic
def zeros(_typing, a):
    """A point of zeros with the length and type of a."""

    def code(context, builder, signature, _args):
        nothing = ir.Constant(context.get_value_type(a.dtype), None)
        return context.make_tuple(builder, signature.return_type, [nothing] * a.count)

    return a(a), code


@intrinsic
def with_last(_typing, a, value):
    """The point a with one more coordinate."""

    def code(context, builder, signature, args):
        return context.make_tuple(builder, signature.return_type, [*_parts(builder, args[0], a.count), args[1]])

    return types.UniTuple(a.dtype, a.count + 1)(a, value), code


@intrinsic
def add_at(_typing, sums, i, a):
    """sums[c, i] += a[c] for a C-contiguous float64 (d, n) array: adds the sum of a tile to the whole."""

    def code(context, builder, signature, args):
        array = context.make_array(sums)(context, builder, args[0])
        row = builder.extract_value(array.shape, 1)
        at = context.cast(builder, args[1], signature.args[1], types.intp)
        for c, s in enumerate(_parts(builder, args[2], a.count)):
            offset = builder.add(builder.mul(row, ir.Constant(row.type, c)), at)
            place = builder.gep(array.data, [offset])
            builder.store(builder.fadd(builder.load(place), context.cast(builder, s, a.dtype, types.float64)), place)
        return context.get_dummy_value()

    return types.void(sums, i, a), code
