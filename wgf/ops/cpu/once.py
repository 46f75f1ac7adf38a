"""Sums over all pairs of particles with themselves that visit each pair once, for both of its particles.

Columns go in tiles, rows in groups. A group with a tile is one task: the sums of its rows stay in registers, those of
its columns in a tile. Some tasks share a *slot*, private sums in float64. Tasks, slots and their order depend on the
sizes alone; so the bits are the same whoever takes a slot: some threads, or one in the middle of a stretch of steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from .columns import TILE, copy, from_tile, to_tile
from .intrinsics import add_at, point, square
from .jit import address_of, call_at, compiled
from .pair_loops import apart, nothing, pair_rows, plus_one
from .radial import evaluate

FROM, DIMS = 128, 6  # from so many particles, and up to this dimension, visiting each pair once pays
CARRIED_FROM = 8 * TILE  # the same where columns carry a vector
_GROUP = 32  # rows in a group; added to a column in the dtype of the particles
_WHOLE = 32  # columns of tiles are a multiple of this, so that loops of vectors leave no rest
_SPREAD = 1e6  # largest ratio of weights whose products fit well into float32
WORKSPACE = 2**26  # bytes for the private sums
_MOST_SLOTS, _LEAST_SLOTS = 64, 8  # most slots; a workspace for fewer than the least would leave threads without work
_SLOT = 128  # particles for one slot, up to the least


@compiled(exact=True)
def slots_of(n, width):
    """The number of private sums (width, n). It depends on the sizes alone."""
    most = min(WORKSPACE // (8 * n * width), _MOST_SLOTS)
    return max(1, min(max(n // TILE, min(n // _SLOT, _LEAST_SLOTS)), most))


@compiled(exact=True)
def visits_once(n, d, width, weights, carried):
    """Whether sums of particles with themselves visit each pair once, and so take less time.

    Parameters
    ----------
    n, d : int
        Number and dimension of the particles.
    width : int
        Numbers that are summed for each particle.
    weights : ndarray or None
        Their weights; None are equal.
    carried : bool
        Whether columns carry a vector.

    Returns
    -------
    bool
        False for few particles, many dimensions, or very unequal weights.
    """
    if n < (CARRIED_FROM if carried else FROM) or d > DIMS or 8 * n * width * _LEAST_SLOTS > WORKSPACE:
        return False
    if weights is None:
        return True
    low, high = np.inf, 0.0
    for weight in weights:
        if not weight > 0.0:
            return False
        low, high = min(low, weight), max(high, weight)
    return low * _SPREAD >= high


@compiled(sums=True)
def _each_pair_once(form, x, tile, width, payload, weights, dims, softening, start, stop, first, columns, out):
    """Rows start ≤ i < stop against a tile of columns from `first`. Row sums go to `out`, column sums to `columns`.

    With weights each pair counts wᵢwⱼ for both particles; at the end each particle's own weight is divided out.
    """
    for i in range(start, stop):
        here = point(x, i, dims)
        sums = nothing(here, payload)
        if weights is None:
            for j in range(width):
                u = apart(here, from_tile(tile, j, dims), dims)
                k, g = evaluate(form, square(u, softening))
                sums = plus_one(sums, k, g, u, payload, first + j, dims)
                to_tile(columns, j, plus_one(from_tile(columns, j, sums), k, -g, u, payload, i, dims))
        else:
            part = weights[first : first + width]
            for j in range(width):
                u = apart(here, from_tile(tile, j, dims), dims)
                k, g = evaluate(form, square(u, softening))
                w = weights[i] * part[j]
                k, g = k * w, g * w
                sums = plus_one(sums, k, g, u, payload, first + j, dims)
                to_tile(columns, j, plus_one(from_tile(columns, j, sums), k, -g, u, payload, i, dims))
        add_at(out, i, sums)


@compiled(exact=True)
def _add(sums, part):
    for j in range(part.size):
        sums[j] += part[j]


@compiled
def take_slot(form, x, payload, weights, dims, softening, exclude, slot, slots, products, out):
    """Every `slots`-th task, into `products`. Pairs within a group go to `out`, each for one of its particles.

    The tiles leave out the last n mod 32 particles, which are rows for all of them.
    """
    (d, n), width = x.shape, out.shape[0]
    whole = n - n % _WHOLE
    tile, columns = np.empty(d * TILE, x.dtype), np.empty(width * TILE, x.dtype)
    task, passed, tiles = slot, 0, -(-whole // TILE)
    for number in range(tiles):
        last = min((number + 1) * TILE, whole)
        groups = -(-last // _GROUP)
        tasks = groups + (1 if whole < n else 0)
        filled = -1  # the first column in the tile
        while task - passed < tasks:
            group = task - passed
            task += slots
            start, stop = (whole, n) if group == groups else (group * _GROUP, min((group + 1) * _GROUP, last))
            first = number * TILE
            if first <= start and (group < groups or number == tiles - 1):
                pair_rows(form, x, x, payload, weights, dims, softening, exclude, start, stop, start, stop, out)
            if first <= start and group < groups:
                first = stop
            if first == last:
                continue
            if first != filled:
                for c in range(d):
                    copy(x[c, first:last], tile[c * TILE : c * TILE + last - first])
                filled = first
            columns[:] = 0
            _each_pair_once(
                form, x, tile, last - first, payload, weights, dims, softening, start, stop, first, columns, products
            )
            for c in range(width):
                _add(products[c, first:last], columns[c * TILE : c * TILE + last - first])
        passed += tasks


@compiled(exact=True)
def join_slots(products, weights, start, stop, out):
    """Add the private sums of some particles to `out`, in the order of the slots."""
    for c in range(out.shape[0]):
        for j in range(start, stop):
            total = products[0, c, j]
            for slot in range(1, products.shape[0]):
                total = total + products[slot, c, j]
            if weights is None:
                out[c, j] = out[c, j] + total
            else:
                out[c, j] = out[c, j] + total / weights[j]


@compiled(exact=True)
def sums_with_themselves(loops, form, x, payload, weights, dims, softening, exclude, out):
    """Add the sums of all particles x (d, n) with each other to `out`. `loops` are the addresses of `loops_of`."""
    n, (rows, slot_loop) = x.shape[1], loops
    if visits_once(n, x.shape[0], out.shape[0], weights, payload is not None):
        slots = slots_of(n, out.shape[0])
        products = np.zeros((slots, *out.shape))
        for slot in range(slots):
            part = form, x, payload, weights, dims, softening, exclude, slot, slots, products[slot], out
            call_at(slot_loop, part)
        join_slots(products, weights, 0, n, out)
    else:
        call_at(rows, (form, x, x, payload, weights, dims, softening, exclude, 0, n, 0, n, out))


def loops_of(form: Any, n: int, dim: int, dtype: np.dtype, weighted: bool) -> tuple[int, int]:
    """The loops over the pairs of n particles, compiled: `pair_rows` and `take_slot`. 0 is one that is not needed."""
    x, out, size, dims = np.empty((dim, 0), dtype), np.empty((dim + 1, 0)), types.intp, (0,) * dim
    rest = None, x[0] if weighted else None, dims, dtype.type(0.0), False
    once = visits_once(n, dim, dim + 1, None, False)
    return (
        0 if once and not weighted else address_of(pair_rows, form, x, x, *rest, size, size, size, size, out),
        address_of(take_slot, form, x, *rest, size, size, out, out) if once else 0,
    )
