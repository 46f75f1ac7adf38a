"""Moments of few particles in many dimensions, and their products with a matrix, with the results in registers.

BLAS reaches half of its speed at such sizes.
"""

from __future__ import annotations

import math

import numpy as np

from .definite import add_lower_squares
from .jit import compiled
from .registers import COUNT, PANEL, lanes, set_products

ROWS, COLUMNS = 2048, 256
"""The most particles and dimensions for which these are faster."""
ROUNDED = 1e-13
"""The largest relative error of a mean; below n = 10⁶ it is a tenth of that."""
_BLOCK = 64  # rows whose products stay in cache


@compiled(sums=True)
def wide_row_sums(weights, values, total):
    """Add Σ w v over a block to `total`, for many columns."""
    for i in range(weights.size):
        v, w = values[i], weights[i]
        for c in range(v.size):
            total[c] += w * v[c]


@compiled
def _moments(x, weights, mass, block, tile, sums, centre, scatter):
    """The centre and Σ t tᵀ of the rows t = √w (x − c), whose tile has zeros after the last column.

    Returns whether every variance is well above the rounding of the centre.
    """
    (n, d), plain, whole = x.shape, True, mass if mass != 0.0 else 1.0
    wide_row_sums(weights, x, centre)
    for c in range(d):
        centre[c] /= whole
    for start in range(0, n, _BLOCK):
        count = min(_BLOCK, n - start)
        for i in range(count):
            row, to, root = x[start + i], tile[i], math.sqrt(weights[start + i])
            for c in range(row.size):
                to[c] = (row[c] - centre[c]) * root
        add_lower_squares(sums, tile, count, block)
    for i in range(d):
        for c in range(i + 1):
            scatter[i, c] = scatter[c, i] = sums[i, c]
        plain &= not sums[i, i] <= mass * (ROUNDED * centre[i]) ** 2
    return plain


def moments(x: np.ndarray, weights: np.ndarray, mass: float) -> tuple[np.ndarray, np.ndarray, bool]:
    """Σwx/Σw and Σ w (x − c)(x − c)ᵀ, float64; factors have the dtype of x. False where a variance may be rounding."""
    d, block = x.shape[1], max(COUNT, lanes(x.dtype))
    width = -(-d // block) * block
    tile, sums = np.zeros((_BLOCK, width), x.dtype), np.zeros((width, width))
    centre, scatter = np.zeros(d), np.empty((d, d))
    plain = _moments(x, weights, mass, block, tile, sums, centre, scatter)
    return centre, scatter, plain


@compiled
def _moved(x, centre, packed, size, tile, products, out):
    """(x − c) A, in blocks of rows; `packed` is A with zeros after its last column."""
    (n, d), e = x.shape, out.shape[1]
    for start in range(0, n, _BLOCK):
        count = min(_BLOCK, n - start)
        for i in range(count):
            for c in range(d):
                tile[i, c] = x[start + i, c] - centre[c]
        set_products(products, 0, count, tile, 0, d, packed, size)
        for i in range(count):
            for c in range(e):
                out[start + i, c] = products[i, c]


def moved(x: np.ndarray, centre: np.ndarray, matrix: np.ndarray, out: np.ndarray) -> None:
    """Write (x − c) A to `out` (n, e), in the dtype of x; the difference is formed in float64."""
    size = PANEL * lanes(x.dtype)
    packed = np.zeros((len(matrix), -(-matrix.shape[1] // size) * size), x.dtype)
    packed[:, : matrix.shape[1]] = matrix
    tile, products = np.empty((_BLOCK, x.shape[1]), x.dtype), np.empty((_BLOCK, packed.shape[1]), x.dtype)
    _moved(x, centre, packed, size, tile, products, out)
