"""Pair sums on the CPU by differences of coordinates, for up to about 14 dimensions.

There are two loops. `_against` sums a row of x over the columns y. `_each_pair_once`, for x = y, adds the share of a
pair to both of its particles; the sums of the columns are kept in a tile. The compiler knows the dimension and the
formula, and whether columns carry a vector p (for the Stein direction) or not (for value and gradient).

In a tile, sums have the dtype of the particles. Tiles are added in float64, in one fixed order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from ..threads import run_blocks
from .elementary import INLINED
from .intrinsics import (
    TILE,
    add_at,
    cast,
    difference,
    from_tile,
    nearest_image,
    plus,
    plus_pair,
    point,
    square,
    to_tile,
    with_last,
    zeros,
)
from .jit import compiled, stand_alone
from .radial import compiled_form, evaluate, split_weights

_LONG = 2048  # columns in one partial sum of `_against`
_ROWS = 64  # rows in one block of work
_NANOSECONDS = 2.0  # about what one pair takes
_ONCE_FROM, _ONCE_DIMS = 8 * TILE, 6  # from so many particles, and up to this dimension, visiting each pair once pays
_LEAST_SLOTS = 8  # with fewer private sums than this, too few threads would have work
_FLUSH = 64  # rows that are added to a column in the dtype of the particles
_SPREAD = 1e6  # largest ratio of weights whose products fit well into float32
_WORKSPACE = 2**26  # bytes for the private sums of `_each_pair_once`
_MOST_SLOTS = 64  # most private sums
_JOINED = 2048  # columns of the private sums that are added at a time


def _nothing(here, payload):
    """The zero of a sum of (Σ g u, Σ k) or, with a payload p, of Σ (k p + g u). For compiled code only."""
    raise NotImplementedError


def _plus(sums, k, g, u, payload, j, dims):
    """The sums plus one pair, of column j. For compiled code only."""
    raise NotImplementedError


def _apart(here, there, dims):
    """here − there; where `dims` holds the lengths of a period and not zeros, the nearest image. Compiled code only."""
    raise NotImplementedError


@overload(_apart, jit_options=INLINED)
def _apart_of(here, there, dims):
    if isinstance(dims.dtype, types.Integer):
        return lambda here, there, dims: difference(here, there)
    return lambda here, there, dims: nearest_image(difference(here, there), dims)


@overload(_nothing, jit_options=INLINED)
def _nothing_of(here, payload):
    if isinstance(payload, types.NoneType):
        return lambda here, payload: with_last(zeros(here), cast(0.0, here[0]))
    return lambda here, payload: zeros(here)


@overload(_plus, jit_options=INLINED)
def _plus_of(sums, k, g, u, payload, j, dims):
    if isinstance(payload, types.NoneType):
        return lambda sums, k, g, u, payload, j, dims: plus_pair(sums, g, u, k)
    return lambda sums, k, g, u, payload, j, dims: plus(plus(sums, k, point(payload, j, dims)), g, u)


@compiled(sums=True)
def _against(form, x, y, payload, weights, dims, softening, i, first, last, out):
    """Add the sums of row i over the columns first ≤ j < last to column i of `out`. Weights None are ones."""
    here = point(x, i, dims)
    sums = _nothing(here, payload)
    columns = range(last - first)
    if weights is None:
        for j in columns:
            u = _apart(here, point(y, first + j, dims), dims)
            k, g = evaluate(form, square(u, softening))
            sums = _plus(sums, k, g, u, payload, first + j, dims)
    else:
        part = weights[first:last]  # sliced, so that j counts from 0: numba then does not test for negative indices
        for j in columns:
            u = _apart(here, point(y, first + j, dims), dims)
            k, g = evaluate(form, square(u, softening))
            sums = _plus(sums, k * part[j], g * part[j], u, payload, first + j, dims)
    add_at(out, i, sums)


@compiled
def pair_rows(form, x, y, payload, weights, dims, softening, exclude, start, stop, first_column, last_column, out):
    """`_against` for a block of rows, in parts of _LONG columns; with `exclude` the self pairs are left out."""
    stand_alone()
    for first in range(first_column, last_column, _LONG):
        last = min(first + _LONG, last_column)
        for i in range(start, stop):
            if exclude and first <= i < last:  # the self pair of a singular kernel
                _against(form, x, y, payload, weights, dims, softening, i, first, i, out)
                _against(form, x, y, payload, weights, dims, softening, i, i + 1, last, out)
            else:
                _against(form, x, y, payload, weights, dims, softening, i, first, last, out)


@compiled(sums=True)
def _each_pair_once(form, x, tile, width, payload, weights, dims, softening, start, stop, first, columns, out):
    """Rows start ≤ i < stop against a tile of columns from `first`. Row sums go to `out`, column sums to `columns`.

    With weights each pair counts wᵢwⱼ for both particles; the caller then divides by each particle's own weight.
    """
    for i in range(start, stop):
        here = point(x, i, dims)
        sums = _nothing(here, payload)
        if weights is None:
            for j in range(width):
                u = _apart(here, from_tile(tile, j, dims), dims)
                k, g = evaluate(form, square(u, softening))
                sums = _plus(sums, k, g, u, payload, first + j, dims)
                to_tile(columns, j, _plus(from_tile(columns, j, sums), k, -g, u, payload, i, dims))
        else:
            part = weights[first : first + width]
            for j in range(width):
                u = _apart(here, from_tile(tile, j, dims), dims)
                k, g = evaluate(form, square(u, softening))
                w = weights[i] * part[j]
                k, g = k * w, g * w
                sums = _plus(sums, k, g, u, payload, first + j, dims)
                to_tile(columns, j, _plus(from_tile(columns, j, sums), k, -g, u, payload, i, dims))
        add_at(out, i, sums)


@compiled
def _add(sums, part):
    for j in range(part.size):
        sums[j] += part[j]


@compiled
def _slot(form, x, payload, weights, dims, softening, exclude, slot, slots, products, out):
    """Every `slots`-th pair of blocks with row ≤ column. Blocks on the diagonal go directly into `out`."""
    (d, n), width = x.shape, out.shape[0]
    tile, columns = np.empty(d * TILE, x.dtype), np.empty(width * TILE, x.dtype)
    task, passed = slot, 0
    for column in range(-(-n // TILE)):
        first, last = column * TILE, min((column + 1) * TILE, n)
        while task - passed <= column:
            row = task - passed
            task += slots
            if row == column:
                pair_rows(form, x, x, payload, weights, dims, softening, exclude, first, last, first, last, out)
                continue
            for c in range(d):
                tile[c * TILE : c * TILE + last - first] = x[c, first:last]
            for start in range(row * TILE, (row + 1) * TILE, _FLUSH):
                columns[:] = 0
                stop = start + _FLUSH
                _each_pair_once(
                    form,
                    x,
                    tile,
                    last - first,
                    payload,
                    weights,
                    dims,
                    softening,
                    start,
                    stop,
                    first,
                    columns,
                    products,
                )
                for c in range(width):
                    _add(products[c, first:last], columns[c * TILE : c * TILE + last - first])
        passed += column + 1


def _slots(n: int, width: int) -> int:
    """The number of private sums (width, n). It depends on the sizes alone, so that the order of additions is fixed."""
    return max(1, min(n // TILE, _WORKSPACE // (8 * n * width), _MOST_SLOTS))


def visits_once(n: int, d: int, width: int, weights: Any) -> bool:
    """Whether sums of particles with themselves visit each pair once, and so take about half the time.

    Parameters
    ----------
    n, d : int
        Number and dimension of the particles.
    width : int
        Numbers that are summed for each particle.
    weights : ndarray, Tensor or None
        Their weights; None are equal.

    Returns
    -------
    bool
        False for few particles, many dimensions, or very unequal weights.
    """
    if n < _ONCE_FROM or d > _ONCE_DIMS or _slots(n, width) < _LEAST_SLOTS:
        return False
    return weights is None or bool(weights.min() * _SPREAD >= weights.max() > 0)


def _once(out, form, x, payload, weights, dims, softening, exclude) -> None:
    """Add the sums of x with itself to `out`, and visit each pair once."""
    width, n = out.shape
    slots = _slots(n, width)
    products = np.zeros((slots, width, n))

    def worker(indices: Iterator[int]) -> None:
        for slot in indices:
            _slot(form, x, payload, weights, dims, softening, exclude, slot, slots, products[slot], out)

    def join(blocks: Iterator[int]) -> None:
        for block in blocks:
            part = slice(block * _JOINED, (block + 1) * _JOINED)
            total = products[..., part].sum(axis=0)
            out[:, part] += total if weights is None else total / weights[part]

    run_blocks(worker, slots)
    run_blocks(join, -(-n // _JOINED))


def _by_rows(out, form, x, y, payload, weights, dims, softening, exclude) -> None:
    """Add the sums of x against y to `out`."""

    def worker(blocks: Iterator[int]) -> None:
        for block in blocks:
            start, stop = block * _ROWS, min((block + 1) * _ROWS, x.shape[1])
            pair_rows(form, x, y, payload, weights, dims, softening, exclude, start, stop, 0, y.shape[1], out)

    run_blocks(worker, -(-x.shape[1] // _ROWS), _NANOSECONDS * x.shape[1] * y.shape[1])


def _sums(
    form: NamedTuple,
    x: np.ndarray,
    y: np.ndarray,
    payload: np.ndarray | None,
    weights: np.ndarray | None,
    softening: float,
    exclude_self: bool,
    period: tuple[float, ...] | None = None,
) -> np.ndarray:
    """(Σ w g u, Σ w k) (d + 1, m) or, with a payload p (n, d), Σ w (k p + g u) (d, m). float64."""
    n, d = x.shape
    out, rows = np.zeros((d + (payload is None), n)), np.ascontiguousarray(x.T)
    carried = None if payload is None else np.ascontiguousarray(payload.T, dtype=x.dtype)
    dims = (0,) * d if period is None else tuple(map(x.dtype.type, period))
    args = carried, weights, dims, x.dtype.type(softening**2), exclude_self
    if x is y and visits_once(n, d, len(out), weights):
        _once(out, form, rows, *args)
    else:
        _by_rows(out, form, rows, rows if x is y else np.ascontiguousarray(y.T), *args)
    return out


def pair_sums(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    form: int,
    parameters: Sequence[float],
    softening: float,
    exclude_self: bool,
    period: tuple[float, ...] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Σⱼ wⱼ K(xᵢ − yⱼ) and Σⱼ wⱼ ∇K(xᵢ − yⱼ), float64, for x and y of one dtype. Memory O(n·d) + 64 MiB.

    With a `period` xᵢ − yⱼ is the difference to the nearest image of yⱼ.
    """
    made, a, b = compiled_form(form, parameters, x.dtype)
    scale, relative = split_weights(weights, x.dtype)
    *gradient, value = _sums(made, x, y, None, relative, softening, exclude_self, period)
    return (a * scale) * value, (b * scale) * np.stack(gradient, axis=1)


def stein_direction(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    scores: np.ndarray,
    form: int,
    parameters: Sequence[float],
    softening: float,
) -> np.ndarray:
    """Σⱼ wⱼ [K(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)], float64, for x, y and scores of one dtype. Memory as `pair_sums`."""
    made, a, b = compiled_form(form, parameters, x.dtype)
    scale, relative = split_weights(weights, x.dtype)
    payload = (-a / b) * scores.astype(np.float64)
    return (-b * scale) * np.ascontiguousarray(_sums(made, x, y, payload, relative, softening, False).T)
