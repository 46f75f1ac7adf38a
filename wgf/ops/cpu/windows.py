"""Local fits of the score ∇log ρ in windows K(z) = (1 − |z|²)₊³, z = (x − c)/R.

In a window the score is R u(z) ≈ a + B z. Hyvärinen's score matching with the weights K needs no density: the best fit
solves

    A θ = −b,    A = Σ K φ φᵀ,   b = Σ (φ ∇Kᵀ + K ∇φ),   φ = (1, z).

It is exact for a Gaussian, in every window. The θ of few particles has a bias, as A and b are of the same particles.
The jackknife measures and removes it: Σ (θ₋ᵢ − θ) over the particles i of the fit.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .comparisons import most, where_less
from .elementary import inlined
from .intrinsics import difference, plus, point, square, zeros
from .jit import compiled
from .leaves import touching
from .rows import plus_outer, plus_products, row, set_row, times
from .vectors import LANES, numbered, points_at, quotient, spread, total

_RIDGE = 1e-3  # the weight of a stand-in fit, in particles at the centre: keeps windows solvable that are almost flat
LEVERAGE = 0.5  # the largest part of a fit that is due to one particle; without it the fit would be divided by 0


class Windows(NamedTuple):
    """Windows of several widths, and their fits: from the first half of the particles and from the second.

    A fit is the score a + B z, and the inverse of its matrix A, as a first row and the other rows. Those of a window
    follow each other.
    """

    widths: Any  # (w, 3): the first window of each width, the one after the last, and how many leaves have one window
    centres: Any  # (d, m), width after width; each begins at a multiple of LANES
    radii: Any  # (m,): 0 for what fills the lanes
    bounds: Any  # (m,): squares of the distances at which a window counts
    constants: Any  # a (2m, d)
    slopes: Any  # B (2m, d²)
    first: Any  # (2m, d + 1)
    rest: Any  # (2m, d (d + 1))
    traces: Any  # (m,): the divergence


@compiled(exact=True)
def _runs(found, count, halves, runs):
    """Write rising numbers of leaves as runs first … last; returns how many.

    Leaves between two runs are taken in where they have few points: these cost less than another run, and count 0.
    """
    total, k = 0, 0
    while k < count:
        start = stop = found[k]
        while k < count and (halves[0, found[k]] - halves[0, stop] + halves[1, found[k]] - halves[1, stop] <= LANES):
            stop = found[k] + 1
            k += 1
        runs[total, 0], runs[total, 1] = start, stop
        total += 1
    return total


@compiled
def _moments(columns, starts, runs, count, middle, radius, pairs):
    """Σ K, Σ K u, Σ K u uᵀ, Σ K' u, Σ K' u uᵀ for u = x − c, K' = (1 − |z|²)₊²; the matrices as lower triangles.

    The sums are over the points of runs of leaves.
    """
    centre, inverse, one, nothing = spread(middle), spread(1.0 / (radius * radius)), spread(1.0), spread(0.0)
    mass, first, second, slope, curve = spread(0.0), zeros(centre), spread(pairs), zeros(centre), spread(pairs)
    eight, lanes = spread(float(LANES)), numbered()
    for k in range(count):
        start, stop = starts[runs[k, 0]], starts[runs[k, 1]]
        left = spread(float(stop - start))
        for j in range(start, stop, LANES):
            u = difference(points_at(columns, j, middle), centre)
            t = most(one - inverse * square(u, nothing), nothing)
            t = where_less(lanes, left, t, nothing)
            left = left - eight
            w = t * t
            k3 = w * t
            mass = mass + k3
            first, second = plus(first, k3, u), plus_products(second, k3, u)
            slope, curve = plus(slope, w, u), plus_products(curve, w, u)
    return total(mass), total(first), total(second), total(slope), total(curve)


@compiled
def _matrices(moments, radius, a, b):
    """A and b of a window; of A the lower triangle."""
    mass, one, two, slope, curve = moments
    r, r2, k = 1.0 / radius, 1.0 / (radius * radius), 0
    a[0, 0] = mass
    for c in range(len(one)):
        a[1 + c, 0] = r * one[c]
        b[0, c] = -6.0 * r * slope[c]
        for e in range(c + 1):
            a[1 + c, 1 + e] = r2 * two[k]
            b[1 + c, e] = b[1 + e, c] = -6.0 * r2 * curve[k]
            k += 1
        b[1 + c, c] += mass


@compiled
def _solve(a, b, ridge, stand_in, like, inverse, fit):
    """(A + ridge)⁻¹ and the fit (A + ridge)⁻¹(ridge·stand_in − b), by Cholesky; A is a lower triangle.

    `like` is any tuple of length d: the compiler then knows the sizes, which takes a third of the time in the plane.
    """
    q = len(like) + 1
    for i in range(q):
        a[i, i] += ridge
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
        for c in range(q - 1):
            total = 0.0
            for k in range(q):
                total += inverse[i, k] * (ridge * stand_in[k, c] - b[k, c])
            fit[i, c] = total


@compiled
def _changes(columns, starts, runs, count, middle, radius, fit):
    """Σ k φ wᵀ/(1 − kℓ) over the points of runs of leaves, its first row and the others.

    The fit without one point differs by A⁻¹ times its term. ℓ = φᵀA⁻¹φ, and w is what A⁻¹ makes of its part of Aθ + b.
    """
    centre, inverse, one, nothing = spread(middle), spread(1.0 / radius), spread(1.0), spread(0.0)
    a, b, constant, linear = fit
    whole, mixed, eight, lanes = zeros(centre), zeros(b), spread(float(LANES)), numbered()
    for k in range(count):
        start, stop = starts[runs[k, 0]], starts[runs[k, 1]]
        left = spread(float(stop - start))
        for j in range(start, stop, LANES):
            z = plus(zeros(centre), inverse, difference(points_at(columns, j, middle), centre))
            t = where_less(lanes, left, most(one - square(z, nothing), nothing), nothing)
            left = left - eight
            k3, slope = t * t * t, spread(-6.0) * t * t
            v = plus(constant, one, times(z, linear))
            leverage = v[0] + times(z, v[1:])[0]
            score = plus(a, one, times(z, b))
            w = plus(plus(plus(zeros(z), k3 * leverage, score), slope * leverage, z), k3, v[1:])
            factor = quotient(k3, most(one - k3 * leverage, spread(1.0 - LEVERAGE)))
            whole, mixed = plus(whole, factor, w), plus_outer(mixed, plus(zeros(z), factor, z), w)
    return total(whole), total(mixed)


@compiled
def fit_windows(columns, halves, low, high, likes, scales, first, last, windows):
    """Fit some windows.

    halves[h, k] … halves[h, k + 1] are the columns of half h of the particles in leaf k, which has the corners `low`
    and `high`.
    """
    like, pairs, q = likes[0], likes[4], len(likes[0]) + 1
    found, runs = np.empty(low.shape[1] + LANES, np.int64), np.empty((low.shape[1], 2), np.int64)
    a, inverse, own = np.empty((q, q)), np.empty((q, q)), np.empty((1, q - 1))
    b, fit, change, stand_in = np.empty((q, q - 1)), np.empty((q, q - 1)), np.empty((q, q - 1)), np.zeros((q, q - 1))
    rest = change[1:].reshape(1, -1)
    for window in range(first, last):
        centre, radius = point(windows.centres, window, like), windows.radii[window]
        if radius == 0.0:
            continue
        count = _runs(found, touching(low, high, centre, centre, radius * radius, found), halves, runs)
        set_row(own, 0, centre)
        for c in range(q - 1):  # the score of the standard Gaussian, in the units of the window
            stand_in[0, c], stand_in[1 + c, c] = -radius * own[0, c], -radius * radius
        trace = 0.0
        for half in range(2):
            _matrices(_moments(columns, halves[half], runs, count, centre, radius, pairs), radius, a, b)
            _solve(a, b, _RIDGE, stand_in, like, inverse, fit)
            at = 2 * window + half
            _store(windows, at, inverse, fit, like)
            whole, mixed = _changes(columns, halves[half], runs, count, centre, radius, fit_at(windows, at, *likes[:4]))
            set_row(change, 0, whole)
            set_row(rest, 0, mixed)
            for i in range(q):
                for c in range(q - 1):
                    for k in range(q):
                        fit[i, c] -= inverse[i, k] * change[k, c]
            _store(windows, at, inverse, fit, like)
            for c in range(q - 1):
                trace += 0.5 * fit[1 + c, c] * scales[c]
        windows.traces[window] = trace / (radius * radius)


@compiled(exact=True)
def _store(windows, at, inverse, fit, like):
    """Write a fit."""
    q = len(like) + 1
    for c in range(q - 1):
        windows.constants[at, c] = fit[0, c]
        for e in range(q - 1):
            windows.slopes[at, c * (q - 1) + e] = fit[1 + c, e]
    for c in range(q):
        windows.first[at, c] = inverse[0, c]
        for e in range(q - 1):
            windows.rest[at, e * q + c] = inverse[1 + e, c]


@inlined
def fit_at(windows, at, like, like_slopes, like_first, like_rest):
    """A fit as four tuples of vectors."""
    return (
        spread(row(windows.constants, at, like)), spread(row(windows.slopes, at, like_slopes)),
        spread(row(windows.first, at, like_first)), spread(row(windows.rest, at, like_rest)),
    )  # fmt: skip
