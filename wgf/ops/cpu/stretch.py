"""Whole stretches of steps in one compiled call: schemes and terms are bodies (`wgf.ops.bodies`).

Where particles do not meet, each thread takes blocks of particles through all steps, in cache and without waiting for
the other threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import bodies
from ..threads import run_blocks
from .adaptive import adaptive_runge_kutta
from .gradients import Course, gradient_at_start, is_ready, ready
from .jit import compiled, is_built
from .lanes import NormalSingle
from .noise import Scratch
from .schemes import STEPS
from .stein import Space, velocities
from .team import helped, helper_built, shared, with_team

_NUMBERS = 4096  # numbers in a block of particles that is taken through all steps


@compiled(exact=True)
def _stein(step, terms, course, x, weights, ids, memory, first, count, scratch, sums):
    """Stein steps. x becomes NaN where a single step sums in float64: single steps then take the stretch."""
    part, slope, velocity = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    scores, here, moved = slope.reshape(x.size), x.reshape(x.size), velocity.reshape(x.size)
    for number in range(count):
        gradient_at_start(terms, course, number, number, x, weights, part, slope)
        for k in range(scores.size):
            scores[k] = -scores[k] / step.temperature
        if not velocities(step, x, slope, scratch, velocity):
            x[:] = np.nan
            return
        for k in range(here.size):
            here[k] = here[k] + step.h * (step.pair.scale * moved[k])


_STEPS = {**STEPS, bodies.Stein: _stein, bodies.AdaptiveRungeKutta: adaptive_runge_kutta}

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
        The coefficients of the terms, in the dtype of the particles: one row (terms,) for every evaluation of ∇F, or a
        single one.
    weights, ids : ndarray
        Weights (n,), float64, and ids (n,), int64, of the particles.
    driven : ndarray or None
        Which terms have a coefficient that changes (terms,), bool; None where none has.
    """

    step: Any
    terms: tuple[Any, ...]
    numbers: np.ndarray
    weights: np.ndarray
    ids: np.ndarray
    driven: np.ndarray | None = None

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
            Sums over the particles for every step, float64: |v|² of the stages, if the scheme has a dissipation of its
            own; then the values of the driven terms at its start. None where there is none of both.
        """
        rows, stages = self._rows(x), 0 if self.step.quadrature is None else len(self.step.quadrature)
        blocks = -(-len(x) // rows)
        sums = np.empty((blocks, count, stages))
        values = None if self.driven is None else np.zeros((blocks, count + 1, len(self.terms)))
        step, teamed = self._teamed(x)
        what = step, self._ready(teamed, x)

        def worker(indices: Iterator[int]) -> None:
            scratch = self._scratch(step, x)
            for index in indices:
                part = slice(index * rows, (index + 1) * rows)
                noted = sums[index], None if values is None else values[index]
                self._compiled(*self._arguments(what, x[part], memory, part, first, count, scratch, *noted))

        with helped(shared(step, *teamed)):
            run_blocks(worker, blocks)
        if values is not None:
            sums = np.concatenate([sums, values[:, :count, self.driven]], axis=2)
        if not sums.shape[2]:
            return None
        return sums[0] if blocks == 1 else np.ascontiguousarray(sums.transpose(1, 2, 0)).sum(2)

    def _rows(self, x: np.ndarray) -> int:
        """Particles in a block. Sums go by the blocks of `weighted_sum`."""
        if isinstance(self.step, bodies.MEETING) or not all(term.separable for term in self.terms):
            return len(x)
        summed = self.step.quadrature is not None or self.driven is not None
        return bodies.BLOCK if summed else max(1, _NUMBERS // x.shape[1])

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
        """The scheme and the terms, with the memory that they need and that two threads share."""
        (n, d), terms = x.shape, list(self.terms)
        for k, driven in enumerate(self._driven()):
            if driven and isinstance(terms[k], bodies.Pairs):
                terms[k] = terms[k]._replace(kept=np.empty((d + 1, n)))
        return with_team(self.step, tuple(terms), n, d, x.dtype)

    def _driven(self) -> list[bool]:
        return [False] * len(self.terms) if self.driven is None else self.driven.tolist()

    def _ready(self, terms: tuple[Any, ...], x: np.ndarray) -> tuple[Any, ...]:
        return tuple(map(partial(ready, x=x, weights=self.weights), terms, self._driven()))

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
        values: np.ndarray | None,
    ) -> tuple[Any, ...]:
        """The arguments of the compiled call for the particles x of one block."""
        course = Course(self.numbers, self.driven, values)
        remembered = x[:0] if memory is None else memory[part]
        return *what, course, x, self.weights[part], self.ids[part], remembered, first, count, scratch, sums

    def built(self, x: np.ndarray, loaded: bool = False) -> bool:
        """Whether the compiled code need not be compiled: it is in this process or, unless `loaded`, on disk."""
        step, terms = self._teamed(x)
        there = map(partial(is_ready, x=x, weights=self.weights, loaded=loaded), terms, self._driven())
        if not all(there) or not helper_built(shared(step, *terms), loaded):
            return False
        what, none = (step, self._ready(terms, x)), np.empty((0, 0))
        rest = x, None, slice(0, 1), 0, 0, self._scratch(step, x), none, None if self.driven is None else none
        return is_built(self._compiled, self._arguments(what, *rest), loaded)
