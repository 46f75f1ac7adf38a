"""The two-layer network for few neurons and samples. A pass over a group of neurons is one compiled call.

Its matrix products keep their results in registers. BLAS reaches half of its speed at such sizes, and the calls for
each tile would cost as much as the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..threads import run_blocks
from .activation import kept, revived
from .intrinsics import cast
from .jit import compiled
from .registers import PANEL, lanes, multiply, padded, set_products

MOST = 2**18
"""Largest number of activations for which a network is small."""
_GROUP = 256  # neurons in a piece of work
_BLOCK = 64  # neurons whose activations are still in the cache when they are used
_NANOSECONDS = 0.02  # about what one neuron, sample and input take in a pass
_ACTIVATION = 20  # inputs that cost as much as an activation


@compiled
def _forward(activation, theta, outputs, across, scaled, size, first, last, tile, f):
    """Set rows of the tile to what is kept of w·z + b, and add their part of the output to f."""
    d, m = theta.shape[1], f.shape[0]
    for start in range(first, last, _BLOCK):
        count = min(_BLOCK, last - start)
        set_products(tile, start, count, theta, start * d + outputs, d, across, size)
        for i in range(start, start + count):
            row, b = tile[i, :m], theta[i, d - 1]
            for j in range(m):
                row[j] = kept(activation, row[j] + b)
        multiply(f, 0, m, tile[start : start + count], 1, tile.shape[1], scaled, start, count)


@compiled(sums=True)
def _backward(activation, theta, outputs, tile, g, across, residual, z, size, first, last, by_a, by_w, gradient):
    """Add the gradient of neurons first ≤ i < last to `gradient`. g is memory like the tile; by_a and by_w are zero."""
    d, m = theta.shape[1], residual.shape[0]
    for start in range(first, last, _BLOCK):
        count = min(_BLOCK, last - start)
        set_products(g, start, count, theta, start * d, d, across, size)
        for i in range(start, start + count):
            row, slope = tile[i, :m], g[i, :m]
            total = cast(0.0, row[0])
            for j in range(m):
                value = slope[j] * revived(activation, row[j])[1]
                slope[j] = value
                total += value
            gradient[i, d - 1] += total
        multiply(by_a, start, count, tile[start : start + count], tile.shape[1], 1, residual, 0, m)
        multiply(by_w, start, count, g[start : start + count], g.shape[1], 1, z, 0, m)
        for i in range(start, start + count):
            for c in range(outputs):
                gradient[i, c] += by_a[i, c]
            for c in range(outputs, d - 1):
                gradient[i, c] += by_w[i, c - outputs]


def _widened(x: np.ndarray, width: int) -> np.ndarray:
    """x with columns of zeros up to this width."""
    if x.shape[1] == width and x.flags.c_contiguous:
        return x
    out = np.zeros((len(x), width), x.dtype)
    out[:, : x.shape[1]] = x
    return out


def _across(x: np.ndarray) -> np.ndarray:
    """The transpose of x with columns of zeros up to whole panels."""
    panel = PANEL * lanes(x.dtype)
    return _widened(x.T, -(-len(x) // panel) * panel)


def _in_groups(theta: np.ndarray, m: int, body: Any) -> None:
    """Call `body(group, first, last)` for every group of neurons, in threads where it pays."""
    n, d = theta.shape

    def worker(groups: Iterator[int]) -> None:
        for group in groups:
            body(group, group * _GROUP, min((group + 1) * _GROUP, n))

    run_blocks(worker, -(-n // _GROUP), _NANOSECONDS * n * m * (d + _ACTIVATION))


def forward(
    activation: Any, theta: np.ndarray, outputs: int, z: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The output f (m, K), float64, and a tile with the activations of all neurons."""
    (n, _), m, dtype = theta.shape, len(z), theta.dtype
    across, size = _across(z), PANEL * lanes(dtype)
    scaled = _widened((theta[:, :outputs] * weights[:, None]).astype(dtype, copy=False), padded(outputs, dtype))
    tile, f = np.empty((n, across.shape[1]), dtype), np.zeros((-(-n // _GROUP), m, scaled.shape[1]))

    def one(group: int, first: int, last: int) -> None:
        _forward(activation, theta, outputs, across, scaled, size, first, last, tile, f[group])

    _in_groups(theta, m, one)
    return np.ascontiguousarray(f.sum(axis=0)[:, :outputs]), tile


def backward(
    activation: Any, theta: np.ndarray, tile: np.ndarray, z: np.ndarray, residual: np.ndarray, gradient: np.ndarray
) -> None:
    """Add the gradient of Σₘ rₘ·φ(zₘ; θ) in θ to a float64 array (n, d), from the activations in the tile."""
    (n, _), (m, outputs), dtype = theta.shape, residual.shape, theta.dtype
    across, size, g = _across(residual), PANEL * lanes(dtype), np.empty_like(tile)
    wide, inputs = _widened(residual, padded(outputs, dtype)), _widened(z, padded(z.shape[1], dtype))
    by_a, by_w = np.zeros((n, wide.shape[1])), np.zeros((n, inputs.shape[1]))

    def one(group: int, first: int, last: int) -> None:
        _backward(activation, theta, outputs, tile, g, across, wide, inputs, size, first, last, by_a, by_w, gradient)

    _in_groups(theta, m, one)
