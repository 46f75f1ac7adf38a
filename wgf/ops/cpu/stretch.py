"""Whole stretches of steps in one compiled call: schemes and terms are bodies (`wgf.ops.bodies`).

Where particles do not meet, each thread takes blocks of particles through all steps, in cache and without waiting for
the other threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from .. import bodies
from ..threads import run_blocks
from .columns import copy
from .gradients import EXACT, is_ready, ready, total_gradient
from .jit import compiled, is_built
from .lanes import Normal, NormalSingle
from .moments import row_sums
from .noise import Scratch, draw, move
from .stein import Space, velocities
from .team import helped, helper_built, shared, with_team

_NUMBERS = 4096  # numbers in a block of particles that is taken through all steps


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


# ------------------------------------------------------------------------------------------------ schemes


@compiled(exact=True)
def _moved_along(x, row, slopes, stages, out):
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
def _mean_square(weights, rows, squares):
    """Σ w |v|² over the rows v: squares in float64, added as by `weighted_sum`."""
    n, d = rows.shape
    for i in range(n):
        total = np.float64(rows[i, 0]) * np.float64(rows[i, 0])
        for c in range(1, d):
            total = total + np.float64(rows[i, c]) * np.float64(rows[i, c])
        squares[i, 0] = total
    return row_sums(weights, squares, (0.0,))[0]


@compiled(exact=True)
def _runge_kutta(step, terms, numbers, x, weights, ids, memory, first, count, scratch, sums):
    """Steps of a Runge–Kutta scheme. `sums` (count, s) gets ∫|v|² of every stage over these particles."""
    stages = step.b.size
    part, stage = np.empty_like(x), np.empty_like(x)
    slopes, squares = np.empty((stages, *x.shape), x.dtype), np.empty((x.shape[0], 1))
    for k in range(count):
        for i in range(stages):
            if i == 0:
                total_gradient(terms, numbers, x, weights, part, slopes[0])
            else:
                _moved_along(x, step.a[i], slopes, i, stage)
                total_gradient(terms, numbers, stage, weights, part, slopes[i])
            sums[k, i] = _mean_square(weights, slopes[i], squares)
        _moved_along(x, step.b, slopes, stages, x)


@compiled(exact=True)
def _langevin(step, terms, numbers, x, weights, ids, memory, first, count, scratch, sums):
    """Langevin steps; the number of the first one is `first`."""
    part, slope, here, to = np.empty_like(x), np.empty_like(x), x.copy(), np.empty_like(x)
    rows, counters, words, z = scratch
    for k in range(count):
        total_gradient(terms, numbers, here, weights, part, slope)
        move(at_step(step.law, first + k), ids, rows, counters, words, z, here, slope, step.h, step.scale, to)
        here, to = to, here
    copy(here.reshape(x.size), x.reshape(x.size))


@compiled(exact=True)
def _exponential_euler(step, terms, numbers, x, weights, ids, memory, first, count, scratch, sums):
    """Exponential Euler steps with noise; K is a number or a diagonal."""
    part, slope, normal, xi = np.empty_like(x), np.empty_like(x), np.empty(x.shape), np.empty_like(x)
    for k in range(count):
        total_gradient(terms, numbers, x, weights, part, slope)
        draw(at_step(step.law, first + k), ids, *scratch, normal)
        for i in range(x.shape[0]):
            for c in range(x.shape[1]):
                xi[i, c] = normal[i, c]  # rounds to the dtype of the particles
                x[i, c] = (x[i, c] - step.pull[c] * slope[i, c]) + step.spread[c] * xi[i, c]


@compiled(exact=True)
def _leimkuhler_matthews(step, terms, numbers, x, weights, ids, memory, first, count, scratch, sums):
    """Steps of Leimkuhler and Matthews. The memory is the later noise of the last step."""
    part, slope, normal = np.empty_like(x), np.empty_like(x), np.empty(x.shape)
    here, earlier, later = x.reshape(x.size), memory.reshape(x.size), normal.reshape(x.size)
    force = slope.reshape(x.size)
    for k in range(count):
        total_gradient(terms, numbers, x, weights, part, slope)
        draw(at_step(step.law, first + k + 1), ids, *scratch, normal)
        for i in range(here.size):
            moved = (here[i] - step.h * force[i]) + step.early * earlier[i]
            earlier[i] = later[i]
            here[i] = moved + step.late * earlier[i]


@compiled(exact=True)
def _drifted(x, half, p):
    """x + ½h p, in place; also the kicks, p − ½h ∇E, with a negative ½h."""
    for i in range(x.size):
        x[i] = x[i] + half * p[i]


@compiled(exact=True)
def _underdamped(step, terms, numbers, x, weights, ids, memory, first, count, scratch, sums):
    """Underdamped steps with noise. The memory are the momenta p."""
    part, slope, normal = np.empty_like(x), np.empty_like(x), np.empty(x.shape)
    here, p, force, xi = x.reshape(x.size), memory.reshape(x.size), slope.reshape(x.size), normal.reshape(x.size)
    total_gradient(terms, numbers, x, weights, part, slope)
    for k in range(count):
        _drifted(p, -step.half, force)
        _drifted(here, step.half, p)
        draw(at_step(step.law, first + k), ids, *scratch, normal)
        for i in range(p.size):
            force[i] = xi[i]  # rounds to the dtype of the particles
            p[i] = step.kept * p[i] + step.spread * force[i]
        _drifted(here, step.half, p)
        total_gradient(terms, numbers, x, weights, part, slope)
        _drifted(p, -step.half, force)


@compiled(exact=True)
def _damped(step, terms, numbers, x, weights, ids, memory, first, count, scratch, sums):
    """The same without noise. `sums` (count, 1) gets ∫|p|² before the friction."""
    part, slope, squares = np.empty_like(x), np.empty_like(x), np.empty((x.shape[0], 1))
    here, p, force = x.reshape(x.size), memory.reshape(x.size), slope.reshape(x.size)
    total_gradient(terms, numbers, x, weights, part, slope)
    for k in range(count):
        _drifted(p, -step.half, force)
        _drifted(here, step.half, p)
        sums[k, 0] = _mean_square(weights, memory, squares)
        for i in range(p.size):
            p[i] = step.kept * p[i]
        _drifted(here, step.half, p)
        total_gradient(terms, numbers, x, weights, part, slope)
        _drifted(p, -step.half, force)


@compiled(exact=True)
def _stein(step, terms, numbers, x, weights, ids, memory, first, count, scratch, sums):
    """Stein steps. x becomes NaN where a single step sums in float64: single steps then take the stretch."""
    part, slope, velocity = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    scores, here, moved = slope.reshape(x.size), x.reshape(x.size), velocity.reshape(x.size)
    for _ in range(count):
        total_gradient(terms, numbers, x, weights, part, slope)
        for k in range(scores.size):
            scores[k] = -scores[k] / step.temperature
        if not velocities(step, x, slope, scratch, velocity):
            x[:] = np.nan
            return
        for k in range(here.size):
            here[k] = here[k] + step.h * (step.pair.scale * moved[k])


_STEPS = {
    bodies.RungeKutta: _runge_kutta,
    bodies.Langevin: _langevin,
    bodies.ExponentialEuler: _exponential_euler,
    bodies.LeimkuhlerMatthews: _leimkuhler_matthews,
    bodies.Underdamped: _underdamped,
    bodies.Damped: _damped,
    bodies.Stein: _stein,
}

# ------------------------------------------------------------------------------------------------ stretches


class Stretch(NamedTuple):
    """Steps of one scheme for a sum of terms, ready to be taken.

    Attributes
    ----------
    step : NamedTuple
        The body of the scheme.
    terms : tuple of NamedTuple
        The bodies of the terms.
    numbers : ndarray
        The coefficients of the terms, in the dtype of the particles.
    weights, ids : ndarray
        Weights (n,), float64, and ids (n,), int64, of the particles.
    """

    step: Any
    terms: tuple[Any, ...]
    numbers: np.ndarray
    weights: np.ndarray
    ids: np.ndarray

    def take(self, x: np.ndarray, memory: np.ndarray | None, first: int, count: int) -> np.ndarray | None:
        """Take steps.

        Parameters
        ----------
        x : ndarray
            Particles (n, d). They are moved in place.
        memory : ndarray or None
            The memory of the scheme (n, d) in the dtype of the particles, changed in place; None for one without.
        first : int
            The number of the first step.
        count : int
            How many steps.

        Returns
        -------
        ndarray or None
            The mean dissipation of every step (count,), float64. None for a scheme that has none of its own.
        """
        rows, weights = self._rows(x), self.step.quadrature
        blocks = -(-len(x) // rows)
        sums = np.empty((blocks, count, 0 if weights is None else len(weights)))
        step, teamed = self._teamed(x)
        what = step, self._ready(teamed, x)

        def worker(indices: Iterator[int]) -> None:
            scratch = self._scratch(step, x)
            for index in indices:
                part = slice(index * rows, (index + 1) * rows)
                self._compiled(*self._arguments(what, x[part], memory, part, first, count, scratch, sums[index]))

        with helped(shared(step, *teamed)):
            run_blocks(worker, blocks)
        if weights is None:
            return None
        stages = sums[0] if blocks == 1 else np.ascontiguousarray(sums.transpose(1, 2, 0)).sum(2)
        total = weights[0] * stages[:, 0]
        for i in range(1, len(weights)):
            total = total + weights[i] * stages[:, i]
        return total

    def _rows(self, x: np.ndarray) -> int:
        """Particles in a block. Sums go by the blocks of `weighted_sum`."""
        if isinstance(self.step, bodies.MEETING) or not all(term.separable for term in self.terms):
            return len(x)
        return bodies.BLOCK if self.step.quadrature is not None else max(1, _NUMBERS // x.shape[1])

    @property
    def _compiled(self) -> Any:
        return _STEPS[type(self.step)]

    @staticmethod
    def _scratch(step: Any, x: np.ndarray) -> tuple[Any, ...]:
        """Memory for the numbers of one chunk of particles; for Stein steps that of the whole."""
        if isinstance(step, bodies.Stein):
            n, d = x.shape
            return Space.of(step, n, d, x.dtype)
        single = isinstance(getattr(step, "law", None), NormalSingle)
        return tuple(Scratch.of(x.shape[1], np.dtype(np.float32 if single else np.float64)))

    def _teamed(self, x: np.ndarray) -> tuple[Any, tuple[Any, ...]]:
        """The scheme and the terms, with the memory that two threads share."""
        n, d = x.shape
        return with_team(self.step, self.terms, n, d, x.dtype)

    def _ready(self, terms: tuple[Any, ...], x: np.ndarray) -> tuple[Any, ...]:
        return tuple(ready(term, x, self.weights) for term in terms)

    def _arguments(
        self,
        what: tuple[Any, Any],
        x: np.ndarray,
        memory: Any,
        part: slice,
        first: int,
        count: int,
        scratch: Any,
        sums: np.ndarray,
    ) -> tuple[Any, ...]:
        """The arguments of the compiled call for the particles x of one block."""
        remembered = x[:0] if memory is None else memory[part]
        return *what, self.numbers, x, self.weights[part], self.ids[part], remembered, first, count, scratch, sums

    def built(self, x: np.ndarray, loaded: bool = False) -> bool:
        """Whether the compiled code need not be compiled: it is in this process or, unless `loaded`, on disk."""
        step, terms = self._teamed(x)
        if not all(is_ready(term, x, self.weights, loaded) for term in terms):
            return False
        if not helper_built(shared(step, *terms), loaded):
            return False
        what = step, self._ready(terms, x)
        rest = x, None, slice(0, 1), 0, 0, self._scratch(step, x), np.empty((0, 0))
        return is_built(self._compiled, self._arguments(what, *rest), loaded)
