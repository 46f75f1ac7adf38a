"""Birth and death of particles beside their transport: the Wasserstein–Fisher–Rao gradient flow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from wgf import ops
from wgf.entropies import Blob
from wgf.errors import ConfigError, WgfError, require_number
from wgf.extension import renamed
from wgf.functional import FreeEnergy
from wgf.measure import RESAMPLING, Ensemble, NoiseSource
from wgf.protocol import Dynamics, Slope, Solver, State, Step
from wgf.protocol.requirements import refuse, require_first_variation

from .exponential import phi
from .langevin import Langevin
from .random_batch import RandomBatch


@renamed(threshold="ess_threshold")
@dataclass(frozen=True)
class BirthDeath(Solver):
    """∂ρ/∂t = ∇·(ρ ∇ δF/δμ) − rate · ρ (δF/δμ − ∫ δF/δμ dμ): transport by the scheme `inner`, then the weights by

        w ← w exp(−rate h φ₁(rate T h) (δF/δμ − mean)),   φ₁(z) = (1 − e^{−z})/z,

    scaled to mass 1. T is the temperature of Shannon, `LogDet` and `Blob` together: along the reaction δF/δμ decays as
    e^{−rate T t} where the energy is a potential, so that the weights are exact at every h for it (birth–death alone
    takes Gaussians to Gaussians, docs/theory.md §7, case 8), and stable where h is large. `transport=False` is
    birth–death alone, on particles that stay. `rate` is per unit of F and time of the flow; stability and h are
    otherwise those of `inner`. Order 1: one evaluation of ∇_W F and one of δF/δμ a step.

    Shannon acts on positions through `inner`, which must realise it, and on weights as `Blob(bandwidth)`, a kernel
    density of the particles as they are at the time, in O(n²); a rule follows them. The ledger's entropy is of it.
    Near the boundary of a domain that density is too low, ρ/2 at a wall, so that mass gathers there.

    Where 1/Σw² falls below `ess_threshold`·n the next step begins with systematic resampling to equal weights, by one
    uniform number and in the order of the ids: particle i gets ⌊n wᵢ⌋ or ⌈n wᵢ⌉ copies, with ids of their own. Copies
    part by noise only: without Shannon, and with singular interactions above all, take `ess_threshold=0` (never).

    (Lu, Lu & Nolen 2019; Rotskoff, Jelassi, Bruna & Vanden-Eijnden 2019; Kitagawa 1996 on resampling.)
    """

    transport: bool = True
    inner: Solver = field(default=Langevin())
    rate: float = 1.0
    ess_threshold: float = 0.5
    bandwidth: float | str = "silverman"

    order: ClassVar[int] = 1
    stochastic = True
    realises_shannon = True

    def __post_init__(self) -> None:
        if not isinstance(self.transport, bool):
            raise ConfigError(f"transport = {self.transport!r}: wanted True or False.")
        if not isinstance(self.inner, Solver) or self.inner.adaptive:
            raise ConfigError(f"inner = {self.inner!r}: wanted a scheme of fixed steps, such as wgf.solvers.Euler().")
        core = _core(self.inner)
        if isinstance(core, BirthDeath) or type(core).start is not Solver.start:
            given = f"inner = {self.inner!r}"
            raise ConfigError(f"{given}: wanted a scheme that moves the particles it is given, such as Langevin().")
        require_number("rate", self.rate, positive=True)
        if not require_number("ess_threshold", self.ess_threshold, nonnegative=True) <= 1:
            raise ConfigError(f"ess_threshold = {self.ess_threshold!r}: wanted a number from 0 (never) to 1.")
        Blob(self.bandwidth)  # refuses what is no bandwidth

    @property
    def name(self) -> str:
        if not self.transport:
            return "BirthDeath(transport=False)"
        return "BirthDeath" if isinstance(self.inner, Langevin) else f"BirthDeath({self.inner.name})"

    @property
    def metric(self) -> str:  # type: ignore[override]
        reaction = "rate·Var_μ(δF/δμ)"
        if not self.transport:
            return f"Fisher–Rao, {reaction}"
        return f"∫ |∇δF/δμ|² dμ + {reaction}; NaN with noise, whose force on weighted particles is not known"

    # ------------------------------------------------------------------------------------------ the run

    def rewrite(self, free_energy: FreeEnergy) -> FreeEnergy:
        return self.inner.rewrite(free_energy) if self.transport else free_energy

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
        require_first_variation(self, dynamics, mu, t)
        if not self.transport:
            return
        self.inner.require(dynamics, mu, t)
        if dynamics.shannon.terms and not self.inner.realises_shannon:
            given = f"the inner scheme {self.inner.name} is deterministic and F has Shannon"
            refuse(self, given, "an inner scheme with noise", "Take inner=Langevin(), or a surrogate such as Blob.")

    def init(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Any:
        """The memory of the inner scheme: rows that go with the particles, or None."""
        memory = self.inner.init(dynamics, mu, t) if self.transport else None
        if not (memory is None or isinstance(memory, Tensor)):
            given = f"the inner scheme {self.inner.name} keeps more than a row per particle between steps"
            refuse(self, given, "a memory that can be resampled", "Take Langevin, Euler or Underdamped inside.")
        return memory

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Resampling where it is due, transport, and the weights by δF/δμ where the particles then are."""
        begun = self._resampled(dynamics, state, noise)
        still = Step(begun.mu, torch.zeros_like(begun.evaluation.value))
        moved = self.inner.step(dynamics, begun, h, noise) if self.transport else still
        mu = dynamics.fold(moved.mu)
        frozen = dynamics.frozen(state.t, state.step)
        variation, temperature = self._first_variation(dynamics, frozen, mu, state)
        decay = self.rate * temperature * h
        with ops.one_torch_thread():  # vectorised exponentials round differently at the ends of threads' chunks
            exponent = (-self.rate * h * float(phi(decay))) * variation
            weights = mu.weights * torch.exp(exponent - exponent.max())
            new = mu.reweighted(weights.clamp(min=_least(mu) * float(weights.max())))
        dissipation = None
        if moved.dissipation is not None:
            dissipation = moved.dissipation + self.rate * float(phi(2 * decay)) * _variance(mu, variation)
        return Step(new, dissipation, moved.memory)

    def _first_variation(
        self, dynamics: Dynamics, frozen: FreeEnergy, mu: Ensemble, state: State
    ) -> tuple[Tensor, float]:
        """δF/δμ (n,) float64 at the particles, Shannon's by kernel density, and T of what drives it to 0."""
        total, temperature = torch.zeros_like(mu.weights), dynamics.noise_temperature(state.t)
        try:
            if temperature > 0:
                total = total - temperature * Blob(self.bandwidth).first_variation(mu).double()
            for term in frozen.terms:  # one by one, so that an error names the term
                factor = term.coefficient.number
                total = total + factor * term.functional.first_variation(mu).double()
                if term.functional.is_log_density:
                    temperature -= factor
        except WgfError as error:
            raise type(error)(f"step {state.step}, t = {state.t:g}: {error}") from error
        return total, temperature

    def _resampled(self, dynamics: Dynamics, state: State, noise: NoiseSource) -> State:
        """The state with equal weights where too few particles carry the mass; birth–death alone goes on with them."""
        mu = state.mu
        if not self.transport or mu.effective_size >= self.ess_threshold * mu.n:
            return state
        rows = _systematic(mu, float(noise.uniform(torch.zeros_like(mu.ids[:1]), state.step, 1, RESAMPLING)))
        new = mu.select(rows)
        new = new.reweighted(torch.ones_like(new.weights))
        memory = None if state.memory is None else state.memory[rows]
        evaluation = dynamics.evaluate(new, state.t, state.step)
        return replace(state, mu=new, memory=memory, evaluation=evaluation)

    # ------------------------------------------------------------------------------------------ the books

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> Tensor | float:
        transported: Tensor | float = 0.0
        if self.transport:
            if dynamics.shannon.terms or slope is None:
                return math.nan
            own = self.inner.dissipation(dynamics, state, slope)
            transported = slope.mu.inner(slope.force, slope.twin) if own is None else own
        variation, _ = self._first_variation(dynamics, dynamics.drift.at(state.t), state.mu, state)
        return transported + self.rate * _variance(state.mu, variation)

    def kinetic(self, state: State) -> Tensor | float | None:
        return self.inner.kinetic(state) if self.transport else None

    def entropy(self, dynamics: Dynamics, state: State) -> Tensor | None:
        return Blob(self.bandwidth).value(state.mu)


def _core(solver: Solver) -> Solver:
    """The scheme inside all random batches."""
    return _core(solver.inner) if isinstance(solver, RandomBatch) else solver


def _least(mu: Ensemble) -> float:
    """Weights stay above this part of the largest: no mass, but a particle whose weight is 0 would have no density.

    Sums over pairs take weights in the dtype of the particles.
    """
    return torch.finfo(mu.dtype).tiny ** 0.8  # 1e-246, 5e-31 in float32


def _variance(mu: Ensemble, values: Tensor) -> Tensor:
    """Var_μ, 0-d float64."""
    return mu.expect((values - mu.expect(values)) ** 2)


def _systematic(mu: Ensemble, uniform: float) -> Tensor:
    """Rows (n,), each as often as n·w rounded down or up: where (k + u)/n falls in the cumulative weights, by id."""
    order = torch.argsort(mu.ids)
    with ops.one_torch_thread():
        cumulative = mu.weights[order].cumsum(0)
    places = torch.arange(mu.n, dtype=torch.float64, device=mu.device)
    found = torch.searchsorted(cumulative, (places + uniform) / mu.n * cumulative[-1])
    return order[found.clamp(max=mu.n - 1)]
