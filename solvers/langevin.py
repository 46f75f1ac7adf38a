"""Langevin: the Euler–Maruyama scheme, which realises the Shannon entropy by noise."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wgf.measure import Noise, NoiseSource
from wgf.ops import bodies
from wgf.protocol import Dynamics, Solver, State, Step

from .tableau import euler_body, euler_step


@dataclass(frozen=True)
class Langevin(Solver):
    """Euler–Maruyama for dX = −∇_W E dt + √(2T) dB. Take it, with small steps, to follow the law in time.

        x' = x − h ∇_W E[μ](x) + √(2 T(t) h) ξ,   ξ ~ N(0, I)

    T is the temperature of the Shannon term of F = E − T·Shannon. Other entropies are part of E and act by their force.

    See Also
    --------
    wgf.Noise, wgf.Ensemble, wgf.Shannon, wgf.Blob

    Notes
    -----
    t and h are times of the flow, in units of |x|² over F. The weak order is 1, and so is the strong order, since the
    noise is additive. On a quadratic of stiffness k the scheme is stable for h < 2/k, and its stationary variance is
    T/(k(1 − kh/2)) in place of T/k; `LeimkuhlerMatthews` costs the same and has no such bias. At T = 0 the scheme is
    `Euler`, bit for bit.

    A step costs one evaluation of ∇_W E and n·d normals; memory is O(n·d). With noise the ledger estimates the
    dissipation ∫|∇_W F|² dμ at its records, in the Wasserstein metric.

    References
    ----------
    Maruyama (1955), Continuous Markov processes and stochastic equations, Rend. Circ. Mat. Palermo 4, 48–90.

    Examples
    --------
    >>> import wgf
    >>> mu, F = wgf.Ensemble.gaussian(2000, 1, cov=4.0), wgf.Quadratic() - wgf.Shannon()
    >>> sol = wgf.solve(F, mu, Langevin(), dt=0.1, t_end=4.0)
    >>> abs(float(sol.ensemble.covariance()) - 1 / (1 - 0.1 / 2)) < 0.15
    True
    """

    order: ClassVar[int] = 1
    integrates = True
    stochastic = True
    realises_shannon = True
    elementwise = True
    on_surfaces = True

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step. The noise depends on the number of the step, so a run in pieces equals an unbroken one."""
        mu, gradient, temperature = state.mu, state.evaluation.gradient, dynamics.noise_temperature(state.t)
        if temperature <= 0:
            return euler_step(state, h)
        scale = math.sqrt(2.0 * temperature * h)
        if dynamics.domain is not None and dynamics.domain.curved:
            normal = noise.normal(mu.ids, state.step, mu.dim).to(mu.dtype)
            moved = scale * dynamics.tangent(mu, normal) - h * gradient
            x, _ = dynamics.domain.carry(mu.x + moved, moved, start=mu.x)
        elif isinstance(noise, Noise):
            x = noise.langevin(mu.x, gradient, mu.ids, state.step, h, scale)
        else:
            x = mu.x - h * gradient + scale * noise.normal(mu.ids, state.step, mu.dim).to(mu.dtype)
        return Step(mu.moved(x), dissipation=None)

    def body(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Any:
        temperature = dynamics.noise_temperature(state.t)
        if temperature <= 0:
            return euler_body(state.mu, h)
        number = state.mu.x.numpy().dtype.type
        law = noise.law(state.mu.dtype) if isinstance(noise, Noise) else None
        return law and bodies.Langevin(law, number(h), 2.0 * h).heated(np.array([temperature]))
