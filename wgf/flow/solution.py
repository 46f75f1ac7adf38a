"""What a run returns: particles, ledger, trajectory, how it ended, a state to continue from, where its time went."""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass, field
from typing import NoReturn

from torch import Tensor

from ..errors import (
    ConfigError,
    DivergenceError,
    ResourceError,
    StepSizeError,
    WgfError,
    html_table,
    no_attribute,
    require_integer,
)
from ..ledger import COLUMNS, Ledger
from ..measure import Ensemble
from ..protocol import Sent, State
from ..storage import Frames
from .exporting import Exported
from .pictured import Pictured, facts_of
from .timing import Timing

_INSTEAD = {
    **dict.fromkeys(("x", "y", "particles", "positions", "samples"), "sol.ensemble.x"),
    **dict.fromkeys(("mu", "final", "measure"), "sol.ensemble"),
    **dict.fromkeys(("weights", "n", "dim", "mean", "covariance"), "sol.ensemble, which has it"),
    **dict.fromkeys(("history", "metrics", "records", "log", "stats"), "sol.ledger"),
    **dict.fromkeys(("times", "ts"), 'sol.ledger["t"], or sol.trajectory_times for the frames'),
    **dict.fromkeys(("frames", "path", "xs"), "sol.trajectory, with solve(trajectory_every=)"),
    **dict.fromkeys(("success", "ok", "converged", "completed"), "sol.status.ok"),
    "message": "sol.status.message",
    **dict.fromkeys(("time", "seconds", "elapsed", "runtime", "duration"), "sol.timing"),
    "F": 'sol.ledger["free_energy"]',
}
"""What to write in place of names that other libraries have."""


class Status(enum.Enum):
    """How a run ended. The value of each member is a message.

    `COMPLETED` and `CONVERGED` are good ends, the others are failures. With `solve(throw=True)` a failure raises an
    error.

    See Also
    --------
    wgf.Solution, wgf.solve

    Examples
    --------
    >>> Status.COMPLETED.ok, Status.STEP_LIMIT.ok, Status.STEP_LIMIT.value
    (True, False, 'the limit on steps was reached')
    """

    COMPLETED = "reached t_end"
    CONVERGED = "`until` was satisfied"
    DIVERGED = "a value or a force ceased to be finite"
    STEP_LIMIT = "the limit on steps was reached"
    STEP_UNDERFLOW = "the step size became too small"
    FAILED = "a term could not be evaluated"
    INTERRUPTED = "interrupted by the user"

    @property
    def ok(self) -> bool:
        """Whether the run reached t_end, or `until` ended it."""
        return self in (Status.COMPLETED, Status.CONVERGED)


@dataclass(frozen=True, eq=False)
class Outcome:
    """How one run ended: a status, with the message of this run. It equals its `Status` in comparisons.

    Attributes
    ----------
    code : Status
        The status.
    detail : str
        What happened in this run; empty where the status says it all.

    Examples
    --------
    >>> Outcome(Status.COMPLETED) == Status.COMPLETED, Outcome(Status.COMPLETED).ok
    (True, True)
    """

    code: Status
    detail: str = ""

    @staticmethod
    def of(error: BaseException) -> Outcome:
        """The outcome of a run that this error ended."""
        kinds: list[tuple[type[BaseException], Status]] = [
            (KeyboardInterrupt, Status.INTERRUPTED),
            (DivergenceError, Status.DIVERGED),
            (StepSizeError, Status.STEP_UNDERFLOW),
            (ResourceError, Status.STEP_LIMIT),
        ]
        status = next((status for kind, status in kinds if isinstance(error, kind)), Status.FAILED)
        if isinstance(error, WgfError):
            return Outcome(status, str(error))
        told = isinstance(error, KeyboardInterrupt)
        return Outcome(status, Status.INTERRUPTED.value if told else f"{type(error).__name__}: {error}")

    @property
    def ok(self) -> bool:
        """Whether the run reached t_end, or `until` ended it."""
        return self.code.ok

    @property
    def name(self) -> str:
        """The name of the status, such as "COMPLETED"."""
        return self.code.name

    @property
    def message(self) -> str:
        """What happened. For a failure it names step, time, particle and term where they are known."""
        return self.detail or self.code.value

    def __eq__(self, other: object) -> bool:
        return self.code is (other.code if isinstance(other, Outcome) else other)

    def __hash__(self) -> int:
        return hash(self.code)

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"

    def __repr__(self) -> str:
        return f"Outcome({self})"


@dataclass(frozen=True, eq=False)
class Solution(Sent, Exported, Pictured):
    """The result of `wgf.solve`.

    Attributes
    ----------
    ensemble : Ensemble
        The particles at the end, or at the last good state of a failed run.
    ledger : Ledger
        The record of the run: F and its terms, forces, work and dissipation against time.
    status : Outcome
        How the run ended. `status.ok` is true for a good end.
    state : State
        Where the run stands. Pass it to `solve(state=)` to continue with the same bits.
    trajectory : Tensor, wgf.storage.Trajectory or None
        The frames (k, n, d), on the CPU, in the dtype of the particles. None without `trajectory_every`. Those of a
        stored run are read from the disk: `trajectory[k]` is one frame, `trajectory.numpy()` has all.
    trajectory_times : Tensor or None
        The times of the frames (k,), float64, in flow time.
    trajectory_weights, trajectory_ids : Tensor, wgf.storage.Frames or None
        The weights (k, n), float64, and the ids (k, n), int64, of the particles of each frame. A mean over a frame is
        a weighted one: see `frame`.
    timing : Timing
        Where the time of the run went: the seconds of its start, steps, records, observers and drawing.

    Notes
    -----
    A solution can be pickled. `State` says what that leaves out of the state.

    See Also
    --------
    wgf.solve : makes a solution.
    wgf.diagnostics.force_report : what the forces in the ledger say about the entropy.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(100, 2)
    >>> sol = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0, trajectory_every=5)
    >>> sol.status.name, tuple(sol.trajectory.shape), sol.trajectory_times.tolist()
    ('COMPLETED', (3, 100, 2), [0.0, 0.5, 1.0])
    >>> sol.frame(1).mean().shape
    torch.Size([2])
    >>> later = wgf.solve(wgf.Quadratic(), None, wgf.solvers.Heun(), dt=0.1, t_end=2.0, state=sol.state)
    >>> later.ledger["t"][[0, -1]].tolist()
    [1.0, 2.0]
    """

    ensemble: Ensemble
    ledger: Ledger
    status: Outcome
    state: State
    trajectory: Tensor | Frames | None = None
    trajectory_times: Tensor | None = None
    trajectory_weights: Tensor | Frames | None = None
    trajectory_ids: Tensor | Frames | None = None
    timing: Timing = field(default_factory=Timing)

    def frame(self, k: int) -> Ensemble:
        """Give a frame of the trajectory as an ensemble, with its weights and ids.

        Parameters
        ----------
        k : int
            The number of the frame, from 0. A negative number counts from the last one.

        Returns
        -------
        Ensemble
            The particles at `trajectory_times[k]`, on the CPU.

        Raises
        ------
        ConfigError
            If there is no such frame, or no trajectory.
        """
        if self.trajectory is None or self.trajectory_weights is None or self.trajectory_ids is None:
            raise ConfigError(f"frame({k!r}): the run has no trajectory; wanted one from solve(trajectory_every=...).")
        count = len(self.trajectory)
        index = require_integer("frame", k, low=-count, high=count - 1)
        weights, ids = self.trajectory_weights[index], self.trajectory_ids[index]
        frame = Ensemble(self.trajectory[index], weights, ids=ids, period=self.ensemble.period, copy=False)
        return frame.remembering(self.ensemble.history)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the solution into a directory. `wgf.load` reads it.

        Parameters
        ----------
        folder : str or Path
            A new or empty directory.

        Raises
        ------
        CheckpointError
            If the directory has something in it, or cannot be written.

        Notes
        -----
        What the state remembers of the user's functions is left out and named in `state.left_out`. To go on from what
        was read: `wgf.solve(..., state=wgf.load(folder).state)`, with a ledger of its own. A run that is to go on as
        one begins with `wgf.solve(store=)`.
        """
        from .saving import save

        save(self, folder)

    def __getattr__(self, name: str) -> NoReturn:
        """AttributeError that says where it stands: particles in the ensemble, numbers against time in the ledger."""
        raise no_attribute(self, name, _INSTEAD | {column: f'sol.ledger["{column}"]' for column in COLUMNS})

    def _repr_html_(self) -> str:
        return html_table((), facts_of(self).items(), "Solution")

    def __repr__(self) -> str:
        return f"Solution({self.status}, {self.ensemble!r}, {self.ledger.rows} records to t = {self.state.t:g})"
