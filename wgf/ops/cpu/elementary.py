"""exp, log and tanh that LLVM can vectorise, in float64, with NaN and infinity kept (about 1 ulp; tests hold 2)."""

from __future__ import annotations

import math
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def _bits_of(_typing: Any, a: Any) -> Any:
    """The 64 bits of a float as an integer."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), code


@intrinsic
def _float_of(_typing: Any, a: Any) -> Any:
    """The float with these 64 bits."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), code


_bits: Any = _bits_of  # numba supplies the typing context; to a type checker the calls look one argument short
_float: Any = _float_of

_LOG2E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SHIFT = 6755399441055744.0  # 1.5·2⁵²: adding it leaves the nearest integer in the low bits of the mantissa
_C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10, _C11, _C12, _C13 = (1 / math.factorial(k) for k in range(2, 14))


@numba.njit(inline="always")
def exp(x):
    """eˣ = 2ⁿ eʳ with |r| ≤ ½ ln 2 and the Taylor polynomial of degree 13 (its remainder is below 5e-18)."""
    x = -1000.0 if x < -1000.0 else x  # a comparison with NaN is false: NaN goes on
    x = 1000.0 if x > 1000.0 else x
    t = x * _LOG2E + _SHIFT
    n = t - _SHIFT
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = _C13 * r + _C12
    p = p * r + _C11
    p = p * r + _C10
    p = p * r + _C9
    p = p * r + _C8
    p = p * r + _C7
    p = p * r + _C6
    p = p * r + _C5
    p = p * r + _C4
    p = p * r + _C3
    p = p * r + _C2
    p = p * r + 1.0
    p = p * r + 1.0
    k = (_bits(t) & 0xFFFF) - ((_bits(t) & 0x8000) << 1)  # n, signed
    half = k >> 1  # two factors, so that subnormal results and overflow come out right
    return p * _float((half + 1023) << 52) * _float((k - half + 1023) << 52)


_L1, _L2, _L3, _L4 = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
)
_L5, _L6, _L7 = 1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01
_SUBNORMAL, _TWO54 = 2.2250738585072014e-308, 18014398509481984.0
_INFINITY = math.inf


@numba.njit(inline="always")
def log(x):
    """ln x = k ln 2 + ln(1+f), √½ ≤ 1+f < √2, with the polynomial of fdlibm (Sun Microsystems, 1993) in s = f/(2+f)."""
    small = x < _SUBNORMAL
    y = x * _TWO54 if small else x
    shifted = _bits(y) - 0x3FE6A09E667F3BCD  # the bits of √½
    k = shifted >> 52
    f = _float(_bits(y) - (k << 52)) - 1.0
    s = f / (2.0 + f)
    z = s * s
    r = z * (_L1 + z * (_L2 + z * (_L3 + z * (_L4 + z * (_L5 + z * (_L6 + z * _L7))))))
    h = 0.5 * f * f
    e = float(k) - (54.0 if small else 0.0)
    result = e * _LN2_HIGH - ((h - (s * (h + r) + e * _LN2_LOW)) - f)
    result = -_INFINITY if x == 0.0 else result
    result = _INFINITY if x == _INFINITY else result
    return math.nan if (x < 0.0 or x != x) else result


@numba.njit(inline="always")
def tanh(x):
    """(1 − e)/(1 + e) with e = exp(−2|x|) and the sign of x; absolute error 2e-16 (not relative, near 0)."""
    e = exp(-2.0 * abs(x))
    t = (1.0 - e) / (1.0 + e)
    return t if x >= 0.0 else -t


@numba.njit(inline="always")
def sigmoid(x):
    """1/(1 + e⁻ˣ)."""
    return 1.0 / (1.0 + exp(-x))
