"""Terms that change at given times; the change happens between two steps of a run."""

from __future__ import annotations

from typing import NoReturn

from ..errors import ConfigError
from ..functional import DrivenFunctional
from .schedules import reached


class Events(DrivenFunctional):
    """The base class of a term that is replaced by another one at each of its times.

    It has a value within a run, or at a time by `.at(t)`. `_continued` allows times after the end of the run, for a run
    that will be continued by `state=`.
    """

    _continued: bool

    def _require_before(self, what: str, last: float, t_end: float) -> None:
        """Refuse a last event after the end of the run, unless the run will be continued."""
        if not self._continued and not reached(t_end, last):
            raise ConfigError(
                f"{what} at t = {last:g}: the run ends at t_end = {t_end:g}; wanted a time within it. Raise t_end, or "
                "say continued=True where the run will go on by state=."
            )

    def _outside(self) -> NoReturn:
        raise ConfigError(f"{self.name}: what it is depends on t; use wgf.solve, or freeze it with .at(t).")
