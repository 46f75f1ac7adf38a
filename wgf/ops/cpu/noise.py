"""Philox4x32-10 on the CPU: numbers as a function of seed, stream, step, particle and component; no state.

A *lane* is one counter: its four words make two float64 numbers or four float32 normals. `reference.py` writes the two
layouts in a few lines. A block of numbers goes through vector loops over lanes held in the first-level cache: counters,
words, numbers, and then the sum they are wanted for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from ..threads import run_blocks
from .elementary import inlined, log, sin_cos_2pi, sin_cos_eighth
from .intrinsics import FLAGS, cast, horner, split
from .jit import compiled

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_SINGLE, _TAIL = 0x40 << 24, np.uint32(0x80 << 24)  # in the stream's byte: float32 layout, and words that extend a tail
_SHORT = np.uint32(1 << 16)  # radius words below this are extended

_VECTOR = 16  # lanes are filled up to a multiple of this, so that no loop has a scalar rest
_CHUNK = 1024  # numbers whose lanes are in the first-level cache at a time
_BLOCK = 2**16  # numbers that a thread takes at a time

# (ln(1 + f) − f + f²/2)/f³ on √½ ≤ 1 + f ≤ √2: relative error of the logarithm 3e-8
_LOG1P = (
    0.33333910739474726, -0.2500133703612662, 0.1996306369765166, -0.16577584768040785, 0.1491476922234313,
    -0.14267486216285252, 0.08700430572217259,
)  # fmt: skip


class Uniform(NamedTuple):
    """float64 uniforms on (0, 1]: a lane for two components of one particle."""

    k0: Any
    k1: Any
    step: Any
    tag: Any  # what stream and step put into the last word of the counter


class Normal(NamedTuple):
    """float64 normals from the uniforms."""

    k0: Any
    k1: Any
    step: Any
    tag: Any


class NormalSingle(NamedTuple):
    """float32 normals: a lane for four consecutive numbers of the sequence id·dim + component."""

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


@compiled
def _words(law, counters, groups, words):
    for lane in range(_VECTOR * groups):
        low, high, tag = np.uint64(counters[0, lane]), np.uint64(counters[1, lane]), np.uint64(counters[2, lane])
        a, b, c, e = philox(low, high, law.step, tag, law.k0, law.k1)
        words[0, lane], words[1, lane] = np.uint32(a), np.uint32(b)
        words[2, lane], words[3, lane] = np.uint32(c), np.uint32(e)


@compiled
def _words_of_run(law, start, groups, words):
    """The words of consecutive counters that share their high word: what does not change is computed once."""
    high = start >> _HALF
    for lane in range(_VECTOR * groups):
        a, b, c, e = philox(start + np.uint64(lane), high, law.step, law.tag, law.k0, law.k1)
        words[0, lane], words[1, lane] = np.uint32(a), np.uint32(b)
        words[2, lane], words[3, lane] = np.uint32(c), np.uint32(e)


# ------------------------------------------------------------------------------------------------ float64


@compiled
def _lanes_of_particles(law, ids, dim, counters):
    """Counter word 0 is j for the components 2j and 2j + 1 of a particle. Returns the number of lanes."""
    lane = 0
    for i in range(ids.size):
        particle = np.uint64(ids[i])
        low, high = np.uint32(particle & _LOW), np.uint32(law.tag | (particle >> _HALF))
        for j in range((dim + 1) // 2):
            counters[0, lane], counters[1, lane], counters[2, lane] = np.uint32(j), low, high
            lane += 1
    return lane


@compiled
def _close_up_pairs(ids, dim, z):
    for i in range(ids.size):
        for c in range(dim):
            z[i * dim + c] = z[i * (dim + 1) + c]


@inlined
def _unit(high, low):
    """(b + ½)·2⁻⁶⁴ of the 64-bit integer b: in (0, 1], with a lower tail down to 2⁻⁶⁵."""
    return (float((np.uint64(high) << _HALF) | np.uint64(low)) + 0.5) * 5.421010862427522e-20


@compiled
def _uniforms(words, groups, z):
    for lane in range(_VECTOR * groups):
        z[2 * lane] = _unit(words[0, lane], words[1, lane])
        z[2 * lane + 1] = _unit(words[2, lane], words[3, lane])


@compiled
def _normals(words, groups, z):
    """The method of Box & Muller (1958)."""
    for lane in range(_VECTOR * groups):
        radius = math.sqrt(-2.0 * log(_unit(words[0, lane], words[1, lane])))
        s, c = sin_cos_2pi(_unit(words[2, lane], words[3, lane]))
        z[2 * lane], z[2 * lane + 1] = radius * c, radius * s


# ------------------------------------------------------------------------------------------------ float32


@compiled
def _consecutive(ids):
    jumps = np.int64(0)
    for i in range(ids.size):
        jumps |= ids[i] - ids[0] - i
    return jumps == 0


@compiled
def _count(law, start, counters):
    """Counter words 0 and 1 are F for the numbers 4F … 4F + 3."""
    low, high = counters[0], counters[1]
    for k in range(low.size):
        four = start + np.uint64(k)
        low[k], high[k] = np.uint32(four & _LOW), np.uint32(four >> _HALF)
    counters[2, :] = np.uint32(law.tag)


@compiled
def _lanes_of_numbers(law, ids, dim, counters):
    """The lanes of each particle apart, for ids in any order. Returns their number."""
    lane = 0
    for i in range(ids.size):
        first = np.uint64(ids[i]) * np.uint64(dim)
        lanes = (np.int64(first & np.uint64(3)) + dim + 3) >> 2
        _count(law, first >> np.uint64(2), counters[:, lane : lane + lanes])
        lane += lanes
    return lane


@compiled
def _close_up_numbers(ids, dim, z):
    lane = 0
    for i in range(ids.size):
        first = np.uint64(ids[i]) * np.uint64(dim)
        within = np.int64(first & np.uint64(3))
        for c in range(dim):
            z[i * dim + c] = z[4 * lane + within + c]
        lane += (within + dim + 3) >> 2


@inlined
def _radius(a):
    """√(−2 ln u) of u = a, or of u = 1 + a for a < 0, where a keeps the digits that 1 + a has lost."""
    one = cast(1.0, a)
    m, e = split(one + a if a < cast(0.0, a) else a)
    f = a if e == cast(0.0, a) else m - one
    log_m = f - f * f * (cast(0.5, a) - f * horner(f, _LOG1P, _LOG1P))
    return math.sqrt(cast(-2.0, a) * (e * cast(0.6931471805599453, a) + log_m))


@inlined
def _signed(word):
    """The word as an int32, by 2⁻³², at the middle of its cell."""
    return np.float32(np.int32(word)) * np.float32(2.0**-32) + np.float32(2.0**-33)


@inlined
def _turned(radius, word):
    """Two normals: an angle of 30 bits within an eighth of a turn, and two bits for its quarter."""
    s, c = sin_cos_eighth(_signed(np.uint32(word << np.uint32(2))) * np.float32(0.25))
    c = -c if np.int32(word) < 0 else c
    swap = np.uint32(word & np.uint32(0x40000000)) != 0
    return radius * (s if swap else c), radius * (c if swap else s)


@compiled
def _normals_single(words, groups, z):
    """Normals, and whether some radius words are short."""
    lowest = np.uint32(_LOW)
    for lane in range(_VECTOR * groups):
        a, b, c, e = words[0, lane], words[1, lane], words[2, lane], words[3, lane]
        lowest = min(lowest, min(a, c))
        z[4 * lane], z[4 * lane + 1] = _turned(_radius(_signed(a)), b)
        z[4 * lane + 2], z[4 * lane + 3] = _turned(_radius(_signed(c)), e)
    return lowest < _SHORT


@compiled
def _extend_tails(law, counters, words, groups, z):
    """Give short radius words 32 bits more, from a counter of their own: r is then fine-grained up to 9.49."""
    for lane in range(_VECTOR * groups):
        for pair in range(2):
            word = words[2 * pair, lane]
            if word < _SHORT:
                more = philox(
                    np.uint64(counters[0, lane]), np.uint64(counters[1, lane]), law.step,
                    np.uint64(counters[2, lane] | _TAIL), law.k0, law.k1,
                )[pair]  # fmt: skip
                a = np.float32((np.uint64(word) << _HALF) | more) * np.float32(2.0**-64) + np.float32(2.0**-65)
                at = 4 * lane + 2 * pair
                z[at], z[at + 1] = _turned(_radius(a), words[2 * pair + 1, lane])


# ------------------------------------------------------------------------------------------------ blocks


@inlined
def _groups(lanes):
    return (lanes + _VECTOR - 1) // _VECTOR


def _double_chunk(turn):
    def body(law, ids, dim, counters, words, z):
        groups = _groups(_lanes_of_particles(law, ids, dim, counters))
        _words(law, counters, groups, words)
        turn(words, groups, z)
        if dim % 2:
            _close_up_pairs(ids, dim, z)
        return 0

    return body


def _single_chunk(law, ids, dim, counters, words, z):
    first = np.uint64(ids[0]) * np.uint64(dim)
    start, offset = first >> np.uint64(2), np.int64(first & np.uint64(3))
    groups = _groups((offset + ids.size * dim + 3) >> 2)
    run = _consecutive(ids) and (start ^ (start + np.uint64(_VECTOR * groups))) >> _HALF == 0
    if run:
        _words_of_run(law, start, groups, words)
    else:
        groups = _groups(_lanes_of_numbers(law, ids, dim, counters))
        _words(law, counters, groups, words)
    if _normals_single(words, groups, z):
        if run:
            _count(law, start, counters[:, : _VECTOR * groups])
        _extend_tails(law, counters, words, groups, z)
    if run:
        return offset
    _close_up_numbers(ids, dim, z)
    return 0


_CHUNKS = {Uniform: _double_chunk(_uniforms), Normal: _double_chunk(_normals), NormalSingle: _single_chunk}


def _chunk(law, ids, dim, counters, words, z):
    """Fill z with the numbers of the particles `ids` row by row, and return where they begin; for compiled code only."""
    raise NotImplementedError


@overload(_chunk, jit_options={"error_model": "numpy", "fastmath": set(FLAGS)})
def _chunk_of_law(law, ids, dim, counters, words, z):
    if isinstance(law, (types.NamedTuple, types.NamedUniTuple)):
        return _CHUNKS[law.instance_class]
    return None


@compiled
def _draw(law, ids, rows, counters, words, z, out):
    n, dim = out.shape
    flat = out.reshape(n * dim)
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        offset = _chunk(law, ids[start:stop], dim, counters, words, z)
        part, xi = flat[start * dim : stop * dim], z[offset:]
        for k in range(part.size):
            part[k] = xi[k]


@compiled
def _move(law, ids, rows, counters, words, z, x, gradient, h, scale, out):
    n, dim = out.shape
    flat_x, flat_g, flat = x.reshape(n * dim), gradient.reshape(n * dim), out.reshape(n * dim)
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        offset = _chunk(law, ids[start:stop], dim, counters, words, z)
        first, last, xi = start * dim, stop * dim, z[offset:]
        here, force, part = flat_x[first:last], flat_g[first:last], flat[first:last]
        for k in range(part.size):
            part[k] = here[k] - h * force[k] + scale * xi[k]


def _in_blocks(n: int, dim: int, dtype: np.dtype, body: Any) -> None:
    """Call `body(rows of a block, rows of a chunk, counters, words, z)` with scratch of each thread's own."""
    rows, block = max(1, _CHUNK // dim), max(1, _BLOCK // dim)
    lanes = -(-rows * ((dim + 6) // 4 if dtype == np.float32 else (dim + 1) // 2) // _VECTOR) * _VECTOR

    def worker(blocks: range) -> None:
        counters, words = np.zeros((3, lanes), np.uint32), np.empty((4, lanes), np.uint32)
        z = np.empty(lanes * (4 if dtype == np.float32 else 2), dtype)
        for index in blocks:
            body(slice(index * block, min((index + 1) * block, n)), rows, counters, words, z)

    run_blocks(worker, -(-n // block))


def _law(kind: Any, key: Sequence[int], step: int, stream: int) -> Any:
    tag = (stream << 24) | ((step >> 32) << 12) | (_SINGLE if kind is NormalSingle else 0)
    return kind(np.uint64(key[0]), np.uint64(key[1]), np.uint64(step & 0xFFFFFFFF), np.uint64(tag))


def _normal_law(dtype: np.dtype) -> Any:
    return NormalSingle if dtype == np.float32 else Normal


def _drawn(kind: Any, ids: np.ndarray, key: Sequence[int], step: int, stream: int, dim: int, dtype: Any) -> np.ndarray:
    out, law = np.empty((len(ids), dim), dtype), _law(kind, key, step, stream)
    _in_blocks(len(ids), dim, out.dtype, lambda rows, *scratch: _draw(law, ids[rows], *scratch, out[rows]))
    return out


def uniform(ids: np.ndarray, key: Sequence[int], step: int, stream: int, dim: int) -> np.ndarray:
    """Uniforms on (0, 1] (n, dim), float64."""
    return _drawn(Uniform, ids, key, step, stream, dim, np.float64)


def normal(ids: np.ndarray, key: Sequence[int], step: int, stream: int, dim: int, dtype: Any) -> np.ndarray:
    """Standard normals (n, dim)."""
    return _drawn(_normal_law(np.dtype(dtype)), ids, key, step, stream, dim, dtype)


def langevin(
    x: np.ndarray,
    gradient: np.ndarray,
    ids: np.ndarray,
    key: Sequence[int],
    step: int,
    stream: int,
    h: float,
    scale: float,
) -> np.ndarray:
    """x − h·gradient + scale·ξ in one pass over memory, in the dtype of x."""
    number, out = x.dtype.type, np.empty_like(x)
    law, numbers = _law(_normal_law(x.dtype), key, step, stream), (number(h), number(scale))

    def body(rows: slice, *scratch: Any) -> None:
        _move(law, ids[rows], *scratch, x[rows], gradient[rows], *numbers, out[rows])

    _in_blocks(*x.shape, x.dtype, body)
    return out
