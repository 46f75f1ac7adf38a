"""Pairwise sums on the CPU by differences of coordinates, for small dimensions: a row of x against tiles of y."""

from __future__ import annotations

import numpy as np

from .intrinsics import add_to_row, cast, difference, plus, point, square, zeros
from .jit import compiled
from .radial import compiled_form, evaluate
from ..threads import run_blocks

_TILE = 2048  # columns whose partial sums stay in the particles' dtype, before they join a float64 sum
_ROWS = 64  # rows that one thread takes at a time


@compiled(sums=True)
def _segment(form, x, y, weights, dims, softening, i, first, last, value, gradient):
    """Add Σⱼ wⱼ k and Σⱼ wⱼ g u of the columns first ≤ j < last to row i."""
    here = point(x, i, dims)
    total, forces = cast(0.0, softening), zeros(here)
    part = weights[first:last]  # an index from 0 is not wrapped
    for j in range(part.size):
        u = difference(here, point(y, first + j, dims))
        k, g = evaluate(form, square(u, softening))
        w = part[j]
        total += k * w
        forces = plus(forces, g * w, u)
    value[i] += total
    add_to_row(gradient, i, forces)


@compiled
def _rows(form, x, y, weights, dims, softening, exclude, start, stop, value, gradient):
    for first in range(0, y.shape[1], _TILE):
        last = min(first + _TILE, y.shape[1])
        for i in range(start, stop):
            if exclude and first <= i < last:  # the self pair of a singular kernel
                _segment(form, x, y, weights, dims, softening, i, first, i, value, gradient)
                _segment(form, x, y, weights, dims, softening, i, i + 1, last, value, gradient)
            else:
                _segment(form, x, y, weights, dims, softening, i, first, last, value, gradient)


def pair_sums(x, y, weights, form, parameters, softening, exclude_self):
    """Σⱼ wⱼ K(xᵢ − yⱼ) and Σⱼ wⱼ ∇K(xᵢ − yⱼ) in float64, memory O(n·d); the columns are added in one fixed order."""
    dtype = x.dtype
    value, gradient = np.zeros(len(x)), np.zeros(x.shape)
    rows, columns = np.ascontiguousarray(x.T), np.ascontiguousarray(y.T)
    made, a, b = compiled_form(form, parameters, dtype)
    weights, dims = weights.astype(dtype, copy=False), (0,) * x.shape[1]

    def worker(blocks: range) -> None:
        for block in blocks:
            start, stop = block * _ROWS, min((block + 1) * _ROWS, len(x))
            _rows(made, rows, columns, weights, dims, dtype.type(softening**2), exclude_self, start, stop, value, gradient)

    run_blocks(worker, -(-len(x) // _ROWS))
    value *= a
    gradient *= b
    return value, gradient
