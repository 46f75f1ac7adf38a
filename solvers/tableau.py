"""Explicit Runge–Kutta steps from a Butcher tableau: a scheme is then its coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from wgf.noise import NoiseSource
from wgf.ops import linalg
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
        velocities = [-state.evaluation.gradient]
        for row, c in zip(self.a[1:], self.c[1:], strict=True):
            stage = mu.moved(advance(mu.x, h, row, velocities))
            velocities.append(-dynamics.evaluate(stage, state.t + c * h, state.step).gradient)
        dissipation = torch.stack(
            [b * mu.expect(linalg.row_dot(v, v)) for b, v in zip(self.b, velocities, strict=True)]
        ).sum(0)
        return Step(mu.moved(advance(mu.x, h, self.b, velocities)), dissipation)


def advance(x: torch.Tensor, h: float, row: Row, velocities: list[torch.Tensor]) -> torch.Tensor:
    """x + h Σ rowⱼ vⱼ, by separate products and sums: a fused one rounds differently at the ends of threads' chunks."""
    for weight, velocity in zip(row, velocities, strict=True):
        if weight:
            x = x + (h * weight) * velocity
    return x
