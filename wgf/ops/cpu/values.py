"""The compiled values of terms, for the books of a stretch in which coefficients change: sums over the particles.

Each function writes the sum that `integral` of the body (`wgf.ops.bodies`) multiplies to the value of the term. It has
the bits of that of a single step. `slope` is the gradient at the particles, which was computed just before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import bodies
from . import coupled
from .jit import compiled
from .moments import row_sums
from .softmax import softmax_rows
from .user import call_rows


@compiled(exact=True)
def _quadratic(term, x, weights, slope, out):
    dots = np.empty((x.shape[0], 1))
    for i in range(x.shape[0]):
        total = np.float64(x[i, 0] - term.center) * np.float64(slope[i, 0])
        for c in range(1, x.shape[1]):
            total = total + np.float64(x[i, c] - term.center) * np.float64(slope[i, c])
        dots[i, 0] = total
    out[0] = row_sums(weights, dots, (0.0,))[0]


@compiled(exact=True)
def _by_coordinates(term, x, weights, slope, out):
    dots = np.empty((x.shape[0], 1))
    for i in range(x.shape[0]):
        total = np.float64(x[i, 0] - term.center[0]) * np.float64(slope[i, 0])
        for c in range(1, x.shape[1]):
            total = total + np.float64(x[i, c] - term.center[c]) * np.float64(slope[i, c])
        dots[i, 0] = total
    out[0] = row_sums(weights, dots, (0.0,))[0]


@compiled(exact=True)
def _rows(term, x, weights, slope, out):
    values = np.empty((x.shape[0], 1), x.dtype)
    call_rows(term.value, x, values)
    out[0] = row_sums(weights, values, (0.0,))[0]


@compiled(exact=True)
def _softmax(term, x, weights, slope, out):
    entropies = np.empty((x.shape[0], 1), x.dtype)
    softmax_rows(x, term.tau, entropies.reshape(x.shape[0]), np.empty_like(x))
    out[0] = row_sums(weights, entropies, (0.0,))[0]


VALUES: dict[type, Any] = {
    bodies.Quadratic: _quadratic,
    bodies.Diagonal: _by_coordinates,
    bodies.Matrix: _by_coordinates,
    bodies.Rows: _rows,
    bodies.Softmax: _softmax,
    bodies.Pairs: coupled.pairs_value,
    bodies.LogDet: coupled.log_det_value,
}
