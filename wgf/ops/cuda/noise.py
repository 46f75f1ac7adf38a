"""Philox4x32-10 on a GPU: the integers of the CPU, and a Langevin update that forms its noise in registers."""

from __future__ import annotations

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
    """(b + ½)·2⁻⁶⁴ of the 64-bit integer b: in (0, 1], with a lower tail down to 2⁻⁶⁵."""
    return (((high.to(tl.uint64) << 32) | low.to(tl.uint64)).to(tl.float64) + 0.5) * 5.421010862427522e-20


@triton.jit
def pair(ids, block, k0, k1, step, high, NORMAL: tl.constexpr):
    """Components 2·block and 2·block + 1 of particles `ids` (int64), float64: uniforms, or by Box–Muller normals."""
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
    """Row, counter block and mask of each lane: one lane makes two neighbouring components."""
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    row = lane // HALF
    return row, lane - row * HALF, row < n


@triton.jit(do_not_specialize=_SCALARS)
def _random(ids, out, k0: tl.uint32, k1: tl.uint32, step: tl.uint32, high: tl.uint32, n: tl.int64,
            D: tl.constexpr, NORMAL: tl.constexpr, LANES: tl.constexpr):  # fmt: skip
    row, block, inside = _place(n, (D + 1) // 2, LANES)
    words = (k0.to(tl.uint32), k1.to(tl.uint32), step.to(tl.uint32), high.to(tl.uint32))
    particle = tl.load(ids + row, mask=inside, other=0)
    first, second = pair(particle, block.to(tl.uint32), words[0], words[1], words[2], words[3], NORMAL)
    place = out + row * D + 2 * block
    tl.store(place, first, mask=inside)
    tl.store(place + 1, second, mask=inside & (2 * block + 1 < D))


@triton.jit(do_not_specialize=_SCALARS)
def _langevin(x, gradient, ids, out, k0: tl.uint32, k1: tl.uint32, step: tl.uint32, high: tl.uint32, n: tl.int64,
              h: tl.float64, s: tl.float64, D: tl.constexpr, LANES: tl.constexpr):  # fmt: skip
    row, block, inside = _place(n, (D + 1) // 2, LANES)
    words = (k0.to(tl.uint32), k1.to(tl.uint32), step.to(tl.uint32), high.to(tl.uint32))
    particle = tl.load(ids + row, mask=inside, other=0)
    first, second = pair(particle, block.to(tl.uint32), words[0], words[1], words[2], words[3], True)
    h, s = tl.full((), h, tl.float64), tl.full((), s, tl.float64)
    offset = row * D + 2 * block
    for c in tl.static_range(2):
        at, there = offset + c, inside & (2 * block + c < D)
        here = tl.load(x + at, mask=there, other=0.0).to(tl.float64)
        slope = tl.load(gradient + at, mask=there, other=0.0).to(tl.float64)
        moved = here - h * slope + s * (first if c == 0 else second)
        tl.store(out + at, moved.to(out.dtype.element_ty), mask=there)


def _words(key: Sequence[int], step: int, stream: int) -> tuple[int, int, int, int]:
    """Key and the words of the counter that are the same for all particles, as in `reference.random`."""
    return key[0], key[1], step & 0xFFFFFFFF, stream << 24 | (step >> 32) << 12


def random(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int, normal: bool) -> Tensor:
    """Standard normals, or uniforms on (0, 1], as float64 (n, dim), keyed by seed (low, high), step, stream and id."""
    n = len(ids)
    out = torch.empty(n, dim, dtype=torch.float64, device=ids.device)
    if out.numel():
        grid = (blocks(n * ((dim + 1) // 2), _LANES),)
        launch(
            _random, grid, ids.contiguous(), out, *_words(key, step, stream), n,
            D=dim, NORMAL=normal, LANES=_LANES, num_warps=4,
        )  # fmt: skip
    return out


def langevin(
    x: Tensor, gradient: Tensor, ids: Tensor, h: float, scale: float, key: Sequence[int], step: int, stream: int
) -> Tensor:
    """x − h g + s ξ (n, d) in the dtype of x, ξ the normals of `random`: one pass over memory, formed in float64."""
    n, d = x.shape
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    if out.numel():
        x, gradient, ids = (t.detach().contiguous() for t in (x, gradient, ids))
        grid = (blocks(n * ((d + 1) // 2), _LANES),)
        launch(
            _langevin, grid, x, gradient, ids, out, *_words(key, step, stream), n, float(h), float(scale),
            D=d, LANES=_LANES, num_warps=4,
        )  # fmt: skip
    return out
