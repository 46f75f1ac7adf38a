"""Where a run stands: all that a run needs to go on with the same bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import Facts
from ..functional import FreeEnergyEvaluation, Kept, Memories
from ..measure import Ensemble
from .sending import Sent, can_be_sent


@dataclass(frozen=True, eq=False, repr=False)
class State(Sent, Facts):
    """Where a run stands. `wgf.solve(..., state=state)` continues from it with the same bits.

    Attributes
    ----------
    mu : Ensemble
        The particles.
    t : float
        The time, in flow time.
    step : int
        The number of steps made since the very start, earlier runs included.
    seed : int
        The seed of noise and minibatches.
    evaluation : FreeEnergyEvaluation
        F and ∇_W F of the terms that act by force, at (mu, t).
    origin_t, origin_step : float, int
        The time and step from which steps are counted: step k is at origin_t + (k − origin_step)·dt. A run in pieces
        then visits the same times as an unbroken one.
    dt : float
        The length of a step, in flow time.
    memory : object
        What the scheme remembers between steps.
    resolved : mapping of str to (Functional, Functional) or Rules
        The terms whose rules were resolved at the start, by name: as given, and as resolved. A state from a file has
        the settings that were resolved.
    solver : str
        The name of the scheme to which `memory` belongs.
    drives : mapping of str to object
        What each drive remembers, by name.
    leg : int
        The number that keys the noise of the run together with the seed: 0 for a fresh ensemble at t0 = 0.

    See Also
    --------
    wgf.protocol.Solver, wgf.protocol.Step, wgf.protocol.Dynamics, wgf.protocol.Slope

    Notes
    -----
    A state can always be pickled, so that it (and a solution or an error that carries it) comes back from another
    process. The terms of `evaluation` are left out, since a run that goes on evaluates F again. Of `memory`, `resolved`
    and `drives` those that contain a function which pickle cannot send (a lambda, a local function) are left out and
    named in `left_out`; `solve` refuses to go on from such a state.

    Examples
    --------
    >>> import wgf
    >>> F, mu, solver = wgf.Quadratic(), wgf.Ensemble([[1.0]]), wgf.solvers.Heun()
    >>> first = wgf.solve(F, mu, solver, dt=0.1, t_end=0.5)
    >>> wgf.solve(F, None, solver, dt=0.1, t_end=1.0, state=first.state).state.step
    10
    """

    mu: Ensemble
    t: float
    step: int
    seed: int
    evaluation: FreeEnergyEvaluation
    origin_t: float
    origin_step: int
    dt: float
    memory: Any = None
    resolved: Kept = field(default_factory=dict)
    solver: str = ""
    drives: Memories = field(default_factory=dict)
    leg: int = 0
    left_out: tuple[str, ...] = ()

    def with_(self, **changes: Any) -> State:
        """Give the state with other fields, as `dataclasses.replace` does and in a fifth of its time."""
        new = object.__new__(State)
        new.__dict__.update(self.__dict__)
        new.__dict__.update(changes)
        return new

    def _facts(self) -> dict[str, Any]:
        return {"t": self.t, "step": self.step, "dt": self.dt, "F": float(self.evaluation.value), "solver": self.solver,
                "seed": self.seed, "mu": repr(self.mu)}  # fmt: skip

    def _parts(self) -> dict[str, Any]:
        parts, lost = super()._parts(), list(self.left_out)
        parts["evaluation"] = FreeEnergyEvaluation(self.evaluation.value, self.evaluation.gradient, ())
        for name in ("resolved", "drives"):
            entries: Mapping[str, Any] = parts[name]
            parts[name] = {key: entry for key, entry in entries.items() if can_be_sent(entry)}
            lost += [key for key in entries if key not in parts[name]]
        if not can_be_sent(self.memory):
            parts["memory"] = None
            lost.append(f"the memory of {self.solver}")
        return parts | {"left_out": tuple(lost)}
