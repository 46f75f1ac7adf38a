"""Scores at particles: averages over the windows around them, each without the particle itself."""

from __future__ import annotations

import numpy as np

from .comparisons import least, most, some_less
from .elementary import inlined
from .intrinsics import difference, plus, point, square, zeros
from .jit import compiled
from .leaves import touching
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
def _blended(here, half, windows, found, count, home, narrow, likes):
    """Scores at eight particles of one half: from the own half and from the other; and the divergence.

    They are averages over windows, with the weights (1 − |z/narrow|²)₊³. Each particle is left out of the fit of its
    half.
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
        if window == home:
            weight = weight + spread(_AT_HOME)
            z = plus(zeros(here), quotient(one, root(most(s, one))), z)  # outside: the score at the window's edge
            s = least(s, one)
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
def blend(columns, halves, low, high, rows, lengths, homes, windows, narrow, axes, likes, first, last, out, trace):
    """Scores at the particles in some leaves from the windows around them: out[h, i] is from half h.

    They are at most `lengths`, and multiplied by a matrix, `axes`. `homes` leaves have one window. Points in rows from
    n on are images.
    """
    like, n, d = likes[0], trace.size, len(likes[0])
    found, tile = np.empty(low.shape[1] + LANES, np.int64), np.empty((2 * d + 1) * LANES)
    turn = spread(axes)
    for leaf in range(first, last):
        below, above, home = point(low, leaf, like), point(high, leaf, like), leaf // homes
        count = touching(windows.centres, windows.centres, below, above, windows.bounds, found)
        count = _with_home(found, count, home)
        for half in range(2):
            start, stop = halves[half, leaf], halves[half, leaf + 1]
            for j in range(start, stop, LANES):
                blended = _blended(points_at(columns, j, like), half, windows, found, count, home, narrow, likes)
                own, other = _two(blended, vector_at(lengths, j), turn)
                values = own + other
                for k in range(2 * d):
                    set_vector(tile, LANES * k, values[k])
                set_vector(tile, LANES * 2 * d, blended[2])
                for lane in range(min(LANES, stop - j)):
                    at = rows[j + lane]
                    if at < n:
                        for k in range(2):
                            for axis in range(d):
                                out[k ^ half, at, axis] = tile[LANES * (k * d + axis) + lane]
                        trace[at] = tile[LANES * 2 * d + lane]


@compiled(exact=True)
def _with_home(found, count, home):
    """Add a window to a list if it is not in it; returns how many there are."""
    for k in range(count):
        if found[k] == home:
            return count
    found[count] = home
    return count + 1
