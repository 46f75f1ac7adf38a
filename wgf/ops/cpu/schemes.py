"""The compiled steps of the schemes, for stretches of steps. Every operation rounds as the same one in torch does.

Each function takes `count` steps with the particles x of one block, in place. The number of the first one is `first`.
"""

from __future__ import annotations

import numpy as np
from numba.extending import overload

from .. import bodies
from .columns import copy
from .coupled import entries
from .gradients import EXACT, at_row, gradient_at_start, total_gradient
from .jit import compiled
from .lanes import Normal, NormalSingle
from .moments import moved_rows, row_sums
from .noise import draw, move


def at_step(law, step):
    """The law of the normals of another step. For compiled code only."""
    raise NotImplementedError


def _at_step_by(kind):
    def made(law, step):
        low, high = np.uint64(step & 0xFFFFFFFF), np.uint64((step >> 32) << 12)
        return kind(law.k0, law.k1, low, law.tag | high)

    return made


@overload(at_step, jit_options=EXACT)
def _at_step_of(law, step):
    return _at_step_by(law.instance_class) if law.instance_class in (Normal, NormalSingle) else None


@compiled(exact=True)
def moved_along(x, row, slopes, stages, out):
    """out = x − Σⱼ rowⱼ slopesⱼ, one product and one sum at a time; a factor 0 is left out."""
    here, to = x.reshape(x.size), out.reshape(x.size)
    for k in range(here.size):
        to[k] = here[k]
    for j in range(stages):
        if row[j] != 0:
            factor, slope = row[j], slopes[j].reshape(x.size)
            for k in range(to.size):
                to[k] = to[k] - factor * slope[k]


@compiled(exact=True)
def mean_square(weights, rows, squares):
    """Σ w |v|² over the rows v: squares in float64, added as by `weighted_sum`."""
    n, d = rows.shape
    for i in range(n):
        total = np.float64(rows[i, 0]) * np.float64(rows[i, 0])
        for c in range(1, d):
            total = total + np.float64(rows[i, c]) * np.float64(rows[i, c])
        squares[i, 0] = total
    return row_sums(weights, squares, (0.0,))[0]


@compiled(exact=True)
def _runge_kutta(step, terms, course, x, weights, ids, memory, first, count, scratch, sums):
    """Steps of a Runge–Kutta scheme. `sums` (count, s) gets ∫|v|² of every stage over these particles."""
    stages = step.b.size
    part, stage = np.empty_like(x), np.empty_like(x)
    slopes, squares = np.empty((stages, *x.shape), x.dtype), np.empty((x.shape[0], 1))
    for k in range(count):
        for i in range(stages):
            if i == 0:
                gradient_at_start(terms, course, k * stages, k, x, weights, part, slopes[0])
            else:
                moved_along(x, step.a[i], slopes, i, stage)
                total_gradient(terms, course, k * stages + i, stage, weights, part, slopes[i])
            sums[k, i] = mean_square(weights, slopes[i], squares)
        moved_along(x, step.b, slopes, stages, x)


@compiled(exact=True)
def _langevin(step, terms, course, x, weights, ids, memory, first, count, scratch, sums):
    """Langevin steps; the number of the first one is `first`."""
    part, slope, here, to = np.empty_like(x), np.empty_like(x), x.copy(), np.empty_like(x)
    rows, counters, words, z = scratch
    for k in range(count):
        gradient_at_start(terms, course, k, k, here, weights, part, slope)
        scale = at_row(step.scale, k)
        move(at_step(step.law, first + k), ids, rows, counters, words, z, here, slope, step.h, scale, to)
        here, to = to, here
    copy(here.reshape(x.size), x.reshape(x.size))


@compiled(exact=True)
def _exponential_euler(step, terms, course, x, weights, ids, memory, first, count, scratch, sums):
    """Exponential Euler steps with noise; K is a number or a diagonal."""
    part, slope, normal, xi = np.empty_like(x), np.empty_like(x), np.empty(x.shape), np.empty_like(x)
    for k in range(count):
        gradient_at_start(terms, course, k, k, x, weights, part, slope)
        draw(at_step(step.law, first + k), ids, *scratch, normal)
        spread = at_row(step.spread, k)
        for i in range(x.shape[0]):
            for c in range(x.shape[1]):
                xi[i, c] = normal[i, c]  # rounds to the dtype of the particles
                x[i, c] = (x[i, c] - step.pull[c] * slope[i, c]) + spread[c] * xi[i, c]


@compiled(exact=True)
def _turned_exponential_euler(step, terms, course, x, weights, ids, memory, first, count, scratch, sums):
    """Exponential Euler steps with noise; K is a matrix."""
    part, slope, normal, xi = np.empty_like(x), np.empty_like(x), np.empty(x.shape), np.empty_like(x)
    turned = np.empty_like(x)
    for k in range(count):
        gradient_at_start(terms, course, k, k, x, weights, part, slope)
        draw(at_step(step.law, first + k), ids, *scratch, normal)
        moved_rows(slope, step.zeros, entries(step.pull, step.zeros), turned)
        at = k if step.spread.shape[0] > 1 else 0
        for i in range(x.shape[0]):
            for c in range(x.shape[1]):
                x[i, c] = x[i, c] - turned[i, c]
                xi[i, c] = normal[i, c]  # rounds to the dtype of the particles
        moved_rows(xi, step.zeros, entries(step.spread[at : at + 1], step.zeros), turned)
        for i in range(x.shape[0]):
            for c in range(x.shape[1]):
                x[i, c] = x[i, c] + turned[i, c]


@compiled(exact=True)
def _leimkuhler_matthews(step, terms, course, x, weights, ids, memory, first, count, scratch, sums):
    """Steps of Leimkuhler and Matthews. The memory is the later noise of the last step."""
    part, slope, normal = np.empty_like(x), np.empty_like(x), np.empty(x.shape)
    here, earlier, later = x.reshape(x.size), memory.reshape(x.size), normal.reshape(x.size)
    force = slope.reshape(x.size)
    for k in range(count):
        gradient_at_start(terms, course, k, k, x, weights, part, slope)
        draw(at_step(step.law, first + k + 1), ids, *scratch, normal)
        half = at_row(step.half, k)
        for i in range(here.size):
            moved = (here[i] - step.h * force[i]) + half * earlier[i]
            earlier[i] = later[i]
            here[i] = moved + half * earlier[i]


@compiled(exact=True)
def _drifted(x, half, p):
    """x + ½h p, in place; also the kicks, p − ½h ∇E, with a negative ½h."""
    for i in range(x.size):
        x[i] = x[i] + half * p[i]


@compiled(exact=True)
def _differ(numbers, row):
    """Whether a row of coefficients, at the end of a step, differs from the next one: t rounds differently."""
    return numbers.shape[0] > 1 and (numbers[row] != numbers[row + 1]).any()


@compiled(exact=True)
def _underdamped(step, terms, course, x, weights, ids, memory, first, count, scratch, sums):
    """Underdamped steps with noise. The memory are the momenta p."""
    part, slope, normal = np.empty_like(x), np.empty_like(x), np.empty(x.shape)
    here, p, force, xi = x.reshape(x.size), memory.reshape(x.size), slope.reshape(x.size), normal.reshape(x.size)
    gradient_at_start(terms, course, 0, 0, x, weights, part, slope)
    for k in range(count):
        _drifted(p, -step.half, force)
        _drifted(here, step.half, p)
        draw(at_step(step.law, first + k), ids, *scratch, normal)
        spread = at_row(step.spread, k)
        for i in range(p.size):
            force[i] = xi[i]  # rounds to the dtype of the particles
            p[i] = step.kept * p[i] + spread * force[i]
        _drifted(here, step.half, p)
        gradient_at_start(terms, course, 2 * k + 1, k + 1, x, weights, part, slope)
        _drifted(p, -step.half, force)
        if k + 1 < count and _differ(course.numbers, 2 * k + 1):
            total_gradient(terms, course, 2 * k + 2, x, weights, part, slope)


@compiled(exact=True)
def _damped(step, terms, course, x, weights, ids, memory, first, count, scratch, sums):
    """The same without noise. `sums` (count, 1) gets ∫|p|² before the friction."""
    part, slope, squares = np.empty_like(x), np.empty_like(x), np.empty((x.shape[0], 1))
    here, p, force = x.reshape(x.size), memory.reshape(x.size), slope.reshape(x.size)
    gradient_at_start(terms, course, 0, 0, x, weights, part, slope)
    for k in range(count):
        _drifted(p, -step.half, force)
        _drifted(here, step.half, p)
        sums[k, 0] = mean_square(weights, memory, squares)
        for i in range(p.size):
            p[i] = step.kept * p[i]
        _drifted(here, step.half, p)
        gradient_at_start(terms, course, 2 * k + 1, k + 1, x, weights, part, slope)
        _drifted(p, -step.half, force)
        if k + 1 < count and _differ(course.numbers, 2 * k + 1):
            total_gradient(terms, course, 2 * k + 2, x, weights, part, slope)


STEPS = {
    bodies.RungeKutta: _runge_kutta,
    bodies.Langevin: _langevin,
    bodies.ExponentialEuler: _exponential_euler,
    bodies.TurnedExponentialEuler: _turned_exponential_euler,
    bodies.LeimkuhlerMatthews: _leimkuhler_matthews,
    bodies.Underdamped: _underdamped,
    bodies.Damped: _damped,
}
"""The steps of the schemes in which particles meet in the terms only."""
