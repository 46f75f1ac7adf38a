"""Pairwise sums on the CPU: for a row of x all columns y by cache-resident tiles, the kernel's form written once."""

from __future__ import annotations

import math

import numpy as np

from .. import forms
from ..threads import run_blocks
from .elementary import exp, log
from .jit import compiled

_TILE = 512  # columns whose distances, values and slopes stay in the first-level cache
_ROWS = 64  # rows that one thread takes at a time

_GAUSSIAN, _MATERN12, _MATERN32, _MATERN52 = forms.GAUSSIAN, forms.MATERN12, forms.MATERN32, forms.MATERN52
_MULTIQUADRIC, _MORSE, _LOG, _RIESZ, _DISTANCE = forms.MULTIQUADRIC, forms.MORSE, forms.LOG, forms.RIESZ, forms.DISTANCE
_ROOT3, _ROOT5 = math.sqrt(3.0), math.sqrt(5.0)


@compiled
def _tile_form(form, p, q, k, g):
    """Fill k[j] = k(q[j]) and g[j] with ∇K(u) = g·u, where q = |u|²; g is 0 at a kink (u = 0), as symmetry asks."""
    if form == _GAUSSIAN:
        a = 0.5 / (p[0] * p[0])
        for j in range(q.size):
            k[j] = exp(-a * q[j])
            g[j] = -2.0 * a * k[j]
    elif form == _MATERN12:
        a = 1.0 / p[0]
        for j in range(q.size):
            r = math.sqrt(q[j])
            k[j] = exp(-a * r)
            g[j] = 0.0 if r == 0.0 else -a * k[j] / r
    elif form == _MATERN32:
        a = _ROOT3 / p[0]
        for j in range(q.size):
            s = a * math.sqrt(q[j])
            e = exp(-s)
            k[j] = (1.0 + s) * e
            g[j] = -a * a * e
    elif form == _MATERN52:
        a = _ROOT5 / p[0]
        for j in range(q.size):
            s = a * math.sqrt(q[j])
            e = exp(-s)
            k[j] = (1.0 + s + s * s / 3.0) * e
            g[j] = -a * a / 3.0 * (1.0 + s) * e
    elif form == _MULTIQUADRIC:
        a, power = 1.0 / (p[0] * p[0]), p[1]
        for j in range(q.size):
            base = 1.0 + a * q[j]
            k[j] = exp(-power * log(base))
            g[j] = -2.0 * power * a * k[j] / base
    elif form == _MORSE:
        repel, attract = 1.0 / p[1], 1.0 / p[3]
        for j in range(q.size):
            r = math.sqrt(q[j])
            e, f = p[0] * exp(-repel * r), p[2] * exp(-attract * r)
            k[j] = e - f
            g[j] = 0.0 if r == 0.0 else (attract * f - repel * e) / r
    elif form == _LOG:
        for j in range(q.size):
            k[j] = -0.5 * log(q[j])
            g[j] = -1.0 / q[j]
    elif form == _RIESZ:
        s = p[0]
        for j in range(q.size):
            k[j] = exp(-0.5 * s * log(q[j]))
            g[j] = -s * k[j] / q[j]
    elif form == _DISTANCE:
        for j in range(q.size):
            k[j] = math.sqrt(q[j])
            g[j] = 0.0 if k[j] == 0.0 else 1.0 / k[j]


@compiled(sums=True)
def _tile_distance(row, columns, offset, q):
    q[:] = offset
    for c in range(row.size):
        at, line = row[c], columns[c]
        for j in range(q.size):
            q[j] += (at - line[j]) * (at - line[j])


@compiled(sums=True)
def _tile_reduce(row, columns, weights, k, g, gradient):
    """Add the tile's Σ w g u to `gradient` and return its Σ w k."""
    value = 0.0
    for j in range(weights.size):
        value += k[j] * weights[j]
        g[j] *= weights[j]
    for c in range(row.size):
        at, line, total = row[c], columns[c], 0.0
        for j in range(weights.size):
            total += g[j] * (at - line[j])
        gradient[c] += total
    return value


@compiled
def _rows(x, columns, weights, form, p, softening, exclude, start, stop, value, gradient):
    m = columns.shape[1]
    q, k, g = np.empty(_TILE), np.empty(_TILE), np.empty(_TILE)
    part = np.empty((x.shape[1], _TILE))
    for first in range(0, m, _TILE):
        width = min(_TILE, m - first)
        tile = part[:, :width].copy()
        for c in range(x.shape[1]):
            tile[c, :] = columns[c, first : first + width]
        for i in range(start, stop):
            _tile_distance(x[i], tile, softening, q[:width])
            _tile_form(form, p, q[:width], k[:width], g[:width])
            own = i - first
            if exclude and 0 <= own < width:  # the self pair of a singular kernel
                k[own] = 0.0
                g[own] = 0.0
            value[i] += _tile_reduce(x[i], tile, weights[first : first + width], k[:width], g[:width], gradient[i])


def pair_sums(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    form: int,
    parameters: np.ndarray,
    softening: float,
    exclude_self: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Σⱼ wⱼ K(xᵢ − yⱼ) and Σⱼ wⱼ ∇K(xᵢ − yⱼ) in float64, memory O(n·d); the columns are added in one fixed order."""
    value, gradient = np.zeros(len(x)), np.zeros_like(x)
    columns = np.ascontiguousarray(y.T)

    def worker(blocks: range) -> None:
        for block in blocks:
            start = block * _ROWS
            stop = min(start + _ROWS, len(x))
            _rows(x, columns, weights, form, parameters, softening**2, exclude_self, start, stop, value, gradient)

    run_blocks(worker, -(-len(x) // _ROWS))
    return value, gradient
