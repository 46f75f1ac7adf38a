"""Loops over a tile of neurons × samples, each of which reads every number once.

A tile first holds w·z, and then what is kept of w·z + b (see `activation.kept`). Sums over a tile have its dtype; they
are added to the sums over all tiles in float64.
"""

from __future__ import annotations

from .activation import kept, revived
from .intrinsics import cast
from .jit import compiled


@compiled
def activate(activation, tile, bias):
    """Replace s by what is kept of s + b."""
    for i in range(tile.shape[0]):
        row, b = tile[i], bias[i]
        for m in range(row.size):
            row[m] = kept(activation, row[m] + b)


@compiled
def activate_and_add(activation, tile, bias, a, f):
    """`activate`, and fₘ += Σᵢ aᵢ σ(sᵢₘ + bᵢ)."""
    for i in range(tile.shape[0]):
        row, b, factor = tile[i], bias[i], a[i]
        for m in range(row.size):
            c = kept(activation, row[m] + b)
            row[m] = c
            f[m] += factor * revived(activation, c)[0]


@compiled
def values(activation, tile, h):
    """Set h to σ, from what was kept."""
    for i in range(tile.shape[0]):
        row, out = tile[i], h[i]
        for m in range(row.size):
            out[m] = revived(activation, row[m])[0]


@compiled(sums=True)
def slopes(activation, tile, g, first, gradient):
    """Set g to g·σ′, and add its sum over samples to the last column of the gradient."""
    last = gradient.shape[1] - 1
    for i in range(tile.shape[0]):
        row, slope = tile[i], g[i]
        total = cast(0.0, tile[i, 0])
        for m in range(row.size):
            value = slope[m] * revived(activation, row[m])[1]
            slope[m] = value
            total += value
        gradient[first + i, last] += total


@compiled(sums=True)
def pull_back_one(activation, tile, a, residual, g, first, gradient):
    """For one output: set g to a r σ′, and add Σ r σ and Σ g to the first and the last column of the gradient."""
    last = gradient.shape[1] - 1
    for i in range(tile.shape[0]):
        row, out, factor = tile[i], g[i], a[i]
        total, output = cast(0.0, factor), cast(0.0, factor)
        for m in range(row.size):
            value, slope = revived(activation, row[m])
            slope *= factor * residual[m]
            out[m] = slope
            output += residual[m] * value
            total += slope
        gradient[first + i, 0] += output
        gradient[first + i, last] += total


@compiled
def join(part, first, column, gradient):
    """gradient[first:, column:] += part."""
    for i in range(part.shape[0]):
        row, out = part[i], gradient[first + i, column : column + part.shape[1]]
        for c in range(row.size):
            out[c] += row[c]
