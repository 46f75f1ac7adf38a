"""The events of a run, for what watches it from outside: progress bars, stopwatches, files of records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

Row = Mapping[str, float]


class Monitor:
    """Watches a run. Every event does nothing here; a monitor overrides those that it needs.

    A monitor may raise to end the run: what was computed is kept in `error.solution`. It changes no number of the run.
    """

    @contextmanager
    def running(self, steps: int | None, t_end: float) -> Iterator[None]:
        """Around the whole run: of `steps` steps (None where the scheme adapts), to the time t_end."""
        yield

    def recording(self, t: float) -> None:
        """Before a record at time t is computed."""

    def advance(self, done: int, t: float, row: Row | None) -> None:
        """After a step: `done` steps are made, the time is t, and `row` is the new record, if there is one."""
