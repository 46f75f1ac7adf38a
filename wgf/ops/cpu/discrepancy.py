"""The squared norm of a Stein direction under a Gaussian kernel, in one pass over the pairs of particles.

With u = xᵢ − xⱼ and γ = T/h² a pair adds K(u) [(sᵢ − γu)·(sⱼ + γu) + dγT]. It is symmetric: each pair is visited once,
and nothing is written for its second particle.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import forms
from ..threads import run_blocks
from .extent import largest
from .intrinsics import difference, dot, plus, point, square
from .jit import compiled
from .radial import compiled_form, evaluate, split_weights

_ROWS = 32  # rows in one block of work
_LONG = 2048  # columns in one partial sum
_NANOSECONDS = 0.2  # about what a pair takes in float32


@compiled(sums=True)
def _after(form, x, scores, weights, slope, constant, softening, i, first, last, dims):
    """The sum over the pairs of row i with the columns first ≤ j < last."""
    here, own, total = point(x, i, dims), point(scores, i, dims), x[0, i] - x[0, i]
    if weights is None:
        for j in range(last - first):
            u = difference(here, point(x, first + j, dims))
            k = evaluate(form, square(u, softening))[0]
            total += k * dot(plus(own, -slope, u), plus(point(scores, first + j, dims), slope, u), constant)
    else:
        part = weights[first:last]  # counted from 0: numba then does not test for negative indices
        for j in range(last - first):
            u = difference(here, point(x, first + j, dims))
            k = evaluate(form, square(u, softening))[0] * part[j]
            total += k * dot(plus(own, -slope, u), plus(point(scores, first + j, dims), slope, u), constant)
    return total


@compiled
def _take_rows(form, x, scores, weights, slope, constant, softening, dims, start, stop, out):
    """Σⱼ of particle i with itself and, twice, with all after it; for some rows i."""
    n = x.shape[1]
    for i in range(start, stop):
        own = point(scores, i, dims)
        total = np.float64(evaluate(form, softening)[0] * dot(own, own, constant))
        if weights is not None:
            total *= weights[i]
        for first in range(i + 1, n, _LONG):
            last = min(first + _LONG, n)
            total += 2.0 * np.float64(
                _after(form, x, scores, weights, slope, constant, softening, i, first, last, dims)
            )
        out[i] = total


def stein_norm(
    x: np.ndarray, weights: np.ndarray, scores: np.ndarray, h: float, softening: float, temperature: float
) -> np.ndarray:
    """Numbers u (n,), float64, with Σ wᵢuᵢ = |a|². Memory O(n·d)."""
    (n, d), dtype = x.shape, x.dtype
    form, _, _ = compiled_form(forms.GAUSSIAN, (h,), dtype)
    scale, relative = split_weights(weights, dtype)
    unit = max(largest(scores, 0, d), temperature / h)  # scores by this unit are at most 1
    unit = unit if unit > 0.0 else 1.0
    columns = np.ascontiguousarray(x.T)
    carried = np.ascontiguousarray((scores.astype(np.float64) / unit).T, dtype=dtype)
    slope, constant = dtype.type(temperature / h**2 / unit), dtype.type(d * (temperature / h / unit) ** 2)
    out, blocks = np.empty(n), -(-n // _ROWS)

    def worker(indices: Iterator[int]) -> None:
        for block in indices:
            rows = block * _ROWS, min((block + 1) * _ROWS, n)
            _take_rows(
                form, columns, carried, relative, slope, constant, dtype.type(softening**2), (0,) * d, *rows, out
            )

    run_blocks(worker, blocks, _NANOSECONDS * n * n * d * x.itemsize / 8.0)
    return (scale * unit * unit) * out
