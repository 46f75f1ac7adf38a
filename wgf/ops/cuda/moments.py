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
def _sums(weights, values, out, n: tl.int64, rows: tl.int64, K: tl.constexpr, TILE: tl.constexpr, WIDTH: tl.constexpr,
          MASS: tl.constexpr):  # fmt: skip
    """out[block, :K] = Σ w v over the rows of a block, for one slab of columns; with MASS also out[block, K] = Σ w."""
    block = tl.program_id(0).to(tl.int64)
    start = block * rows
    stop = tl.minimum(start + rows, n)
    columns = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    total, mass = tl.zeros((TILE, WIDTH), tl.float64), tl.zeros((TILE,), tl.float64)
    for first in range(start, stop, TILE):
        i = first + tl.arange(0, TILE)
        w = tl.load(weights + i, mask=i < stop, other=0.0).to(tl.float64)
        total += w[:, None] * load_matrix(values, i[:, None], columns[None, :], stop, K, K).to(tl.float64)
        mass += w
    row = out + block * (K + MASS)
    tl.store(row + columns, tl.sum(total, 0), mask=columns < K)
    if MASS:
        if tl.program_id(1) == 0:
            tl.store(row + K, tl.sum(mass, 0))


@triton.jit
def _centre(parts, columns, count, D: tl.constexpr, TILE: tl.constexpr, WIDTH: tl.constexpr):
    """Σ w x/Σ w from the sums of all blocks, in their order; 0 where there is no mass."""
    total, mass = tl.zeros((TILE, WIDTH), tl.float64), tl.zeros((TILE,), tl.float64)
    for first in range(0, count, TILE):
        rows = first + tl.arange(0, TILE)
        total += load_matrix(parts, rows[:, None], columns[None, :], count, D, D + 1)
        mass += tl.load(parts + rows * (D + 1) + D, mask=rows < count, other=0.0)
    whole = tl.sum(mass, 0)
    return tl.sum(total, 0) / tl.where(whole == 0, 1.0, whole)


@triton.jit(do_not_specialize=["n", "rows", "count"])
def _second(x, weights, parts, masses, firsts, seconds, n: tl.int64, rows: tl.int64, count: tl.int64,
            D: tl.constexpr, TILE: tl.constexpr, WIDTH: tl.constexpr):  # fmt: skip
    """Σ w, Σ w u and Σ w u uᵀ of a block of rows, u = x − centre."""
    block = tl.program_id(0).to(tl.int64)
    start = block * rows
    stop = tl.minimum(start + rows, n)
    columns = tl.arange(0, WIDTH)
    middle = _centre(parts, columns, count, D, TILE, WIDTH)
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


@triton.jit
def _added(parts, place, inside, count, STRIDE: tl.constexpr):
    """The sum over blocks of the numbers at `place` in each."""
    total = tl.load(parts + place, mask=inside, other=0.0)
    for block in range(1, count):
        total += tl.load(parts + block * STRIDE + place, mask=inside, other=0.0)
    return total


@triton.jit(do_not_specialize=["count"])
def _join(parts, masses, firsts, seconds, mass, centre, scatter, count: tl.int64,
          D: tl.constexpr, TILE: tl.constexpr, WIDTH: tl.constexpr):  # fmt: skip
    """Mass, centre and scatter of the whole from those of the blocks, for one tile of the scatter.

    Σ w u is 0 up to the rounding of the first centre. With it, equal values have themselves as centre and no scatter.
    """
    i, j = tl.program_id(0) * TILE + tl.arange(0, TILE), tl.program_id(1) * TILE + tl.arange(0, TILE)
    whole = _added(masses, tl.zeros((1,), tl.int32), tl.full((1,), True, tl.int1), count, 1)
    divisor = tl.where(whole == 0, 1.0, whole)
    first_i, first_j = _added(firsts, i, i < D, count, D), _added(firsts, j, j < D, count, D)
    inside = (i < D)[:, None] & (j < D)[None, :]
    total = _added(seconds, i[:, None] * D + j[None, :], inside, count, D * D)
    turned = _added(seconds, j[None, :] * D + i[:, None], inside, count, D * D)
    total = 0.5 * (total + turned) - first_i[:, None] * first_j[None, :] / divisor
    tl.store(scatter + i[:, None] * D + j[None, :], total, mask=inside)
    if tl.program_id(0) == 0:
        if tl.program_id(1) == 0:
            tl.store(mass + tl.zeros((1,), tl.int32), whole)
            columns = tl.arange(0, WIDTH)
            moved = (
                _centre(parts, columns, count, D, 32, WIDTH) + _added(firsts, columns, columns < D, count, D) / divisor
            )
            tl.store(centre + columns, moved, mask=columns < D)


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
        _sums, (len(out), blocks(k, width)), weights, values, out, n, rows,
        K=k, TILE=_TILE, WIDTH=width, MASS=0, num_warps=4,
    )  # fmt: skip
    return out.sum(0)


def moments(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mass Σw, centre c = Σwx/Σw (d,) and scatter Σ w (x − c)(x − c)ᵀ (d, d), float64 and exactly symmetric.

    The centre is computed first, so that a cloud far from the origin loses no digits: two passes over the particles.
    Beyond d = 64 by torch's product.
    """
    n, d = x.shape
    if d > _WIDE or n == 0 or d == 0:
        return _by_products(x.double(), weights.double())
    x, weights = x.detach().contiguous(), weights.detach().contiguous()
    rows, width = _rows(n), _padded(d)
    count = blocks(n, rows)
    parts, masses, firsts, seconds, mass, centre, scatter = (
        x.new_empty(shape, dtype=torch.float64)
        for shape in ((count, d + 1), (count,), (count, d), (count, d, d), (), (d,), (d, d))
    )
    launch(_sums, (count, 1), weights, x, parts, n, rows, K=d, TILE=_TILE, WIDTH=width, MASS=1, num_warps=4)
    launch(
        _second, (count,), x, weights, parts, masses, firsts, seconds, n, rows, count,
        D=d, TILE=32, WIDTH=width, num_warps=4 if d <= 32 else 8,  # more rows would not fit in shared memory
    )  # fmt: skip
    tiles = blocks(d, 16)
    launch(
        _join, (tiles, tiles), parts, masses, firsts, seconds, mass, centre, scatter, count,
        D=d, TILE=16, WIDTH=width, num_warps=4,
    )  # fmt: skip
    return mass, centre, scatter


def _by_products(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`moments` by torch's products, for wide rows or none."""
    mass = weights.sum()
    divisor = torch.where(mass == 0, torch.ones_like(mass), mass)
    centre = weighted_sum(weights, x) / divisor
    u = x - centre
    weighted = u * weights[:, None]
    first = weighted.sum(0)
    total = weighted.T @ u - torch.outer(first, first) / divisor  # the same correction as in _join
    return mass, centre + first / divisor, 0.5 * (total + total.T)


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
