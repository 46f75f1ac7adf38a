"""Soft minima of squared distances on a GPU, with the largest exponent so far kept for every row (one pass)."""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from .differences import LIMIT
from .launch import blocks, chunk, compute_dtype, dot_precision, launch, load_matrix, product
from .products import _squares

_ROWS, _COLUMNS, _WARPS = 32, 32, 4
_SLAB = 128  # components of a slope in one program


@triton.jit(do_not_specialize=["m", "n"])
def _soft(x, y, x_norms, y_norms, logits, value, slope, m: tl.int64, n: tl.int64, scale: tl.float64,
          D: tl.constexpr, WIDTH: tl.constexpr, CHUNKS: tl.constexpr, NEAR: tl.constexpr, DIRECT: tl.constexpr,
          SLOPES: tl.constexpr, PRECISION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):  # fmt: skip
    """log₂ Σⱼ 2^(sⱼ − scale |x − yⱼ|²) of a block of rows, and the mean of yⱼ for one slab of components."""
    T: tl.constexpr = x.dtype.element_ty
    i = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    slab = tl.program_id(1) * (CHUNKS * WIDTH)
    scale_t = tl.full((), scale, T)
    top, total = tl.full((ROWS,), float("-inf"), T), tl.zeros((ROWS,), tl.float64)
    means = ()
    for _ in tl.static_range(CHUNKS):
        means = means + (tl.zeros((ROWS, WIDTH), tl.float64),)
    for first in range(0, n, COLUMNS):
        j = first + tl.arange(0, COLUMNS)
        if DIRECT:
            q = tl.zeros((ROWS, COLUMNS), T)
            for c in tl.static_range(D):
                here = tl.load(x + i * D + c, mask=i < m, other=0.0)
                u = here[:, None] - tl.load(y + j * D + c, mask=j < n, other=0.0)[None, :]
                q += u * u
        else:
            q = _squares(x, y, x_norms, y_norms, i, j, m, n, D, WIDTH, NEAR, PRECISION, ROWS, COLUMNS)
        exponent = tl.load(logits + j, mask=j < n, other=float("-inf"))[None, :] - scale_t * q.to(T)
        higher = tl.maximum(top, tl.max(exponent, 1))
        base = tl.where(higher == float("-inf"), 0.0, higher)
        w = tl.exp2(exponent - base[:, None])
        w = tl.where((j < n)[None, :], w, 0.0)
        old = tl.exp2(top - base).to(tl.float64)
        total = total * old + tl.sum(w.to(tl.float64), 1)
        top = higher
        if SLOPES:
            moved = ()
            for c in tl.static_range(CHUNKS):
                columns = slab + c * WIDTH + tl.arange(0, WIDTH)
                there = load_matrix(y, j[:, None], columns[None, :], n, D, D)
                moved = moved + (product(w, there, means[c] * old[:, None], PRECISION),)
            means = moved
    if slab == 0:
        tl.store(value + i, top.to(tl.float64) + tl.log2(total), mask=i < m)
    if SLOPES:
        for c in tl.static_range(CHUNKS):
            columns = slab + c * WIDTH + tl.arange(0, WIDTH)
            here = load_matrix(x, i[:, None], columns[None, :], m, D, D).to(tl.float64)
            inside = (i < m)[:, None] & (columns < D)[None, :]
            tl.store(slope + i[:, None] * D + columns[None, :], here - means[c] / total[:, None], mask=inside)


def soft_minimum(
    x: Tensor, y: Tensor, logits: Tensor, guess: Tensor, epsilon: float, slopes: bool, precision: str | None = None
) -> tuple[Tensor, Tensor]:
    """Take the soft minimum over y of the cost ½|x − y|² on a GPU: see `wgf.ops.soft_minimum`.

    Parameters
    ----------
    x, y, logits, guess, epsilon, slopes
        As there. The guess is not needed here.
    precision : str, optional
        How matrix products are formed, as in `launch.dot_precision`.

    Returns
    -------
    value : Tensor
        f (m,), float64.
    slope : Tensor
        ∇f (m, d), or (m, 0), float64.

    Notes
    -----
    The largest exponent of a row is raised as the columns go by, and the sums so far are scaled. Distances come from
    differences up to d = 16, beyond from matrix products. Memory O((m + n)·d).
    """
    (m, d), n = x.shape, len(y)
    value = x.new_empty(m, dtype=torch.float64)
    slope = x.new_empty((m, d if slopes else 0), dtype=torch.float64)
    dtype = compute_dtype(x, y)
    here, there = (t.detach().to(dtype).contiguous() for t in (x, y))
    precision = dot_precision(here, precision)
    if dtype == torch.float32 and precision == "float64" and d > LIMIT:
        here, there = here.double(), there.double()
    wide = chunk(d)
    chunks = min(blocks(d, wide), _SLAB // wide)
    base = (logits.double() / math.log(2.0)).to(here.dtype)
    launch(
        _soft, (blocks(m, _ROWS), blocks(d, chunks * wide) if slopes else 1), here, there,
        here.square().sum(1), there.square().sum(1), base, value, slope, m, n, 0.5 * math.log2(math.e) / epsilon,
        D=d, WIDTH=wide, CHUNKS=chunks, NEAR=1e-3 if here.dtype == torch.float64 else 0.1, DIRECT=d <= LIMIT,
        SLOPES=slopes, PRECISION=precision, ROWS=_ROWS, COLUMNS=_COLUMNS, num_warps=_WARPS,
    )  # fmt: skip
    return (-epsilon * math.log(2.0)) * value, slope
