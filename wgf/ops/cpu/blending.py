"""Scores at particles: averages over the windows around them, each without the particle itself."""

from __future__ import annotations

import numpy as np

from .comparisons import least, most, some_less, where_equal
from .elementary import inlined
from .intrinsics import difference, plus, point, square, zeros
from .jit import compiled
from .leaves import touching_some
from .rows import times
from .vectors import LANES, points_at, quotient, root, set_vector, spread, vector_at
from .windows import LEVERAGE, fit_at

_AT_HOME = 1e-3  # the least weight of the window around a particle's own leaf, so that no particle is without a window


@inlined
def _without(z, k, slope, fit):
    """The score at z by a fit without the particle at z, whose weight and slope in the fit are k and `slope`."""
    a, b, constant, linear = fit
    v = plus(constant, spread(1.0), times(z, linear))
    leverage = v[0] + times(z, v[1:])[0]
    left = quotient(spread(1.0), most(spread(1.0) - k * leverage, spread(1.0 - LEVERAGE)))
    fitted = plus(plus(plus(a, spread(1.0), times(z, b)), slope * leverage, z), k, v[1:])
    return plus(zeros(z), left, fitted)


@compiled
def _blended(here, homes, first, last, half, windows, found, count, narrow, likes):
    """Scores at eight particles of one half: from the own half and from the other; and the divergence.

    They are averages over windows, with the weights (1 − |z/narrow|²)₊³. Each particle is left out of the fit of its
    half. `homes` are the windows around the leaves of the particles, from `first` to `last`.
    """
    like = likes[0]
    own, other, weights, trace = zeros(here), zeros(here), spread(0.0), spread(0.0)
    one, nothing, factor = spread(1.0), spread(0.0), spread(1.0 / (narrow * narrow))
    for k in range(count):
        window = found[k]
        at, inverse = 2 * window, spread(1.0 / windows.radii[window])
        z = plus(zeros(here), inverse, difference(here, spread(point(windows.centres, window, like))))
        s = square(z, nothing)
        t = most(one - factor * s, nothing)
        weight = t * t * t
        if first <= window <= last:
            number = spread(float(window))
            weight = weight + where_equal(homes, number, spread(_AT_HOME), nothing)
            edge = where_equal(homes, number, quotient(one, root(most(s, one))), one)
            z = plus(zeros(here), edge, z)  # outside: the score at the window's edge
            s = where_equal(homes, number, least(s, one), s)
        if not some_less(nothing, weight):
            continue
        t = most(one - s, nothing)
        k3, slope = t * t * t, spread(-6.0) * t * t
        theirs = fit_at(windows, at + 1 - half, *likes)
        scaled = weight * inverse
        own = plus(own, scaled, _without(z, k3, slope, fit_at(windows, at + half, *likes)))
        other = plus(other, scaled, plus(theirs[0], one, times(z, theirs[1])))
        weights, trace = weights + weight, trace + weight * spread(windows.traces[window])
    left = quotient(one, weights)
    nothing = zeros(here)
    return plus(nothing, left, own), plus(nothing, left, other), trace * left


@inlined
def _at_most(a, length):
    """Eight vectors shortened to at most these lengths."""
    size = root(most(square(a, spread(0.0)), spread(1e-300)))
    return plus(zeros(a), least(spread(1.0), quotient(length, size)), a)


@inlined
def _two(blended, length, axes):
    """Two estimates of the score, from the own half and from the other."""
    own, other, _ = blended
    return times(_at_most(own, length), axes), times(_at_most(other, length), axes)


@compiled
def blend(columns, halves, low, high, rows, lengths, windows, narrow, axes, likes, first, last, out, traces):
    """Scores at the particles in some leaves from the windows around them: out[w, h, :, i] is of width w from half h.

    They are at most `lengths`, and multiplied by a matrix, `axes`. Points in rows from n on are images. `traces` (w, n)
    are divergences.

    Eight points of one half that follow each other are taken at once, from one leaf or several. Those that begin in a
    leaf before `last` belong to these leaves.
    """
    like, n, d = likes[0], traces.shape[1], len(likes[0])
    found, tile = np.empty(windows.radii.size + 2 * LANES, np.int64), np.empty((2 * d + 1) * LANES)
    leaves, homes, turn = np.empty(LANES, np.int64), np.empty(LANES), spread(axes)
    for half in range(2):
        begin, end, leaf = halves[half, 0], halves[half, halves.shape[1] - 1], first
        start = begin + (halves[half, first] - begin + LANES - 1) // LANES * LANES
        for j in range(start, halves[half, last], LANES):
            while halves[half, leaf + 1] <= j:
                leaf += 1
            final = leaf
            for lane in range(LANES):
                while halves[half, final + 1] <= min(j + lane, end - 1):
                    final += 1
                leaves[lane] = final
            here, length = points_at(columns, j, like), vector_at(lengths, j)
            for width in range(len(windows.widths)):
                window, stop, each = windows.widths[width, 0], windows.widths[width, 1], windows.widths[width, 2]
                count = touching_some(
                    windows.centres, windows.bounds, window, stop, low, high, leaf, final, like, found
                )
                for lane in range(LANES):
                    homes[lane] = window + leaves[lane] // each
                one, two = window + leaf // each, window + final // each
                count = _with_homes(found, count, one, two)
                mine = vector_at(homes, 0)
                blended = _blended(here, mine, one, two, half, windows, found, count, narrow, likes)
                own, other = _two(blended, length, turn)
                values = own + other
                for k in range(2 * d):
                    set_vector(tile, LANES * k, values[k])
                set_vector(tile, LANES * 2 * d, blended[2])
                for lane in range(min(LANES, end - j)):
                    at = rows[j + lane]
                    if at < n:
                        for k in range(2):
                            for axis in range(d):
                                out[width, k ^ half, axis, at] = tile[LANES * (k * d + axis) + lane]
                        traces[width, at] = tile[LANES * 2 * d + lane]


@compiled(exact=True)
def _with_homes(found, count, first, last):
    """Add windows to a rising list if they are not in it; returns how many there are."""
    k, total = 0, count
    for home in range(first, last + 1):
        while k < count and found[k] < home:
            k += 1
        if k == count or found[k] != home:
            found[total] = home
            total += 1
    return total
