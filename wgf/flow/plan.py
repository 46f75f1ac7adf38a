"""At which times a run takes its steps: origin + k·dt up to t_end, the same for a run in pieces, or as they come."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..errors import ConfigError
from ..protocol import State

_ON_GRID = 1e-9  # t_end this close to a whole number of steps (relative) is reached by whole steps
LOOKS = 1000
"""At about so many times schedules are looked at before a run."""


@dataclass(frozen=True)
class Plan:
    """Steps at origin + k·dt, `first` to `last`; the last is shortened where t_end is off the grid.

    Where the scheme adapts, steps have the lengths that it takes, the last one up to t_end exactly, and `last` says
    nothing. Continuing bit for bit then asks for a cut where the unbroken run has a step: by `max_steps` or `until`.
    """

    origin_t: float
    origin_step: int
    dt: float
    t_end: float
    last: int  # index of the last step, counted like State.step
    whole: bool  # whether t_end is on the grid
    first: int
    start: float
    adaptive: bool = False

    @staticmethod
    def make(start: float, t_end: float, dt: float, state: State | None, adaptive: bool = False) -> Plan:
        origin_t, origin_step, first = start, 0, 0
        if state is not None:
            first = state.step
            same = state.dt == dt
            origin_t, origin_step = (state.origin_t, state.origin_step) if same else (state.t, state.step)
        if t_end < start and not math.isclose(t_end, start, rel_tol=_ON_GRID):
            raise ConfigError(f"t_end = {t_end:g} lies before the start t = {start:g}; t_end is an absolute time.")
        if adaptive:
            return Plan(start, first, dt, t_end, first, False, first, start, adaptive=True)
        ratio = (t_end - origin_t) / dt
        if ratio > 2**44:
            raise ConfigError(f"t_end = {t_end:g} is {ratio:.3g} steps of dt = {dt:g} away; wanted fewer than 2^44.")
        whole = abs(ratio - round(ratio)) <= _ON_GRID * max(1.0, abs(ratio))
        last = origin_step + (round(ratio) if whole else math.ceil(ratio))
        return Plan(origin_t, origin_step, dt, t_end, last, whole, first, start)

    @property
    def steps(self) -> int | None:
        """How many steps there will be; None where the scheme decides."""
        return None if self.adaptive else max(0, self.last - self.first)

    def time(self, step: int) -> float:
        """The time of a step: t_end itself for the last, whole steps may miss it by rounding."""
        return self.t_end if step == self.last else self.origin_t + (step - self.origin_step) * self.dt

    def times(self) -> Iterator[float]:
        """Times along the run, from its start to its end, for a look ahead."""
        if self.adaptive:
            yield from (self.start + (self.t_end - self.start) * k / LOOKS for k in range(LOOKS))
            yield self.t_end
        else:
            stride = max(1, (self.last - self.first) // LOOKS)
            yield from map(self.time, (*range(self.first, self.last, stride), max(self.first, self.last)))

    def done(self, state: State) -> bool:
        """Whether the run has reached t_end."""
        return state.t >= self.t_end if self.adaptive else state.step >= self.last

    def next(self, state: State) -> float:
        """The length of the next step; the most that it may be where the scheme adapts."""
        if self.adaptive:
            return self.t_end - state.t
        return self.t_end - state.t if state.step + 1 == self.last and not self.whole else self.dt

    def after(self, state: State, h: float, taken: float) -> State:
        """Where in time a step leads that took `taken` of the h that `next` gave."""
        step = state.step + 1
        if self.adaptive:
            t = self.t_end if taken >= h else state.t + taken
            return replace(state, t=t, step=step, origin_t=t, origin_step=step)
        if step == self.last and not self.whole:  # a shortened step; the grid of a continued run starts anew here
            return replace(state, t=self.t_end, step=step, origin_t=self.t_end, origin_step=step)
        return replace(state, t=self.time(step), step=step)
