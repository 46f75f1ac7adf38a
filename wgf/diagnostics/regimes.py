"""The regimes in which an entropy does not act as it should, as spans of time (docs/theory.md §5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from ..errors import ConfigError, require_number

REGIMES = ("weak", "unstable", "misaligned", "collapsed")


@dataclass(frozen=True)
class Thresholds:
    """Every threshold of the force report, in one place.

    weak: I/G below it. window: length of the moving window, as a fraction of the run. variation: a coefficient of
    variation of I in the window above it is unstable; so is an I that rises throughout a window in which I/G is above
    `dominant`. misaligned: a cosine of ∇S and ∇S_ref below it. collapsed: a collapse index below it.
    Raises ConfigError for what is no such number.

    >>> Thresholds(weak=1e-2).weak, Thresholds().window
    (0.01, 0.25)
    """

    weak: float = 1e-3
    window: float = 0.25
    variation: float = 1.0
    dominant: float = 1.0
    misaligned: float = 0.0
    collapsed: float = 1e-2

    def __post_init__(self) -> None:
        for field in fields(self):
            name = f"thresholds: {field.name}"
            value = require_number(name, getattr(self, field.name), nonnegative=field.name != "misaligned")
            if field.name == "window" and not 0 < value <= 1:
                raise ConfigError(f"{name} = {value!r}: wanted a fraction of the run, above 0 and at most 1.")
            if field.name == "misaligned" and not -1 <= value <= 1:
                raise ConfigError(f"{name} = {value!r}: wanted a cosine, from -1 to 1.")
            object.__setattr__(self, field.name, value)


@dataclass(frozen=True)
class Span:
    """A regime from the first to the last of consecutive records that show it, and the threshold that named it."""

    regime: str
    start: float
    end: float
    threshold: str

    def __str__(self) -> str:
        when = f"at t = {self.start:g}" if self.start == self.end else f"from t = {self.start:g} to {self.end:g}"
        return f"{self.regime} {when} ({self.threshold})"


def runs_of(regime: str, t: np.ndarray, holds: np.ndarray, threshold: str) -> list[Span]:
    """The spans of consecutive records (k,) at which a condition holds; a NaN that was compared does not."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    return [Span(regime, float(t[a]), float(t[b - 1]), threshold) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def windows(t: np.ndarray, length: float) -> list[slice]:
    """For each record, the shortest run of records up to it that covers `length`; empty where the run is not so old."""
    slack = 1e-9 * length  # records at k·h miss the length by rounding
    first = np.searchsorted(t, t - length + slack, side="right") - 1
    return [slice(int(a), k + 1) if a >= 0 and k > a else slice(0, 0) for k, a in enumerate(first)]


def variation(t: np.ndarray, values: np.ndarray, length: float) -> np.ndarray:
    """The coefficient of variation (k,) of a column in the window that ends at each record.

    Mean and variance are over time, by the trapezoidal rule, so that the spacing of the records does not count. NaN
    before the first whole window, where a value is unknown or the mean is 0, and in windows of fewer than 3 records.
    """

    def one(window: slice) -> float:
        at, x = t[window], values[window]
        if len(at) < 3 or not np.isfinite(x).all() or not x.any():
            return math.nan
        x = x / np.abs(x).max()  # squares neither overflow nor vanish
        span = at[-1] - at[0]
        mean = float(np.trapezoid(x, at)) / span
        return math.sqrt(float(np.trapezoid((x - mean) ** 2, at)) / span) / mean if mean > 0 else math.nan

    return np.array([one(window) for window in windows(t, length)])


def _covered(t: np.ndarray, length: float, shows: Callable[[int, slice], bool]) -> np.ndarray:
    """The records (k,) in some whole window that `shows` something."""
    covered = np.zeros(len(t), dtype=bool)
    for k, window in enumerate(windows(t, length)):
        if window.stop - window.start >= 3 and shows(k, window):
            covered[window] = True
    return covered


def unstable(
    t: np.ndarray, force: np.ndarray, ratio: np.ndarray, varies: np.ndarray, length: float, limits: Thresholds
) -> list[Span]:
    """Spans in which I rises with I/G above `dominant` throughout a window, or varies too much in one."""

    def rises(_: int, window: slice) -> bool:
        inside = force[window]
        return bool((inside[1:] > inside[:-1]).all() and (ratio[window] > limits.dominant).all())

    rising, restless = f"I rises with I/G > {limits.dominant:g}", f"variation of I > {limits.variation:g}"
    within = f"in a window of {length:g}"
    return [
        *runs_of("unstable", t, _covered(t, length, rises), f"{rising} {within}"),
        *runs_of("unstable", t, _covered(t, length, lambda k, _: bool(varies[k] > limits.variation)),
                 f"{restless} {within}"),
    ]  # fmt: skip
