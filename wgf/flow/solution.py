"""What a run gives back: the final ensemble, the ledger, the trajectory, how it ended, and a state to go on from."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ..ledger import Ledger
from ..measure import Ensemble
from ..protocol import Sent, State

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Status(enum.Enum):
    """How a run ended."""

    COMPLETED = "reached t_end"
    CONVERGED = "`until` was satisfied"
    DIVERGED = "a value or a force ceased to be finite"
    STEP_LIMIT = "the limit on steps was reached"
    STEP_UNDERFLOW = "the step size became too small"
    FAILED = "a term could not be evaluated"
    INTERRUPTED = "interrupted by the user"

    @property
    def ok(self) -> bool:
        """Whether the run ended as it was meant to."""
        return self in (Status.COMPLETED, Status.CONVERGED)


@dataclass(frozen=True, eq=False)
class Outcome:
    """A status with the message of this run; compares equal to its `Status`.

    >>> Outcome(Status.COMPLETED) == Status.COMPLETED, Outcome(Status.COMPLETED).ok
    (True, True)
    """

    code: Status
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the run ended as it was meant to."""
        return self.code.ok

    @property
    def name(self) -> str:
        """The name of the status."""
        return self.code.name

    @property
    def message(self) -> str:
        """What happened, with step, time, particle and term where something went wrong."""
        return self.detail or self.code.value

    def __eq__(self, other: object) -> bool:
        return self.code is (other.code if isinstance(other, Outcome) else other)

    def __hash__(self) -> int:
        return hash(self.code)

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


@dataclass(frozen=True, eq=False)
class Solution(Sent):
    """The result of `wgf.solve`.

    `ensemble` is the final (or last good) one; `trajectory` (k, n, d) and `trajectory_times` (k,) hold the frames asked
    for by `trajectory_every`, else None; `state` continues the run exactly. A solution can be pickled; what that leaves
    out of the state, `State` says.
    """

    ensemble: Ensemble
    ledger: Ledger
    status: Outcome
    state: State
    trajectory: Tensor | None = None
    trajectory_times: Tensor | None = None

    def plot(self) -> Figure:
        """A matplotlib Figure of free energy, dissipation and closure, and forces against t."""
        from ..figures import overview

        return overview(self.ledger)

    def __repr__(self) -> str:
        return f"Solution({self.status}, {self.ensemble!r}, {self.ledger.rows} records to t = {self.state.t:g})"
