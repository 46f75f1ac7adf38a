"""The extent of clouds of points along their axes, and the largest numbers of arrays. NaN is passed over."""

from __future__ import annotations

import numpy as np

from .jit import compiled

_LANES = 16


@compiled
def extent(x, y):
    """The largest difference of two points in one coordinate, over x (m, d) and y (n, d); −∞ without points.

    For x and y of one dtype. An array that comes twice is read once.
    """
    d = x.shape[1]
    low, high = np.full(d, np.inf, x.dtype), np.full(d, -np.inf, x.dtype)
    for i in range(x.shape[0]):
        for c in range(d):
            low[c] = x[i, c] if x[i, c] < low[c] else low[c]
            high[c] = x[i, c] if x[i, c] > high[c] else high[c]
    if y.ctypes.data != x.ctypes.data or y.shape[0] != x.shape[0]:
        for i in range(y.shape[0]):
            for c in range(d):
                low[c] = y[i, c] if y[i, c] < low[c] else low[c]
                high[c] = y[i, c] if y[i, c] > high[c] else high[c]
    widest = -np.inf
    for c in range(d):
        widest = max(widest, np.float64(high[c]) - np.float64(low[c]))
    return widest


@compiled
def largest(x, first, last):
    """The largest modulus in the columns first ≤ c < last of an array (n, d)."""
    highest = np.zeros(_LANES, x.dtype)  # one for each number of a vector: a single maximum would not vectorise
    for i in range(x.shape[0]):
        row = x[i, first:last]
        whole = row.size // _LANES
        for block in range(whole):
            part = row[block * _LANES : (block + 1) * _LANES]
            for c in range(_LANES):
                highest[c] = abs(part[c]) if abs(part[c]) > highest[c] else highest[c]
        for c in range(row.size - whole * _LANES):
            value = abs(row[whole * _LANES + c])
            highest[c] = value if value > highest[c] else highest[c]
    return np.float64(highest.max())


@compiled
def largest_parts(theta, outputs, z):
    """`largest` of the parts a (n, K), w and b of neurons θ = (a, w, b), and of the inputs z."""
    last = theta.shape[1] - 1
    return (
        largest(theta, 0, outputs),
        largest(theta, outputs, last),
        largest(theta, last, last + 1),
        largest(z, 0, z.shape[1]),
    )
