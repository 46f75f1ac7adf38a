"""Pair sums on a GPU by matrix products, for many dimensions: |x − y|² = |x|² + |y|² − 2 x·y of centred points.

Close points would lose digits by cancellation. A tile with a pair much closer than its norms is therefore computed
again by differences. The gradient is xᵢ Σⱼ wⱼ gᵢⱼ − Σⱼ wⱼ gᵢⱼ yⱼ, both terms in the same arithmetic.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launch import blocks, chunk, dot_precision, launch, load_matrix, product, segment
from .radial import radial

_ROWS, _COLUMNS, _WARPS = 64, 16, 4  # the fastest of eight on an H200, 1.7 times (64, 32, 8)
_SLAB = 64  # components of the gradient in one program; with more, distances are computed once for each slab


@triton.jit
def _squares(x, y, x_norms, y_norms, i, j, m, stop, D: tl.constexpr, WIDTH: tl.constexpr, NEAR: tl.constexpr,
             PRECISION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):  # fmt: skip
    """|xᵢ − yⱼ|² of a tile."""
    T: tl.constexpr = x.dtype.element_ty
    rows, columns = i[:, None], j[None, :]
    dots = tl.zeros((ROWS, COLUMNS), T)
    for c in range(0, D, WIDTH):
        c_range = c + tl.arange(0, WIDTH)
        x_part = load_matrix(x, rows, c_range[None, :], m, D, D)
        dots = product(x_part, load_matrix(y, columns, c_range[:, None], stop, D, D), dots, PRECISION)
    norms = (
        tl.load(x_norms + i, mask=i < m, other=0.0)[:, None] + tl.load(y_norms + j, mask=j < stop, other=0.0)[None, :]
    )
    q = norms - 2.0 * dots
    if tl.min(tl.min(q - NEAR * norms, 1), 0) < 0.0:
        q = tl.zeros((ROWS, COLUMNS), T)
        for c in range(D):
            here = tl.load(x + i * D + c, mask=i < m, other=0.0)
            u = here[:, None] - tl.load(y + j * D + c, mask=j < stop, other=0.0)[None, :]
            q += u * u
    return q


@triton.jit(do_not_specialize=["m", "n", "width"])
def _sums(x, y, x_norms, y_norms, weights, scores, value, vector, m: tl.int64, n: tl.int64, width: tl.int64,
          soft: tl.float64, a: tl.float64, b: tl.float64,
          c0: tl.float64, c1: tl.float64, c2: tl.float64, c3: tl.float64,
          FORM: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr, CHUNKS: tl.constexpr, NEAR: tl.constexpr,
          SCORES: tl.constexpr, EXCLUDE: tl.constexpr, PRECISION: tl.constexpr,
          ROWS: tl.constexpr, COLUMNS: tl.constexpr):  # fmt: skip
    """value[piece, i] and vector[piece, i, :] of the columns of one piece, for one slab of components."""
    T: tl.constexpr = weights.dtype.element_ty
    i = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    start = tl.program_id(1).to(tl.int64) * width
    stop = tl.minimum(start + width, n)
    slab = tl.program_id(2) * (CHUNKS * WIDTH)
    n0, n1, n2, n3 = tl.full((), c0, T), tl.full((), c1, T), tl.full((), c2, T), tl.full((), c3, T)
    soft_t, a_t, b_t = tl.full((), soft, T), tl.full((), a, T), tl.full((), b, T)
    total, slope = tl.zeros((ROWS,), tl.float64), tl.zeros((ROWS,), tl.float64)
    vectors = ()
    for _ in tl.static_range(CHUNKS):
        vectors = vectors + (tl.zeros((ROWS, WIDTH), tl.float64),)
    for first in range(start, stop, COLUMNS):
        j = first + tl.arange(0, COLUMNS)
        q = _squares(x, y, x_norms, y_norms, i, j, m, stop, D, WIDTH, NEAR, PRECISION, ROWS, COLUMNS)
        k, g = radial(q.to(T) + soft_t, n0, n1, n2, n3, FORM)
        w = tl.load(weights + j, mask=j < stop, other=0.0)
        counted = (j < stop)[None, :]
        if EXCLUDE:
            counted = counted & (i[:, None] != j[None, :])
        wk = tl.where(counted, (w * a_t)[None, :] * k, 0.0)
        wg = tl.where(counted, (w * b_t)[None, :] * g, 0.0)
        total += tl.sum(wk.to(tl.float64), 1)
        slope += tl.sum(wg.to(tl.float64), 1)
        moved = ()
        for c in tl.static_range(CHUNKS):
            columns = slab + c * WIDTH + tl.arange(0, WIDTH)
            part = product(wg, load_matrix(y, j[:, None], columns[None, :], stop, D, D), vectors[c], PRECISION)
            if SCORES:
                part = product(wk, load_matrix(scores, j[:, None], columns[None, :], stop, D, D), part, PRECISION)
            moved = moved + (part,)
        vectors = moved
    place = tl.program_id(1).to(tl.int64) * m + i
    for c in tl.static_range(CHUNKS):
        columns = slab + c * WIDTH + tl.arange(0, WIDTH)
        here = load_matrix(x, i[:, None], columns[None, :], m, D, D).to(tl.float64)
        result = here * slope[:, None] - vectors[c]
        if SCORES:
            result = -result
        inside = (i < m)[:, None] & (columns < D)[None, :]
        tl.store(vector + place[:, None] * D + columns[None, :], result, mask=inside)
    if not SCORES:
        if slab == 0:
            tl.store(value + place, total, mask=i < m)


def product_sums(
    x: Tensor, y: Tensor, weights: Tensor, scores: Tensor | None, name: str, numbers: list[float], soft: float,
    exclude: bool, asked: str | None,
) -> tuple[Tensor | None, Tensor]:  # fmt: skip
    """Value (m,) and gradient (m, d), or None and the Stein direction (m, d), float64, by matrix products.

    The tensors are contiguous and of one dtype. `name` and `numbers` come from `radial.numbers`, `soft` is the squared
    softening.
    """
    (m, d), n = x.shape, len(y)
    precision = dot_precision(x, asked)
    dtype = torch.float64 if precision == "float64" else torch.float32
    center = y.double().mean(0)
    near, far = (x.double() - center).to(dtype), (y.double() - center).to(dtype)
    if scores is not None:
        scores = scores.to(dtype)
    width = segment(blocks(m, _ROWS), n, _COLUMNS)
    pieces, wide = blocks(n, width), chunk(d)
    chunks = min(blocks(d, wide), _SLAB // wide)
    value, vector = (x.new_empty(pieces, m, *more, dtype=torch.float64) for more in ((), (d,)))
    grid = (blocks(m, _ROWS), pieces, blocks(d, chunks * wide))
    launch(
        _sums, grid, near, far, (near * near).sum(1), (far * far).sum(1), weights, far if scores is None else scores,
        value, vector, m, n, width, soft, *numbers,
        FORM=name, D=d, WIDTH=wide, CHUNKS=chunks, NEAR=1e-3 if dtype == torch.float64 else 0.1,
        SCORES=scores is not None, EXCLUDE=exclude, PRECISION=precision, ROWS=_ROWS, COLUMNS=_COLUMNS, num_warps=_WARPS,
    )  # fmt: skip
    return (value.sum(0) if scores is None else None), vector.sum(0)
