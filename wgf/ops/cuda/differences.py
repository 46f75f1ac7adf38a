"""Pair sums on a GPU by differences of coordinates, for few dimensions: the fastest way, and exact for close points.

A program keeps the sums of a block of rows × columns in registers, one number for each, and goes over all its columns.
Only now and then does it add the sums of a row together; there float32 sums are added to float64 totals.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launch import blocks, launch, segment
from .radial import radial

LIMIT = 16  # most dimensions whose coordinates fit in registers
_COLUMNS = 32  # one for each lane of a warp
_FLUSH = 128  # tiles that are added in the dtype of the particles


@triton.jit
def _point(pointer, rows, stop, D: tl.constexpr):
    """The D coordinates of some rows; 0 beyond the end."""
    out = ()
    for c in tl.static_range(D):
        out = out + (tl.load(pointer + rows * D + c, mask=rows < stop, other=0.0),)
    return out


@triton.jit
def _zeros(COUNT: tl.constexpr, SHAPE: tl.constexpr, T: tl.constexpr):
    """COUNT tensors of zeros."""
    out = ()
    for _ in tl.static_range(COUNT):
        out = out + (tl.zeros(SHAPE, T),)
    return out


@triton.jit
def _tile(sums, here, y, weights, scores, i, j, stop, soft, a, b, c0, c1, c2, c3,
          FORM: tl.constexpr, D: tl.constexpr, SCORES: tl.constexpr, EXCLUDE: tl.constexpr,
          MASKED: tl.constexpr):  # fmt: skip
    """The sums plus those of one tile of columns."""
    there = _point(y, j, stop, D)
    w = tl.load(weights + j, mask=j < stop, other=0.0)
    q = (here[0][:, None] - there[0][None, :]) * (here[0][:, None] - there[0][None, :]) + soft
    for c in tl.static_range(1, D):
        u = here[c][:, None] - there[c][None, :]
        q += u * u
    k, g = radial(q, c0, c1, c2, c3, FORM)
    if SCORES:
        wk, wg = (w * a)[None, :] * k, (w * b)[None, :] * g
    else:
        wk, wg = w[None, :] * k, w[None, :] * g
    if MASKED:  # a weight 0 is not enough: a singular formula is infinite at a missing point
        counted = (j < stop)[None, :]
        if EXCLUDE:
            counted = counted & (i[:, None] != j[None, :])
        wk, wg = tl.where(counted, wk, 0.0), tl.where(counted, wg, 0.0)
    out = ()
    if SCORES:
        score = _point(scores, j, stop, D)
        for c in tl.static_range(D):
            out = out + (sums[c] + wk * score[c][None, :] - wg * (here[c][:, None] - there[c][None, :]),)
    else:
        out = out + (sums[0] + wk,)
        for c in tl.static_range(D):
            out = out + (sums[c + 1] + wg * (here[c][:, None] - there[c][None, :]),)
    return out


@triton.jit(do_not_specialize=["m", "n", "width"])
def _sums(x, y, weights, scores, out, m: tl.int64, n: tl.int64, width: tl.int64, soft: tl.float64,
          a: tl.float64, b: tl.float64, c0: tl.float64, c1: tl.float64, c2: tl.float64, c3: tl.float64,
          FORM: tl.constexpr, D: tl.constexpr, SCORES: tl.constexpr, EXCLUDE: tl.constexpr,
          ROWS: tl.constexpr, COLUMNS: tl.constexpr, FLUSH: tl.constexpr):  # fmt: skip
    """out[piece, i, :]: value and gradient, or Stein direction, from the columns of one piece."""
    T: tl.constexpr = x.dtype.element_ty
    SUMS: tl.constexpr = D if SCORES else D + 1
    first_row = tl.program_id(0).to(tl.int64) * ROWS
    i = first_row + tl.arange(0, ROWS)
    start = tl.program_id(1).to(tl.int64) * width
    stop = tl.minimum(start + width, n)
    here = _point(x, i, m, D)
    soft_t, a_t, b_t = tl.full((), soft, T), tl.full((), a, T), tl.full((), b, T)
    n0, n1, n2, n3 = tl.full((), c0, T), tl.full((), c1, T), tl.full((), c2, T), tl.full((), c3, T)
    totals = _zeros(SUMS, (ROWS,), tl.float64)
    for begin in range(start, stop, COLUMNS * FLUSH):
        sums = _zeros(SUMS, (ROWS, COLUMNS), T)
        for first in range(begin, tl.minimum(begin + COLUMNS * FLUSH, stop), COLUMNS):
            j = first + tl.arange(0, COLUMNS)
            masked = first + COLUMNS > stop
            if EXCLUDE:
                masked = masked | ((first + COLUMNS > first_row) & (first < first_row + ROWS))
            if masked:
                sums = _tile(sums, here, y, weights, scores, i, j, stop, soft_t, a_t, b_t, n0, n1, n2, n3,
                             FORM, D, SCORES, EXCLUDE, True)  # fmt: skip
            else:
                sums = _tile(sums, here, y, weights, scores, i, j, stop, soft_t, a_t, b_t, n0, n1, n2, n3,
                             FORM, D, SCORES, EXCLUDE, False)  # fmt: skip
        moved = ()
        for c in tl.static_range(SUMS):
            moved = moved + (totals[c] + tl.sum(sums[c], 1).to(tl.float64),)
        totals = moved
    place = out + (tl.program_id(1).to(tl.int64) * m + i) * SUMS
    for c in tl.static_range(SUMS):
        if SCORES:
            total = totals[c]
        else:
            total = totals[c] * tl.full((), a if c == 0 else b, tl.float64)
        tl.store(place + c, total, mask=i < m)


def _rows_and_warps(d: int, dtype: torch.dtype) -> tuple[int, int]:
    """A block whose sums and coordinates fit in the registers of its warps, as the compiler reports."""
    if dtype == torch.float32:
        return (64, 4) if d <= 3 else (32, 4) if d <= 8 else (16, 4)
    return (32, 4) if d <= 3 else (16, 4) if d <= 6 else (16, 8)


def difference_sums(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    scores: Tensor | None,
    name: str,
    numbers: list[float],
    soft: float,
    exclude: bool,
) -> Tensor:
    """Value and gradient (m, 1 + d), or Stein direction (m, d), float64, by differences of coordinates.

    The tensors are contiguous and of one dtype. `name` and `numbers` come from `radial.numbers`, `soft` is the squared
    softening.
    """
    (m, d), n = x.shape, len(y)
    rows, warps = _rows_and_warps(d, x.dtype)
    width = segment(blocks(m, rows), n, _COLUMNS)
    pieces = blocks(n, width)
    out = x.new_empty(pieces, m, d + (scores is None), dtype=torch.float64)
    launch(
        _sums, (blocks(m, rows), pieces), x, y, weights, x if scores is None else scores, out,
        m, n, width, soft, *numbers,
        FORM=name, D=d, SCORES=scores is not None, EXCLUDE=exclude, ROWS=rows, COLUMNS=_COLUMNS, FLUSH=_FLUSH,
        num_warps=warps,
    )  # fmt: skip
    return out.sum(0)
