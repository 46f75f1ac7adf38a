"""Where the time of a run went: the seconds of its parts, by a monotonic clock. No result depends on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from ..errors import Facts
from .monitor import Monitor

Result = TypeVar("Result")


@dataclass(frozen=True, repr=False)
class Timing(Facts):
    """Where the time of a run went, in seconds by a monotonic clock.

    The parts do not overlap: their sum is the time of the whole call of `solve`. No result depends on them.

    Attributes
    ----------
    start : float
        The checks of the arguments, and the first evaluation of F.
    steps : float
        The steps, with the sums of work and dissipation over them.
    records : float
        The rows of the ledger, without the observers, and the frames of the trajectory.
    observers : float
        The functions of the user that are called at records.
    drawing : float
        The showing of the progress, or the methods of a `Monitor` of the user.

    Notes
    -----
    The clock is read a few times for each stretch of steps between two records. It is read for each step only where the
    scheme is adaptive or the run shows its progress. The first run of a process also loads compiled code. That counts
    where it happens, most of it in `start` and `steps`.

    See Also
    --------
    wgf.Solution : has it as `timing`.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(100, 2)
    >>> timing = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0).timing
    >>> timing.steps > 0, timing.observers, timing.total >= timing.steps + timing.records
    (True, 0.0, True)
    """

    start: float = 0.0
    steps: float = 0.0
    records: float = 0.0
    observers: float = 0.0
    drawing: float = 0.0

    @property
    def total(self) -> float:
        """The seconds of the whole call of `solve`: the sum of the parts."""
        return sum(self.parts().values())

    def parts(self) -> dict[str, float]:
        """Give the seconds of each part by its name.

        Returns
        -------
        dict of str to float
            In the order of the attributes.
        """
        return {part.name: float(getattr(self, part.name)) for part in fields(self)}

    def _facts(self) -> dict[str, Any]:
        return {name: float(f"{seconds:.3g}") for name, seconds in self.parts().items()}

    def __str__(self) -> str:
        return told(self.parts())


def told(parts: Mapping[str, float]) -> str:
    """Seconds by part as text for people. Parts that took less than a hundredth of the whole are left out."""
    total = sum(parts.values())
    shown = [f"{name} {seconds:.3g} s" for name, seconds in parts.items() if seconds > 0.01 * total]
    return ", ".join(shown) or "no time"


class Stopwatch:
    """Adds up the seconds of the parts of a run. At each moment one part counts; an inner one stops the outer one."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys((part.name for part in fields(Timing)), 0.0)
        self._part, self._since = "start", time.monotonic()

    @property
    def timing(self) -> Timing:
        """The seconds so far."""
        self.turn(self._part)
        return Timing(**self._seconds)

    def turn(self, part: str) -> str:
        """Count for another part from now on. Gives the part before."""
        now, before = time.monotonic(), self._part
        self._seconds[before] += now - self._since
        self._part, self._since = part, now
        return before

    @contextmanager
    def counting(self, part: str) -> Iterator[None]:
        """Count for a part of `Timing` during a `with` block."""
        before = self.turn(part)
        try:
            yield
        finally:
            self.turn(before)

    def timed(self, part: str, call: Callable[..., Result]) -> Callable[..., Result]:
        """Give the function whose calls count for a part of `Timing`."""

        def counted(*arguments: Any) -> Result:
            before = self.turn(part)
            try:
                return call(*arguments)
            finally:
                self.turn(before)

        return counted

    def watched(self, monitor: Monitor) -> Monitor:
        """Give the monitor whose calls count as drawing; a silent one as it is, since it takes no time."""
        return monitor if type(monitor) is Monitor else _Watched(monitor, self)


class _Watched(Monitor):
    """A monitor whose calls count as drawing."""

    def __init__(self, monitor: Monitor, stopwatch: Stopwatch) -> None:
        self._monitor, self._stopwatch = monitor, stopwatch
        self.compiling = monitor.compiling  # type: ignore[method-assign]
        self.recording = stopwatch.timed("drawing", monitor.recording)  # type: ignore[method-assign]
        self.advance = stopwatch.timed("drawing", monitor.advance)  # type: ignore[method-assign]

    @contextmanager
    def running(self, steps: int | None, t_end: float) -> Iterator[None]:
        before = self._stopwatch.turn("drawing")
        try:
            with self._monitor.running(steps, t_end):
                self._stopwatch.turn(before)
                try:
                    yield
                finally:
                    before = self._stopwatch.turn("drawing")
        finally:
            self._stopwatch.turn(before)
