"""Single passes over the particles, before and after the matrix products of sums over pairs (`products`)."""

from __future__ import annotations

import numpy as np

from .jit import compiled
from .radial import evaluate


@compiled
def middle(y):
    """The mean of y, summed in float64."""
    total = np.zeros(y.shape[1])
    for i in range(y.shape[0]):
        for c in range(y.shape[1]):
            total[c] += y[i, c]
    return total / y.shape[0]


@compiled(sums=True)
def shift(x, centre, shifted, squares):
    """shifted = x − c, and its squares |x − c|², summed in float64."""
    for i in range(x.shape[0]):
        total = 0.0
        for c in range(x.shape[1]):
            u = x[i, c] - centre[c]
            shifted[i, c] = u
            total += np.float64(u) * np.float64(u)
        squares[i] = total


@compiled
def weigh_factors(u, scores, weights, a, b, factor):
    """factor = w (a s + b u, 1)."""
    n, d = scores.shape
    for i in range(n):
        for c in range(d):
            factor[i, c] = weights[i] * (a * scores[i, c] + b * u[i, c])
        factor[i, d] = weights[i]


@compiled
def joined(xc, near, far, values, found, slope, factor, a):
    """slope·(Σ w g u of near pairs + x Σ w g) + factor·Σ w g y + a·Σ w k p, from the sums of all pairs."""
    n, d, close = len(far), xc.shape[1], found[0] > 0
    out = np.empty((n, d))
    for i in range(n):
        for c in range(d):
            out[i, c] = slope * (xc[i, c] * far[i, d]) + factor * far[i, c]
        if close:
            for c in range(d):
                out[i, c] += slope * near[i, c]
        if close and near.shape[1] > d + 1:
            for c in range(d):
                out[i, c] += a * near[i, d + 1 + c]
        if near.shape[1] > d + 1 and values.shape[1] > 0:
            for c in range(d):
                out[i, c] += a * values[i, c]
    return out


@compiled
def at_zero(form, softening):
    """k of a particle with itself."""
    return evaluate(form, softening)[0]


@compiled
def add_selves(form, softening, weights, payload, a, out):
    """Add a·w k p of the pair of each particle with itself, without a force, to its row of `out`."""
    k, _ = evaluate(form, softening)
    for i in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[i, c] += a * (weights[i] * k * payload[i, c])
