"""The parts of a run: what is integrated and how, what ends it, and where a stored one stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..functional import Steering
from ..ledger import BookMemory, Ledger
from ..measure import NoiseSource
from ..protocol import Dynamics, Solver, State
from .plan import Plan


@dataclass(frozen=True, eq=False)
class Flow:
    """What is integrated, and how.

    Attributes
    ----------
    dynamics : Dynamics
        F as the solver sees it.
    steering : Steering
        The drives, which change F between steps.
    solver : Solver
        The scheme.
    plan : Plan
        The times of the steps.
    noise : NoiseSource
        The noise of the scheme.
    history : int
        What the particles remember of this noise after the first step (`Ensemble.history`). 0 for a run without noise.
    """

    dynamics: Dynamics
    steering: Steering
    solver: Solver
    plan: Plan
    noise: NoiseSource
    history: int = 0


@dataclass(frozen=True)
class Stops:
    """What ends a run before t_end: a number of steps, or a record for which `until` is true."""

    max_steps: int
    until: Callable[[Mapping[str, float]], bool] | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """Where a stored run stands.

    Attributes
    ----------
    state : State
        The state of its last checkpoint.
    books : BookMemory
        What its books remember. `Bookkeeper.recall(books, ledger)` goes on with them.
    ledger : Ledger
        Its records up to there.
    head : dict
        What was said of it: versions, the hash of its configuration, step and time.
    frame_time : float or None
        The time of its last frame; None where it has none.
    beside : object
        What else was remembered: see `RunStore.beside`.
    """

    state: State
    books: BookMemory
    ledger: Ledger
    head: dict[str, Any]
    frame_time: float | None
    beside: Any = None
