"""Sums over the scores of several widths, their combinations, and the divergence of a field from fits in small boxes.

Scores are (w, 2, d, n): for each width those from the first half of the particles and those from the second.
"""

from __future__ import annotations

import math

import numpy as np

from .columns import copy
from .jit import compiled
from .leaves import select


@compiled(sums=True)
def _product(a, b):
    """Σ a b."""
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@compiled(sums=True)
def _sum_at_most(values, bound):
    """Σ min(a, bound); NaN if one is."""
    total = 0.0
    for i in range(values.size):
        total += bound if values[i] > bound else values[i]
    return total


@compiled
def width_sums(scores, first, last, products, squares):
    """Σ s₁·s₂ for every two widths over some particles, and |s₁ − s₂|² of each of them for every width (w, n)."""
    widths, _, d, _ = scores.shape
    for a in range(widths):
        for b in range(widths):
            total = 0.0
            for c in range(d):
                total += _product(scores[a, 0, c, first:last], scores[b, 1, c, first:last])
            products[a, b] = total
        for c in range(d):
            one, two, out = scores[a, 0, c, first:last], scores[a, 1, c, first:last], squares[a, first:last]
            for i in range(out.size):
                apart = one[i] - two[i]
                out[i] = apart * apart + (out[i] if c > 0 else 0.0)


@compiled
def mean_at_most(values, k, spare, out):
    """The mean of numbers, those above the k-th smallest taken as this one, to out[0]; `spare` is memory (2, n)."""
    copy(values, spare[0])
    out[0] = _sum_at_most(values, select(spare[0], spare[1], k)) / values.size


@compiled
def mixtures(factors, scores, points, first, last, out, sums):
    """Σ factor·s of scores over the widths, for some particles, and the sums over them of s and of s yᵀ.

    out[f, h, c] is a mixture for each row f of the factors. sums[f, h, c] has Σ s and then Σ s y for each axis.
    """
    d = scores.shape[2]
    for f in range(len(factors)):
        for h in range(2):
            for c in range(d):
                part, begun = out[f, h, c, first:last], False
                for w in range(len(scores)):
                    factor, row = factors[f, w], scores[w, h, c, first:last]
                    if factor != 0.0 and begun:
                        for i in range(part.size):
                            part[i] = part[i] + factor * row[i]
                    elif factor != 0.0:
                        begun = True
                        for i in range(part.size):
                            part[i] = factor * row[i]
                total = 0.0
                for i in range(part.size):
                    total += part[i]
                sums[f, h, c, 0] = total
                for e in range(d):
                    sums[f, h, c, 1 + e] = _product(part, points[e, first:last])


@compiled
def turned_back(mixed, points, shifts, first, last, out):
    """Write mixtures (f, 2, d, n) less a constant and a linear function of the points as rows (f, 2, n, d)."""
    d = mixed.shape[2]
    for f in range(len(mixed)):
        for h in range(2):
            for c in range(d):
                for i in range(first, last):
                    value = mixed[f, h, c, i] - shifts[f, h, c, 0]
                    for e in range(d):
                        value -= points[e, i] * shifts[f, h, c, 1 + e]
                    out[f, h, i, c] = value


@compiled
def divergences(x, g, order, starts, ridge, out):
    """∇·g at points x (n, d) from an affine fit of g to those of each box: order[starts[k]] … order[starts[k + 1] − 1].

    `ridge` is the part of the trace of the matrix of a fit that is added to its diagonal.
    """
    d = x.shape[1]
    here, there, middle, mean = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    a, b = np.empty((d, d)), np.empty((d, d))
    for box in range(starts.size - 1):
        first, last = starts[box], starts[box + 1]
        middle[:], mean[:], a[:], b[:] = 0.0, 0.0, 0.0, 0.0
        for k in range(first, last):
            for c in range(d):
                middle[c] += x[order[k], c]
                mean[c] += g[order[k], c]
        for c in range(d):
            middle[c], mean[c] = middle[c] / (last - first), mean[c] / (last - first)
        for k in range(first, last):
            for c in range(d):
                here[c], there[c] = x[order[k], c] - middle[c], g[order[k], c] - mean[c]
            for c in range(d):
                for e in range(d):
                    b[c, e] += here[c] * there[e]
                    if e <= c:
                        a[c, e] += here[c] * here[e]
        trace = 0.0
        for c in range(d):
            trace += a[c, c]
        for i in range(d):  # by Cholesky, the slopes in place of b
            a[i, i] += ridge * trace + 2.2250738585072014e-308
            for j in range(i + 1):
                total = a[i, j]
                for k in range(j):
                    total -= a[i, k] * a[j, k]
                a[i, j] = math.sqrt(total) if i == j else total / a[j, j]
            for c in range(d):
                for k in range(i):
                    b[i, c] -= a[i, k] * b[k, c]
                b[i, c] /= a[i, i]
        for i in range(d - 1, -1, -1):
            for c in range(d):
                for k in range(i + 1, d):
                    b[i, c] -= a[k, i] * b[k, c]
                b[i, c] /= a[i, i]
        total = 0.0
        for c in range(d):
            total += b[c, c]
        for k in range(first, last):
            out[order[k]] = total
