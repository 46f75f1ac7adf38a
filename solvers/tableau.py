"""Explicit Runge–Kutta steps from a Butcher tableau: a scheme is then its coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wgf.measure import Ensemble, NoiseSource
from wgf.protocol import Dynamics, Solver, State, Step

Row = tuple[float, ...]


@dataclass(frozen=True)
class ExplicitRungeKutta(Solver):
    """x' = x + h Σ bᵢ kᵢ, kᵢ = v(x + h Σⱼ aᵢⱼ kⱼ, t + cᵢ h), v = −∇_W F (Hairer, Nørsett & Wanner 1993, §II.1).

    h is a time of the flow. Over a step the dissipation is Σ bᵢ ∫|kᵢ|² dμ, the scheme's own quadrature.
    """

    a: ClassVar[tuple[Row, ...]]
    b: ClassVar[Row]
    c: ClassVar[Row]
    order: ClassVar[int]

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step; the first stage is the evaluation that the state carries."""
        mu = state.mu
        velocities = stages(dynamics, state, h, self.a, self.c)
        return Step(mu.moved(advance(mu.x, h, self.b, velocities)), quadrature(mu, self.b, velocities))


def stages(dynamics: Dynamics, state: State, h: float, a: tuple[Row, ...], c: Row) -> list[Tensor]:
    """The velocities kᵢ (n, d); the first is that of the evaluation which the state carries."""
    mu, velocities = state.mu, [-state.evaluation.gradient]
    for row, node in zip(a[1:], c[1:], strict=True):
        stage = mu.moved(advance(mu.x, h, row, velocities))
        velocities.append(-dynamics.evaluate(stage, state.t + node * h, state.step).gradient)
    return velocities


def quadrature(mu: Ensemble, b: Row, velocities: list[Tensor]) -> Tensor:
    """Σ bᵢ ∫|kᵢ|² dμ, 0-d float64."""
    return torch.stack([w * mu.inner(v, v) for w, v in zip(b, velocities, strict=True)]).sum(0)


def euler_step(state: State, h: float) -> Step:
    """What schemes with noise come to where there is none: one step of explicit Euler, bit for bit."""
    mu, velocities = state.mu, [-state.evaluation.gradient]
    return Step(mu.moved(advance(mu.x, h, (1.0,), velocities)), quadrature(mu, (1.0,), velocities))


def advance(x: Tensor, h: float, row: Row, velocities: list[Tensor]) -> Tensor:
    """x + h Σ rowⱼ vⱼ, by separate products and sums: a fused one rounds differently at the ends of threads' chunks."""
    for weight, velocity in zip(row, velocities, strict=True):
        if weight:
            x = x + (h * weight) * velocity
    return x
