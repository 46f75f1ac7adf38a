"""The damped Hamiltonian flow of the free energy, with restart: acceleration in Wasserstein space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wgf.errors import ConfigError, require_number
from wgf.functional import FreeEnergyEvaluation
from wgf.measure import Ensemble, NoiseSource
from wgf.protocol import Dynamics, Slope, Solver, State, Step
from wgf.protocol.requirements import require_full_batch


@dataclass(frozen=True, eq=False)
class Momenta:
    """Momenta p (n, d), the time since they were last at rest, and how often they were stopped; 0-d tensors."""

    p: Tensor
    age: Tensor
    restarts: Tensor


@dataclass(frozen=True)
class Accelerated(Solver):
    """ẋ = p,  ṗ = −γ p − ∇_W F[μ](x),  from rest: F + ∫ ½|p|² dμ falls by γ ∫|p|² dμ.

    Half a step of force and friction, exact for a constant force; a drift, x' = x + hp; the other half with the force
    at x'. Symmetric, of order 2, one evaluation of ∇_W F a step, stable on a quadratic of stiffness k at least for
    h < 2/√k. `damping` is a number γ (2√k for a k-convex F: then F − F* is known to fall like e^{−√k t}, and on a
    quadratic of stiffness k it falls like (1 + √k t)² e^{−2√k t}), or "nesterov": γ = 3/s, s the time since the start
    or the last restart (F − F* ≤ 2|x₀ − x*|²/s² for convex F). t and h are times of this flow, of the unit √(time of
    the gradient flow): the condition number of F counts by its root.

    `restart` stops all momenta at once and lets s begin anew: "gradient" where F rises along the motion of the step at
    its end, ∫ p·∇_W F dμ > 0; "function" where F is above its value one step before (minibatches are refused then, and
    the work of a drive counts as a rise); None never. From rest the next step goes down again: under a convex F no two
    steps in a row go up. The kinetic energy that a restart takes counts as dissipated in its step. Over a step the
    dissipation is γ ∫|p|² dμ at its middle, which closes the ledger to order 2.

    (Taghvaei & Mehta 2019; Wang & Li 2022, accelerated information gradient; Su, Boyd & Candès 2016 on γ = 3/s;
    O'Donoghue & Candès 2015 on restarts.)
    """

    damping: float | str = "nesterov"
    restart: str | None = "gradient"

    order: ClassVar[int] = 2
    metric = "friction, γ ∫|p|² dμ"

    def __post_init__(self) -> None:
        if self.damping != "nesterov":
            if isinstance(self.damping, str):
                raise ConfigError(f"damping = {self.damping!r}: wanted a number ≥ 0 or 'nesterov'.")
            require_number("damping", self.damping, nonnegative=True)
        if self.restart not in ("gradient", "function", None):
            raise ConfigError(f"restart = {self.restart!r}: wanted 'gradient', 'function' or None.")

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
        if self.restart == "function":
            require_full_batch(self, dynamics.free_energy)

    def init(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Momenta:
        zero = torch.zeros((), dtype=torch.float64, device=mu.device)
        return Momenta(torch.zeros_like(mu.x), zero, zero)

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step; decisions stay tensors, so that a device does not wait for them."""
        mu, before, half = state.mu, state.memory, 0.5 * h
        kept, push, _ = self._friction(before.age, half)
        p = kept.to(mu.dtype) * before.p - push.to(mu.dtype) * state.evaluation.gradient
        middle = mu.inner(p, p)
        x = mu.x + h * p
        if dynamics.domain is not None:
            x, p = dynamics.domain.carry(x, p)
        new = mu.moved(x)
        evaluation = dynamics.evaluate(new, state.t + h, state.step + 1)
        stop = self._rises(new, p, evaluation, state)
        kept, push, rate = self._friction(before.age + half, half)
        p = kept.to(mu.dtype) * p - push.to(mu.dtype) * evaluation.gradient
        taken = torch.where(stop, 0.5 * mu.inner(p, p), 0.0)
        p = torch.where(stop, torch.zeros_like(p), p)
        age = torch.where(stop, 0.0, before.age + h)
        memory = Momenta(p, age, before.restarts + stop)
        return Step(new, rate * middle + taken / h, memory, evaluation=evaluation)

    def _friction(self, age: Tensor, h: float) -> tuple[Tensor, Tensor, Tensor]:
        """Over h from this age: the part of p that is kept, what a unit of constant force adds; and γ at this age."""
        if self.damping == "nesterov":
            end = age + h
            push = h * (end + age) * (end * end + age * age) / (4.0 * end**3)  # (end⁴ − age⁴)/(4 end³)
            return (age / end) ** 3, push, 3.0 / age
        rate = float(self.damping)
        added = -math.expm1(-rate * h) / rate if rate else h
        return torch.full_like(age, math.exp(-rate * h)), torch.full_like(age, added), torch.full_like(age, rate)

    def _rises(self, mu: Ensemble, p: Tensor, evaluation: FreeEnergyEvaluation, before: State) -> Tensor:
        """Whether F goes up at the end of a step that moved along p: a 0-d boolean."""
        if self.restart == "gradient":
            return mu.inner(p, evaluation.gradient) > 0
        if self.restart == "function":
            return evaluation.value > before.evaluation.value
        return torch.zeros((), dtype=torch.bool, device=mu.device)

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> Tensor:
        """γ ∫|p|² dμ; 0 at rest, where γ = 3/s is infinite."""
        p, age = state.memory.p, state.memory.age
        square = state.mu.inner(p, p)
        if self.damping != "nesterov":
            return float(self.damping) * square
        return torch.where(age > 0, 3.0 * square / age, 0.0)

    def kinetic(self, state: State) -> Tensor:
        return 0.5 * state.mu.inner(state.memory.p, state.memory.p)
