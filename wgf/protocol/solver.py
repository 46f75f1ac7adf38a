"""What a solver is: pure `init` and `step` over a state, and what it may ask of the free energy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from ..functional import FreeEnergy, FreeEnergyEvaluation, Memories, Resolved
from ..measure import Ensemble, NoiseSource
from .dynamics import Dynamics
from .sending import Sent, can_be_sent


@dataclass(frozen=True, eq=False)
class State(Sent):
    """Where a run stands; `solve(..., state=state)` goes on from it, bit for bit.

    `t` is the time, `step` the number of steps done since the start of the whole run; steps are taken at
    origin_t + k·dt, so that a run in pieces visits the same times as an unbroken one. `evaluation` is the drift at
    (mu, t), `memory` what the solver called `solver` keeps between steps, `resolved` the terms whose rules were settled
    at the start, `drives` what those who steer F remember.

    A state can always be pickled, so that it (and a solution or an error that carries it) comes back from another
    process. The terms of `evaluation` are left out, since a run that goes on evaluates F again. Of `memory`, `resolved`
    and `drives` those that contain a function pickle cannot send (a lambda, a local function) are left out and named in
    `left_out`; `solve` refuses to go on from such a state.
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
    resolved: Resolved = field(default_factory=dict)
    solver: str = ""
    drives: Memories = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

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


@dataclass(frozen=True, eq=False)
class Step:
    """What one step of a solver made.

    `dissipation` is the mean over the step, in the metric of the scheme and by its own quadrature (Σ bᵢ D(stage i)), or
    None where the scheme has no such sum: the ledger then estimates it at records. `h` is the length really taken where
    a scheme adapts, None for the length asked for. `evaluation` is that of `dynamics.evaluate(mu, t + h, step + 1)`,
    from schemes that have it anyway (first same as last), so that it is not made twice.
    """

    mu: Ensemble
    dissipation: Tensor | None = None
    memory: Any = None
    h: float | None = None
    evaluation: FreeEnergyEvaluation | None = None


@dataclass(frozen=True, eq=False)
class Slope:
    """∇_W F at the particles of `mu` (n, d); where part of it is an estimate, `twin` is a second, independent one.

    Squares are products of the two, so that the variance of an estimate does not count as force. `mu` is then a sample
    that stands for all. Where ∇_W F is exact, the twin is the force itself.
    """

    mu: Ensemble
    force: Tensor
    twin: Tensor


class Solver(ABC):
    """A scheme: a frozen dataclass with pure `init` and `step`, one file in `solvers/`, one line in the registry.

    Most schemes set the four facts below and write `step`; each other method has the meaning that fits most, and is
    there for those that differ.
    """

    order: ClassVar[int] = 1
    """The order of the deterministic scheme, the weak order of a stochastic one."""
    stochastic = False
    """Whether the scheme uses noise."""
    realises_shannon = False
    """Whether it realises −T·Shannon, by noise, by a kernel or on a grid; the others are not given that term."""
    adaptive = False
    """Whether it chooses the length of its steps: it is offered the rest of the run and takes what it wants of it. An
    adaptive scheme has fields `rtol` and `atol`, which `solve(rtol=, atol=)` replaces."""
    metric = "Wasserstein"
    """The metric in which it descends, as the ledger's note on the dissipation says it."""

    @property
    def name(self) -> str:
        """By what name messages speak of the scheme; a state of another name starts with a new memory."""
        return type(self).__name__

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:  # noqa: B027
        """Refuse, before the run begins at time t, what the scheme cannot do: see `wgf.protocol.requirements`."""

    def rewrite(self, free_energy: FreeEnergy) -> FreeEnergy:
        """The free energy that is integrated in place of the given one: sums by random batches, say."""
        return free_energy

    def start(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Ensemble:
        """The ensemble that the run begins with: cells of a grid in place of the particles, say."""
        return mu

    def init(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Any:
        """The solver's memory at the start (None where a scheme needs none): anything immutable."""
        return None

    @abstractmethod
    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step of length h from `state`, which it does not change; at most h long where the scheme adapts."""

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> Tensor | float | None:
        """−dF/dt at a record in the scheme's own metric; None means ∫|∇_W F|² dμ, which the ledger has already.

        `slope` is None where noise realises an entropy whose score cannot be estimated.
        """
        return None

    def kinetic(self, state: State) -> Tensor | float | None:
        """∫ ½|p|² dμ for schemes with momenta: it joins F in the balance, and has a column of its own."""
        return None

    def entropy(self, dynamics: Dynamics, state: State) -> Tensor | float | None:
        """−∫ρ log ρ where the scheme knows the density; None leaves it to an estimate on particles."""
        return None
