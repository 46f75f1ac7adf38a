"""Sums over all pairs of particles with themselves that visit each pair once, for both of its particles.

Columns go in tiles, rows in groups. A group with a tile is one task: the sums of its rows stay in registers, those of
its columns in a tile. Some tasks share a *slot*, private sums in float64. Tasks, slots and their order depend on the
sizes alone; so the bits are the same whoever takes a slot: some threads, or one in the middle of a stretch of steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from .columns import TILE, copy, from_tile, to_tile
from .elementary import INLINED
from .intrinsics import add_at, point, square
from .jit import address_of, call_at, compiled
from .pair_loops import apart, minus_one, nothing, pair_rows, plus_one
from .radial import evaluate
from .team import take_slots
from .visits import slots_of, visits_once

_GROUP = 32  # rows in a group; added to a column in the dtype of the particles
_WHOLE = 32  # columns of tiles are a multiple of this, so that loops of vectors leave no rest


def _weighed(k, g, weights, i, part, j):
    """k and g times wᵢwⱼ; weights None are ones. For compiled code only."""
    raise NotImplementedError


def _part_of(weights, first, width):
    """Weights of columns from `first` on, counted from 0; or None. For compiled code only."""
    raise NotImplementedError


@overload(_weighed, jit_options=INLINED)
def _weighed_of(k, g, weights, i, part, j):
    if isinstance(weights, types.NoneType):
        return lambda k, g, weights, i, part, j: (k, g)

    def weighed(k, g, weights, i, part, j):
        w = weights[i] * part[j]
        return k * w, g * w

    return weighed


@overload(_part_of, jit_options=INLINED)
def _part_of_some(weights, first, width):
    if isinstance(weights, types.NoneType):
        return lambda weights, first, width: None
    return lambda weights, first, width: weights[first : first + width]


@compiled(sums=True)
def _each_pair_once(form, x, tile, width, payload, weights, dims, softening, start, stop, first, columns, out):
    """Rows start ≤ i < stop against a tile of columns from `first`. Row sums go to `out`, column sums to `columns`.

    Two rows at a time read the numbers of a column once. With weights each pair counts wᵢwⱼ for both particles; at the
    end each particle's own weight is divided out.
    """
    part = _part_of(weights, first, width)
    for i in range(start, stop - 1, 2):
        here, there = point(x, i, dims), point(x, i + 1, dims)
        sums, others = nothing(here, payload), nothing(here, payload)
        for j in range(width):
            y, column = from_tile(tile, j, dims), from_tile(columns, j, sums)
            u = apart(here, y, dims)
            k, g = evaluate(form, square(u, softening))
            k, g = _weighed(k, g, weights, i, part, j)
            sums = plus_one(form, sums, k, g, u, payload, first + j, dims)
            column = minus_one(form, column, k, g, u, payload, i, dims)
            u = apart(there, y, dims)
            k, g = evaluate(form, square(u, softening))
            k, g = _weighed(k, g, weights, i + 1, part, j)
            others = plus_one(form, others, k, g, u, payload, first + j, dims)
            to_tile(columns, j, minus_one(form, column, k, g, u, payload, i + 1, dims))
        add_at(out, i, sums)
        add_at(out, i + 1, others)
    if (stop - start) % 2:
        i = stop - 1
        here = point(x, i, dims)
        sums = nothing(here, payload)
        for j in range(width):
            u = apart(here, from_tile(tile, j, dims), dims)
            k, g = evaluate(form, square(u, softening))
            k, g = _weighed(k, g, weights, i, part, j)
            sums = plus_one(form, sums, k, g, u, payload, first + j, dims)
            to_tile(columns, j, minus_one(form, from_tile(columns, j, sums), k, g, u, payload, i, dims))
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
def sums_with_themselves(loops, form, x, payload, weights, dims, softening, exclude, team, out):
    """Add the sums of all particles x (d, n) with each other to `out`. `loops` are the addresses of `loops_of`.

    x and `out` are the memory of the team, where there is one.
    """
    n, (rows, slot_loop) = x.shape[1], loops
    if visits_once(n, x.shape[0], out.shape[0], weights, payload is not None):
        if team is None:
            slots = slots_of(n, out.shape[0])
            products = np.zeros((slots, *out.shape))
            for slot in range(slots):
                part = form, x, payload, weights, dims, softening, exclude, slot, slots, products[slot], out
                call_at(slot_loop, part)
            join_slots(products, weights, 0, n, out)
        else:
            take_slots(team.board, slot_loop, form, x, payload, weights, dims, softening, exclude, team.products, out)
            join_slots(team.products, weights, 0, n, out)
    else:
        call_at(rows, (form, x, x, payload, weights, dims, softening, exclude, 0, n, 0, n, out))


def loops_of(form: Any, n: int, dim: int, dtype: np.dtype, weighted: bool, carried: bool = False) -> tuple[int, int]:
    """The loops over the pairs of n particles, compiled: `pair_rows` and `take_slot`. 0 is one that is not needed.

    With `carried` columns carry a vector.
    """
    width, size, dims = dim + (not carried), types.intp, (0,) * dim
    x, out = np.empty((dim, 0), dtype), np.empty((width, 0))
    rest = x if carried else None, x[0] if weighted else None, dims, dtype.type(0.0), False
    once = visits_once(n, dim, width, None, carried)
    return (
        0 if once and not weighted else address_of(pair_rows, form, x, x, *rest, size, size, size, size, out),
        address_of(take_slot, form, x, *rest, size, size, out, out) if once else 0,
    )
