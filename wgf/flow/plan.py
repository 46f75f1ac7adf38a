"""The times at which a run takes its steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import ConfigError
from ..protocol import State

_ON_GRID = 1e-9  # relative: t_end this close to a whole number of steps counts as on the grid
LOOKS = 1000
"""The number of times at which schedules are evaluated before a run, to find mistakes early."""


@dataclass(frozen=True)
class Plan:
    """The times of the steps of a run.

        t_k = origin_t + (k − origin_step) · dt,        k = first, …, last

    The last step is shortened where t_end is not on this grid. A run in pieces visits the same times as an unbroken
    one. The steps of an adaptive scheme have the lengths that it chooses. The last one then ends at t_end exactly,
    and `last` has no meaning.

    Attributes
    ----------
    origin_t, origin_step : float, int
        A point of the grid: its time, in flow time, and the number of its step.
    dt : float
        The length of a step, in flow time.
    t_end : float
        The time at which the run ends.
    last : int
        The number of the last step, counted like `State.step`.
    whole : bool
        Whether t_end is on the grid, up to rounding.
    first : int
        The number of steps made before this run.
    start : float
        The time at which the run starts.
    adaptive : bool
        Whether the scheme chooses the lengths of its steps.

    Notes
    -----
    An adaptive run continues with the same bits only from a state at which the unbroken run has a step too: one that
    `max_steps` or `until` ended. A t_end shortens a step.
    """

    origin_t: float
    origin_step: int
    dt: float
    t_end: float
    last: int  # the number of the last step, counted like State.step
    whole: bool  # whether t_end is on the grid
    first: int
    start: float
    adaptive: bool = False

    @staticmethod
    def make(start: float, t_end: float, dt: float, state: State | None, adaptive: bool = False) -> Plan:
        """Plan a run.

        Parameters
        ----------
        start, t_end, dt : float
            Where the run starts and ends, and the length of a step, in flow time.
        state : State or None
            The state that the run continues from. With the same dt the run stays on the grid of the state.
        adaptive : bool, default False
            Whether the scheme chooses the lengths of its steps.

        Returns
        -------
        Plan
            The plan.

        Raises
        ------
        ConfigError
            If t_end is before the start, or 2⁴⁴ steps away or more.
        """
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
        """The number of steps of this run; None where the scheme is adaptive."""
        return None if self.adaptive else max(0, self.last - self.first)

    def bound(self, most: int) -> int:
        """The number of the last step of a run that takes at most so many."""
        return self.first + most if self.adaptive else min(self.last, self.first + most)

    def time(self, step: int) -> float:
        """The time of a step. The last step is at t_end itself, which the grid may miss by rounding."""
        return self.t_end if step == self.last else self.origin_t + (step - self.origin_step) * self.dt

    def times(self) -> Iterator[float]:
        """About `LOOKS` times from the start to the end of the run, at which schedules are checked beforehand."""
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
        """The length of the next step, in flow time. For an adaptive scheme it is the greatest length allowed."""
        if self.adaptive:
            return self.t_end - state.t
        return self.t_end - state.t if state.step + 1 == self.last and not self.whole else self.dt

    def after(self, state: State, h: float, taken: float) -> State:
        """The state with its new time and number: `h` was offered by `next`, `taken` is the length that was used."""
        step = state.step + 1
        if self.adaptive:
            t = self.t_end if taken >= h else state.t + taken
            return state.with_(t=t, step=step, origin_t=t, origin_step=step)
        if step == self.last and not self.whole:  # after a shortened step a continued run starts a new grid
            return state.with_(t=self.t_end, step=step, origin_t=self.t_end, origin_step=step)
        return state.with_(t=self.time(step), step=step)
