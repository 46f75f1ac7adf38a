"""Sums over particles on a GPU: blocks of rows in float64 registers, added in a fixed order, in one pass over memory.

Wide matrices go to torch. Its products are as fast as the GPU allows there, and its sums use no atomic operations, so
that their order is fixed.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .. import reference
from .launch import blocks, launch, load_matrix

_TILE = 64
_PARTS = 512  # most blocks of rows
_WIDE = 64  # with more columns torch's products are used


def _rows(n: int) -> int:
    """Rows in a block, in whole tiles."""
    return blocks(blocks(n, _PARTS), _TILE) * _TILE


def _padded(columns: int) -> int:
    """The number of columns as a power of two, at least 16."""
    return max(16, triton.next_power_of_2(columns))


@triton.jit(do_not_specialize=["n", "rows"])
def _sums(weights, values, out, n: tl.int64, rows: tl.int64, K: tl.constexpr, TILE: tl.constexpr, WIDTH: tl.constexpr):
    """out[block, :] = Σ w v over the rows of a block, for one slab of columns."""
    start = tl.program_id(0).to(tl.int64) * rows
    stop = tl.minimum(start + rows, n)
    columns = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    total = tl.zeros((TILE, WIDTH), tl.float64)
    for first in range(start, stop, TILE):
        i = first + tl.arange(0, TILE)
        w = tl.load(weights + i, mask=i < stop, other=0.0).to(tl.float64)
        total += w[:, None] * load_matrix(values, i[:, None], columns[None, :], stop, K, K).to(tl.float64)
    tl.store(out + tl.program_id(0).to(tl.int64) * K + columns, tl.sum(total, 0), mask=columns < K)


@triton.jit(do_not_specialize=["n", "rows"])
def _second(x, weights, center, masses, firsts, seconds, n: tl.int64, rows: tl.int64,
            D: tl.constexpr, TILE: tl.constexpr, WIDTH: tl.constexpr):  # fmt: skip
    """Σ w, Σ w u and Σ w u uᵀ of a block of rows, u = x − center."""
    block = tl.program_id(0).to(tl.int64)
    start = block * rows
    stop = tl.minimum(start + rows, n)
    columns = tl.arange(0, WIDTH)
    middle = tl.load(center + columns, mask=columns < D, other=0.0)
    mass, first, second = (
        tl.zeros((TILE,), tl.float64),
        tl.zeros((TILE, WIDTH), tl.float64),
        tl.zeros((WIDTH, WIDTH), tl.float64),
    )
    for begin in range(start, stop, TILE):
        i = begin + tl.arange(0, TILE)
        w = tl.load(weights + i, mask=i < stop, other=0.0).to(tl.float64)
        u = load_matrix(x, i[:, None], columns[None, :], stop, D, D).to(tl.float64) - middle[None, :]
        u = tl.where((i < stop)[:, None], u, 0.0)
        mass += w
        first += w[:, None] * u
        second = tl.dot(tl.trans(w[:, None] * u), u, second, out_dtype=tl.float64)
    tl.store(masses + block, tl.sum(mass, 0))
    tl.store(firsts + block * D + columns, tl.sum(first, 0), mask=columns < D)
    place = columns[:, None] * D + columns[None, :]
    tl.store(seconds + block * D * D + place, second, mask=(columns < D)[:, None] & (columns < D)[None, :])


@triton.jit(do_not_specialize=["n"])
def _affine(x, center, matrix, out, n: tl.int64, D: tl.constexpr, E: tl.constexpr, TILE: tl.constexpr,
            WIDTH: tl.constexpr, OUT: tl.constexpr):  # fmt: skip
    """(x − c) A for a tile of rows."""
    i = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    columns, outputs = tl.arange(0, WIDTH), tl.arange(0, OUT)
    middle = tl.load(center + columns, mask=columns < D, other=0.0)
    u = load_matrix(x, i[:, None], columns[None, :], n, D, D).to(tl.float64) - middle[None, :]
    a = load_matrix(matrix, columns[:, None], outputs[None, :], D, E, E)
    moved = tl.dot(u, a, tl.zeros((TILE, OUT), tl.float64), out_dtype=tl.float64)
    place = i[:, None] * E + outputs[None, :]
    tl.store(out + place, moved.to(out.dtype.element_ty), mask=(i < n)[:, None] & (outputs < E)[None, :])


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Σᵢ wᵢ vᵢ (k,), float64, for weights (n,) and values (n, k)."""
    n, k = values.shape
    if n == 0 or k == 0:
        return values.new_zeros(k, dtype=torch.float64)
    weights, values = weights.detach().contiguous(), values.detach().contiguous()
    rows, width = _rows(n), min(_padded(k), 64)
    out = values.new_empty(blocks(n, rows), k, dtype=torch.float64)
    launch(
        _sums, (len(out), blocks(k, width)), weights, values, out, n, rows, K=k, TILE=_TILE, WIDTH=width, num_warps=4
    )  # fmt: skip
    return out.sum(0)


def _second_moments(x: Tensor, weights: Tensor, center: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Σ w, Σ w u and Σ w u uᵀ of each block of rows, u = x − center."""
    (n, d), rows = x.shape, _rows(len(x))
    count = blocks(n, rows)
    x, weights, center = x.detach().contiguous(), weights.detach().contiguous(), center.detach().double().contiguous()
    masses, firsts, seconds = (x.new_empty(count, *shape, dtype=torch.float64) for shape in ((), (d,), (d, d)))
    launch(
        _second, (count,), x, weights, center, masses, firsts, seconds, n, rows,
        D=d, TILE=32, WIDTH=_padded(d), num_warps=4 if d <= 32 else 8,  # more rows would not fit in shared memory
    )  # fmt: skip
    return masses, firsts, seconds


def moments(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mass Σw, centre c = Σwx/Σw (d,) and scatter Σ w (x − c)(x − c)ᵀ (d, d), float64 and exactly symmetric.

    The centre is computed first, so that a cloud far from the origin loses no digits. Beyond d = 64 by torch's product.
    """
    mass = weights.double().sum()
    centre = weighted_sum(weights, x) / torch.where(mass == 0, torch.ones_like(mass), mass)
    if x.shape[1] > _WIDE or len(x) == 0:
        u = x.double() - centre
        weighted = u * weights.double()[:, None]
        first, total = weighted.sum(0), weighted.T @ u
    else:
        first, total = (part.sum(0) for part in _second_moments(x, weights, centre)[1:])
    # Σ w u is 0 up to the rounding of the centre; with it, equal values have themselves as centre and no scatter
    shift = first / torch.where(mass == 0, torch.ones_like(mass), mass)
    total = total - torch.outer(first, shift)
    return mass, centre + shift, 0.5 * (total + total.T)


def affine(x: Tensor, center: Tensor, matrix: Tensor) -> Tensor:
    """(x − c) A (n, e) for x (n, d) and A (d, e), computed in float64, in the dtype of x.

    By torch's product if d or e exceeds 64.
    """
    (n, d), e = x.shape, matrix.shape[1]
    if max(d, e) > _WIDE or n == 0:
        return reference.affine(x.double(), center.double(), matrix.double()).to(x.dtype)
    out = x.new_empty(n, e)
    center, matrix = (t.detach().double().contiguous() for t in (center, matrix))
    launch(
        _affine, (blocks(n, _TILE),), x.detach().contiguous(), center, matrix, out, n,
        D=d, E=e, TILE=_TILE, WIDTH=_padded(d), OUT=_padded(e), num_warps=4,
    )  # fmt: skip
    return out
