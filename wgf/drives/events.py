"""Terms that events change: what happens at given times happens between steps."""

from __future__ import annotations

from typing import NoReturn

from ..errors import ConfigError
from ..functional import DrivenFunctional
from .schedules import reached


class Events(DrivenFunctional):
    """A term that is another one after each of its times; it has a value within a run, or at a time by `.at(t)`.

    `continued` allows times after t_end, for a run that will go on by `state=`.
    """

    _continued: bool

    def _require_before(self, what: str, last: float, t_end: float) -> None:
        """The last event lies in the run, unless it is said that the run will be continued."""
        if not self._continued and not reached(t_end, last):
            raise ConfigError(
                f"{what} at t = {last:g}: the run ends at t_end = {t_end:g}; wanted a time within it. Raise t_end, or "
                "say continued=True where the run will go on by state=."
            )

    def _outside(self) -> NoReturn:
        raise ConfigError(f"{self.name}: what it is depends on t; use wgf.solve, or freeze it with .at(t).")
