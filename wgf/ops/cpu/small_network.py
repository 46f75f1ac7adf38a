"""The two-layer network for few inputs. A pass over a group of neurons is one compiled call.

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
NEURONS, INPUTS = 256, (16, 128)
"""From so many neurons on, for inputs in this range and several outputs, these passes are faster for any m."""
_BLOCK = 64  # neurons whose activations are still in the cache when they are used
_NANOSECONDS = 0.02  # about what one neuron, sample and input take in a pass
_ACTIVATION = 20  # inputs that cost as much as an activation


@compiled
def _transposed(x, out):
    """Write the transpose of x to the first columns of `out`."""
    for c in range(x.shape[1]):
        to = out[c]
        for i in range(x.shape[0]):
            to[i] = x[i, c]


@compiled
def _forward(activation, theta, weights, outputs, across, size, first, last, scaled, tile, f):
    """Set rows of the tile to what is kept of w·z + b, and add their part of the output to f.

    `scaled` is memory for a block of weighted output weights, with zeros after its last column.
    """
    d, m = theta.shape[1], f.shape[0]
    for start in range(first, last, _BLOCK):
        count = min(_BLOCK, last - start)
        set_products(tile, start, count, theta, start * d + outputs, d, across, size)
        for i in range(start, start + count):
            row, b = tile[i, :m], theta[i, d - 1]
            for j in range(m):
                row[j] = kept(activation, row[j] + b)
            for c in range(outputs):
                scaled[i - start, c] = theta[i, c] * weights[i]
        multiply(f, 0, m, tile[start : start + count], 1, tile.shape[1], scaled, 0, count)


@compiled
def _joined(parts, out):
    """Write the sum of the parts of all groups, one after the other, to `out`, without the columns of zeros."""
    for j in range(out.shape[0]):
        for c in range(out.shape[1]):
            total = parts[0, j, c]
            for group in range(1, parts.shape[0]):
                total += parts[group, j, c]
            out[j, c] = total


@compiled(sums=True)
def _backward(activation, theta, outputs, tile, across, residual, z, size, first, last, g, by_a, by_w, gradient):
    """Set the gradient of neurons first ≤ i < last. g, by_a and by_w are memory for a block of neurons."""
    d, m = theta.shape[1], residual.shape[0]
    for start in range(first, last, _BLOCK):
        count = min(_BLOCK, last - start)
        set_products(g, 0, count, theta, start * d, d, across, size)
        for i in range(count):
            row, slope = tile[start + i, :m], g[i, :m]
            total = cast(0.0, row[0])
            for j in range(m):
                value = slope[j] * revived(activation, row[j])[1]
                slope[j] = value
                total += value
            gradient[start + i, d - 1] = total
            for c in range(by_a.shape[1]):
                by_a[i, c] = 0.0
            for c in range(by_w.shape[1]):
                by_w[i, c] = 0.0
        multiply(by_a, 0, count, tile[start : start + count], tile.shape[1], 1, residual, 0, m)
        multiply(by_w, 0, count, g, g.shape[1], 1, z, 0, m)
        for i in range(count):
            for c in range(outputs):
                gradient[start + i, c] = by_a[i, c]
            for c in range(outputs, d - 1):
                gradient[start + i, c] = by_w[i, c - outputs]


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
    out = np.zeros((x.shape[1], -(-len(x) // panel) * panel), x.dtype)
    _transposed(x, out)
    return out


def _group(n: int, m: int) -> int:
    """The number of neurons in a piece of work."""
    return 256 if n * m <= MOST else 128


def _in_groups(theta: np.ndarray, m: int, memory: Any, body: Any) -> None:
    """Call `body(group, first, last, *memory())` for every group of neurons, in threads where it pays."""
    (n, d), size = theta.shape, _group(len(theta), m)

    def worker(groups: Iterator[int]) -> None:
        own = memory()
        for group in groups:
            body(group, group * size, min((group + 1) * size, n), *own)

    run_blocks(worker, -(-n // size), _NANOSECONDS * n * m * (d + _ACTIVATION))


def forward(
    activation: Any, theta: np.ndarray, outputs: int, z: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The output f (m, K), float64, and a tile with the activations of all neurons."""
    (n, _), m, dtype, width = theta.shape, len(z), theta.dtype, padded(outputs, theta.dtype)
    across, size = _across(z), PANEL * lanes(dtype)
    tile, parts, f = (
        np.empty((n, across.shape[1]), dtype),
        np.zeros((-(-n // _group(n, m)), m, width)),
        np.empty((m, outputs)),
    )

    def memory() -> tuple[np.ndarray]:
        return (np.zeros((_BLOCK, width), dtype),)

    def one(group: int, first: int, last: int, scaled: np.ndarray) -> None:
        _forward(activation, theta, weights, outputs, across, size, first, last, scaled, tile, parts[group])

    _in_groups(theta, m, memory, one)
    _joined(parts, f)
    return f, tile


def backward(
    activation: Any, theta: np.ndarray, tile: np.ndarray, z: np.ndarray, residual: np.ndarray, gradient: np.ndarray
) -> None:
    """Set a float64 array (n, d) to the gradient of Σₘ rₘ·φ(zₘ; θ) in θ, from the activations in the tile."""
    (m, outputs), dtype = residual.shape, theta.dtype
    across, size = _across(residual), PANEL * lanes(dtype)
    wide, inputs = _widened(residual, padded(outputs, dtype)), _widened(z, padded(z.shape[1], dtype))

    def memory() -> tuple[np.ndarray, ...]:
        return np.empty((_BLOCK, tile.shape[1]), dtype), *(np.empty((_BLOCK, t.shape[1])) for t in (wide, inputs))

    def one(group: int, first: int, last: int, *own: np.ndarray) -> None:
        _backward(activation, theta, outputs, tile, across, wide, inputs, size, first, last, *own, gradient)

    _in_groups(theta, m, memory, one)
