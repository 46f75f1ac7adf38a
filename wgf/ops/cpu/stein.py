"""The Stein direction on the CPU for small dimensions: the traversal of `pairwise` with a vector beside each column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..threads import run_blocks
from .intrinsics import add_at, difference, plus, point, square, zeros
from .jit import compiled
from .radial import compiled_form, evaluate, split_weights

_LONG = 2048  # columns of one partial sum in the particles' dtype
_ROWS = 32  # rows that one thread takes at a time


@compiled(sums=True)
def _against(form, x, y, payload, weights, dims, softening, i, first, last, out):
    """Add Σ w (k p + g u) over the columns first ≤ j < last to column i of `out`; weights None are ones."""
    here = point(x, i, dims)
    sums = zeros(here)
    columns = range(last - first)
    if weights is None:
        for j in columns:
            u = difference(here, point(y, first + j, dims))
            k, g = evaluate(form, square(u, softening))
            sums = plus(plus(sums, k, point(payload, first + j, dims)), g, u)
    else:
        part = weights[first:last]  # an index that counts from 0 is not wrapped
        for j in columns:
            u = difference(here, point(y, first + j, dims))
            k, g = evaluate(form, square(u, softening))
            sums = plus(plus(sums, k * part[j], point(payload, first + j, dims)), g * part[j], u)
    add_at(out, i, sums)


@compiled
def _rows(form, x, y, payload, weights, dims, softening, start, stop, out):
    for first in range(0, y.shape[1], _LONG):
        last = min(first + _LONG, y.shape[1])
        for i in range(start, stop):
            _against(form, x, y, payload, weights, dims, softening, i, first, last, out)


def stein_direction(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    scores: np.ndarray,
    form: int,
    parameters: Sequence[float],
    softening: float,
) -> np.ndarray:
    """Σⱼ wⱼ [K(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)] in float64, memory O(n·d); x, y and the scores share a dtype."""
    dtype = x.dtype
    made, a, b = compiled_form(form, parameters, dtype)
    scale, relative = split_weights(weights, dtype)
    rows, columns = np.ascontiguousarray(x.T), np.ascontiguousarray(y.T)
    payload = np.ascontiguousarray(((-a / b) * scores.astype(np.float64)).T, dtype=dtype)
    dims, softened, out = (0,) * x.shape[1], dtype.type(softening**2), np.zeros(rows.shape)

    def worker(blocks: range) -> None:
        for block in blocks:
            start, stop = block * _ROWS, min((block + 1) * _ROWS, len(x))
            _rows(made, rows, columns, payload, relative, dims, softened, start, stop, out)

    run_blocks(worker, -(-len(x) // _ROWS))
    return (-b * scale) * np.ascontiguousarray(out.T)
