"""The Stein direction of a small ensemble with itself: each pair once, in two shares of fixed content.

Single steps and compiled stretches of steps call these functions, so that both have the same bits. A stretch takes one
share after the other in one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from ..threads import run_blocks
from .columns import TILE, copy, from_tile, to_tile
from .coupled import held
from .extent import largest
from .intrinsics import add_at, difference, plus, point, square, zeros
from .jit import compiled
from .pair_loops import pair_rows
from .radial import compiled_form, evaluate, gaussian_of, split_weights
from .selection import distance_of_rank, scratch

FEW = 2048
"""Particles in a small ensemble."""
SHARES = 2
_GROUP, _FLUSH = 32, 64  # rows that meet the columns after them; rows whose sums a column takes in its own dtype
_FROM, _DIMS = 200, 6  # from so many particles, and up to this dimension, visiting each pair once pays
_RATIO = 1e6  # largest ratio of weights whose products fit well into float32
_NANOSECONDS = 0.3  # about what a pair takes


def once(n: int, d: int, weights: np.ndarray | None) -> bool:
    """Whether each pair is visited once: where that is faster, and where products of two weights fit into float32.

    Parameters
    ----------
    n, d : int
        Number and dimension of the particles.
    weights : ndarray or None
        Their relative weights; None are equal.

    Returns
    -------
    bool
        It depends on sizes and weights alone.
    """
    return n >= _FROM and d <= _DIMS and (weights is None or bool(weights.min() * _RATIO >= weights.max() > 0))


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
    """Memory for the steps of a stretch."""

    columns: np.ndarray
    payload: np.ndarray
    direct: np.ndarray
    both: np.ndarray
    column: np.ndarray
    squares: np.ndarray
    counts: np.ndarray

    @staticmethod
    def of(n: int, d: int, dtype: np.dtype, pairs: int) -> Space:
        """For n particles of dimension d, `pairs` of which have a median distance."""
        direct, both = np.empty((2, SHARES, d, n))
        column, squares, counts = scratch(pairs)
        return Space(np.empty((d, n), dtype), np.empty((d, n), dtype), direct, both, column, squares, counts)


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


@compiled(sums=True)
def _pairs_once(form, x, tile, width, payload, weights, dims, softening, start, stop, first, columns, out):
    """Rows start ≤ i < stop against a tile of columns from `first`. Row sums go to `out`, column sums to `columns`.

    With weights each pair counts wᵢwⱼ for both particles.
    """
    for i in range(start, stop):
        here, own = point(x, i, dims), point(payload, i, dims)
        sums = zeros(here)
        if weights is None:
            for j in range(width):
                u = difference(here, from_tile(tile, j, dims))
                k, g = evaluate(form, square(u, softening))
                sums = plus(plus(sums, k, point(payload, first + j, dims)), g, u)
                to_tile(columns, j, plus(plus(from_tile(columns, j, dims), k, own), -g, u))
        else:
            part = weights[first : first + width]
            for j in range(width):
                u = difference(here, from_tile(tile, j, dims))
                k, g = evaluate(form, square(u, softening))
                w = weights[i] * part[j]
                k, g = k * w, g * w
                sums = plus(plus(sums, k, point(payload, first + j, dims)), g, u)
                to_tile(columns, j, plus(plus(from_tile(columns, j, dims), k, own), -g, u))
        add_at(out, i, sums)


@compiled
def _flush(columns, first, last, out):
    for c in range(out.shape[0]):
        part, total = columns[c * TILE : c * TILE + last - first], out[c, first:last]
        for j in range(total.size):
            total[j] += part[j]
    columns[:] = 0


@compiled
def share(form, x, payload, weights, dims, softening, each_once, index, direct, both):
    """Write one share of the sums Σⱼ w (k pⱼ + g u) of all particles, in float64.

    `direct` (d, n) gets sums with the weights of the columns, `both` sums with products of two weights.
    """
    d, n = x.shape
    direct[:], both[:] = 0.0, 0.0
    if not each_once:
        middle = n // SHARES
        first, last = (0, middle) if index == 0 else (middle, n)
        pair_rows(form, x, x, payload, weights, dims, softening, False, first, last, 0, n, direct)
        return
    tile, columns = np.empty(d * TILE, x.dtype), np.zeros(d * TILE, x.dtype)
    for begin in range(0, n, TILE):
        end, rows = min(begin + TILE, n), 0
        for c in range(d):
            copy(x[c, begin:end], tile[c * TILE : c * TILE + end - begin])
        for group in range(index, (end + _GROUP - 1) // _GROUP, SHARES):
            start = group * _GROUP
            stop = min(start + _GROUP, n)
            if start >= begin:  # the particles of the group with each other
                pair_rows(form, x, x, payload, weights, dims, softening, False, start, stop, start, stop, direct)
            first = max(stop, begin)
            if first < end:
                at = first - begin
                args = start, stop, first, columns[at:], both
                _pairs_once(form, x, tile[at:], end - first, payload, weights, dims, softening, *args)
            rows += _GROUP
            if rows == _FLUSH:
                _flush(columns, begin, end, both)
                rows = 0
        _flush(columns, begin, end, both)


@compiled(exact=True)
def joined(direct, both, weights, factor, out):
    """Write factor·(all shares) to `out` (n, d). Sums with products of two weights are divided by a particle's own."""
    for i in range(out.shape[0]):
        for c in range(out.shape[1]):
            total, pairs = direct[0, c, i], both[0, c, i]
            for index in range(1, SHARES):
                total, pairs = total + direct[index, c, i], pairs + both[index, c, i]
            if weights is not None:
                pairs = pairs / np.float64(weights[i]) if pairs != 0.0 else 0.0
            out[i, c] = factor * (total + pairs)


@compiled(exact=True)
def velocities(step, x, scores, space, out):
    """Write the direction to `out` (n, d), as `stein_direction` has it. False where a single step sums in float64."""
    pair = step.pair
    form, b, known = _renewed(pair, step.median, x, space.column, space.squares, space.counts)
    if not (known and held(pair, x) and _scores_held(scores, pair.a / b)):
        return False
    transposed(x, space.columns)
    carried(scores, -pair.a / b, space.payload)
    for index in range(SHARES):
        share(
            form, space.columns, space.payload, step.weights, step.dims, pair.softening, step.once, index,
            space.direct[index], space.both[index],
        )  # fmt: skip
    joined(space.direct, space.both, step.weights, -b * pair.total, out)
    return True


def stein_direction(
    x: np.ndarray,
    weights: np.ndarray,
    scores: np.ndarray,
    form: int,
    parameters: Sequence[float],
    softening: float,
) -> np.ndarray:
    """Σⱼ wⱼ [K(xᵢ − xⱼ) sⱼ − ∇K(xᵢ − xⱼ)] (n, d), in the dtype of x and of the scores, for up to FEW particles."""
    (n, d), dtype = x.shape, x.dtype
    made, a, b = compiled_form(form, parameters, dtype)
    scale, relative = split_weights(weights, dtype)
    columns, payload, out = np.empty((d, n), dtype), np.empty((d, n), dtype), np.empty((n, d), dtype)
    transposed(x, columns)
    carried(scores, -a / b, payload)
    direct, both = np.empty((SHARES, d, n)), np.empty((SHARES, d, n))
    rest: Any = (d * (0,), dtype.type(softening**2), once(n, d, relative))

    def worker(indices: Iterator[int]) -> None:
        for index in indices:
            share(made, columns, payload, relative, *rest, index, direct[index], both[index])

    run_blocks(worker, SHARES, _NANOSECONDS * n * n)
    joined(direct, both, relative, -b * scale, out)
    return out
