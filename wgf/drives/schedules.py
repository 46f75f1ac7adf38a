"""Schedules: temperature, learning pressure or a level of risk as a function of time, written so that it can be read.

Each is a frozen dataclass, callable of the absolute time t of the run, with finite values everywhere: before it begins
it has its first value, after it ends its last. As a coefficient it drives the free energy and its work is booked,
`F = risk - Linear(1e-2, 0.0, t1=50.0) * LogDet()`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from ..errors import ConfigError, require_number

_REACHED = 1e-9


def reached(t: float, when: float) -> bool:
    """Whether t is at or after `when`; whole steps may miss it by rounding."""
    return t >= when - _REACHED * max(1.0, abs(when))


class Schedule(ABC):
    """A number at every time t."""

    @abstractmethod
    def __call__(self, t: float) -> float:
        """The value at the absolute time t."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value at all times: a coefficient that is spoken of as a schedule."""

    value: float

    def __post_init__(self) -> None:
        _settle(self, value=require_number("Constant value", self.value))

    def __call__(self, t: float) -> float:
        return self.value


@dataclass(frozen=True)
class _Ramp(Schedule):
    """From `start` at t0 to `end` at t1."""

    start: float
    end: float
    t1: float
    t0: float = 0.0

    def __post_init__(self) -> None:
        name = type(self).__name__
        _settle(self, **{key: require_number(f"{name} {key}", value) for key, value in vars(self).items()})
        if not self.t0 < self.t1:
            raise ConfigError(f"{name}: t0 = {self.t0:g}, t1 = {self.t1:g}; wanted t0 < t1.")

    def __call__(self, t: float) -> float:
        share = min(max((t - self.t0) / (self.t1 - self.t0), 0.0), 1.0)
        return self.start if share == 0.0 else self.end if share == 1.0 else self._between(share)

    @abstractmethod
    def _between(self, share: float) -> float: ...


@dataclass(frozen=True)
class Linear(_Ramp):
    """start + (end − start) s, s = (t − t0)/(t1 − t0) in [0, 1].

    >>> Linear(1.0, 0.0, t1=10.0)(2.5)
    0.75
    """

    def _between(self, share: float) -> float:
        return self.start + share * (self.end - self.start)


@dataclass(frozen=True)
class Cosine(_Ramp):
    """end + (start − end)(1 + cos πs)/2: flat at both ends (Loshchilov & Hutter 2017).

    >>> Cosine(1.0, 0.0, t1=10.0)(5.0)
    0.5
    """

    def _between(self, share: float) -> float:
        return self.end + 0.5 * (self.start - self.end) * (1.0 + math.cos(math.pi * share))


@dataclass(frozen=True)
class Exponential(_Ramp):
    """start (end/start)^s: by the same factor in equal times; both ends must be positive.

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
class _Listed(Schedule):
    points: tuple[tuple[float, float], ...]

    def __init__(self, points: Iterable[tuple[float, float]]) -> None:
        name = type(self).__name__
        try:
            pairs = [(t, value) for t, value in points]
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{name}: points = {points!r}; wanted pairs (t, value).") from error
        settled = tuple((require_number(f"{name} t", t), require_number(f"{name} value", v)) for t, v in pairs)
        if not settled:
            raise ConfigError(f"{name}: no points; wanted at least one pair (t, value).")
        for (early, _), (late, _) in pairwise(settled):
            if not early < late:
                raise ConfigError(f"{name}: t = {late:g} comes after t = {early:g}; wanted increasing times.")
        _settle(self, points=settled)


@dataclass(frozen=True, init=False)
class Steps(_Listed):
    """The value of the last time that t has reached; before the first time, the first value.

    A jump falls within the step that reaches it, or ends it where it is on the grid of the run.

    >>> schedule = Steps([(0.0, 1.0), (5.0, 0.1)])
    >>> schedule(4.9), schedule(5.0)
    (1.0, 0.1)
    """

    def __call__(self, t: float) -> float:
        return next((value for when, value in reversed(self.points) if reached(t, when)), self.points[0][1])


@dataclass(frozen=True, init=False)
class Piecewise(_Listed):
    """Straight lines between the points (t, value), constant before the first and after the last.

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


@dataclass(frozen=True)
class Warmup(Schedule):
    """Another schedule (or a number) times min(1, (t − t0)/duration): pressure that is put on gradually.

    >>> Warmup(2.0, duration=4.0)(1.0), Warmup(Linear(2.0, 0.0, t1=8.0), duration=4.0)(6.0)
    (0.5, 0.5)
    """

    then: Schedule | float
    duration: float
    t0: float = 0.0

    def __post_init__(self) -> None:
        then = self.then if callable(self.then) else require_number("Warmup then", self.then)
        duration = require_number("Warmup duration", self.duration, positive=True)
        _settle(self, then=then, duration=duration, t0=require_number("Warmup t0", self.t0))

    def __call__(self, t: float) -> float:
        share = min(max((t - self.t0) / self.duration, 0.0), 1.0)
        return share * (self.then(t) if callable(self.then) else self.then)


def _settle(schedule: Schedule, **fields: object) -> None:
    for name, value in fields.items():
        object.__setattr__(schedule, name, value)
