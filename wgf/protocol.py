"""What a solver is: pure `init` and `step` over a state, and what it may ask of the free energy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from torch import Tensor

from .ensemble import Ensemble
from .entropies.shannon import Shannon
from .errors import DivergenceError, WgfError
from .functional import FreeEnergy, FreeEnergyEvaluation, Resolved, first_bad_row
from .noise import NoiseSource
from .terms import Term


@dataclass(frozen=True, eq=False)
class State:
    """Where a run stands; `solve(..., state=state)` goes on from it, bit for bit.

    `t` is the time, `step` the number of steps done since the start of the whole run; steps are taken at
    origin_t + k·dt, so that a run in pieces visits the same times as an unbroken one. `evaluation` is the drift at
    (mu, t), `memory` what the solver keeps between steps, `resolved` the terms whose rules were settled at the start.
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


@dataclass(frozen=True, eq=False)
class Step:
    """What one step of a solver made.

    `dissipation` is Σ bᵢ D(stage i) with the scheme's own quadrature weights, or None where the scheme has no such sum
    (noise realises part of the free energy) and the ledger estimates it at records.
    """

    mu: Ensemble
    dissipation: Tensor | None
    memory: Any = None


class Dynamics:
    """The drift −∇_W F that a solver integrates: F at time t, on the minibatch of the step, checked for finiteness."""

    def __init__(self, free_energy: FreeEnergy, noise: NoiseSource) -> None:
        self.free_energy, self.noise = free_energy, noise
        self.drift = free_energy.only(lambda term: not realised_by_noise(term))
        self.shannon = free_energy.only(realised_by_noise)
        self.evaluations = 0

    def evaluate(self, mu: Ensemble, t: float, step: int) -> FreeEnergyEvaluation:
        """F and ∇_W F of the terms that act by force, at (μ, t), with the minibatch of `step`."""
        self.evaluations += 1
        return checked(self.drift.at(t).draw(self.noise, step), mu, t, step)

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


class Solver(Protocol):
    """A scheme: a frozen dataclass, one file in `solvers/`.

    `order` is the order of the deterministic scheme (weak order for stochastic ones); `stochastic` says whether it
    realises the Shannon entropy by noise.
    """

    order: ClassVar[int]
    stochastic: ClassVar[bool]

    def init(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Any:
        """The solver's memory at the start (None where a scheme needs none)."""
        ...

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step of length h from `state`, which it does not change."""
        ...
