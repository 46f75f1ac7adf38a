"""What a solver is: pure `init` and `step` over a state, and what it may ask of the free energy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from .domains import Domain
from .ensemble import Ensemble
from .entropies.shannon import Shannon
from .errors import DivergenceError, WgfError
from .functional import FreeEnergy, FreeEnergyEvaluation, Resolved, first_bad_row
from .noise import NoiseSource
from .steering import Memories
from .terms import Term


@dataclass(frozen=True, eq=False)
class State:
    """Where a run stands; `solve(..., state=state)` goes on from it, bit for bit.

    `t` is the time, `step` the number of steps done since the start of the whole run; steps are taken at
    origin_t + k·dt, so that a run in pieces visits the same times as an unbroken one. `evaluation` is the drift at
    (mu, t), `memory` what the solver called `solver` keeps between steps, `resolved` the terms whose rules were settled
    at the start, `drives` what those who steer F remember.
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


class Dynamics:
    """The drift −∇_W F that a solver integrates: F at time t, on the minibatch of the step, checked for finiteness.

    `drift` has the terms that act by force, `shannon` those that the scheme realises in its own way. With a `domain`
    every ensemble is folded into it before F is asked.
    """

    def __init__(self, free_energy: FreeEnergy, noise: NoiseSource, domain: Domain | None = None) -> None:
        self.noise, self.domain = noise, domain
        self.evaluations = 0
        self.turn(free_energy)

    def turn(self, free_energy: FreeEnergy) -> None:
        """From now on the drift is that of another free energy: between steps, where something steers it."""
        self.free_energy = free_energy
        self.drift = free_energy.only(lambda term: not realised_by_noise(term))
        self.shannon = free_energy.only(realised_by_noise)

    def inside(self, mu: Ensemble) -> Ensemble:
        """The ensemble folded into the domain; itself where there is none."""
        return mu if self.domain is None else mu.moved(self.domain.fold(mu.x))

    def frozen(self, t: float, step: int) -> FreeEnergy:
        """The terms that act by force at time t, on the minibatch of `step`: for schemes that look at terms."""
        return self.drift.at(t).draw(self.noise, step)

    def evaluate(self, mu: Ensemble, t: float, step: int) -> FreeEnergyEvaluation:
        """F and ∇_W F of the terms that act by force, at (μ, t), with the minibatch of `step`."""
        self.evaluations += 1
        return checked(self.frozen(t, step), self.inside(mu), t, step)

    def first_variation(self, mu: Ensemble, t: float, step: int, at: Tensor | None = None) -> Tensor:
        """δF/δμ (m,) of the terms that act by force, at the points `at`, by default the particles."""
        try:
            return self.frozen(t, step).first_variation(self.inside(mu), at)
        except WgfError as error:
            raise type(error)(f"step {step}, t = {t:g}: {error}") from error

    def noise_temperature(self, t: float) -> float:
        """T of the Shannon terms, which a stochastic solver realises by the noise √(2T) dB."""
        return self.shannon.at(t).temperature


def realised_by_noise(term: Term) -> bool:
    """Whether a term is the Shannon entropy."""
    return isinstance(term.functional, Shannon)


def checked(frozen: FreeEnergy, mu: Ensemble, t: float, step: int) -> FreeEnergyEvaluation:
    """Evaluate a frozen free energy; a NaN or infinity is a DivergenceError naming step, time, term, particle."""
    where = f"step {step}, t = {t:g}"
    hint = " If F or the particles were growing, try a smaller dt." if step > 0 else ""
    lost = first_bad_row(mu.x)
    if lost is not None:
        raise DivergenceError(
            f"{where}: particle {lost} (id {int(mu.ids[lost])}) left the finite numbers; try a smaller dt."
        )
    try:
        evaluation = frozen.evaluate(mu)
    except WgfError as error:  # a covariance that became singular, say, is a ConfigError
        raise type(error)(f"{where}: {error}{hint}") from error
    if first_bad_row(evaluation.gradient) is None and first_bad_row(evaluation.value.reshape(1)) is None:
        return evaluation
    for part in evaluation.terms:
        bad = first_bad_row(part.gradient)
        if bad is not None:
            raise DivergenceError(
                f"{where}: the force of {part.term.name} is not finite at particle {bad} (id {int(mu.ids[bad])}); "
                "try a smaller dt."
            )
        if first_bad_row(part.value.reshape(1)) is not None:
            raise DivergenceError(f"{where}: the value of {part.term.name} is {float(part.value)}; try a smaller dt.")
    raise DivergenceError(f"{where}: the terms are finite but their sum overflows; try a smaller dt.")


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
        """Refuse, before the run begins at time t, what the scheme cannot do: see `wgf.requirements`."""

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
