"""Pairwise sums on the CPU by differences of coordinates: the traversals for small dimensions.

Two of them. `_against` sums a row of x over tiles of y. `_each_pair_once`, for x = y, gives a pair's force to both of
its particles, with the sums of the columns kept in a tile. The dimension and the form are known to the compiler.

Within a tile sums are in the dtype of the particles; tiles are added in float64, in one fixed order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..threads import run_blocks
from .intrinsics import (
    TILE,
    add_at,
    add_to_tile,
    cast,
    difference,
    from_tile,
    joined,
    point,
    scaled,
    square,
    with_last,
    zeros,
)
from .jit import compiled
from .radial import compiled_form, evaluate, split_weights

_LONG = 2048  # columns of one partial sum of `_against`
_ROWS = 64  # rows that one thread takes at a time
_ONCE_FROM = 8 * TILE  # particles from which visiting each pair once pays, and in how many dimensions
_ONCE_DIMS = 3
_FLUSH = 64  # rows whose contributions to a column are added in the particles' dtype
_SPREAD = 1e6  # ratio of weights up to which their products stay well inside the range of float32
_WORKSPACE = 2**26  # bytes for the private sums of `_each_pair_once`
_MOST_SLOTS = 64


@compiled(sums=True)
def _against(form, x, y, weights, dims, softening, i, first, last, out):
    """Add (Σ w g u, Σ w k) over the columns first ≤ j < last to column i of `out`; weights None are ones."""
    here = point(x, i, dims)
    sums = with_last(zeros(here), cast(0.0, softening))
    columns = range(last - first)
    if weights is None:
        for j in columns:
            u = difference(here, point(y, first + j, dims))
            k, g = evaluate(form, square(u, softening))
            sums = joined(sums, with_last(scaled(g, u), k))
    else:
        part = weights[first:last]  # an index that counts from 0 is not wrapped
        for j in columns:
            u = difference(here, point(y, first + j, dims))
            k, g = evaluate(form, square(u, softening))
            sums = joined(sums, with_last(scaled(g * part[j], u), k * part[j]))
    add_at(out, i, sums)


@compiled
def _rows(form, x, y, weights, dims, softening, exclude, start, stop, first_column, last_column, out):
    for first in range(first_column, last_column, _LONG):
        last = min(first + _LONG, last_column)
        for i in range(start, stop):
            if exclude and first <= i < last:  # the self pair of a singular kernel
                _against(form, x, y, weights, dims, softening, i, first, i, out)
                _against(form, x, y, weights, dims, softening, i, i + 1, last, out)
            else:
                _against(form, x, y, weights, dims, softening, i, first, last, out)


@compiled(sums=True)
def _each_pair_once(form, x, tile, width, weights, dims, softening, start, stop, first, columns, out):
    """Rows start ≤ i < stop against the tile of columns from `first`: their sums to `out`, the columns' to `columns`.

    With weights a pair counts wᵢwⱼ for both, which the caller divides by each one's own.
    """
    for i in range(start, stop):
        here = point(x, i, dims)
        sums = with_last(zeros(here), cast(0.0, softening))
        if weights is None:
            for j in range(width):
                u = difference(here, from_tile(tile, j, dims))
                k, g = evaluate(form, square(u, softening))
                force = scaled(g, u)
                sums = joined(sums, with_last(force, k))
                add_to_tile(columns, j, with_last(force, -k))
        else:
            part = weights[first : first + width]
            for j in range(width):
                u = difference(here, from_tile(tile, j, dims))
                k, g = evaluate(form, square(u, softening))
                w = weights[i] * part[j]
                force = scaled(g * w, u)
                sums = joined(sums, with_last(force, k * w))
                add_to_tile(columns, j, with_last(force, -k * w))
        add_at(out, i, sums)


@compiled
def _take(sums, part):
    for j in range(part.size):
        sums[j] -= part[j]


@compiled
def _slot(form, x, weights, dims, softening, exclude, slot, slots, products, out):
    """Every `slots`-th pair of blocks row ≤ column; those on the diagonal by `_rows`, straight into `out`."""
    d, n = x.shape
    tile, columns = np.empty(d * TILE, x.dtype), np.empty((d + 1) * TILE, x.dtype)
    task, passed = slot, 0
    for column in range(-(-n // TILE)):
        first, last = column * TILE, min((column + 1) * TILE, n)
        while task - passed <= column:
            row = task - passed
            task += slots
            if row == column:
                _rows(form, x, x, weights, dims, softening, exclude, first, last, first, last, out)
                continue
            for c in range(d):
                tile[c * TILE : c * TILE + last - first] = x[c, first:last]
            for start in range(row * TILE, (row + 1) * TILE, _FLUSH):
                columns[:] = 0
                stop = start + _FLUSH
                _each_pair_once(
                    form, x, tile, last - first, weights, dims, softening, start, stop, first, columns, products
                )
                for c in range(d + 1):
                    _take(products[c, first:last], columns[c * TILE : c * TILE + last - first])
        passed += column + 1


def _once(form, x, weights, dims, softening, exclude) -> np.ndarray:
    """Sums (d + 1, n) of x with itself; the number of private sums depends on n alone, and they join in order."""
    d, n = x.shape
    slots = max(1, min(n // TILE // 2, _WORKSPACE // (8 * n * (d + 1)), _MOST_SLOTS))
    products, out = np.zeros((slots, d + 1, n)), np.zeros((d + 1, n))

    def worker(indices: range) -> None:
        for slot in indices:
            _slot(form, x, weights, dims, softening, exclude, slot, slots, products[slot], out)

    run_blocks(worker, slots)
    for part in products[1:]:
        products[0] += part
    out += products[0] if weights is None else products[0] / weights
    return out


def _by_rows(form, x, y, weights, dims, softening, exclude) -> np.ndarray:
    """Sums (d + 1, m) of x against y."""
    out = np.zeros((x.shape[0] + 1, x.shape[1]))

    def worker(blocks: range) -> None:
        for block in blocks:
            start, stop = block * _ROWS, min((block + 1) * _ROWS, x.shape[1])
            _rows(form, x, y, weights, dims, softening, exclude, start, stop, 0, y.shape[1], out)

    run_blocks(worker, -(-x.shape[1] // _ROWS))
    return out


def pair_sums(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    form: int,
    parameters: Sequence[float],
    softening: float,
    exclude_self: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Σⱼ wⱼ K(xᵢ − yⱼ) and Σⱼ wⱼ ∇K(xᵢ − yⱼ) in float64, memory O(n·d) + 64 MiB; x and y share a dtype."""
    n, d = x.shape
    made, a, b = compiled_form(form, parameters, x.dtype)
    scale, relative = split_weights(weights, x.dtype)
    rows = np.ascontiguousarray(x.T)
    args = relative, (0,) * d, x.dtype.type(softening**2), exclude_self
    if x is y and n >= _ONCE_FROM and d <= _ONCE_DIMS and (relative is None or relative.min() * _SPREAD >= 1.0):
        sums = _once(made, rows, *args)
    else:
        sums = _by_rows(made, rows, rows if x is y else np.ascontiguousarray(y.T), *args)
    return (a * scale) * sums[d], (b * scale) * np.ascontiguousarray(sums[:d].T)
