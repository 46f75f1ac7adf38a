"""Elementary functions for compiled loops, for float32 and float64, that vectorise and keep NaN and infinity.

Error bounds over the whole range, subnormal numbers included, in units in the last place; tests hold them:

    exp, exp2, log, log2, rsqrt             2 ulp
    sigmoid, softplus                       3 ulp
    exp2_minus_1, tanh, erf                 4 ulp
    sin_cos_2pi                             2 ulp of 1 (absolute), and 3 ulp where |u| ≤ 1/8

Polynomials are minimax (Remez) fits of the relative error on the reduced interval.
"""

from __future__ import annotations

import math
from typing import Any

import numba

from .intrinsics import FLAGS, add_to_exponent, cast, horner, nearest, pick, power_of_two, rsqrt_estimate, split

INLINED: Any = {"error_model": "numpy", "fastmath": set(FLAGS), "forceinline": True}
inlined: Any = numba.njit(**INLINED)
"""Compile a function that is inlined into loops. Its own sums are never reordered, unlike those of the loop."""

_LOG2E, _LN2 = 1.4426950408889634, 0.6931471805599453
_LN2_HIGH32, _LN2_LOW32 = 0.693145751953125, 1.428606765330187e-06
_LN2_HIGH64, _LN2_LOW64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SHIFT32, _SHIFT64 = 1.5 * 2.0**23, 1.5 * 2.0**52  # after adding it, the low bits hold the nearest integer
_INFINITY = math.inf

# (2ʳ − 1)/r on |r| ≤ ½: relative error of 2ʳ 9e-8 (short), 2e-9, 3e-18
_EXP2_SHORT32 = (
    0.693146977602969, 0.24022242085811354, 0.055507337369657975, 0.00967151262516977, 0.0013264729122813988,
)  # fmt: skip
_EXP2_32 = (
    0.6931472028549082, 0.24022647913619327, 0.055503324713603204, 0.009618437358584026, 0.0013398874347481929,
    0.00015353361708783729,
)  # fmt: skip
_EXP2_64 = (
    0.6931471805599453, 0.2402265069591013, 0.055504108664820084, 0.00961812910759412, 0.0013333558146774649,
    0.00015403530457111286, 1.5252733493096257e-05, 1.3215435282713935e-06, 1.0178199586390317e-07,
    7.073783179246234e-09, 4.434768929655358e-10,
)  # fmt: skip
# (eʳ − 1)/r on |r| ≤ ½ ln 2
_EXP_32 = (
    1.0000000321647848, 0.49999994209026927, 0.16666431263444373, 0.04166800203993408, 0.008374155262185141,
    0.0013843653300327427,
)  # fmt: skip
_EXP_64 = (
    1.0, 0.5000000000000012, 0.16666666666666216, 0.04166666666651783, 0.008333333333549707, 0.0013888888946351945,
    0.00019841269436758123, 2.480149063729592e-05, 2.7557626735741117e-06, 2.7631033754329336e-07,
    2.499141951032478e-08,
)  # fmt: skip
# (log((1+s)/(1−s)) − 2s)/s³ in z = s², on √½ ≤ (1+s)/(1−s) ≤ √2
_LOG_32 = (0.6666666564545537, 0.4000033519108837, 0.28537308530280314, 0.23582151505260301)
_LOG_64 = (
    0.6666666666666734, 0.39999999999414676, 0.2857142874238801, 0.22222198573157717, 0.18183564327007026,
    0.15314050539471816, 0.14795949746504403,
)  # fmt: skip
# (log(1+e) − 2s)/s³ in z = s² for s = e/(2+e), on 0 ≤ e ≤ 1
_LOG1P_32 = (
    0.666666666491373, 0.40000011172494954, 0.28570276557359936, 0.22265449458241762, 0.17457083350666935,
    0.20815118040203978,
)  # fmt: skip
_LOG1P_64 = (
    0.6666666666666666, 0.399999999999995, 0.28571428571606733, 0.22222222197469874, 0.18181819942966387,
    0.15384542448674546, 0.13335209716107319, 0.11733884760588953, 0.10848200083345909, 0.07479326293403027,
    0.15653680928021477,
)  # fmt: skip
# −log₂(erfc x)/x on [0, 4] and on [0, 6], weighted for the relative error of erf
_ERF_32 = (
    1.6279070310218688, 0.9184480498011993, 0.14827047784882996, -0.027594683198245696, -0.0003331770194221692,
    0.002555376090962217, -0.001039377669771245, 0.00022983242793830495, -2.835028987420576e-05,
    1.518388873026894e-06,
)  # fmt: skip
_ERF_64 = (
    1.6279070286111148, 0.9184481885265983, 0.14826952512126623, -0.02759651559956051, -0.0003018045736214724,
    0.002447111706332846, -0.0008513868177460943, 3.738890196264876e-05, 9.290590123246053e-05,
    -4.2624569821015294e-05, 4.540240772915275e-06, 4.515277649569095e-06, -2.8909814072743704e-06,
    7.51765877874718e-07, 4.938222746556514e-08, -1.393115376910432e-07, 7.25828529141906e-08,
    -2.4512938350427797e-08, 6.17258934652379e-09, -1.207235407866223e-09, 1.852757573615225e-10,
    -2.2189673379226986e-11, 2.0362985891310165e-12, -1.3842728327067339e-13, 6.5705491141816274e-15,
    -1.9440767121517136e-16, 2.698977964026071e-18,
)  # fmt: skip
# sin(2πw)/w and (cos(2πw) − 1)/w² in v = w², on |w| ≤ 1/8
_SIN_32 = (6.283185286833379, -41.34166145493939, 81.592353556912, -75.39356288910719)
_SIN_64 = (
    6.283185307179586, -41.341702240399634, 81.60524927594452, -76.70585970331508, 42.05868490204918,
    -15.093797504991885, 3.7807261675956694,
)  # fmt: skip
_COS_32 = (-19.73920869365542, 64.93932647156682, -85.4437417199752, 59.24596390910953)
_COS_64 = (
    -19.739208802178716, 64.93939402266801, -85.45681720654005, 60.24464133161141, -26.426251140405995,
    7.903101636935837, -1.6970200609113129,
)  # fmt: skip
# (1/√(1 − e) − 1)/e, after the estimate and after the first step
_HALVED_32, _HALVED_64 = (0.5,), (0.5, 0.375, 0.3125)


@inlined
def _scaled(p, n):
    """p·2ⁿ by two factors, so that subnormal results and overflow are right."""
    shift = pick(p, _SHIFT32, _SHIFT64)
    half = cast(0.5, p) * n + shift
    rest = n - (half - shift)
    return p * power_of_two(half) * power_of_two(rest + shift)


@inlined
def _clipped(x, bound):
    """x within ±bound, beyond which the result is 0 or infinite. NaN stays, as comparisons with it are false."""
    x = -bound if x < -bound else x
    return bound if x > bound else x


@inlined
def exp2(x):
    """2ˣ = 2ⁿ 2ʳ with n the nearest integer."""
    shift = pick(x, _SHIFT32, _SHIFT64)
    x = _clipped(x, pick(x, 200.0, 1200.0))
    n = (x + shift) - shift
    r = x - n
    return _scaled(r * horner(r, _EXP2_32, _EXP2_64) + cast(1.0, x), n)


@inlined
def exp(x):
    """eˣ = 2ⁿ eʳ with |r| ≤ ½ ln 2."""
    shift = pick(x, _SHIFT32, _SHIFT64)
    x = _clipped(x, pick(x, 150.0, 1000.0))
    n = (x * cast(_LOG2E, x) + shift) - shift
    r = (x - n * pick(x, _LN2_HIGH32, _LN2_HIGH64)) - n * pick(x, _LN2_LOW32, _LN2_LOW64)
    return _scaled(r * horner(r, _EXP_32, _EXP_64) + cast(1.0, x), n)


@inlined
def exp2_decay(y):
    """2ʸ for y ≤ 0 inside sums: relative error 1e-7 (float32) and 2e-16 (float64), exactly 0 at and below −127 (−1023).

    Results below the smallest normal number have the right size only. The exponent is set by an integer addition, which
    keeps every NaN that arithmetic makes.
    """
    shift, lowest = pick(y, _SHIFT32, _SHIFT64), pick(y, -127.0, -1023.0)
    y = lowest if y < lowest else y
    t = y + shift
    r = y - (t - shift)
    return add_to_exponent(r * horner(r, _EXP2_SHORT32, _EXP2_64) + cast(1.0, y), t)


@inlined
def _log_parts(x):
    """(ln m, e) with x = m·2ᵉ, by fdlibm's method (Sun Microsystems, 1993): a polynomial in s = f/(2 + f)."""
    tiny = x < pick(x, 1.1754943508222875e-38, 2.2250738585072014e-308)
    y = x * pick(x, 33554432.0, 18014398509481984.0) if tiny else x
    m, e = split(y)
    f = m - cast(1.0, x)
    s = f / (f + cast(2.0, x))
    z = s * s
    h = cast(0.5, x) * f * f
    log_m = f - (h - s * (h + z * horner(z, _LOG_32, _LOG_64)))
    return log_m, e - (pick(x, 25.0, 54.0) if tiny else cast(0.0, x))


@inlined
def _log_limits(x, result):
    """−∞ at 0, ∞ at ∞, NaN below 0 and at NaN."""
    result = cast(-_INFINITY, x) if x == cast(0.0, x) else result
    result = cast(_INFINITY, x) if x == cast(_INFINITY, x) else result
    return cast(math.nan, x) if (x < cast(0.0, x) or x != x) else result


@inlined
def log(x):
    """ln x."""
    log_m, e = _log_parts(x)
    low = e * pick(x, _LN2_LOW32, _LN2_LOW64)
    return _log_limits(x, e * pick(x, _LN2_HIGH32, _LN2_HIGH64) + (low + log_m))


@inlined
def log2(x):
    """log₂ x."""
    log_m, e = _log_parts(x)
    return _log_limits(x, e + log_m * cast(_LOG2E, x))


@inlined
def rsqrt_normal(x):
    """1/√x for a normal x > 0 (NaN stays), by an estimate and two steps of Householder's method; no division."""
    one = cast(1.0, x)
    y = rsqrt_estimate(x)
    e = one - x * y * y
    y = y + y * e * horner(e, _HALVED_64, _HALVED_64)
    e = one - x * y * y
    return y + y * e * horner(e, _HALVED_32, _HALVED_64)


@inlined
def rsqrt(x):
    """1/√x; ∞ at 0, 0 at ∞, NaN below 0."""
    tiny = x < pick(x, 1.1754943508222875e-38, 2.2250738585072014e-308)
    y = x * pick(x, 16777216.0, 18014398509481984.0) if tiny else x
    result = rsqrt_normal(y) * (pick(x, 4096.0, 134217728.0) if tiny else cast(1.0, x))
    result = cast(_INFINITY, x) if x == cast(0.0, x) else result
    result = cast(0.0, x) if x == cast(_INFINITY, x) else result
    return cast(math.nan, x) if (x < cast(0.0, x) or x != x) else result


@inlined
def sin_cos_eighth(w):
    """(sin 2πw, cos 2πw) for |w| ≤ 1/8."""
    v = w * w
    return w * horner(v, _SIN_32, _SIN_64), v * horner(v, _COS_32, _COS_64) + cast(1.0, w)


@inlined
def sin_cos_2pi(u):
    """(sin 2πu, cos 2πu): subtract the nearest quarter from u, and restore it by symmetry."""
    u = u - nearest(u)
    quarter = nearest(cast(4.0, u) * u)
    s, c = sin_cos_eighth(u - cast(0.25, u) * quarter)
    odd = abs(quarter) == cast(1.0, u)
    first, second = (c if odd else s), (s if odd else c)
    half_turn = abs(quarter) == cast(2.0, u)
    first = -first if (half_turn or quarter == cast(-1.0, u)) else first
    second = -second if (half_turn or quarter == cast(1.0, u)) else second
    return first, second


@inlined
def sigmoid(x):
    """1/(1 + e⁻ˣ), written for x < 0 as e⁻|ˣ|/(1 + e⁻|ˣ|), which does not overflow."""
    one = cast(1.0, x)
    e = exp(-abs(x))
    return (e if x < cast(0.0, x) else one) / (one + e)


@inlined
def exp2_minus_1(y):
    """2ʸ − 1 for |y| ≤ 120, without cancellation near 0: 2ⁿ(2ʳ − 1) + (2ⁿ − 1)."""
    t = y + pick(y, _SHIFT32, _SHIFT64)
    r = y - (t - pick(y, _SHIFT32, _SHIFT64))
    scale = power_of_two(t)
    return scale * (r * horner(r, _EXP2_32, _EXP2_64)) + (scale - cast(1.0, y))


@inlined
def tanh(x):
    """e/(e + 2) with e = exp(2x) − 1, for |x| where tanh does not yet round to 1."""
    e = exp2_minus_1(_clipped(x, pick(x, 10.0, 20.0)) * cast(2.0 * _LOG2E, x))
    return e / (e + cast(2.0, x))


@inlined
def softplus(x):
    """ln(1 + eˣ) = max(x, 0) + ln(1 + e⁻|ˣ|). The logarithm is 2 artanh(e/(2 + e)), with e = e⁻|ˣ|."""
    e = exp(-abs(x))
    s = e / (e + cast(2.0, x))
    z = s * s
    tail = s * z * horner(z, _LOG1P_32, _LOG1P_64) + cast(2.0, x) * s
    return (cast(0.0, x) if x < cast(0.0, x) else x) + tail


@inlined
def erf(x):
    """1 − 2⁻ᵖ with p = −log₂ erfc|x|. p is |x| times a polynomial, so that one formula serves near 0 and far away."""
    bound = pick(x, 4.0, 6.0)
    y = abs(x)
    y = bound if y > bound else y
    value = -exp2_minus_1(-y * horner(y, _ERF_32, _ERF_64))
    return -value if x < cast(0.0, x) else value
