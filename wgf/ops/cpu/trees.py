"""Find which particles are the nearest neighbours of points, by a tree of boxes, in any number of dimensions.

The particles are partitioned into 2^D leaves of about equally many. Boxes are joined in pairs up to the root. A block
of points descends into the nearer box first, and skips boxes that are farther away than its neighbours so far.

In few dimensions leaves are small, and the distances in a leaf are computed one by one. In more dimensions they are
large, and x·y − |y|²/2 for a block of points and a leaf is a product of matrices in float32. Pairs that are closer than
the best so far, within the rounding of float32, are computed again in float64 from the original coordinates. So the
result is exact. In many dimensions boxes exclude little: the search is then one over all pairs, in blocks.
"""

from __future__ import annotations

import numpy as np

from .elementary import inlined
from .jit import compiled
from .registers import dot_products

FEW = 5
"""Up to this dimension leaves are small: boxes then exclude most of the particles."""


@compiled
def join(low, high):
    """The boxes of a perfect tree: node i has the children 2i and 2i + 1, and the leaves are given."""
    for node in range(low.shape[0] // 2 - 1, 0, -1):
        for c in range(low.shape[1]):
            low[node, c] = min(low[2 * node, c], low[2 * node + 1, c])
            high[node, c] = max(high[2 * node, c], high[2 * node + 1, c])


@compiled
def corners(points, starts, low, high):
    """The corners of the boxes around consecutive points; row k of them is that of points[starts[k]:starts[k + 1]]."""
    for k in range(starts.size - 1):
        for c in range(points.shape[1]):
            least = most = points[starts[k], c]
            for i in range(starts[k] + 1, starts[k + 1]):
                least, most = min(least, points[i, c]), max(most, points[i, c])
            low[k, c], high[k, c] = least, most


@inlined
def _gap(low, high, node, least, most, row):
    """The square of the distance between the box of a node and another box, one row of corners."""
    total = 0.0
    for c in range(least.shape[1]):
        t = max(low[node, c] - most[row, c], least[row, c] - high[node, c], 0.0)
        total += t * t
    return total


@compiled(sums=True)
def _count(row, count, bound):
    """How many of the first numbers of a row are at least `bound`."""
    close, part = np.float32(0.0), row[:count]
    for j in range(count):
        close += np.float32(1.0) if part[j] >= bound else np.float32(0.0)
    return close


@compiled(exact=True)
def _keep(squares, found, value, j):
    """Put a neighbour in its place in a rising list, whose last entry is dropped."""
    k = squares.size - 1
    while k > 0 and squares[k - 1] > value:
        squares[k], found[k] = squares[k - 1], found[k - 1]
        k -= 1
    squares[k], found[k] = value, j


@compiled
def _one_by_one(points, first, last, queries, begin, end, same, squares, found):
    """Look among the particles of a leaf for neighbours of some points, in float64."""
    k, d = squares.shape[1] - 1, points.shape[1]
    for i in range(begin, end):
        for j in range(first, last):
            total = 0.0
            for c in range(d):
                t = queries[i, c] - points[j, c]
                total += t * t
            if total < squares[i, k] and not (same and j == i):
                _keep(squares[i], found[i], total, j)


@compiled
def _by_products(points, first, last, queries, begin, end, same, squares, found, products, tile):
    """The same for a large leaf: candidates by products in float32.

    `products` are the rows (s x, 1) of the points, the packed columns (s y, −s²|y|²/2) of the particles of this leaf,
    where they begin, the squares s²|x|², s² and the rounding of a product.
    """
    rows, packed, left, lengths, scale, slack = products
    k, d, count = squares.shape[1] - 1, points.shape[1], last - first
    dot_products(tile, rows, begin, end, packed, left, left + count)
    for i in range(begin, end):
        bound = np.float32(0.5 * (lengths[i] - scale * squares[i, k]) - slack)
        if _count(tile[i - begin], count, bound) == 0:
            continue
        for j in range(count):
            if tile[i - begin, j] >= bound and not (same and first + j == i):
                total = 0.0
                for c in range(d):
                    t = queries[i, c] - points[first + j, c]
                    total += t * t
                if total < squares[i, k]:
                    _keep(squares[i], found[i], total, first + j)
                    bound = np.float32(0.5 * (lengths[i] - scale * squares[i, k]) - slack)


@compiled
def search(tree, asked, same, products, tile, begin, end, squares, found):
    """The k nearest particles of the points in some blocks: squares of distances (m, k), and places (m, k) in the tree.

    `tree` and `asked` are (points, starts, low, high) of the particles and of the points, `low` and `high` the corners
    of the boxes, of all nodes for the tree and of the blocks for the points. With `same` the points are the particles,
    and no particle is its own neighbour. `products` is what `_by_products` needs, with the places of all leaves.
    """
    points, starts, low, high = tree
    queries, blocks, least, most = asked
    rows, packed, lefts, lengths, scale, slack = products
    leaves, k, few = starts.size - 1, squares.shape[1] - 1, points.shape[1] <= FEW
    stack, gaps = np.empty(128, np.int64), np.empty(128)
    for block in range(begin, end):
        first, last = blocks[block], blocks[block + 1]
        squares[first:last], found[first:last] = np.inf, -1
        farthest, depth = np.inf, 1
        stack[0], gaps[0] = 1, 0.0
        if same:  # its own leaf first: that gives bounds
            stack[1], gaps[1], depth = leaves + block, 0.0, 2
        opened = False
        while depth > 0:
            depth -= 1
            node = stack[depth]
            if gaps[depth] >= farthest:
                continue
            if node < leaves:
                one = _gap(low, high, 2 * node, least, most, block)
                two = _gap(low, high, 2 * node + 1, least, most, block)
                near = 2 * node if one <= two else 2 * node + 1
                stack[depth], gaps[depth] = 4 * node + 1 - near, max(one, two)
                stack[depth + 1], gaps[depth + 1] = near, min(one, two)
                depth += 2
                continue
            leaf = node - leaves
            if same and leaf == block and opened:
                continue
            opened = True
            if few:
                for i in range(first, last):
                    if _gap(low, high, node, queries, queries, i) < squares[i, k]:
                        _one_by_one(points, starts[leaf], starts[leaf + 1], queries, i, i + 1, same, squares, found)
            else:
                here = rows, packed, lefts[leaf], lengths, scale, slack
                _by_products(
                    points, starts[leaf], starts[leaf + 1], queries, first, last, same, squares, found, here, tile
                )
            farthest = 0.0
            for i in range(first, last):
                farthest = max(farthest, squares[i, k])


@compiled
def pushes(x, weights, neighbour, squares, out):
    """(xᵢ − x_ν)/r² of each particle, minus the same, weighed by wᵢ/w_ν, for its neighbour ν; added to `out` (n, d)."""
    for i in range(x.shape[0]):
        j = neighbour[i]
        factor = 1.0 / squares[i]
        share = factor * weights[i] / weights[j]
        for c in range(x.shape[1]):
            u = np.float64(x[i, c]) - np.float64(x[j, c])
            out[i, c] += factor * u
            out[j, c] -= share * u
