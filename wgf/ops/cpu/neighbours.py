"""Nearest neighbours of points in the order of leaves, eight points at once."""

from __future__ import annotations

import math

import numpy as np

from .comparisons import gap, highest, inserted, most, some_less, where_equal
from .elementary import log
from .intrinsics import difference, point, square
from .jit import compiled
from .leaves import touching
from .vectors import LANES, points_at, set_points, spread, vector_at


@compiled
def _search(columns, owners, first, last, here, mine, like, best):
    """Look for neighbours of eight points among the columns first … last; `best` are squares of distances."""
    for i in range(first, last):
        squares = square(difference(here, spread(point(columns, i, like))), spread(0.0))
        if some_less(squares, best[-1]):
            best = inserted(best, where_equal(mine, spread(owners[i]), spread(math.inf), squares))
    return best


@compiled
def nearest(columns, owners, starts, low, high, like, ranks, first, last, out, farthest_of):
    """Logarithms of the distances of the points of some leaves to their nearest others, in rising order (k, n).

    `farthest_of` gets the last distance of each point.

    `owners` says which particle a point is, or is an image of: no particle is its own neighbour. k is the length of
    `ranks`.
    """
    leaves, largest, d = starts.shape[1] - 1, 0, len(like)
    for leaf in range(leaves):
        largest = max(largest, starts[0, leaf + 1] - starts[0, leaf] + starts[1, leaf + 1] - starts[1, leaf])
    width = largest + LANES
    near, here = np.empty(low.shape[1] + LANES, np.int64), np.empty((d + 1, width))
    best = np.empty((len(ranks), width))
    for leaf in range(first, last):
        count = _collect(columns, owners, starts, leaf, here)
        before, after = leaf, leaf + 1  # leaves next in the order are near: first as many as give bounds
        while (
            starts[0, after] - starts[0, before] + starts[1, after] - starts[1, before] < 3 * len(ranks)
            and after - before < leaves
        ):
            before, after = max(before - 1, 0), min(after + 1, leaves)
        farthest = spread(0.0)
        for j in range(0, count, LANES):
            points, mine, found = points_at(here, j, like), vector_at(here, d * width + j), spread(ranks)
            for half in range(2):
                found = _search(columns, owners, starts[half, before], starts[half, after], points, mine, like, found)
            set_points(best, j, found)
            farthest = most(farthest, found[-1])
        few = touching(low, high, point(low, leaf, like), point(high, leaf, like), highest(farthest), near)
        for j in range(0, count, LANES):
            points, mine, found = points_at(here, j, like), vector_at(here, d * width + j), points_at(best, j, ranks)
            for k in range(few):
                other = near[k]
                if before <= other < after:
                    continue
                below, above = spread(point(low, other, like)), spread(point(high, other, like))
                if some_less(gap(points, points, below, above), found[-1]):
                    for half in range(2):
                        found = _search(
                            columns, owners, starts[half, other], starts[half, other + 1], points, mine, like, found
                        )
            set_points(best, j, found)
        _store(best, starts, leaf, out, farthest_of)


@compiled(exact=True)
def _collect(columns, owners, starts, leaf, here):
    """Copy the points of a leaf, and in a last row their owners; the last point fills the last eight. How many."""
    count, d = 0, columns.shape[0]
    for half in range(2):
        for i in range(starts[half, leaf], starts[half, leaf + 1]):
            for c in range(d):
                here[c, count] = columns[c, i]
            here[d, count] = owners[i]
            count += 1
    for k in range(count, (count + LANES - 1) // LANES * LANES):
        for c in range(d + 1):
            here[c, k] = here[c, count - 1]
    return count


@compiled
def _store(best, starts, leaf, out, farthest):
    """Write what was found for a leaf to the places of its points."""
    count, ranks = 0, best.shape[0]
    for half in range(2):
        first, size = starts[half, leaf], starts[half, leaf + 1] - starts[half, leaf]
        for k in range(ranks):
            for i in range(size):
                out[k, first + i] = 0.5 * log(best[k, count + i])
        for i in range(size):
            farthest[first + i] = math.sqrt(best[ranks - 1, count + i])
        count += size
