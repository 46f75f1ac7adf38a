"""Compiled steps whose length is chosen by an estimate of the error: accepted and rejected as single steps are."""

from __future__ import annotations

import math

import numpy as np

from .columns import copy
from .gradients import total_gradient
from .jit import compiled
from .moments import row_dots, row_sums
from .schemes import mean_square, moved_along


@compiled(exact=True)
def _error(step, x, new, e, weights, dots):
    """The error of a step in units of the tolerance; not finite where something is not. `dots` (4, n, 1) is scratch."""
    rtol, atol = step.tolerances[0], step.tolerances[1]
    root = math.sqrt(x.shape[1])
    row_dots(x, x, dots[0])
    row_dots(new, new, dots[1])
    row_dots(e, e, dots[2])
    for i in range(x.shape[0]):
        here, there = dots[0, i, 0], dots[1, i, 0]
        size = math.sqrt(max(here, there)) / root
        squares, allowed = dots[2, i, 0] / x.shape[1], atol + rtol * size
        if not (np.isfinite(here) and np.isfinite(there)):
            return np.nan
        dots[3, i, 0] = 0.0 if squares == 0.0 else squares / (allowed * allowed)
    return math.sqrt(row_sums(weights, dots[3], (0.0,))[0])


@compiled(exact=True)
def _scaled(h, weights, row):
    """h·weights in the dtype of `row`."""
    for j in range(weights.size):
        row[j] = h * weights[j]


@compiled(exact=True)
def _finite(x):
    rest = 0.0
    for k in range(x.size):
        rest += x[k] - x[k]
    return rest == 0.0


@compiled(exact=True)
def _reached(marks, step, t):
    """Whether the number of a step and its time have reached both numbers of a row."""
    return ((step >= marks[:, 0]) & (t >= marks[:, 1])).any()


@compiled(exact=True)
def adaptive_runge_kutta(step, terms, course, x, weights, ids, memory, first, count, scratch, sums):
    """At most `count` steps. A step that single steps have to look at, as it may fail, ends the stretch before it."""
    t, proposal, before = step.control[0], step.control[1], step.control[2]
    done, tried, flat = 0, 0, x.reshape(x.size)
    part, stage, e, new, zero = np.empty_like(x), np.empty_like(x), np.empty_like(x), np.empty_like(x), np.zeros_like(x)
    slopes, row = np.empty((4, *x.shape), x.dtype), np.empty(4, x.dtype)
    dots, squares = np.empty((4, x.shape[0], 1)), np.empty((x.shape[0], 1))
    ends = new.reshape(x.size)
    safety, shrink, grow = step.controller[0], step.controller[1], step.controller[2]
    total_gradient(terms, course, 0, x, weights, part, slopes[0])
    while done < count:
        h = step.end - t
        length, rejected, attempts = min(proposal, h), False, 0
        size = max(abs(t), step.unit)
        shortest = 4.0 * (np.nextafter(size, np.inf) - size)
        while True:
            attempts += 1
            sound = True
            for i in range(1, 3):
                _scaled(length, step.a[i], row)
                moved_along(x, row, slopes, i, stage)
                sound = sound and _finite(stage.reshape(x.size))
                total_gradient(terms, course, 0, stage, weights, part, slopes[i])
            _scaled(length, step.b, row)
            moved_along(x, row, slopes, 3, new)
            total_gradient(terms, course, 0, new, weights, part, slopes[3])
            _scaled(length, step.error, row)
            moved_along(zero, row, slopes, 4, e)
            error = _error(step, x, new, e, weights, dots)
            if not (sound and np.isfinite(error)):
                attempts = 0
                break
            if error <= 1.0:
                if (rejected and (ends == flat).all()) or not (length == h or length >= shortest):
                    attempts = 0
                break
            length *= max(shrink, safety * error ** (-1.0 / 3.0))
            rejected = True
            if length < shortest:
                attempts = 0
                break
        if attempts == 0:
            break
        for i in range(3):
            sums[done, i] = mean_square(weights, slopes[i], squares)
        error = max(error, 1e-4)
        factor = safety * error ** -step.controller[3] * before ** step.controller[4]
        following = length * min(1.0 if rejected else grow, max(shrink, factor))
        if length < proposal and not rejected:
            following, error = max(following, proposal), before
        copy(ends, flat)
        slopes[0] = slopes[3]
        step.lengths[done] = length
        t = step.end if length >= h else t + length
        proposal, before, done, tried = following, error, done + 1, tried + attempts
        if t >= step.end or _reached(step.marks, first + done, t):
            break
    step.control[0], step.control[1], step.control[2] = t, proposal, before
    step.control[3], step.control[4] = done, tried
