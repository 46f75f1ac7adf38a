"""Partition points into boxes with equally many points, *leaves*, and find nearest neighbours with them."""

from __future__ import annotations

import math

import numpy as np

from .intrinsics import difference, square
from .jit import compiled
from .rows import row


@compiled
def _widest(x, order, first, last):
    """The axis along which the points order[first:last] extend farthest."""
    best, widest = 0, -1.0
    for c in range(x.shape[1]):
        low = high = x[order[first], c]
        for i in range(first + 1, last):
            value = x[order[i], c]
            low, high = min(low, value), max(high, value)
        if high - low > widest:
            best, widest = c, high - low
    return best


@compiled
def _split(x, order, axis, first, last, middle):
    """Exchange entries of order[first:last] until those before `middle` have the smaller coordinates (quickselect)."""
    low, high = first, last - 1
    while low < high:
        pivot, i, j = x[order[(low + high) // 2], axis], low, high
        while i <= j:
            while x[order[i], axis] < pivot:
                i += 1
            while x[order[j], axis] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@compiled
def partition(x, order, starts):
    """Arrange `order`, a permutation of the rows of x, so that order[starts[k]:starts[k + 1]] are the rows of leaf k.

    A box is halved across its longest side, in proportion to the numbers of leaves of both parts.
    """
    leaves = starts.size - 1
    starts[0], starts[leaves] = 0, order.size
    stack = np.empty((64, 2), np.int64)
    stack[0, 0], stack[0, 1] = 0, leaves
    depth = 1
    while depth > 0:
        depth -= 1
        a, b = stack[depth, 0], stack[depth, 1]
        if b - a < 2:
            continue
        half = (a + b) // 2
        first, last = starts[a], starts[b]
        middle = first + (last - first) * (half - a) // (b - a)
        starts[half] = middle
        _split(x, order, _widest(x, order, first, last), first, last, middle)
        stack[depth, 0], stack[depth, 1] = a, half
        stack[depth + 1, 0], stack[depth + 1, 1] = half, b
        depth += 2


@compiled
def boxes(points, starts, centres, low, high):
    """The centre (mean) and the two corners of each leaf of points in the order of the leaves."""
    for leaf in range(starts.size - 1):
        first, last = starts[leaf], starts[leaf + 1]
        for c in range(points.shape[1]):
            total, least, most = 0.0, points[first, c], points[first, c]
            for i in range(first, last):
                value = points[i, c]
                total += value
                least, most = min(least, value), max(most, value)
            centres[leaf, c], low[leaf, c], high[leaf, c] = total / (last - first), least, most


@compiled
def _select(values, k):
    """The k-th smallest of some numbers, counted from 0; rearranges them."""
    low, high = 0, values.size - 1
    while low < high:
        pivot, i, j = values[(low + high) // 2], low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            return values[k]
    return values[k]


@compiled
def reaches(centres, like, wide, narrow, first, last, out):
    """Distances from the centres of some leaves to the `wide`-th and the `narrow`-th nearest centre of a leaf."""
    squares = np.empty(centres.shape[0])
    for leaf in range(first, last):
        here = row(centres, leaf, like)
        for other in range(squares.size):
            squares[other] = square(difference(row(centres, other, like), here), 0.0)
        out[0, leaf] = math.sqrt(_select(squares, wide))
        out[1, leaf] = math.sqrt(_select(squares[: wide + 1], narrow))


@compiled
def gap(low, high, other, here, like):
    """The square of the distance of two boxes."""
    total = 0.0
    for c in range(len(like)):
        t = max(low[other, c] - high[here, c], low[here, c] - high[other, c], 0.0)
        total += t * t
    return total


@compiled
def _insert(best, value):
    """Put a number in its place in a rising list, whose last number is dropped."""
    k = best.size - 1
    while k > 0 and best[k - 1] > value:
        best[k] = best[k - 1]
        k -= 1
    best[k] = value


@compiled
def _search(points, owner, like, start, stop, first, last, best):
    """Look among points[first:last] for neighbours of points[start:stop]; `best` are squares of distances."""
    for i in range(start, stop):
        here, found = row(points, i, like), best[i - start]
        for j in range(first, last):
            s = square(difference(row(points, j, like), here), 0.0)
            if s < found[-1] and owner[j] != owner[i]:
                _insert(found, s)


@compiled
def nearest(points, owner, starts, low, high, like, leaves, out):
    """Squares of the distances of the points of some leaves to their nearest others, in rising order (n, k).

    `owner` says which particle a point is, or is an image of: no particle is its own neighbour.
    """
    most = 0
    for leaf in range(starts.size - 1):
        most = max(most, starts[leaf + 1] - starts[leaf])
    near = np.empty(starts.size - 1, np.int64)
    for leaf in leaves:
        start, stop = starts[leaf], starts[leaf + 1]
        best = out[start:stop]
        best[:] = np.inf
        before, after = leaf, leaf + 1  # leaves next in the order are near: first as many as give bounds
        while starts[after] - starts[before] < 3 * best.shape[1] and after - before < starts.size - 1:
            before, after = max(before - 1, 0), min(after + 1, starts.size - 1)
        _search(points, owner, like, start, stop, starts[before], starts[after], best)
        farthest = 0.0
        for i in range(stop - start):
            farthest = max(farthest, best[i, -1])
        count = 0
        for other in range(starts.size - 1):
            if (other < before or other >= after) and gap(low, high, other, leaf, like) < farthest:
                near[count] = other
                count += 1
        for k in range(count):
            _visit(points, owner, starts, low, high, like, start, stop, near[k], best)


@compiled
def _visit(points, owner, starts, low, high, like, start, stop, other, best):
    """`_search` in one other leaf, for the points that it may be near to."""
    for i in range(start, stop):
        distance = 0.0
        for c in range(len(like)):
            t = max(low[other, c] - points[i, c], points[i, c] - high[other, c], 0.0)
            distance += t * t
        if distance < best[i - start, -1]:
            _search(points, owner, like, i, i + 1, starts[other], starts[other + 1], best[i - start : i - start + 1])
