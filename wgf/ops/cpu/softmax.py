"""The entropy of a softmax over the coordinates of each particle, and its gradient, on the CPU."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import memory
from ..threads import run_blocks
from .elementary import exp, log
from .jit import compiled

_NUMBERS = 2**15  # numbers in one piece of work, about 100 µs
_TILE = 4096  # numbers in a tile, whose columns are the coordinates of neighbouring particles
_WIDE = 64  # from this dimension on the loops run along the coordinates of one particle


@compiled(sums=True)
def _wide_row(x, rate, y, e, out):
    """H of one row in many dimensions, and its gradient."""
    d, top = x.size, np.float64(x[0])
    for c in range(d):
        y[c] = x[c]
        top = y[c] if y[c] > top else top
    z, mean = 0.0, 0.0
    for c in range(d):
        away = (y[c] - top) * rate
        one = exp(away)
        y[c], e[c] = away, one
        z += one
        mean += one * away
    mean = mean / z
    factor = -rate / z
    for c in range(d):
        out[c] = e[c] * factor * (y[c] - mean)
    return log(z) - mean


@compiled
def _narrow_rows(x, rate, first, count, y, e, top, z, mean, entropies, out):
    """H and its gradient for `count` rows in few dimensions: the loops run along the particles."""
    d = x.shape[1]
    for i in range(count):
        top[i] = x[first + i, 0]
        z[i], mean[i] = 0.0, 0.0
    for c in range(d):
        row = y[c]
        for i in range(count):
            row[i] = x[first + i, c]
        for i in range(count):
            top[i] = row[i] if row[i] > top[i] else top[i]
    for c in range(d):
        row, exponentials = y[c], e[c]
        for i in range(count):
            away = (row[i] - top[i]) * rate
            one = exp(away)
            row[i], exponentials[i] = away, one
            z[i] += one
            mean[i] += one * away
    for i in range(count):
        mean[i] = mean[i] / z[i]
        entropies[first + i] = log(z[i]) - mean[i]
        z[i] = -rate / z[i]
    for c in range(d):
        row, exponentials = y[c], e[c]
        for i in range(count):
            row[i] = exponentials[i] * z[i] * (row[i] - mean[i])
        for i in range(count):
            out[first + i, c] = row[i]


@compiled
def softmax_rows(x, tau, entropies, out):
    """Write H = −Σ p log p of each row, p = softmax(x/τ), and its gradient −p (log p + H)/τ. In float64.

    With y = (x − max x)/τ and z = Σ eʸ: H = log z − Σ p y, and the gradient is −p (y − Σ p y)/τ.
    """
    (n, d), rate = x.shape, 1.0 / tau
    if d >= _WIDE:
        row, exponentials = np.empty(d), np.empty(d)
        for i in range(n):
            entropies[i] = _wide_row(x[i], rate, row, exponentials, out[i])
        return
    width = min(n, max(1, _TILE // d))
    y, e = np.empty((d, width)), np.empty((d, width))
    top, z, mean = np.empty(width), np.empty(width), np.empty(width)
    for first in range(0, n, width):
        _narrow_rows(x, rate, first, min(width, n - first), y, e, top, z, mean, entropies, out)


def softmax_entropy(x: np.ndarray, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """H (n,) and its gradient (n, d), in the dtype of x."""
    n, d = x.shape
    entropies, out = np.zeros(n, x.dtype), memory.empty((n, d), x.dtype)
    step = max(1, _NUMBERS // max(1, d))

    def worker(pieces: Iterator[int]) -> None:
        for piece in pieces:
            rows = slice(piece * step, (piece + 1) * step)
            softmax_rows(x[rows], tau, entropies[rows], out[rows])

    run_blocks(worker, -(-n // step) if d else 0, work=3.0 * x.size)
    return entropies, out
