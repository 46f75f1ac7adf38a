"""The base class of whatever watches a run from outside: progress bars, stopwatches, files of records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

Row = Mapping[str, float]
"""One record of the ledger: numbers by column name."""


class Monitor:
    """Watches a run: each method is called at one kind of event.

    All methods do nothing here. Derive a class, override the events that you need, and pass an instance as
    `solve(progress=)`. A monitor changes no number of the run. It may raise an error to end the run: what was computed
    until then is in `error.solution`.

    Examples
    --------
    >>> import wgf
    >>> class Times(Monitor):
    ...     def recording(self, t):
    ...         print(f"record at t = {t:g}")
    >>> mu = wgf.Ensemble.gaussian(10, 2)
    >>> sol = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=0.4, record_every=2, progress=Times())
    record at t = 0
    record at t = 0.2
    record at t = 0.4
    """

    @contextmanager
    def running(self, steps: int | None, t_end: float) -> Iterator[None]:
        """Enter when the run starts, and leave when it ends.

        Parameters
        ----------
        steps : int or None
            The number of steps of the run. None where the scheme is adaptive.
        t_end : float
            The time at which the run ends, in flow time.
        """
        yield

    def compiling(self) -> None:
        """Be told that a function is about to be compiled, which may take seconds. It can come before `running`."""

    def recording(self, t: float) -> None:
        """Be told that a record at time t (flow time) is about to be computed."""

    def advance(self, done: int, t: float, row: Row | None) -> None:
        """Be told that a step was made.

        Parameters
        ----------
        done : int
            The number of steps of this run so far. It is 0 at the start, before the first step.
        t : float
            The time reached, in flow time.
        row : mapping of str to float, or None
            The record at this time, if there is one.
        """
