"""Schedules: a temperature, a coefficient or a level of risk as a function of time.

Each is a frozen dataclass that is called with the absolute time t of the run. Values are finite at all times: before
its begin a schedule has its first value, after its end its last. As a coefficient it drives the free energy, and its
work is booked: `F = risk - Linear(1e-2, 0.0, t1=50.0) * LogDet()`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from ..errors import ConfigError, require_number

_REACHED = 1e-9  # relative; many steps h add up to a time with a rounding error


def reached(t: float, when: float) -> bool:
    """Whether the time t is at or after `when`, up to the rounding of a sum of steps.

    Parameters
    ----------
    t, when : float
        Times of the run.

    Returns
    -------
    bool

    Examples
    --------
    >>> 0.1 + 0.7 >= 0.8, reached(0.1 + 0.7, 0.8)
    (False, True)
    """
    return t >= when - _REACHED * max(1.0, abs(when))


class Schedule(ABC):
    """The base class of schedules: a number at every time t. To write another one, define `__call__`.

    See Also
    --------
    wgf.drives.Constant, wgf.drives.Linear, wgf.drives.Exponential, wgf.drives.Cosine

    Examples
    --------
    >>> import wgf
    >>> class Wave(wgf.drives.Schedule):
    ...     def __call__(self, t):
    ...         return 1.0 + 0.5 * (t % 1.0)
    >>> Wave()(0.5)
    1.25
    """

    @abstractmethod
    def __call__(self, t: float) -> float:
        """The value at the absolute time t of the run."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value at all times.

    Use it where a schedule is wanted, for example in a configuration file.

    Parameters
    ----------
    value : float
        The value.

    Raises
    ------
    ConfigError
        If it is not a finite number.

    See Also
    --------
    wgf.drives.Schedule, wgf.drives.Linear, wgf.drives.Exponential, wgf.drives.Cosine

    Examples
    --------
    >>> Constant(0.5)(100.0)
    0.5
    """

    value: float

    def __post_init__(self) -> None:
        settle(self, value=require_number("Constant value", self.value))

    def __call__(self, t: float) -> float:
        return self.value


@dataclass(frozen=True)
class _Ramp(Schedule):
    """From `start` at t0 to `end` at t1; constant before and after."""

    start: float
    end: float
    t1: float
    t0: float = 0.0

    def __post_init__(self) -> None:
        name = type(self).__name__
        settle(self, **{key: require_number(f"{name} {key}", value) for key, value in vars(self).items()})
        if not self.t0 < self.t1:
            raise ConfigError(f"{name}: t0 = {self.t0:g}, t1 = {self.t1:g}; wanted t0 < t1.")

    def __call__(self, t: float) -> float:
        share = min(max((t - self.t0) / (self.t1 - self.t0), 0.0), 1.0)
        return self.start if share == 0.0 else self.end if share == 1.0 else self._between(share)

    @abstractmethod
    def _between(self, share: float) -> float: ...


@dataclass(frozen=True)
class Linear(_Ramp):
    """A straight line from `start` at t0 to `end` at t1.

        start + (end − start) s,    s = (t − t0)/(t1 − t0), kept in [0, 1]

    Parameters
    ----------
    start, end : float
        The values at t0 and at t1.
    t1, t0 : float
        End and begin, in the time of the run; t0 < t1.

    Raises
    ------
    ConfigError
        If numbers are not finite, or t0 ≥ t1.

    See Also
    --------
    wgf.drives.Schedule, wgf.drives.Constant, wgf.drives.Exponential, wgf.drives.Cosine

    Examples
    --------
    >>> Linear(1.0, 0.0, t1=10.0)(2.5)
    0.75
    """

    def _between(self, share: float) -> float:
        return self.start + share * (self.end - self.start)


@dataclass(frozen=True)
class Cosine(_Ramp):
    """Half a cosine wave from `start` at t0 to `end` at t1, flat at both ends.

        end + (start − end)(1 + cos πs)/2,    s = (t − t0)/(t1 − t0), kept in [0, 1]

    Parameters
    ----------
    start, end : float
        The values at t0 and at t1.
    t1, t0 : float
        End and begin, in the time of the run; t0 < t1.

    Raises
    ------
    ConfigError
        If numbers are not finite, or t0 ≥ t1.

    See Also
    --------
    wgf.drives.Schedule, wgf.drives.Constant, wgf.drives.Linear, wgf.drives.Exponential

    References
    ----------
    Loshchilov & Hutter (2017), SGDR: stochastic gradient descent with warm restarts, ICLR.

    Examples
    --------
    >>> Cosine(1.0, 0.0, t1=10.0)(5.0)
    0.5
    """

    def _between(self, share: float) -> float:
        return self.end + 0.5 * (self.start - self.end) * (1.0 + math.cos(math.pi * share))


@dataclass(frozen=True)
class Exponential(_Ramp):
    """From `start` at t0 to `end` at t1 by the same factor in equal times.

        start (end/start)^s,    s = (t − t0)/(t1 − t0), kept in [0, 1]

    Parameters
    ----------
    start, end : float
        The values at t0 and at t1, both > 0.
    t1, t0 : float
        End and begin, in the time of the run; t0 < t1.

    Raises
    ------
    ConfigError
        If numbers are not finite, a value is not positive, or t0 ≥ t1.

    See Also
    --------
    wgf.drives.Schedule, wgf.drives.Constant, wgf.drives.Linear, wgf.drives.Cosine

    Examples
    --------
    >>> Exponential(1.0, 0.01, t1=10.0)(5.0)
    0.1
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not min(self.start, self.end) > 0:
            raise ConfigError(f"Exponential: from {self.start:g} to {self.end:g}; wanted positive ends (or Linear).")

    def _between(self, share: float) -> float:
        return self.start * (self.end / self.start) ** share


@dataclass(frozen=True)
class Warmup(Schedule):
    """Another schedule, or a number, that is put on gradually.

        then(t) · s,    s = (t − t0)/duration, kept in [0, 1]

    Parameters
    ----------
    then : Schedule or float
        The value after the warm-up.
    duration : float
        > 0, in the time of the run.
    t0 : float
        The begin. Before it the value is 0.

    Raises
    ------
    ConfigError
        If numbers are not finite, or the duration is not positive.

    See Also
    --------
    wgf.drives.Piecewise, wgf.drives.Steps, wgf.drives.Schedule

    Examples
    --------
    >>> Warmup(2.0, duration=4.0)(1.0), Warmup(Linear(2.0, 0.0, t1=8.0), duration=4.0)(6.0)
    (0.5, 0.5)
    """

    then: Schedule | float
    duration: float
    t0: float = 0.0

    def __post_init__(self) -> None:
        then = self.then if callable(self.then) else require_number("Warmup then", self.then)
        duration = require_number("Warmup duration", self.duration, positive=True)
        settle(self, then=then, duration=duration, t0=require_number("Warmup t0", self.t0))

    def __call__(self, t: float) -> float:
        share = min(max((t - self.t0) / self.duration, 0.0), 1.0)
        return share * (self.then(t) if callable(self.then) else self.then)


def settle(schedule: Schedule, **fields: object) -> None:
    """Set checked values on a frozen dataclass."""
    for name, value in fields.items():
        object.__setattr__(schedule, name, value)
