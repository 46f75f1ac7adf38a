"""The parts of a run: what is integrated and how, and what ends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..functional import Steering
from ..measure import NoiseSource
from ..protocol import Dynamics, Solver
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
