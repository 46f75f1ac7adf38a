"""Random numbers on a GPU, from the same integers as on the CPU, and a Langevin update that makes them in registers.

`wgf.ops.noise` states the layouts for float64 and float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launch import blocks, launch

_LANES = 512
_SCALARS = ["k0", "k1", "step", "high", "n"]


@triton.jit
def philox(c0, c1, c2, c3, k0, k1):
    """Ten rounds of Philox4x32 (Salmon, Moraes, Dror & Shaw 2011) on uint32 words."""
    for _ in tl.static_range(10):
        high0, high1 = tl.umulhi(c0, 0xD2511F53), tl.umulhi(c2, 0xCD9E8D57)
        low0, low1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + 0x9E3779B9, k1 + 0xBB67AE85
    return c0, c1, c2, c3


@triton.jit
def _uniform(high, low):
    """(b + ½)·2⁻⁶⁴ for the 64-bit integer b: in (0, 1], with a lower tail down to 2⁻⁶⁵."""
    return (((high.to(tl.uint64) << 32) | low.to(tl.uint64)).to(tl.float64) + 0.5) * 5.421010862427522e-20


@triton.jit
def pair(ids, block, k0, k1, step, high, NORMAL: tl.constexpr):
    """Components 2·block and 2·block + 1 of particles `ids` (int64), float64: uniforms, or normals by Box–Muller."""
    particle = ids.to(tl.uint64)
    zero = (particle & 0).to(tl.uint32)
    c1, c3 = (particle & 0xFFFFFFFF).to(tl.uint32), (particle >> 32).to(tl.uint32) | high
    a, b, c, e = philox(zero + block, c1, zero + step, c3, zero + k0, zero + k1)
    first, second = _uniform(a, b), _uniform(c, e)
    if NORMAL:
        radius, angle = tl.sqrt(-2.0 * tl.log(first)), 6.283185307179586 * second
        first, second = radius * tl.cos(angle), radius * tl.sin(angle)
    return first, second


@triton.jit
def _place(n, HALF: tl.constexpr, LANES: tl.constexpr):
    """Row, counter block and mask of each lane; a lane makes two neighbouring components."""
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    row = lane // HALF
    return row, lane - row * HALF, row < n


@triton.jit(do_not_specialize=_SCALARS)
def _draw(ids, out, k0: tl.uint32, k1: tl.uint32, step: tl.uint32, high: tl.uint32, n: tl.int64,
          D: tl.constexpr, NORMAL: tl.constexpr, LANES: tl.constexpr):  # fmt: skip
    """Write the float64 numbers of all particles."""
    row, block, inside = _place(n, (D + 1) // 2, LANES)
    words = (k0.to(tl.uint32), k1.to(tl.uint32), step.to(tl.uint32), high.to(tl.uint32))
    particle = tl.load(ids + row, mask=inside, other=0)
    first, second = pair(particle, block.to(tl.uint32), words[0], words[1], words[2], words[3], NORMAL)
    place = out + row * D + 2 * block
    tl.store(place, first, mask=inside)
    tl.store(place + 1, second, mask=inside & (2 * block + 1 < D))


@triton.jit(do_not_specialize=_SCALARS)
def _move(x, gradient, ids, out, k0: tl.uint32, k1: tl.uint32, step: tl.uint32, high: tl.uint32, n: tl.int64,
          h: tl.float64, s: tl.float64, D: tl.constexpr, LANES: tl.constexpr):  # fmt: skip
    """out = x − h·gradient + s·ξ in float64."""
    row, block, inside = _place(n, (D + 1) // 2, LANES)
    words = (k0.to(tl.uint32), k1.to(tl.uint32), step.to(tl.uint32), high.to(tl.uint32))
    particle = tl.load(ids + row, mask=inside, other=0)
    first, second = pair(particle, block.to(tl.uint32), words[0], words[1], words[2], words[3], True)
    h, s = tl.full((), h, tl.float64), tl.full((), s, tl.float64)
    offset = row * D + 2 * block
    for c in tl.static_range(2):
        at, there = offset + c, inside & (2 * block + c < D)
        here, slope = tl.load(x + at, mask=there, other=0.0), tl.load(gradient + at, mask=there, other=0.0)
        tl.store(out + at, here - h * slope + s * (first if c == 0 else second), mask=there)


# ------------------------------------------------------------------------------------------------ float32


@triton.jit
def _signed(word):
    """The word as an int32 times 2⁻³², at the middle of its cell."""
    return word.to(tl.int32, bitcast=True).to(tl.float32) * 2.3283064365386963e-10 + 1.1641532182693481e-10


@triton.jit
def _lengthened(a, word, more):
    """a; or, for a radius word below 2¹⁶, the uniform made from 64 bits."""
    whole = (word.to(tl.uint64) << 32) | more.to(tl.uint64)
    return tl.where(word < 65536, whole.to(tl.float32) * 5.421010862427522e-20 + 2.710505431213761e-20, a)


@triton.jit
def _turned(a, word):
    """Two normals from a and a word. The uniform is a, or 1 + a if a < 0; its logarithm is Kahan's log1p."""
    w = 1.0 + a
    near = tl.where(w == 1.0, a, tl.log(w) * (a / tl.where(w == 1.0, 1.0, w - 1.0)))
    radius = tl.sqrt(-2.0 * tl.where(a < 0, near, tl.log(tl.abs(a))))
    turn = 1.5707963267948966 * _signed(word << 2)
    s, c = tl.sin(turn), tl.cos(turn)
    c = tl.where(word.to(tl.int32, bitcast=True) < 0, -c, c)
    swap = (word & 0x40000000) != 0
    return radius * tl.where(swap, s, c), radius * tl.where(swap, c, s)


@triton.jit
def _drawn_words(block, k0, k1, step, high):
    """A radius and an angle, twice: what the normals 4·block … 4·block + 3 (uint64) of one draw are made of."""
    low, up = (block & 0xFFFFFFFF).to(tl.uint32), (block >> 32).to(tl.uint32)
    zero = low & 0
    a, b, c, e = philox(low, up, zero + step, zero + (high | 0x40000000), zero + k0, zero + k1)
    first, second = _signed(a), _signed(c)
    if tl.min(tl.minimum(a, c).to(tl.int64)) < 65536:  # true for one block in some hundreds
        more = philox(low, up, zero + step, zero + (high | 0xC0000000), zero + k0, zero + k1)
        first, second = _lengthened(first, a, more[0]), _lengthened(second, c, more[1])
    return first, b, second, e


@triton.jit
def _put(xi, x, gradient, out, at, there, h, s, MOVE: tl.constexpr):
    """Write x − h·gradient + s·ξ, or ξ alone without MOVE."""
    moved = xi
    if MOVE:
        here, slope = tl.load(x + at, mask=there, other=0.0), tl.load(gradient + at, mask=there, other=0.0)
        moved = here - tl.full((), h, tl.float32) * slope + tl.full((), s, tl.float32) * xi
    tl.store(out + at, moved, mask=there)


@triton.jit(do_not_specialize=_SCALARS)
def _move_single(x, gradient, ids, out, k0: tl.uint32, k1: tl.uint32, step: tl.uint32, high: tl.uint32, n: tl.int64,
                 h: tl.float32, s: tl.float32, D: tl.constexpr, PARTS: tl.constexpr, MOVE: tl.constexpr,
                 LANES: tl.constexpr):  # fmt: skip
    """out = x − h·gradient + s·ξ in float32, or ξ alone without MOVE.

    Each of the PARTS lanes of a row makes four numbers of the sequence id·D + component. For D = 2 its one lane makes
    the two that are needed.
    """
    row, block, inside = _place(n, PARTS, LANES)
    begin = tl.load(ids + row, mask=inside, other=0).to(tl.uint64) * D
    number = (begin >> 2) + block.to(tl.uint64)
    words = _drawn_words(number, k0.to(tl.uint32), k1.to(tl.uint32), step.to(tl.uint32), high.to(tl.uint32))
    if D == 2:
        upper = (begin & 2) != 0
        x0, x1 = _turned(tl.where(upper, words[2], words[0]), tl.where(upper, words[3], words[1]))
        _put(x0, x, gradient, out, row * 2, inside, h, s, MOVE)
        _put(x1, x, gradient, out, row * 2 + 1, inside, h, s, MOVE)
    else:
        x0, x1 = _turned(words[0], words[1])
        x2, x3 = _turned(words[2], words[3])
        xi = (x0, x1, x2, x3)
        component = 4 * block - (begin & 3).to(tl.int64)
        for w in tl.static_range(4):
            here = component + w
            _put(xi[w], x, gradient, out, row * D + here, inside & (here >= 0) & (here < D), h, s, MOVE)


def _words(key: Sequence[int], step: int, stream: int) -> tuple[int, int, int, int]:
    """The key, and the words of the counter that all particles share."""
    return key[0], key[1], step & 0xFFFFFFFF, stream << 24 | (step >> 32) << 12


def _drawn(ids: Tensor, words: tuple[int, ...], dim: int, normal: bool) -> Tensor:
    """An array of float64 numbers (n, dim)."""
    n = len(ids)
    out = torch.empty(n, dim, dtype=torch.float64, device=ids.device)
    if out.numel():
        grid = (blocks(n * ((dim + 1) // 2), _LANES),)
        launch(_draw, grid, ids.contiguous(), out, *words, n, D=dim, NORMAL=normal, LANES=_LANES, num_warps=4)
    return out


def uniform(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int) -> Tensor:
    """Uniform numbers on (0, 1] (n, dim), float64."""
    return _drawn(ids, _words(key, step, stream), dim, False)


def normal(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int, dtype: torch.dtype) -> Tensor:
    """Standard normal numbers (n, dim), float64 or float32."""
    if dtype == torch.float64:
        return _drawn(ids, _words(key, step, stream), dim, True)
    out = torch.empty(len(ids), dim, dtype=torch.float32, device=ids.device)
    return _moved(out, out, ids.contiguous(), _words(key, step, stream), 0.0, 1.0, out, MOVE=False)


def langevin(
    x: Tensor, gradient: Tensor, ids: Tensor, key: Sequence[int], step: int, stream: int, h: float, scale: float
) -> Tensor:
    """x − h·gradient + scale·ξ (n, d) in the dtype of x, with the numbers of `normal`; one pass over memory."""
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    x, gradient, ids = (t.detach().contiguous() for t in (x, gradient.to(x.dtype), ids))
    constants: dict[str, int] = {} if x.dtype == torch.float64 else {"MOVE": True}
    return _moved(x, gradient, ids, _words(key, step, stream), h, scale, out, **constants)


def _moved(
    x: Tensor,
    gradient: Tensor,
    ids: Tensor,
    words: tuple[int, ...],
    h: float,
    scale: float,
    out: Tensor,
    **constants: int,
) -> Tensor:
    """Start the update for the dtype of `out`."""
    n, d = out.shape
    if out.numel():
        if out.dtype == torch.float64:
            kernel, lanes = _move, (d + 1) // 2
        else:  # id·d, where a row begins, is a multiple of the common divisor of d and 4: so many fours can it meet
            kernel, lanes = _move_single, (d + 7 - math.gcd(d, 4)) // 4
            constants["PARTS"] = lanes
        launch(
            kernel, (blocks(n * lanes, _LANES),), x, gradient, ids, out, *words, n, float(h), float(scale),
            D=d, LANES=_LANES, num_warps=4, **constants,
        )  # fmt: skip
    return out
