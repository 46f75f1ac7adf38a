"""Schedules given by a list of points (t, value): a value that jumps, and straight lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from ..errors import ConfigError, require_number, shown
from .schedules import Schedule, reached, settle


@dataclass(frozen=True)
class _Listed(Schedule):
    """A schedule given by points (t, value) in increasing t."""

    points: tuple[tuple[float, float], ...]

    def __init__(self, points: Iterable[tuple[float, float]]) -> None:
        name = type(self).__name__
        try:
            pairs = [(t, value) for t, value in points]
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{name}: points = {shown(points)}; wanted pairs (t, value).") from error
        settled = tuple((require_number(f"{name} t", t), require_number(f"{name} value", v)) for t, v in pairs)
        if not settled:
            raise ConfigError(f"{name}: no points; wanted at least one pair (t, value).")
        for (early, _), (late, _) in pairwise(settled):
            if not early < late:
                raise ConfigError(f"{name}: t = {late:g} comes after t = {early:g}; wanted increasing times.")
        settle(self, points=settled)


@dataclass(frozen=True, init=False)
class Steps(_Listed):
    """A value that jumps at given times: that of the last time reached; before the first time, the first value.

    Parameters
    ----------
    points : iterable of (t, value)
        Times of the run, increasing, and the value from each on.

    Raises
    ------
    ConfigError
        If there are no points, numbers are not finite, or times do not increase.

    See Also
    --------
    wgf.drives.Schedule, wgf.drives.Constant, wgf.drives.Linear, wgf.drives.Exponential

    Notes
    -----
    A jump falls within the step that reaches its time. Where the time is on the grid of the run, that step ends with
    the jump.

    Examples
    --------
    >>> schedule = Steps([(0.0, 1.0), (5.0, 0.1)])
    >>> schedule(4.9), schedule(5.0)
    (1.0, 0.1)
    """

    def __call__(self, t: float) -> float:
        return next((value for when, value in reversed(self.points) if reached(t, when)), self.points[0][1])


@dataclass(frozen=True, init=False)
class Piecewise(_Listed):
    """Straight lines between points (t, value); constant before the first and after the last.

    Parameters
    ----------
    points : iterable of (t, value)
        Times of the run, increasing, and the values at them.

    Raises
    ------
    ConfigError
        If there are no points, numbers are not finite, or times do not increase.

    See Also
    --------
    wgf.drives.Steps, wgf.drives.Warmup, wgf.drives.Schedule

    Examples
    --------
    >>> Piecewise([(0.0, 0.0), (2.0, 1.0), (10.0, 0.5)])(6.0)
    0.75
    """

    def __call__(self, t: float) -> float:
        if t <= self.points[0][0]:
            return self.points[0][1]
        for (t0, a), (t1, b) in pairwise(self.points):
            if t < t1:
                return a + (b - a) * (t - t0) / (t1 - t0)
        return self.points[-1][1]
