"""Euler–Maruyama for the mean-field Langevin equation."""

import math
from dataclasses import dataclass
from typing import ClassVar

from wgf.measure import Noise, NoiseSource
from wgf.protocol import Dynamics, Solver, State, Step

from .tableau import euler_step


@dataclass(frozen=True)
class Langevin(Solver):
    """dX = −∇_W E dt + √(2T) dB:  x' = x − h ∇_W E[μ](x) + √(2 T(t) h) ξ, ξ ~ N(0, I)  (Maruyama 1955).

    T is the temperature of the Shannon entropy; other entropies act by their force. Weak order 1, and strong order 1
    because the noise is additive. At T = 0 it is Euler. On V = k|x|²/2 its stationary variance is T/(k(1 − kh/2)).
    """

    order: ClassVar[int] = 1
    stochastic = True
    realises_shannon = True

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step; the noise is keyed by the step, so that it does not depend on how the run was cut."""
        mu, gradient, temperature = state.mu, state.evaluation.gradient, dynamics.noise_temperature(state.t)
        if temperature <= 0:
            return euler_step(state, h)
        scale = math.sqrt(2.0 * temperature * h)
        if isinstance(noise, Noise):
            x = noise.langevin(mu.x, gradient, mu.ids, state.step, h, scale)
        else:
            x = mu.x - h * gradient + scale * noise.normal(mu.ids, state.step, mu.dim).to(mu.dtype)
        return Step(mu.moved(x), dissipation=None)
