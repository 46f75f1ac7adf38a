"""Callbacks that end a run early, or show its progress."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ConfigError, closest, require_integer, require_number, shown
from ..flow import Callback, reporter
from ..flow.monitor import Row
from ..ledger import Ledger
from ..measure import Ensemble

_MODES = ("min", "max")


class EarlyStopping(Callback):
    """Ends a run when a column of the ledger no longer improves. The status is then CONVERGED.

    Parameters
    ----------
    column : str
        The column, such as "free_energy" or an observer's, for example a loss on held-out data.
    patience : int, default 10
        How many records in a row may be without improvement.
    least : float, default 0.0
        What counts as an improvement: a change by more than this, in the units of the column.
    mode : {"min", "max"}
        Whether less is better, or more.

    Attributes
    ----------
    best : float
        The best value so far; NaN before the first.
    waited : int
        The number of records since then.

    Raises
    ------
    ConfigError
        For an argument out of range. From a run whose ledger has no such column.

    See Also
    --------
    wgf.callbacks.Progress, wgf.callbacks.Callback

    Notes
    -----
    A record where the column is NaN counts neither way. A run that goes on from a checkpoint counts the records of its
    first part.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(10, 2)
    >>> stop = EarlyStopping("free_energy", patience=2, least=1e-3)
    >>> sol = wgf.solve(
    ...     wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=50.0, record_every=5, callbacks=[stop]
    ... )
    >>> sol.status.name, sol.state.t < 10.0
    ('CONVERGED', True)
    """

    def __init__(self, column: str, patience: int = 10, least: float = 0.0, mode: str = "min") -> None:
        if not isinstance(column, str) or not column:
            raise ConfigError(f"column = {shown(column)}: wanted the name of a column of the ledger.")
        if mode not in _MODES:
            raise ConfigError(f"mode = {shown(mode)}: wanted 'min' or 'max'.")
        self.column, self.mode = column, mode
        self.patience = require_integer("patience", patience, low=1)
        self.least = require_number("least", least, nonnegative=True)
        self.best, self.waited = math.nan, 0

    def on_start(self, since: int, ledger: Ledger) -> None:
        self.best, self.waited = math.nan, 0
        for index in range(ledger.rows):
            self._see(ledger.row(index))

    def on_record(self, row: Row, mu: Ensemble) -> bool:
        return self._see(row)

    def _see(self, row: Row) -> bool:
        """Count a record; whether the run is to end."""
        if self.column not in row:
            raise ConfigError(f"EarlyStopping: column {shown(self.column)}{closest(self.column, list(row))}")
        value = row[self.column]
        if math.isnan(value):
            return False
        gain = self.best - value if self.mode == "min" else value - self.best
        if math.isnan(self.best) or gain > self.least:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        return self.waited >= self.patience


class Progress(Callback):
    """Shows the progress of a run: a bar on a terminal or in a notebook, lines in a log. The same as `progress=True`.

    See Also
    --------
    wgf.callbacks.EarlyStopping, wgf.callbacks.Callback

    Examples
    --------
    ::

        wgf.solve(F, mu, solver, dt=0.1, t_end=10.0, callbacks=[Progress(), CSV("run.csv")])
    """

    alone = True

    def __init__(self) -> None:
        self.monitor: Any = reporter(True)
