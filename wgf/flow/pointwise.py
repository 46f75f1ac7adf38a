"""Stretches of Euler steps along one potential that is no compiled function, such as one written in torch.

A step calls the function of the user, the backward pass of torch, and one compiled update. The bits are those of single
steps. Single steps do more: they evaluate F by its terms and book it. Where a stretch meets an error, single steps go
on from the last state before it. Where it meets a number that is not finite, they take the stretch again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from .. import ops
from ..errors import WgfError
from ..extension import guarded
from ..functional import Evaluation
from ..ledger import Bookkeeper
from ..ops import bodies
from ..protocol import State
from .cadence import Records
from .gear import Gear, SecondGear

_PIECE = 0.1
"""Seconds in one stretch, after which the progress is shown and a signal is looked for. No bits depend on it."""


class Gears:
    """What takes several steps of a run at once: the second gear, or else `PointwiseSteps`. Parameters: as theirs."""

    def __init__(self, *parts: Any) -> None:
        self._all = SecondGear(*parts), PointwiseSteps(*parts)

    @property
    def open(self) -> bool:
        """Whether several steps at once may be possible."""
        return any(gear.open for gear in self._all)

    def leap(self, state: State, stop: int, books: Bookkeeper, records: Records) -> State | None:
        """Take steps towards `stop`, and book them: as `SecondGear.leap`."""
        for gear in self._all:
            after = gear.leap(state, stop, books, records)
            if after is not None:
                return after
        return None


class PointwiseSteps(Gear):
    """Takes several Euler steps of a run at once, with only what such a step needs. Parameters: as `Gear`."""

    _both: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None
    _error: BaseException | None = None

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.open = self.open and not (self._plan.adaptive or self._dynamics.free_energy.varies)

    def leap(self, state: State, stop: int, books: Bookkeeper, records: Records) -> State | None:
        """Take steps towards `stop`, and book them: as `SecondGear.leap`.

        An error of the user's function is raised in the call after, so that the run has the last state before it.
        """
        if self._error is not None:
            raise self._error
        last = stop if self._plan.whole else min(stop, self._plan.last - 1)
        if not self.open or last - state.step < 2:
            return None
        self.open = self._both is not None or self._fits(state)
        if not self.open:
            return None
        seen = state.mu.x, state.mu.weights
        return guarded(f"step {state.step}: a term", seen, self._taken, state, last - state.step, books)

    def _fits(self, state: State) -> bool:
        """Whether the run is along one potential, by Euler steps of a few particles; `_both` is set if so."""
        mu, drift = state.mu, self._dynamics.drift
        if not mu.whole or mu.device.type != "cpu" or len(drift.terms) != 1:
            return False
        step = self._solver.body(self._dynamics, state, self._plan.dt, self._noise)
        if not isinstance(step, bodies.RungeKutta) or step.stages != 1:
            return False
        self._h, self._weight, self._number = float(step.b[0]), float(step.quadrature[0]), drift.terms[0].number
        self._both = drift.terms[0].functional.pointwise(mu)
        first = ops.descend(mu.x, state.evaluation.gradient, mu.weights, self._h)
        return self._both is not None and first is not None

    def _taken(self, state: State, most: int, books: Bookkeeper) -> State | None:
        """The state after some steps, at most so many; None where the next step is a single one."""
        squares: list[float] = []
        evaluations = self._dynamics.evaluations
        try:
            x = self._moved(state, most, squares)
            if x is None:
                self.open = False
                return None
            step = state.step + len(squares)
            after = self._after(state.with_(t=self._plan.time(step), step=step, memory=None), x)
        except BaseException as error:  # of the user's function, at the particles after the last of these steps
            after = None
            if not isinstance(error, WgfError):  # single steps find those again, and say where
                self._error = error
        if after is None:
            self.open = False
            del squares[self._last[0] :]
            if not squares and self._error is not None:
                raise self._error
            if not squares:
                return None
            after = self._known(state)
        self._dynamics.evaluations = evaluations + len(squares)
        books.along(self._plan.dt, self._weight * np.array(squares), None)
        return after

    def _moved(self, state: State, most: int, squares: list[float]) -> Tensor | None:
        """The particles after some steps; None where a number is not finite. Each step adds ∫|∇F|² dμ to `squares`."""
        x, slope, weights, until = state.mu.x, state.evaluation.gradient, state.mu.weights, time.perf_counter() + _PIECE
        values, part = weights, slope
        self._last = 0, x, values, part
        assert self._both is not None
        with ops.one_torch_thread(), ops.recorded():
            while True:
                taken = ops.descend(x, slope, weights, self._h, values)
                if taken is None or not taken[2]:
                    return None
                self._last = len(squares), x, values, part
                squares.append(float(taken[1]))
                x = taken[0]
                if len(squares) >= most or time.perf_counter() > until:
                    return x
                values, part = self._both(x)
                slope = part if self._number == 1.0 else self._number * part

    def _known(self, state: State) -> State:
        """The state before the last step, from what the stretch has evaluated there."""
        count, x, values, gradient = self._last
        mu, t = state.mu.moved(x, finite=True), self._plan.time(state.step + count)
        mu = mu.remembering(self._history) if self._history else mu
        evaluation = self._dynamics.drift.at(t).combined([Evaluation(mu.expect(values), gradient)], mu)
        return state.with_(mu=mu, t=t, step=state.step + count, evaluation=evaluation, memory=None)
