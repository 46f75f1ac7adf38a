"""Whole stretches of steps in one compiled call: schemes and terms are bodies (`wgf.ops.bodies`).

Where particles do not meet, each thread takes blocks of particles through all steps, in cache and without waiting for
the other threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .. import bodies
from ..threads import run_blocks
from .gradients import is_ready, ready, total_gradient
from .jit import compiled, is_built
from .lanes import NormalSingle
from .noise import Scratch
from .schemes import STEPS
from .stein import Space, velocities
from .team import helped, helper_built, shared, with_team

_NUMBERS = 4096  # numbers in a block of particles that is taken through all steps


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


_STEPS = {**STEPS, bodies.Stein: _stein}

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
        teamed = self._teamed(x)
        terms = self._ready(teamed, x)

        def worker(indices: Iterator[int]) -> None:
            scratch = self._scratch(x)
            for index in indices:
                part = slice(index * rows, (index + 1) * rows)
                self._compiled(*self._arguments(terms, x[part], memory, part, first, count, scratch, sums[index]))

        with helped(shared(teamed)):
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

    def _scratch(self, x: np.ndarray) -> tuple[Any, ...]:
        """Memory for the numbers of one chunk of particles; for Stein steps that of the whole."""
        if isinstance(self.step, bodies.Stein):
            median = self.step.median
            n, d = x.shape
            return Space.of(n, d, x.dtype, 0 if median is None else len(median.rows))
        single = isinstance(getattr(self.step, "law", None), NormalSingle)
        return tuple(Scratch.of(x.shape[1], np.dtype(np.float32 if single else np.float64)))

    def _teamed(self, x: np.ndarray) -> tuple[Any, ...]:
        n, d = x.shape
        return with_team(self.terms, n, d, x.dtype)

    def _ready(self, terms: tuple[Any, ...], x: np.ndarray) -> tuple[Any, ...]:
        return tuple(ready(term, x, self.weights) for term in terms)

    def _arguments(
        self,
        terms: Any,
        x: np.ndarray,
        memory: Any,
        part: slice,
        first: int,
        count: int,
        scratch: Any,
        sums: np.ndarray,
    ) -> tuple[Any, ...]:
        """The arguments of the compiled call for the particles x of one block."""
        what, remembered = (self.step, terms, self.numbers), x[:0] if memory is None else memory[part]
        return *what, x, self.weights[part], self.ids[part], remembered, first, count, scratch, sums

    def built(self, x: np.ndarray, loaded: bool = False) -> bool:
        """Whether the compiled code need not be compiled: it is in this process or, unless `loaded`, on disk."""
        terms = self._teamed(x)
        if not all(is_ready(term, x, self.weights, loaded) for term in terms) or not helper_built(terms, loaded):
            return False
        rest = x, None, slice(0, 1), 0, 0, self._scratch(x), np.empty((0, 0))
        return is_built(self._compiled, self._arguments(self._ready(terms, x), *rest), loaded)
