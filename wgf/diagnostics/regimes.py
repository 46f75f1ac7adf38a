"""The degenerate regimes of the information force (weak, unstable, ...) as spans of time (docs/theory.md §5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..errors import ConfigError, Facts, require_number, shown

REGIMES = ("weak", "unstable", "misaligned", "collapsed")


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of the force report: where each degenerate regime begins.

    I is the information force T‖∇S‖, G the loss force ‖∇E‖.

    Parameters
    ----------
    weak : float ≥ 0
        The force is weak where I/G is below it.
    window : float in (0, 1]
        Length of the moving window, as a fraction of the duration of the run.
    variation : float ≥ 0
        The force is unstable where the coefficient of variation of I in the window is above it.
    dominant : float ≥ 0
        The force is also unstable where I rises throughout a window in which I/G is above `dominant`.
    misaligned : float in [−1, 1]
        The force is misaligned where the cosine of ∇S and the reference ∇S_ref is below it.
    collapsed : float ≥ 0
        The run is collapsed where the collapse index is below it.

    Raises
    ------
    ConfigError
        For a value outside its range.

    See Also
    --------
    wgf.diagnostics.ForceReport, wgf.diagnostics.force_report, wgf.diagnostics.Span

    Examples
    --------
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
                raise ConfigError(f"{name} = {shown(value)}: wanted a fraction of the run, above 0 and at most 1.")
            if field.name == "misaligned" and not -1 <= value <= 1:
                raise ConfigError(f"{name} = {shown(value)}: wanted a cosine, from -1 to 1.")
            object.__setattr__(self, field.name, value)


@dataclass(frozen=True)
class Span:
    """A stretch of consecutive records in one regime.

    Attributes
    ----------
    regime : str
        "weak", "unstable", "misaligned" or "collapsed".
    start, end : float
        Flow time of its first and its last record.
    threshold : str
        The condition that holds there, in words.

    See Also
    --------
    wgf.diagnostics.ForceReport, wgf.diagnostics.force_report, wgf.diagnostics.Thresholds

    Examples
    --------
    >>> print(Span("weak", 0.0, 2.0, "I/G < 0.001"))
    weak from t = 0 to 2 (I/G < 0.001)
    """

    regime: str
    start: float
    end: float
    threshold: str

    def __str__(self) -> str:
        when = f"at t = {self.start:g}" if self.start == self.end else f"from t = {self.start:g} to {self.end:g}"
        return f"{self.regime} {when} ({self.threshold})"


def runs_of(regime: str, t: np.ndarray, holds: np.ndarray, threshold: str) -> list[Span]:
    """The spans of consecutive records where the condition `holds` (k,) is true. Comparisons with NaN are false."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    return [Span(regime, float(t[a]), float(t[b - 1]), threshold) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def windows(t: np.ndarray, length: float) -> list[slice]:
    """For each record, the shortest stretch of records that ends there and covers `length`.

    The slice is empty where the run is still shorter than `length`.
    """
    slack = 1e-9 * length  # the times k·h are rounded, so a window may miss its length by a rounding error
    first = np.searchsorted(t, t - length + slack, side="right") - 1
    return [slice(int(a), k + 1) if a >= 0 and k > a else slice(0, 0) for k, a in enumerate(first)]


def variation(t: np.ndarray, values: np.ndarray, length: float) -> np.ndarray:
    """The coefficient of variation (k,) of a column in the window that ends at each record.

    Mean and variance are integrals over time by the trapezoidal rule, so uneven records do not bias them. NaN before
    the first whole window, where a value is unknown or the mean is 0, and in windows of fewer than 3 records.
    """

    def one(window: slice) -> float:
        at, x = t[window], values[window]
        if len(at) < 3 or not np.isfinite(x).all() or not x.any():
            return math.nan
        x = x / np.abs(x).max()  # so that squares neither overflow nor underflow
        span = at[-1] - at[0]
        mean = float(np.trapezoid(x, at)) / span
        return math.sqrt(float(np.trapezoid((x - mean) ** 2, at)) / span) / mean if mean > 0 else math.nan

    return np.array([one(window) for window in windows(t, length)])


def _covered(t: np.ndarray, length: float, shows: Callable[[int, slice], bool]) -> np.ndarray:
    """True for the records (k,) that lie in at least one whole window for which `shows(record, window)` is true."""
    covered = np.zeros(len(t), dtype=bool)
    for k, window in enumerate(windows(t, length)):
        if window.stop - window.start >= 3 and shows(k, window):
            covered[window] = True
    return covered


def unstable(
    t: np.ndarray, force: np.ndarray, ratio: np.ndarray, varies: np.ndarray, length: float, limits: Thresholds
) -> list[Span]:
    """The unstable spans: I rises throughout a window while I/G > `dominant`, or I varies too much in a window."""

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


class Judged(Facts):
    """The part of a `ForceReport` that tells it in short: the verdict, the records and the degenerate regimes."""

    t: np.ndarray
    spans: tuple[Span, ...]
    verdict: Any

    def _facts(self) -> dict[str, Any]:
        regimes = ", ".join(dict.fromkeys(span.regime for span in self.spans)) or "none"
        return {"verdict": self.verdict, "records": len(self.t), "degenerate regimes": regimes}
