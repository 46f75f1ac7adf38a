"""Local fits of the score ∇log ρ in windows K(z) = (1 − |z|²)₊³, z = (x − c)/R.

In a window the score is R u(z) ≈ a + B z. Hyvärinen's score matching with the weights K needs no density: the best fit
solves

    A θ = −b,    A = Σ K φ φᵀ,   b = Σ (φ ∇Kᵀ + K ∇φ),   φ = (1, z).

It is exact for a Gaussian, in every window.
"""

from __future__ import annotations

import math

import numpy as np

from .intrinsics import difference, plus, square, zeros
from .jit import compiled
from .rows import plus_products, row, set_row

_RIDGE = 1e-3  # the weight of a stand-in fit, in particles at the centre: keeps windows solvable that are almost flat
_LEVERAGE = 0.9  # the largest part of a fit that is due to one particle; without it the fit would be divided by 0


@compiled(sums=True)
def _moments(points, first, last, centre, inverse, pairs):
    """Σ K, Σ K u, Σ K u uᵀ, Σ K' u, Σ K' u uᵀ for u = x − c, K' = (1 − |z|²)₊²; the matrices as lower triangles."""
    mass, one, two = 0.0, zeros(centre), pairs
    slope, curve = zeros(centre), pairs
    for j in range(first, last):
        u = difference(row(points, j, centre), centre)
        t = max(1.0 - inverse * square(u, 0.0), 0.0)
        k = t * t
        w = k * t
        mass += w
        one, two = plus(one, w, u), plus_products(two, w, u)
        slope, curve = plus(slope, k, u), plus_products(curve, k, u)
    return mass, one, two, slope, curve


@compiled
def _add_moments(points, first, last, centre, radius, pairs, a, b):
    """Add points[first:last] to A and b of a window; of A the lower triangle."""
    if first == last:
        return
    mass, one, two, slope, curve = _moments(points, first, last, centre, 1.0 / (radius * radius), pairs)
    r, r2, k = 1.0 / radius, 1.0 / (radius * radius), 0
    a[0, 0] += mass
    for c in range(len(centre)):
        a[1 + c, 0] += r * one[c]
        b[0, c] -= 6.0 * r * slope[c]
        b[1 + c, c] += mass
        for e in range(c + 1):
            a[1 + c, 1 + e] += r2 * two[k]
            b[1 + c, e] -= 6.0 * r2 * curve[k]
            if e < c:
                b[1 + e, c] -= 6.0 * r2 * curve[k]
            k += 1


@compiled
def _solve(a, b, ridge, stand_in, inverse, fit):
    """(A + ridge)⁻¹ and the fit (A + ridge)⁻¹(ridge·stand_in − b), by Cholesky; A is a lower triangle."""
    q = a.shape[0]
    for i in range(q):
        a[i, i] += ridge
    for i in range(q):
        for j in range(i + 1):
            total = a[i, j]
            for k in range(j):
                total -= a[i, k] * a[j, k]
            a[i, j] = math.sqrt(max(total, 1e-300)) if i == j else total / a[j, j]
    for i in range(q):  # the inverse of the triangle, in place
        a[i, i] = 1.0 / a[i, i]
        for j in range(i):
            total = 0.0
            for k in range(j, i):
                total -= a[i, k] * a[k, j]
            a[i, j] = total * a[i, i]
    for i in range(q):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, q):
                total += a[k, i] * a[k, j]
            inverse[i, j] = inverse[j, i] = total
    for i in range(q):
        for c in range(b.shape[1]):
            total = 0.0
            for k in range(q):
                total += inverse[i, k] * (ridge * stand_in[k, c] - b[k, c])
            fit[i, c] = total


@compiled
def fit_windows(points, starts, middles, low, high, centres, radii, pairs, like, first, last, inverses, fits):
    """Fit some windows: from the first half of the particles, from the second, and from all (m, 3, …).

    In a leaf the first half is starts[k] … middles[k], the second middles[k] … starts[k + 1].
    """
    q = len(like) + 1
    a, b = np.empty((3, q, q)), np.empty((3, q, q - 1))
    stand_in, own = np.zeros((q, q - 1)), np.empty((1, q - 1))
    for window in range(first, last):
        a[:], b[:] = 0.0, 0.0
        centre, radius = row(centres, window, like), radii[window]
        for leaf in range(starts.size - 1):
            total = 0.0
            for c in range(q - 1):
                t = max(low[leaf, c] - centres[window, c], centres[window, c] - high[leaf, c], 0.0)
                total += t * t
            if total < radius * radius:
                _add_moments(points, starts[leaf], middles[leaf], centre, radius, pairs, a[0], b[0])
                _add_moments(points, middles[leaf], starts[leaf + 1], centre, radius, pairs, a[1], b[1])
        set_row(own, 0, centre)
        for c in range(q - 1):  # the score of the standard Gaussian, in the units of the window
            stand_in[0, c], stand_in[1 + c, c] = -radius * own[0, c], -radius * radius
        a[2], b[2] = a[0] + a[1], b[0] + b[1]
        for part in range(3):
            ridge = _RIDGE * (1.0 + (part == 2))
            _solve(a[part], b[part], ridge, stand_in, inverses[window, part], fits[window, part])


@compiled
def _add_score(inverse, fit, z, own, k, slope, weight, v, total):
    """Add weight × the score of a window at z (still times R); `own` takes the particle at z out of the fit."""
    d = total.size
    if not own:
        for c in range(d):
            s = fit[0, c]
            for e in range(d):
                s += fit[1 + e, c] * z[e]
            total[c] += weight * s
        return
    leverage = 0.0
    for i in range(d + 1):
        s = inverse[i, 0]
        for e in range(d):
            s += inverse[i, 1 + e] * z[e]
        v[i] = s
        leverage += s * (z[i - 1] if i > 0 else 1.0)
    left = 1.0 / max(1.0 - k * leverage, 1.0 - _LEVERAGE)
    for c in range(d):
        s = fit[0, c] + slope * z[c] * leverage + k * v[1 + c]
        for e in range(d):
            s += fit[1 + e, c] * z[e]
        total[c] += weight * left * s


@compiled
def blend(points, starts, middles, low, high, centres, radii, home, narrow, inverses, fits, scales, like, leaves, out):
    """The scores at the points of some leaves (n, 3d + 1): averages over the windows around them.

    A window counts with the weight (1 − |z/narrow|²)₊³, and `home[leaf]` besides with a small one, so that no particle
    is without a window. Each particle is left out of the fits in which it would take part. The last column is the
    divergence of the score in the original coordinates: `scales` are the squares of the factors along the axes.
    """
    d = len(like)
    z, v, total = np.empty(d), np.empty(d + 1), np.empty((3, d))
    near = np.empty(centres.shape[0], np.int64)
    for leaf in leaves:
        count = 0
        for window in range(centres.shape[0]):
            distance = 0.0
            for c in range(d):
                t = max(low[leaf, c] - centres[window, c], centres[window, c] - high[leaf, c], 0.0)
                distance += t * t
            reach = narrow * radii[window]
            if distance < reach * reach or window == home[leaf]:
                near[count] = window
                count += 1
        for i in range(starts[leaf], starts[leaf + 1]):
            half = 0 if i < middles[leaf] else 1
            total[:] = 0.0
            weights, divergence = 0.0, 0.0
            for n in range(count):
                window = near[n]
                inverse = 1.0 / radii[window]
                s = 0.0
                for c in range(d):
                    z[c] = (points[i, c] - centres[window, c]) * inverse
                    s += z[c] * z[c]
                t = max(1.0 - s / (narrow * narrow), 0.0)
                weight = t * t * t + (1e-3 if window == home[leaf] else 0.0)
                if not weight > 0.0:
                    continue
                if s > 1.0:  # outside of its own window: the score at the edge
                    for c in range(d):
                        z[c] /= math.sqrt(s)
                    s = 1.0
                t = 1.0 - s
                k, slope = t * t * t, -6.0 * t * t
                weights += weight
                weight *= inverse
                for part in range(3):
                    own = part == 2 or part == half
                    _add_score(inverses[window, part], fits[window, part], z, own, k, slope, weight, v, total[part])
                for c in range(d):
                    divergence += weight * inverse * fits[window, 2, 1 + c, c] * scales[c]
            for part in range(3):
                for c in range(d):
                    out[i, part * d + c] = total[part, c] / weights
            out[i, 3 * d] = divergence / weights
