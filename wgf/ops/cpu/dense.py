"""Products of few particles with a matrix, and their scatter, with the results in registers.

BLAS reaches half of its speed at such sizes.
"""

from __future__ import annotations

import numpy as np

from .jit import compiled
from .registers import PANEL, lanes, multiply, padded, set_products

ROWS, COLUMNS = 2048, 256
"""The most particles and dimensions for which these are faster."""
_BLOCK = 64  # rows whose products stay in cache


@compiled
def _scattered(x, centre, roots, tile, sums):
    """Add Σ t tᵀ to `sums`, for the rows t = √w (x − c) of the tile, which have zeros after the last column."""
    n, d = x.shape
    for i in range(n):
        for c in range(d):
            tile[i, c] = (x[i, c] - centre[c]) * roots[i]
    multiply(sums, 0, d, tile, 1, tile.shape[1], tile, 0, n)


def scatter(x: np.ndarray, centre: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """Σ w (x − c)(x − c)ᵀ (d, d), float64, for the roots of the weights; the factors have the dtype of x."""
    (n, d), width = x.shape, padded(x.shape[1], x.dtype)
    tile, sums = np.zeros((n, width), x.dtype), np.zeros((d, width))
    _scattered(x, centre, roots, tile, sums)
    return np.ascontiguousarray(sums[:, :d])


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
