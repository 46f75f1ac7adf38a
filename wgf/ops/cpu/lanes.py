"""Philox4x32-10 and Box–Muller on the CPU, as vector loops over lanes.

A *lane* is one counter. Its four words make two float64 numbers or four float32 normals; `wgf.ops.noise` states the
layout.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .elementary import inlined, log, sin_cos_2pi, sin_cos_eighth
from .intrinsics import cast, horner, split
from .jit import compiled

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
SINGLE, _TAIL = 0x40 << 24, np.uint32(0x80 << 24)  # in the byte of the stream: float32, and its tail
_SHORT = np.uint32(1 << 16)  # radius words below this get 32 more bits

_MIDDLE = np.uint64(2**63 + 1024)

VECTOR = 16  # lanes are rounded up to a multiple of this, so that loops vectorise without a rest

# (ln(1 + f) − f + f²/2)/f³ on √½ ≤ 1 + f ≤ √2: relative error of the logarithm 3e-8
_LOG1P = (
    0.33333910739474726, -0.2500133703612662, 0.1996306369765166, -0.16577584768040785, 0.1491476922234313,
    -0.14267486216285252, 0.08700430572217259,
)  # fmt: skip


class Uniform(NamedTuple):
    """float64 uniforms on (0, 1]: one lane for two components of a particle."""

    k0: Any
    k1: Any
    step: Any
    tag: Any  # the part of stream and step in the last word of the counter


class Normal(NamedTuple):
    """float64 normals, made from the uniforms."""

    k0: Any
    k1: Any
    step: Any
    tag: Any


class NormalSingle(NamedTuple):
    """float32 normals: one lane for four consecutive numbers of the sequence id·dim + component."""

    k0: Any
    k1: Any
    step: Any
    tag: Any


@inlined
def philox(c0, c1, c2, c3, k0, k1):
    """Ten rounds of Philox4x32 (Salmon, Moraes, Dror & Shaw 2011) on 32-bit words, each held in a uint64."""
    for _ in range(10):
        p0, p1 = _M0 * (c0 & _LOW), _M1 * (c2 & _LOW)
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@compiled(exact=True)
def words_of_lanes(law, counters, groups, words):
    """The words of any counters."""
    for lane in range(VECTOR * groups):
        low, high, tag = np.uint64(counters[0, lane]), np.uint64(counters[1, lane]), np.uint64(counters[2, lane])
        a, b, c, e = philox(low, high, law.step, tag, law.k0, law.k1)
        words[0, lane], words[1, lane] = np.uint32(a), np.uint32(b)
        words[2, lane], words[3, lane] = np.uint32(c), np.uint32(e)


@compiled(exact=True)
def words_of_run(law, start, groups, words):
    """The words of consecutive counters with one high word, where some factors are computed only once."""
    high = start >> _HALF
    for lane in range(VECTOR * groups):
        a, b, c, e = philox(start + np.uint64(lane), high, law.step, law.tag, law.k0, law.k1)
        words[0, lane], words[1, lane] = np.uint32(a), np.uint32(b)
        words[2, lane], words[3, lane] = np.uint32(c), np.uint32(e)


# ------------------------------------------------------------------------------------------------ float64


@compiled(exact=True)
def lanes_of_particles(law, ids, dim, counters):
    """Write the counters of particles, word 0 being j for the components 2j and 2j + 1. Returns the number of lanes."""
    lane = 0
    for i in range(ids.size):
        particle = np.uint64(ids[i])
        low, high = np.uint32(particle & _LOW), np.uint32(law.tag | (particle >> _HALF))
        for j in range((dim + 1) // 2):
            counters[0, lane], counters[1, lane], counters[2, lane] = np.uint32(j), low, high
            lane += 1
    return lane


@compiled(exact=True)
def close_up_pairs(ids, dim, z):
    """Remove the unused last number of each particle, for odd `dim`."""
    for i in range(ids.size):
        for c in range(dim):
            z[i * dim + c] = z[i * (dim + 1) + c]


@inlined
def _unit(high, low):
    """(b + ½)·2⁻⁶⁴ for the 64-bit integer b: in (0, 1], with a lower tail down to 2⁻⁶⁵."""
    return (float((np.uint64(high) << _HALF) | np.uint64(low)) + 0.5) * 5.421010862427522e-20


@compiled
def uniforms(words, groups, z):
    """Two uniforms for each lane."""
    for lane in range(VECTOR * groups):
        z[2 * lane] = _unit(words[0, lane], words[1, lane])
        z[2 * lane + 1] = _unit(words[2, lane], words[3, lane])


@compiled(exact=True)
def above_half_bits(law, ids, out):
    """Whether the first uniform of each particle is above ½. 2⁶³ + 1024 are the largest bits that round to ½."""
    for i in range(ids.size):
        particle = np.uint64(ids[i])
        tag = law.tag | (particle >> _HALF)
        high, low, _, _ = philox(np.uint64(0), particle & _LOW, law.step, tag, law.k0, law.k1)
        out[i] = ((high << _HALF) | low) > _MIDDLE


@compiled
def normals(words, groups, z):
    """Two normals for each lane, by the method of Box & Muller (1958)."""
    for lane in range(VECTOR * groups):
        radius = math.sqrt(-2.0 * log(_unit(words[0, lane], words[1, lane])))
        s, c = sin_cos_2pi(_unit(words[2, lane], words[3, lane]))
        z[2 * lane], z[2 * lane + 1] = radius * c, radius * s


# ------------------------------------------------------------------------------------------------ float32


@compiled(exact=True)
def consecutive(ids):
    """Whether the ids are i, i + 1, i + 2, …."""
    jumps = np.int64(0)
    for i in range(ids.size):
        jumps |= ids[i] - ids[0] - i
    return jumps == 0


@compiled(exact=True)
def count(law, start, counters):
    """Write consecutive counters: words 0 and 1 are F for the numbers 4F … 4F + 3."""
    low, high = counters[0], counters[1]
    for k in range(low.size):
        four = start + np.uint64(k)
        low[k], high[k] = np.uint32(four & _LOW), np.uint32(four >> _HALF)
    counters[2, :] = np.uint32(law.tag)


@compiled(exact=True)
def lanes_of_numbers(law, ids, dim, counters):
    """Write the counters of each particle separately, for ids in any order. Returns the number of lanes."""
    lane = 0
    for i in range(ids.size):
        first = np.uint64(ids[i]) * np.uint64(dim)
        lanes = (np.int64(first & np.uint64(3)) + dim + 3) >> 2
        count(law, first >> np.uint64(2), counters[:, lane : lane + lanes])
        lane += lanes
    return lane


@compiled(exact=True)
def close_up_numbers(ids, dim, z):
    """Remove the numbers of each particle's lanes that belong to its neighbours."""
    lane = 0
    for i in range(ids.size):
        first = np.uint64(ids[i]) * np.uint64(dim)
        within = np.int64(first & np.uint64(3))
        for c in range(dim):
            z[i * dim + c] = z[4 * lane + within + c]
        lane += (within + dim + 3) >> 2


@inlined
def radius_of(a):
    """√(−2 ln u) for u = a, or for u = 1 + a if a < 0; then a has digits that 1 + a has lost."""
    one = cast(1.0, a)
    m, e = split(one + a if a < cast(0.0, a) else a)
    f = a if e == cast(0.0, a) else m - one
    log_m = f - f * f * (cast(0.5, a) - f * horner(f, _LOG1P, _LOG1P))
    return math.sqrt(cast(-2.0, a) * (e * cast(0.6931471805599453, a) + log_m))


@inlined
def _signed(word):
    """The word as an int32 times 2⁻³², at the middle of its cell."""
    return np.float32(np.int32(word)) * np.float32(2.0**-32) + np.float32(2.0**-33)


@inlined
def _turned(radius, word):
    """Two normals from a radius and a word: 30 bits of angle within an eighth of a turn, two bits for the quarter."""
    s, c = sin_cos_eighth(_signed(np.uint32(word << np.uint32(2))) * np.float32(0.25))
    c = -c if np.int32(word) < 0 else c
    swap = np.uint32(word & np.uint32(0x40000000)) != 0
    return radius * (s if swap else c), radius * (c if swap else s)


@compiled
def normals_single(words, groups, z):
    """Four normals for each lane. Returns whether some radius words need more bits."""
    lowest = np.uint32(_LOW)
    for lane in range(VECTOR * groups):
        a, b, c, e = words[0, lane], words[1, lane], words[2, lane], words[3, lane]
        lowest = min(lowest, min(a, c))
        z[4 * lane], z[4 * lane + 1] = _turned(radius_of(_signed(a)), b)
        z[4 * lane + 2], z[4 * lane + 3] = _turned(radius_of(_signed(c)), e)
    return lowest < _SHORT


@compiled
def extend_tails(law, counters, words, groups, z):
    """Give radius words below 2¹⁶ another 32 bits, from a counter of their own. Radii then reach 9.49 in fine steps."""
    for lane in range(VECTOR * groups):
        for pair in range(2):
            word = words[2 * pair, lane]
            if word < _SHORT:
                more = philox(
                    np.uint64(counters[0, lane]), np.uint64(counters[1, lane]), law.step,
                    np.uint64(counters[2, lane] | _TAIL), law.k0, law.k1,
                )[pair]  # fmt: skip
                a = np.float32((np.uint64(word) << _HALF) | more) * np.float32(2.0**-64) + np.float32(2.0**-65)
                at = 4 * lane + 2 * pair
                z[at], z[at + 1] = _turned(radius_of(a), words[2 * pair + 1, lane])
