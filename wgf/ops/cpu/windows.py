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
from .rows import plus_products, row, set_row, times

_RIDGE = 1e-3  # the weight of a stand-in fit, in particles at the centre: keeps windows solvable that are almost flat
_LEVERAGE = 0.5  # the largest part of a fit that is due to one particle; without it the fit would be divided by 0


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


@compiled(sums=True)
def _blend_part(points, first, last, centre, inverse, narrow, home, mine, other, both, trace, sums):
    """Add one window to the sums of points[first:last], which are all in the same half of the particles.

    `mine` and `both` are fits with the particle in it, as (a, B, first row and other rows of the inverse matrix);
    `other` is (a, B). The sums are the three scores, the weights and the divergence.
    """
    for i in range(first, last):
        z = plus(zeros(centre), inverse, difference(row(points, i, centre), centre))
        s = square(z, 0.0)
        t = max(1.0 - narrow * s, 0.0)
        weight = t * t * t + home
        s = max(s, 1.0)
        z = plus(zeros(z), 1.0 / math.sqrt(s), z)  # outside of the window: the score at its edge
        t = max(1.0 - square(z, 0.0), 0.0)
        k, slope = t * t * t, -6.0 * t * t
        found = plus(other[0], 1.0, times(z, other[1]))
        first_own, all_own = _without(z, k, slope, mine), _without(z, k, slope, both)
        scaled = weight * inverse
        now = row(sums, i, centre + centre + centre + (0.0, 0.0))
        set_row(sums, i, plus(plus(now, scaled, first_own + found + all_own + _NONE), weight, _end(centre, trace)))


_NONE = (0.0, 0.0)


@compiled
def _end(centre, trace):
    """Zeros for three scores, and (1, trace)."""
    none = zeros(centre)
    return none + none + none + (1.0, trace)


@compiled
def _without(z, k, slope, fit):
    """The score at z by a fit without the particle at z, whose weight and slope in the fit are k and `slope`."""
    a, b, constant, linear = fit
    v = plus(constant, 1.0, times(z, linear))
    leverage = v[0] + times(z, v[1:])[0]
    left = 1.0 / max(1.0 - k * leverage, 1.0 - _LEVERAGE)
    fitted = plus(plus(plus(a, 1.0, times(z, b)), slope * leverage, z), k, v[1:])
    return plus(zeros(z), left, fitted)


@compiled
def _fit(fits, index, like, square_like, row_like, rest_like):
    """A fit as four tuples."""
    return (
        row(fits[0], index, like), row(fits[1], index, square_like), row(fits[2], index, row_like),
        row(fits[3], index, rest_like),
    )  # fmt: skip


@compiled
def blend(points, starts, middles, low, high, centres, radii, home, narrow, fits, traces, likes, first, last, sums):
    """Add to the sums (n, 3d + 2) of the points of some leaves the scores of all windows around them, with weights.

    A window counts with the weight (1 − |z/narrow|²)₊³, and `home[leaf]` besides with a small one, so that no particle
    is without a window. Each particle is left out of the fits in which it would take part. The columns are the score
    from the particle's own half, from the other half, from all; the weights; the trace of the slopes.
    """
    like, square_like, row_like, rest_like = likes
    for leaf in range(first, last):
        for window in range(centres.shape[0]):
            distance = 0.0
            for c in range(len(like)):
                t = max(low[leaf, c] - centres[window, c], centres[window, c] - high[leaf, c], 0.0)
                distance += t * t
            reach, at_home = narrow * radii[window], 1e-3 if window == home[leaf] else 0.0
            if distance >= reach * reach and at_home == 0.0:
                continue
            a = _fit(fits, 3 * window, like, square_like, row_like, rest_like)
            b = _fit(fits, 3 * window + 1, like, square_like, row_like, rest_like)
            both = _fit(fits, 3 * window + 2, like, square_like, row_like, rest_like)
            centre, inverse, factor = row(centres, window, like), 1.0 / radii[window], 1.0 / (narrow * narrow)
            one, two, three = starts[leaf], middles[leaf], starts[leaf + 1]
            trace = traces[window]
            _blend_part(points, one, two, centre, inverse, factor, at_home, a, b, both, trace, sums)
            _blend_part(points, two, three, centre, inverse, factor, at_home, b, a, both, trace, sums)
