"""The scheme of Leimkuhler and Matthews: Langevin with the mean of two successive noises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from wgf.measure import NoiseSource
from wgf.protocol import Dynamics, Solver, State, Step

from .tableau import euler_step


@dataclass(frozen=True)
class LeimkuhlerMatthews(Solver):
    """x' = x − h ∇_W E[μ](x) + √(2Th) (ξ_k + ξ_{k+1})/2,  ξ ~ N(0, I): dX = −∇_W E dt + √(2T) dB at long times.

    T is the temperature of Shannon; other entropies act by their force, and at T = 0 it is Euler. One evaluation of
    ∇_W E and one draw of noise a step, as `Langevin`, and stable for h < 2/k as that is; h is a time of the flow. Weak
    order 1 on the way, but the law that it settles to is off by O(h²) only, and the variance of Ornstein–Uhlenbeck is
    T/k exactly, at every stable h and every n. On a path it is of order ½ in h, since its noise comes half a step late.

    A last step of length r·dt, r < 1, takes (r ξ_k + √(2r − r²) ξ_{k+1}) √(T dt/2) instead, which leaves that variance
    as it is. Steps that go on after it, or with another dt, find ξ_k in x at another scale than √(T dt/2): the variance
    is then off by O(Th), a transient that decays with (1 − kh)² a step. Walls of a domain reflect ξ_{k+1} with the
    particle, which keeps the uniform law as `Langevin` does. With noise the dissipation is estimated at records.
    (Leimkuhler & Matthews 2013, Appl. Math. Res. Express; Leimkuhler, Matthews & Tretyakov 2014 for the order.)
    """

    order: ClassVar[int] = 1
    stochastic = True
    realises_shannon = True

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step; the memory is the later of its two noises as walls turned it, which the next step takes again."""
        mu, gradient, temperature = state.mu, state.evaluation.gradient, dynamics.noise_temperature(state.t)
        if temperature <= 0:
            return euler_step(state, h)
        earlier = state.memory
        if earlier is None:
            earlier = noise.normal(mu.ids, state.step, mu.dim).to(mu.dtype)
        later = noise.normal(mu.ids, state.step + 1, mu.dim).to(mu.dtype)
        ratio = h / state.dt  # below 1 in a shortened last step; x holds √(T dt/2) ξ_k after one of length dt
        half = math.sqrt(0.5 * temperature * state.dt)
        x = mu.x - h * gradient + (half * ratio) * earlier + (half * math.sqrt(ratio * (2 - ratio))) * later
        if dynamics.domain is not None:
            x, later = dynamics.domain.carry(x, later)
        return Step(mu.moved(x), memory=later)
