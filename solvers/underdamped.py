"""Underdamped Langevin dynamics by the splitting BAOAB."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wgf.errors import require_number
from wgf.measure import SECOND, Ensemble, NoiseSource
from wgf.protocol import Dynamics, Slope, Solver, State, Step


@dataclass(frozen=True)
class Underdamped(Solver):
    """dx = p dt,  dp = −∇_W E[μ](x) dt − γ p dt + √(2γT) dB, by half kick, half drift, friction, half drift, half kick:

        p ← p − ½h ∇E(x),  x ← x + ½h p,  p ← e^{−γh} p + √(T(1 − e^{−2γh})) ξ,  x ← x + ½h p,  p ← p − ½h ∇E(x).

    `friction` γ is a rate, h a time of this dynamics (that of the flow is t/γ where γ is large), T the temperature of
    Shannon; other entropies act by their force, and without Shannon it is damped descent. One evaluation of ∇_W E a
    step, the one that the next begins with; stable on a quadratic of stiffness k for h < 2/√k. Order 2, weakly and
    without noise. In a harmonic well the law of x is exact at every stable h, and ⟨p²⟩ = T(1 − kh²/4).

    Momenta start from N(0, T) and are the solver's memory; walls of a domain reflect them. The ledger has the kinetic
    energy ½∫|p|² dμ, and without noise F + ½∫|p|² falls by γ∫|p|² dμ. With noise what falls is the free energy of
    positions and momenta together, whose density nobody estimates: the dissipation is NaN there.
    (Leimkuhler & Matthews 2013, J. Chem. Phys. 138, 174102.)
    """

    friction: float = 1.0

    order: ClassVar[int] = 2
    stochastic = True
    realises_shannon = True
    metric = "friction, γ∫|p|² dμ; NaN with noise, where it needs the density of positions and momenta together"

    def __post_init__(self) -> None:
        require_number("friction", self.friction, positive=True)

    def init(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Tensor:
        """Momenta (n, d) from N(0, T); not from the stream of initial positions, which samples may have used."""
        temperature = dynamics.noise_temperature(t)
        if temperature <= 0:
            return torch.zeros_like(mu.x)
        return math.sqrt(temperature) * dynamics.noise.normal(mu.ids, 0, mu.dim, SECOND).to(mu.dtype)

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step; without noise its dissipation is what the friction took, over h."""
        mu, half, end = state.mu, 0.5 * h, state.t + h
        temperature = dynamics.noise_temperature(state.t + half)
        x, p = _drifted(dynamics, mu.x, state.memory - half * state.evaluation.gradient, half)
        kept, lost = math.exp(-self.friction * h), -math.expm1(-2 * self.friction * h)
        dissipation = None if dynamics.shannon.terms else (0.5 * lost / h) * mu.inner(p, p)
        p = kept * p
        if temperature > 0:
            p = p + math.sqrt(temperature * lost) * noise.normal(mu.ids, state.step, mu.dim).to(mu.dtype)
        x, p = _drifted(dynamics, x, p, half)
        new = mu.moved(x)
        evaluation = dynamics.evaluate(new, end, state.step + 1)
        return Step(new, dissipation, p - half * evaluation.gradient, evaluation=evaluation)

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> Tensor | float:
        return math.nan if dynamics.shannon.terms else 2 * self.friction * self.kinetic(state)

    def kinetic(self, state: State) -> Tensor:
        return 0.5 * state.mu.inner(state.memory, state.memory)


def _drifted(dynamics: Dynamics, x: Tensor, p: Tensor, h: float) -> tuple[Tensor, Tensor]:
    """x + h p, both carried through the walls of the domain."""
    x = x + h * p
    return (x, p) if dynamics.domain is None else dynamics.domain.carry(x, p)
