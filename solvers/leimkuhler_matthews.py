"""The scheme of Leimkuhler and Matthews: Langevin with the mean of two successive noises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from wgf.noise import NoiseSource
from wgf.ops import linalg
from wgf.protocol import Dynamics, Solver, State, Step


@dataclass(frozen=True)
class LeimkuhlerMatthews(Solver):
    """x' = x − h ∇_W E[μ](x) + √(2Th) (ξ_k + ξ_{k+1})/2,  ξ ~ N(0, I): dX = −∇_W E dt + √(2T) dB at long times.

    T is the temperature of Shannon; other entropies act by their force, and at T = 0 it is Euler. One evaluation of
    ∇_W E and one draw of noise a step, as `Langevin`, and stable for h < 2/k as that is; h is a time of the flow. Weak
    order 1 on the way, but the law that it settles to is off by O(h²) only, and the variance of Ornstein–Uhlenbeck is
    T/k exactly, at every stable h and every n. On a path it is of order ½ in h, since its noise comes half a step late.

    A last step of length r·dt, r < 1, takes (r ξ_k + √(2r − r²) ξ_{k+1}) √(T dt/2) instead, which leaves that variance
    as it is. With noise the dissipation is estimated at records. (Leimkuhler & Matthews 2013, Appl. Math. Res. Express;
    Leimkuhler, Matthews & Tretyakov 2014 for the order.)
    """

    order: ClassVar[int] = 1
    stochastic = True
    realises_shannon = True

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step; the memory is the later of its two noises, which the next step takes again."""
        mu, gradient, temperature = state.mu, state.evaluation.gradient, dynamics.noise_temperature(state.t)
        if temperature <= 0:
            return Step(mu.moved(mu.x - h * gradient), mu.expect(linalg.row_dot(gradient, gradient)))
        earlier = state.memory
        if earlier is None:
            earlier = noise.normal(mu.ids, state.step, mu.dim).to(mu.dtype)
        later = noise.normal(mu.ids, state.step + 1, mu.dim).to(mu.dtype)
        ratio = h / state.dt  # at most 1: x holds √(T dt/2) ξ_k, so that no longer step could follow exactly
        half = math.sqrt(0.5 * temperature * state.dt)
        x = mu.x - h * gradient + (half * ratio) * earlier + (half * math.sqrt(ratio * (2 - ratio))) * later
        return Step(mu.moved(x), memory=later)
