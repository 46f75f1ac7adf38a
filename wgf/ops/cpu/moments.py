"""Sums over particles on the CPU: blocks of fixed length, each in float64, added in a fixed order."""

from __future__ import annotations

import numpy as np

from ..threads import one_blas_thread, run_blocks
from .jit import compiled

_ROWS = 4096
_SMALL = 12  # up to this dimension a fused loop beats the matrix product


@compiled(sums=True)
def _block_sum(weights, values, total):
    for i in range(weights.size):
        for c in range(values.shape[1]):
            total[c] += weights[i] * values[i, c]


@compiled(sums=True)
def _block_covariance(x, weights, mean, total):
    d = x.shape[1]
    u = np.empty(d)
    for i in range(weights.size):
        for c in range(d):
            u[c] = x[i, c] - mean[c]
        for c in range(d):
            scaled = weights[i] * u[c]
            for e in range(c + 1):
                total[c, e] += scaled * u[e]


def _by_blocks(rows: int, shape: tuple[int, ...], partial) -> np.ndarray:
    """Σ over blocks of `partial(block slice, zeros of shape)`, in the order of the blocks."""
    blocks = -(-rows // _ROWS)
    parts = np.zeros((blocks, *shape))

    def worker(indices: range) -> None:
        for block in indices:
            partial(slice(block * _ROWS, min((block + 1) * _ROWS, rows)), parts[block])

    with one_blas_thread():
        run_blocks(worker, blocks)
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


def weighted_sum(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Σᵢ wᵢ vᵢ for values (n, k) → (k,)."""
    return _by_blocks(len(values), values.shape[1:], lambda rows, out: _block_sum(weights[rows], values[rows], out))


def covariance(x: np.ndarray, weights: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Σᵢ wᵢ (xᵢ − m)(xᵢ − m)ᵀ, in two passes: a far centre costs no digits."""
    d = x.shape[1]

    def loop(rows: slice, out: np.ndarray) -> None:
        _block_covariance(x[rows], weights[rows], mean, out)

    def product(rows: slice, out: np.ndarray) -> None:
        u = x[rows] - mean
        np.matmul((u * weights[rows, None]).T, u, out=out)

    total = _by_blocks(len(x), (d, d), loop if d <= _SMALL else product)
    lower = np.tril(total)
    return lower + np.tril(total, -1).T


def affine(x: np.ndarray, center: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(x − c) A for x (n, d), A (d, e), by blocks of rows."""
    out = np.empty((len(x), matrix.shape[1]))

    def worker(indices: range) -> None:
        for block in indices:
            rows = slice(block * _ROWS, min((block + 1) * _ROWS, len(x)))
            np.matmul(x[rows] - center, matrix, out=out[rows])

    with one_blas_thread():
        run_blocks(worker, -(-len(x) // _ROWS))
    return out
