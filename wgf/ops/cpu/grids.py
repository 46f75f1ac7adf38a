"""Spread weighted points of the plane onto a grid, and read a grid at points, by polynomials of eleventh degree."""

from __future__ import annotations

import math

import numpy as np

from .jit import compiled

NODES = 12
"""Nodes along an axis on which the polynomials stand."""
_FACTORS = np.array(
    [(-1.0) ** (NODES - 1 - k) / (math.factorial(k) * math.factorial(NODES - 1 - k)) for k in range(NODES)]
)


@compiled
def _polynomials(t, factors, out):
    """Lagrange's polynomials of the nodes 0 … 11 at t."""
    before = 1.0
    for k in range(NODES):
        out[k] = before * factors[k]
        before *= t - k
    after = 1.0
    for k in range(NODES - 1, -1, -1):
        out[k] *= after
        after *= t - k


@compiled
def _spread(places, values, factors, first, stop, grid):
    across, along = np.empty(NODES), np.empty(NODES)
    for i in range(first, stop):
        row, column = int(places[i, 0]) - (NODES // 2 - 1), int(places[i, 1]) - (NODES // 2 - 1)
        _polynomials(places[i, 0] - row, factors, across)
        _polynomials(places[i, 1] - column, factors, along)
        for k in range(values.shape[0]):
            for a in range(NODES):
                part = values[k, i] * across[a]
                line = grid[k, row + a, column : column + NODES]
                for b in range(NODES):
                    line[b] += part * along[b]


@compiled
def _read(places, grid, factors, first, stop, out):
    across, along, sums = np.empty(NODES), np.empty(NODES), np.empty(NODES)
    for i in range(first, stop):
        row, column = int(places[i, 0]) - (NODES // 2 - 1), int(places[i, 1]) - (NODES // 2 - 1)
        _polynomials(places[i, 0] - row, factors, across)
        _polynomials(places[i, 1] - column, factors, along)
        for k in range(grid.shape[0]):
            sums[:] = 0.0
            for a in range(NODES):
                part = across[a]
                line = grid[k, row + a, column : column + NODES]
                for b in range(NODES):
                    sums[b] += part * line[b]
            total = 0.0
            for b in range(NODES):
                total += sums[b] * along[b]
            out[k, i] = total


def spread(places: np.ndarray, values: np.ndarray, first: int, stop: int, grid: np.ndarray) -> None:
    """Add values (k, n) of the points first ≤ i < stop to a grid (k, ·, ·); places (n, 2) are in units of the grid."""
    _spread(places, values, _FACTORS, first, stop, grid)


def read(places: np.ndarray, grid: np.ndarray, first: int, stop: int, out: np.ndarray) -> None:
    """Read a grid (k, ·, ·) at the points first ≤ i < stop into `out` (k, n)."""
    _read(places, grid, _FACTORS, first, stop, out)
