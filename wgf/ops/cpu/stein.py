"""The Stein direction inside a compiled stretch of steps, with the sums over pairs and so the bits of single steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from .coupled import held
from .extent import largest
from .jit import compiled
from .once import sums_with_themselves
from .radial import gaussian_of
from .selection import distance_of_rank, scratch
from .team import tell

FEW = 2048
"""Particles in a small ensemble."""


@compiled(exact=True)
def _within(number, bound):
    """Whether a number is 0, or its modulus is from 1/bound to bound."""
    return number == 0.0 or 1.0 / bound <= abs(number) <= bound


@compiled(exact=True)
def _scores_held(scores, factor):
    """Whether the dtype of the scores holds them, also in the units of the kernel, as `wgf.ops.range` has it."""
    if scores.itemsize == 8:
        return True
    size = largest(scores, 0, scores.shape[1])
    return _within(size, 1e20) and _within(size * factor, 1e20)


def _renewed(pair, median, x, column, squares, counts):
    """The formula, b, and whether a single step would use them; with a `MedianRule` for the particles x."""
    raise NotImplementedError


@overload(_renewed, jit_options={"error_model": "numpy", "fastmath": False})
def _renewed_of(pair, median, x, column, squares, counts):
    if isinstance(median, types.NoneType):
        return lambda pair, median, x, column, squares, counts: (pair.form, pair.b, True)

    def of_median(pair, median, x, column, squares, counts):
        h = distance_of_rank(x, median.rows, median.rank, column, squares, counts) / median.root
        form, b = gaussian_of(h, pair.softening)
        apart = h * median.root > median.rounding * largest(x, 0, x.shape[1])
        return form, b, apart and (x.itemsize == 8 or _within(h, 1e8))

    return of_median


class Space(NamedTuple):
    """Memory for the steps of a stretch: columns, what they carry and their sums, and that of a median distance."""

    columns: np.ndarray
    payload: np.ndarray
    sums: np.ndarray
    column: np.ndarray
    squares: np.ndarray
    counts: np.ndarray

    @staticmethod
    def of(step: Any, n: int, d: int, dtype: np.dtype) -> Space:
        """For n particles of dimension d. Threads that share the sums share the memory for them."""
        space = scratch(0 if step.median is None else len(step.median.rows))
        if step.team is not None:
            return Space(step.team.columns, step.team.payload, step.team.sums, *space)
        return Space(np.empty((d, n), dtype), np.empty((d, n), dtype), np.empty((d, n)), *space)


@compiled(exact=True)
def transposed(x, out):
    """Write the columns of x (n, d) to `out` (d, n)."""
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[c, i] = x[i, c]


@compiled(exact=True)
def carried(scores, factor, out):
    """Write factor·scores to the columns `out` (d, n): what the particles carry in the sum."""
    for i in range(scores.shape[0]):
        for c in range(scores.shape[1]):
            out[c, i] = factor * np.float64(scores[i, c])  # rounds to the dtype of the particles


@compiled(exact=True)
def velocities(step, x, scores, space, out):
    """Write the direction to `out` (n, d), as `stein_direction` has it. False where a single step sums in float64."""
    pair = step.pair
    form, b, known = _renewed(pair, step.median, x, space.column, space.squares, space.counts)
    if not (known and held(pair, x) and _scores_held(scores, pair.a / b)):
        return False
    tell(step.team, form)
    transposed(x, space.columns)
    carried(scores, -pair.a / b, space.payload)
    space.sums[:] = 0.0
    loops = pair.loops if step.weights is None else pair.weighted_loops
    sums_with_themselves(
        loops, form, space.columns, space.payload, step.weights, step.dims, pair.softening, pair.exclude, step.team,
        space.sums,
    )  # fmt: skip
    factor = -b * pair.total
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[i, c] = factor * space.sums[c, i]
    return True
