"""Partition points into boxes with equally many points, *leaves*, and find those that are near.

Points are columns (d, n), one row for each coordinate, so that eight are loaded at once. Leaves and points may be
followed by more columns; boxes after the last leaf are at infinity.
"""

from __future__ import annotations

import math

import numpy as np

from .columns import copy
from .comparisons import gap, highest, lanes_less, least, lowest, most
from .intrinsics import difference, point, square
from .jit import compiled
from .vectors import LANES, points_at, set_vector, spread, vector_at


@compiled
def select(values, spare, k):
    """The k-th smallest of some numbers, counted from 0. It overwrites them, and `spare`, which is as long."""
    while True:
        n = values.size
        pivot = _middle(values, 0, n // 2, n - 1)
        if n > 64:
            a, b = _middle(values, n // 8, n // 4, 3 * n // 8), _middle(values, 5 * n // 8, 3 * n // 4, 7 * n // 8)
            pivot = max(min(a, b), min(max(a, b), pivot))
        less = more = 0
        for i in range(n):  # without a branch: every number is written, and counted if it belongs there
            value = values[i]
            values[less] = spare[more] = value
            less += value < pivot
            more += value > pivot
        if k < less:
            values = values[:less]
        elif k < n - more:
            return pivot
        else:
            k -= n - more
            values, spare = spare[:more], values


@compiled(exact=True)
def _middle(values, i, j, k):
    """The middle one of three numbers."""
    a, b, c = values[i], values[j], values[k]
    return max(min(a, b), min(max(a, b), c))


@compiled
def _extent(columns, c, first, last):
    """How far points first … last extend along an axis."""
    row = columns[c]
    low = high = row[first]
    if last - first < LANES:
        for i in range(first + 1, last):
            low, high = min(low, row[i]), max(high, row[i])
        return high - low
    below = above = vector_at(row, first)
    for i in range(first + LANES, last, LANES):
        here = vector_at(row, min(i, last - LANES))
        below, above = least(here, below), most(here, above)
    return highest(above) - lowest(below)


@compiled
def _halve(columns, order, spare, side, first, last, middle):
    """Arrange columns first … last so that those before `middle` have the smaller coordinates on the longest axis."""
    axis, widest = 0, -1.0
    for c in range(columns.shape[0]):
        extent = _extent(columns, c, first, last)
        if extent > widest:
            axis, widest = c, extent
    keys = columns[axis]
    copy(keys[first:last], spare[0, first:last])
    bound = select(spare[0, first:last], spare[1, first:last], middle - first)
    equal = middle - first  # so many of the numbers equal to the bound belong before the middle
    for i in range(first, last):
        equal -= keys[i] < bound
    for i in range(first, last):
        same = keys[i] == bound
        side[i] = (keys[i] < bound) | (same & (equal > 0))
        equal -= same
    for c in range(columns.shape[0]):
        _divide(columns[c], side, spare[0], first, last)
    _divide(order, side, spare[0], first, last)


@compiled(exact=True)
def _divide(row, side, spare, first, last):
    """Move numbers with side 1 to the front, in their order, and those with side 0 behind them."""
    front = back = first
    for i in range(first, last):
        row[front] = spare[back] = row[i]
        front += side[i]
        back += 1 - side[i]
    for i in range(first, back):
        row[front + i - first] = spare[i]


@compiled
def partition(columns, order, spare, side, starts, a, b, depth):
    """Arrange columns, and `order` with them, so that starts[k]:starts[k + 1] is leaf k, for the leaves a … b.

    A box is halved across its longest side, in proportion to the numbers of leaves of both parts, and so are its parts,
    `depth` times or until they are leaves. `order` is float64, as the numbers are exact. `spare` is memory (2, n), and
    `side` (n,).
    """
    stack = np.empty((64, 3), np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2] = a, b, depth
    count = 1
    while count > 0:
        count -= 1
        a, b, depth = stack[count, 0], stack[count, 1], stack[count, 2]
        if b - a < 2 or depth == 0:
            continue
        half = (a + b) // 2
        first, last = starts[a], starts[b]
        middle = first + (last - first) * (half - a) // (b - a)
        starts[half] = middle
        if first < middle < last:
            _halve(columns, order, spare, side, first, last, middle)
        stack[count, 0], stack[count, 1], stack[count, 2] = half, b, depth - 1
        stack[count + 1, 0], stack[count + 1, 1], stack[count + 1, 2] = a, half, depth - 1
        count += 2


@compiled
def apart(columns, order, starts, second, halves, out, rows, centres, low, high, first, last):
    """Write the points of some leaves to `out`: those of the first half, and those of the second half, leaf by leaf.

    halves[h, k] is where those of leaf k begin. `rows` says which row each point is; centres (means) and corners are
    those of leaves.
    """
    for leaf in range(first, last):
        start, stop = starts[leaf], starts[leaf + 1]
        one, two = halves[0, leaf], halves[1, leaf]
        for i in range(start, stop):
            row = np.int64(order[i])
            half = second[row]
            at = two if half else one
            rows[at] = row
            for c in range(columns.shape[0]):
                out[c, at] = columns[c, i]
            one, two = one + (not half), two + half
        for c in range(columns.shape[0]):
            total, below, above = 0.0, columns[c, start], columns[c, start]
            for i in range(start, stop):
                value = columns[c, i]
                total += value
                below, above = min(below, value), max(above, value)
            centres[c, leaf], low[c, leaf], high[c, leaf] = total / (stop - start), below, above


@compiled
def touching(low, high, below, above, bounds, found):
    """The boxes that are nearer to one box than √bounds; returns how many. `bounds` is a number, or one for each."""
    count, one, two = 0, spread(below), spread(above)
    for j in range(0, low.shape[1], LANES):
        here = gap(points_at(low, j, below), points_at(high, j, below), one, two)
        bits = lanes_less(here, vector_at(bounds, j))
        if bits != 0:
            for k in range(LANES):
                found[count] = j + k
                count += (bits >> k) & 1
    return count


@compiled
def touching_some(places, bounds, begin, end, low, high, first, last, like, found):
    """The places begin ≤ … < end that are nearer to one of the boxes first … last than √bounds; returns how many.

    `begin` and `end` are multiples of LANES.
    """
    count = 0
    for j in range(begin, end, LANES):
        here, bound, bits = points_at(places, j, like), vector_at(bounds, j), 0
        for box in range(first, last + 1):
            bits |= lanes_less(gap(here, here, spread(point(low, box, like)), spread(point(high, box, like))), bound)
        if bits != 0:
            for k in range(LANES):
                found[count] = j + k
                count += (bits >> k) & 1
    return count


@compiled
def reaches(centres, like, ranks, first, last, out):
    """Distances from the centres of some leaves to the nearest centres of these ranks, which fall."""
    width = centres.shape[1] + LANES
    values, kept, spare, tile = np.empty(width), np.empty(width), np.empty(width), np.empty(LANES)
    bound, before = math.inf, point(centres, first, like)
    for leaf in range(first, last):
        here = point(centres, leaf, like)
        if leaf > first:  # the ball around the last centre is in this ball
            reach = out[0, leaf - 1] + math.sqrt(square(difference(here, before), 0.0))
            bound = reach * reach * (1.0 + 1e-12)
        count, around, largest = 0, spread(here), spread(bound)
        for j in range(0, centres.shape[1], LANES):
            squares = square(difference(points_at(centres, j, like), around), spread(0.0))
            bits = lanes_less(squares, largest)
            if bits != 0:
                set_vector(tile, 0, squares)
                for k in range(LANES):
                    values[count] = tile[k]
                    count += (bits >> k) & 1
        for k in range(ranks.size):
            copy(values[:count], kept[:count])
            found = select(kept[:count], spare[:count], ranks[k])
            out[k, leaf] = math.sqrt(found)
            nearer = 0
            for i in range(count):  # the others are among these
                values[nearer] = values[i]
                nearer += values[i] <= found
            count = nearer
        before = here
