"""Callbacks of a run: what a user wants to be done at its start, at records, at steps and at its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import ConfigError, require_integer, shown
from ..ledger import Ledger
from ..measure import Ensemble
from .monitor import Monitor, Row


class Callback:
    """Something that is done during a run: `solve(..., callbacks=[...])`.

    All methods do nothing here. Derive a class and override those that you need. `wgf.callbacks` has some that are
    ready: `CSV`, `TensorBoard`, `EarlyStopping`, `Progress`.

    Attributes
    ----------
    every : int
        The number of steps from one call of `on_step` to the next; 0, the default, means none. A run takes many small
        steps in one compiled call. A callback that asks for steps cuts such calls into pieces: the numbers stay the
        same to the last bit, and the run takes longer.

    Notes
    -----
    A callback changes no number of the run: what writes to the particles is refused. It may end the run by
    `return True` from `on_record`, or by an error, which carries the solution so far as `error.solution`.

    A run that goes on from a checkpoint, `wgf.resume(..., callbacks=[...])`, has the ledger of its first part at
    `on_start`. A callback that remembers something builds it again from these rows.

    See Also
    --------
    wgf.solve : takes callbacks.

    Examples
    --------
    >>> import wgf
    >>> class Watch(Callback):
    ...     def on_record(self, row, mu):
    ...         print(f"t = {row['t']:g}")
    ...         return row["t"] >= 0.2
    >>> mu = wgf.Ensemble.gaussian(10, 2)
    >>> sol = wgf.solve(
    ...     wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0, record_every=1, callbacks=[Watch()]
    ... )
    t = 0
    t = 0.1
    t = 0.2
    >>> sol.status.name
    'CONVERGED'
    """

    every: int = 0
    alone: bool = False
    """Whether one process makes it, where several share the particles, as for files. It may then not ask for sums."""
    monitor: Monitor | None = None
    """What shows the progress, for a callback that does; it takes the place of `progress=`."""

    def on_start(self, since: int, ledger: Ledger) -> None:
        """Be told that the run starts.

        Parameters
        ----------
        since : int
            The number of the first step whose record is still to come. What a callback has written of this step or
            later ones, before a kill, comes again.
        ledger : Ledger
            The records so far. It is empty, except in a run that goes on from a checkpoint.
        """

    def on_record(self, row: Row, mu: Ensemble) -> bool | None:
        """Be told of a record of the ledger. `True` ends the run with the status CONVERGED.

        Parameters
        ----------
        row : mapping of str to float
            The record.
        mu : Ensemble
            The particles at this time.
        """
        return None

    def on_step(self, step: int, t: float, mu: Ensemble) -> None:
        """Be told of a step, if `every` is not 0.

        Parameters
        ----------
        step : int
            The number of steps made since the very start, a multiple of `every`.
        t : float
            The time reached, in flow time.
        mu : Ensemble
            The particles at this time.
        """

    def on_end(self, sol: Any) -> None:
        """Be told that the run has ended, well or not: `sol` is its solution."""


class Callbacks:
    """The callbacks of one run, in the order in which they are called.

    Parameters
    ----------
    members : tuple of Callback
        The callbacks.

    Attributes
    ----------
    stopping : bool
        Whether one of them has ended the run.
    """

    def __init__(self, members: tuple[Callback, ...] = ()) -> None:
        self.members, self.stopping = members, False
        self.stepping = tuple(member for member in members if member.every)

    @staticmethod
    def checked(given: Any) -> Callbacks:
        """The callbacks that a user gave: one, or several. ConfigError for anything else."""
        several = (given,) if isinstance(given, Callback) else given
        if not isinstance(several, Iterable):
            raise ConfigError(f"callbacks = {shown(given)}: wanted callbacks such as wgf.callbacks.CSV('run.csv').")
        members = tuple(several)
        for member in members:
            if not isinstance(member, Callback):
                hint = ", with brackets" if isinstance(member, type) else ""
                raise ConfigError(f"callbacks: {shown(member)} is none; wanted a wgf.callbacks.Callback{hint}.")
            require_integer("every", member.every, low=0)
        return Callbacks(members)

    def heard(self, speaks: bool) -> Callbacks:
        """Those that this process makes: all of them in the one that speaks."""
        return self if speaks else Callbacks(tuple(member for member in self.members if not member.alone))

    @property
    def monitor(self) -> Monitor | None:
        """What shows the progress, if a callback does."""
        return next((member.monitor for member in self.members if member.monitor is not None), None)

    def before(self, step: int, stop: int) -> int:
        """The next step at which the state is needed, `stop` or an earlier one that a callback asks for."""
        return min([stop, *((step // member.every + 1) * member.every for member in self.stepping)])

    def start(self, step: int, ledger: Ledger) -> None:
        """At the start of the run, at this step."""
        since = int(ledger.row(-1)["step"]) + 1 if ledger.rows else step
        for member in self.members:
            member.on_start(since, ledger)

    def step(self, step: int, t: float, mu: Ensemble) -> None:
        """After a step."""
        for member in self.stepping:
            if step % member.every == 0:
                member.on_step(step, t, mu)

    def record(self, row: Row, mu: Ensemble) -> None:
        """After a record. All are told, also where the first one ends the run."""
        for member in self.members:
            self.stopping = bool(member.on_record(row, mu)) or self.stopping

    def end(self, sol: Any) -> None:
        """At the end of the run."""
        for member in self.members:
            member.on_end(sol)
