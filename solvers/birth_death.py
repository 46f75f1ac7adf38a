"""Birth and death: particles move as in another scheme, and their weights follow the first variation of F."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from wgf import ops
from wgf.entropies import Blob
from wgf.errors import ConfigError, WgfError, require_number, shown
from wgf.extension import renamed
from wgf.functional import FreeEnergy
from wgf.measure import RESAMPLING, Ensemble, NoiseSource, ShardedEnsemble
from wgf.protocol import Dynamics, Slope, Solver, State, Step
from wgf.protocol.requirements import refuse, require_first_variation

from .exponential import phi
from .langevin import Langevin
from .random_batch import RandomBatch


@renamed(threshold="ess_threshold")
@dataclass(frozen=True)
class BirthDeath(Solver):
    """The Wasserstein–Fisher–Rao gradient flow. Take it where mass must cross a barrier that noise does not cross.

    It integrates ∂ρ/∂t = ∇·(ρ ∇ δF/δμ) − rate · ρ (δF/δμ − ∫ δF/δμ dμ). A step moves the particles by the scheme
    `inner`, then changes the weights and scales them to mass 1:

        w ← w exp(−rate h φ₁(rate T h) (δF/δμ − mean)),   φ₁(z) = (1 − e^{−z})/z

    T is the temperature of the Shannon, `LogDet` and `Blob` terms together.

    Parameters
    ----------
    transport : bool, default True
        If False, the particles stay and only the weights change (Fisher–Rao alone).
    inner : Solver, default Langevin()
        The scheme that moves the particles, with fixed steps.
    rate : float, default 1.0
        Speed of birth and death, one over F and over time of the flow, > 0.
    ess_threshold : float, default 0.5
        Resample when the effective number of particles 1/Σw² is below this part of n. From 0 (never) to 1.
    bandwidth : float or str, default "silverman"
        Bandwidth of the density for the entropy of the weights: a length in the units of x, or a rule of `Blob`, which
        is applied anew at each step.

    Raises
    ------
    ConfigError
        If a setting is out of range, or `inner` adapts its steps or starts with other particles. From `solve`, if a
        term has no first variation; if F has Shannon and `inner` does not realise it; or if the memory of `inner` is
        more than one row per particle, since it could not be resampled.

    See Also
    --------
    wgf.solvers.Langevin

    Notes
    -----
    t and h are times of `inner`, and stability is that of `inner`. The order is 1. A step costs a step of `inner` and
    one evaluation of δF/δμ, with Shannon also a density in O(n²·d). For a potential and the entropies above, δF/δμ
    decays as e^{−rate T t} by birth and death, so the weights are exact at every h and stable for large h
    (docs/theory.md §7, case 8).

    Shannon acts on positions through `inner`, and on weights as `Blob(bandwidth)`, which also gives the entropy of the
    ledger. At a wall of a domain that density is ρ/2, too low, so mass gathers there.

    Resampling is systematic: it takes one uniform number, in the order of the ids. Particle i gets ⌊n wᵢ⌋ or ⌈n wᵢ⌉
    copies with new ids. Only noise separates copies. Without Shannon, and with singular interactions above all, take
    `ess_threshold=0`.

    The dissipation is ∫|∇_W F|² dμ + rate·Var_μ(δF/δμ). With noise it is NaN: the force on weighted particles is not
    known.

    References
    ----------
    Lu, Lu & Nolen (2019), Accelerating Langevin sampling with birth-death, arXiv:1905.09863.
    Rotskoff, Jelassi, Bruna & Vanden-Eijnden (2019), Global convergence of neuron birth-death dynamics, ICML.
    Kitagawa (1996), Monte Carlo filter and smoother, J. Comput. Graph. Stat. 5, 1–25. (Resampling.)

    Examples
    --------
    Birth and death alone move mass to the particles of lower potential:

    >>> import wgf
    >>> mu, F = wgf.Ensemble([[0.0], [2.0]]), wgf.Potential(lambda x: x[:, 0])
    >>> sol = wgf.solve(F, mu, BirthDeath(transport=False), dt=0.1, t_end=1.0)
    >>> [round(w, 4) for w in sol.ensemble.weights.tolist()]  # e² to 1
    [0.8808, 0.1192]
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
            raise ConfigError(f"transport = {shown(self.transport)}: wanted True or False.")
        if not isinstance(self.inner, Solver) or self.inner.adaptive:
            raise ConfigError(
                f"inner = {shown(self.inner)}: wanted a scheme of fixed steps, such as wgf.solvers.Euler()."
            )
        core = _core(self.inner)
        if isinstance(core, BirthDeath) or type(core).start is not Solver.start:
            given = f"inner = {self.inner!r}"
            raise ConfigError(f"{given}: wanted a scheme that moves the particles it is given, such as Langevin().")
        require_number("rate", self.rate, positive=True)
        if not require_number("ess_threshold", self.ess_threshold, nonnegative=True) <= 1:
            raise ConfigError(f"ess_threshold = {shown(self.ess_threshold)}: wanted a number from 0 (never) to 1.")
        Blob(self.bandwidth)  # raises ConfigError if this is no bandwidth

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

    @property
    def integrates(self) -> bool:  # type: ignore[override]
        return self.inner.integrates or not self.transport

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
        """The memory of the inner scheme: None, or a tensor with one row per particle."""
        memory = self.inner.init(dynamics, mu, t) if self.transport else None
        if not (memory is None or isinstance(memory, Tensor)):
            given = f"the inner scheme {self.inner.name} keeps more than a row per particle between steps"
            refuse(self, given, "a memory that can be resampled", "Take Langevin, Euler or Underdamped inside.")
        return memory

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step: resample if needed, move the particles, then change the weights by δF/δμ at the new places."""
        begun = self._resampled(dynamics, state, noise)
        still = Step(begun.mu, torch.zeros_like(begun.evaluation.value))
        moved = self.inner.step(dynamics, begun, h, noise) if self.transport else still
        mu = dynamics.fold(moved.mu, begun.mu)
        frozen = dynamics.frozen(state.t, state.step)
        variation, temperature = self._first_variation(dynamics, frozen, mu, state)
        decay = self.rate * temperature * h
        with ops.one_torch_thread():  # else the rounding of exp would depend on the number of threads
            exponent = (-self.rate * h * float(phi(decay))) * variation
            weights = mu.weights * torch.exp(exponent - mu.greatest(exponent[:, None]))
            new = mu.reweighted(weights.clamp(min=_least(mu) * float(mu.greatest(weights[:, None]))))
        dissipation = None
        if moved.dissipation is not None:
            dissipation = moved.dissipation + self.rate * float(phi(2 * decay)) * _variance(mu, variation)
        return Step(new, dissipation, moved.memory)

    def _first_variation(
        self, dynamics: Dynamics, frozen: FreeEnergy, mu: Ensemble, state: State
    ) -> tuple[Tensor, float]:
        """δF/δμ at the particles (n,), float64, with Shannon by a kernel density; and the T of all such entropies."""
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
        """The state, resampled to equal weights if too few particles carry the mass. Without transport: as it is."""
        mu = state.mu
        if not self.transport or mu.effective_size >= self.ess_threshold * mu.n:
            return state
        uniform = float(noise.uniform(torch.zeros_like(mu.ids[:1]), state.step, 1, RESAMPLING))
        new, memory = mu, state.memory
        if isinstance(mu, ShardedEnsemble):
            new, carried = mu.resampled(uniform, *(() if memory is None else (memory,)))
            memory = carried[0] if carried else None
        else:
            rows = _systematic(mu, uniform)
            new = mu.select(rows)
            new = new.reweighted(torch.ones_like(new.weights))
            memory = None if memory is None else memory[rows]
        evaluation = dynamics.evaluate(new, state.t, state.step)
        return state.with_(mu=new, memory=memory, evaluation=evaluation)

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
    """The scheme inside any number of `RandomBatch`."""
    return _core(solver.inner) if isinstance(solver, RandomBatch) else solver


def _least(mu: Ensemble) -> float:
    """The smallest weight allowed, relative to the largest: a particle of weight 0 would have no density.

    It depends on the dtype of the particles, since sums over pairs use weights in this dtype.
    """
    return torch.finfo(mu.dtype).tiny ** 0.8  # 1e-246, 5e-31 in float32


def _variance(mu: Ensemble, values: Tensor) -> Tensor:
    """The variance of values (n,) under μ, 0-d float64."""
    return mu.expect((values - mu.expect(values)) ** 2)


def _systematic(mu: Ensemble, uniform: float) -> Tensor:
    """Draw n rows, row i ⌊n wᵢ⌋ or ⌈n wᵢ⌉ times: those at (k + u)/n in the cumulative weights, ordered by id."""
    order = torch.argsort(mu.ids)
    with ops.one_torch_thread():
        cumulative = mu.weights[order].cumsum(0)
    places = torch.arange(mu.n, dtype=torch.float64, device=mu.device)
    found = torch.searchsorted(cumulative, (places + uniform) / mu.n * cumulative[-1])
    return order[found.clamp(max=mu.n - 1)]
