"""The inverse of a symmetric positive definite matrix of some dozens of rows, by blocks of rows in vector registers.

LAPACK and plain loops take one row at a time at such sizes. Here a block of COUNT rows takes its products with all rows
before it in one loop; what is left is among its own rows. The order of the operations depends on the size alone.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import compiled
from .registers import COUNT, add_columns


@compiled
def _factor(u, minus, d):
    """Replace the upper part of a matrix by its Cholesky factor U, A = UᵀU, and set `minus` to −U.

    The matrix goes on with the unit matrix from row d on, up to whole blocks. Returns log det A, and whether A is
    positive definite.
    """
    width, log_det = u.shape[1], 0.0
    for first in range(0, width, COUNT):
        if first > 0:
            at = first * width + first
            add_columns(u, at, COUNT, minus, first, 1, width, u, first, first, width - first)
        for k in range(first, first + COUNT):
            row = u[k, k:]
            pivot = row[0]
            if not 0.0 < pivot < math.inf:
                return log_det, False
            if k < d:
                log_det += math.log(pivot)
            scale = 1.0 / math.sqrt(pivot)
            for j in range(row.size):
                row[j] *= scale
            for i in range(k + 1, first + COUNT):
                factor, other, mine = row[i - k], u[i, i:], row[i - k :]
                for j in range(other.size):
                    other[j] -= factor * mine[j]
            there = minus[k, k:]
            for j in range(there.size):
                there[j] = -row[j]
    return log_det, True


@compiled
def _inverted(u, minus, w):
    """Set w to the inverse of Uᵀ, which is lower triangular. w is the unit matrix before."""
    width = u.shape[1]
    for first in range(0, width, COUNT):
        last = first + COUNT
        if first > 0:
            add_columns(w, first * width, COUNT, minus, first, 1, width, w, 0, first, first)
        for i in range(first, last):
            row = w[i, :last]
            for k in range(first, i):
                factor, other = u[k, i], w[k, :last]
                for j in range(row.size):
                    row[j] -= factor * other[j]
            scale = 1.0 / u[i, i]
            for j in range(row.size):
                row[j] *= scale


@compiled
def add_lower_squares(sums, t, rows, block):
    """Add TᵀT to `sums` in all blocks that reach the diagonal or lie below it, for the first rows of T.

    Both have rows of one width, a whole number of blocks; a block is whole vectors. Above the diagonal the sums are not
    complete.
    """
    width = sums.shape[1]
    for first in range(0, width, block):
        add_columns(sums, first * width, block, t, first, 1, width, t, 0, rows, first + block)


@compiled(sums=True)
def _squares(a, d):
    """Σ a² over the first d rows and columns."""
    total = 0.0
    for i in range(d):
        row = a[i, :d]
        for j in range(row.size):
            total += row[j] * row[j]
    return total


@compiled
def _invert(matrix, u, minus, w, inverse):
    """The whole computation; the memory is zero at first."""
    d, width = matrix.shape[0], u.shape[1]
    for i in range(d):
        for j in range(d):
            u[i, j] = matrix[i, j]
    for i in range(width):
        w[i, i] = 1.0
    for i in range(d, width):
        u[i, i] = 1.0
    size = math.sqrt(_squares(u, d))
    log_det, definite = _factor(u, minus, d)
    if not definite:
        return log_det, math.inf
    _inverted(u, minus, w)
    for i in range(width):
        for j in range(width):
            u[i, j] = 0.0
    add_lower_squares(u, w, width, COUNT)
    for i in range(d):
        for j in range(i + 1):
            inverse[i, j] = inverse[j, i] = u[i, j]
    return log_det, size * math.sqrt(_squares(inverse, d))


def inverse_and_log_det(matrix: np.ndarray, inverse: np.ndarray) -> tuple[float, float]:
    """Write A⁻¹ to `inverse` (d, d), float64; log det A, and ‖A‖‖A⁻¹‖, which is infinite if A is not definite."""
    width = -(-len(matrix) // COUNT) * COUNT
    u, minus, w = np.zeros((3, width, width))
    log_det, condition = _invert(matrix, u, minus, w, inverse)
    return log_det, condition
