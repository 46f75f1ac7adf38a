"""At which times a run takes its steps: origin + k·dt up to t_end, the same for a run in pieces."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from .errors import ConfigError
from .protocol import State

_ON_GRID = 1e-9  # t_end this close to a whole number of steps (relative) is reached by whole steps


@dataclass(frozen=True)
class Plan:
    """Steps at origin + k·dt, `first` to `last`; the last is shortened where t_end is off the grid."""

    origin_t: float
    origin_step: int
    dt: float
    t_end: float
    last: int  # index of the last step, counted like State.step
    whole: bool  # whether t_end is on the grid
    first: int

    @staticmethod
    def make(start: float, t_end: float, dt: float, state: State | None) -> Plan:
        origin_t, origin_step, first = start, 0, 0
        if state is not None:
            first = state.step
            same = state.dt == dt
            origin_t, origin_step = (state.origin_t, state.origin_step) if same else (state.t, state.step)
        if t_end < start and not math.isclose(t_end, start, rel_tol=_ON_GRID):
            raise ConfigError(f"t_end = {t_end:g} lies before the start t = {start:g}; t_end is an absolute time.")
        ratio = (t_end - origin_t) / dt
        if ratio > 2**44:
            raise ConfigError(f"t_end = {t_end:g} is {ratio:.3g} steps of dt = {dt:g} away; wanted fewer than 2^44.")
        whole = abs(ratio - round(ratio)) <= _ON_GRID * max(1.0, abs(ratio))
        last = origin_step + (round(ratio) if whole else math.ceil(ratio))
        return Plan(origin_t, origin_step, dt, t_end, last, whole, first)

    @property
    def steps(self) -> int:
        return max(0, self.last - self.first)

    def time(self, step: int) -> float:
        """The time of a step: t_end itself for the last, whole steps may miss it by rounding."""
        return self.t_end if step == self.last else self.origin_t + (step - self.origin_step) * self.dt

    def next(self, state: State) -> tuple[float, State]:
        """The length of the next step, and where in time it leads."""
        step = state.step + 1
        if step == self.last and not self.whole:  # a shortened step; the grid of a continued run starts anew here
            return self.t_end - state.t, replace(state, t=self.t_end, step=step, origin_t=self.t_end, origin_step=step)
        return self.dt, replace(state, t=self.time(step), step=step)
