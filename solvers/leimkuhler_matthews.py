"""The scheme of Leimkuhler and Matthews: Langevin steps whose noise is the mean of two successive normals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from wgf.measure import Noise, NoiseSource
from wgf.ops import bodies
from wgf.protocol import Dynamics, Solver, State, Step

from .tableau import euler_body, euler_step


@dataclass(frozen=True)
class LeimkuhlerMatthews(Solver):
    """A scheme for dX = −∇_W E dt + √(2T) dB at long times. Take it to sample the equilibrium of F with Shannon.

        x' = x − h ∇_W E[μ](x) + √(2Th) (ξ_k + ξ_{k+1})/2,   ξ ~ N(0, I)

    ξ_{k+1} is used again in the next step. T is the temperature of the Shannon term of F = E − T·Shannon. Other
    entropies are part of E and act by their force. At T = 0 the scheme is `Euler`, bit for bit.

    See Also
    --------
    wgf.solvers.Langevin, wgf.solvers.Underdamped, wgf.solvers.ExponentialEuler

    Notes
    -----
    t and h are times of the flow, in units of |x|² over F. The stationary law has an error of O(h²). For a quadratic of
    stiffness k (Ornstein–Uhlenbeck) its variance is T/k exactly, at every stable h and every n. Before equilibrium the
    weak order is 1. The strong order is only ½, since the noise comes half a step late. The scheme is stable for
    h < 2/k, as `Langevin` is, and costs the same: one evaluation of ∇_W E and n·d new normals per step. Memory is
    O(n·d). With noise the ledger estimates the dissipation ∫|∇_W F|² dμ at its records, in the Wasserstein metric.

    A last step of length r·dt, r < 1, uses √(T dt/2) (r ξ_k + √(2r − r²) ξ_{k+1}) as its noise, which keeps the
    variance T/k. A run that continues after such a step, or with another dt, has a transient: the variance is off by
    O(Th), and each step multiplies that error by (1 − kh)². The walls of a domain reflect ξ_{k+1} together with the
    particle. The uniform law is therefore kept, as by `Langevin`.

    References
    ----------
    Leimkuhler & Matthews (2013), Rational construction of stochastic numerical methods for molecular sampling, Appl.
    Math. Res. Express 2013, 34–56.
    Leimkuhler, Matthews & Tretyakov (2014), On the long-time integration of stochastic gradient systems, Proc. R. Soc.
    A 470, 20140120. (The order.)

    Examples
    --------
    The variance is right even at a large step, where that of `Langevin` would be 2:

    >>> import wgf
    >>> mu, F = wgf.Ensemble.gaussian(2000, 1, cov=4.0), wgf.Quadratic() - wgf.Shannon()
    >>> sol = wgf.solve(F, mu, LeimkuhlerMatthews(), dt=1.0, t_end=20.0, record_every=20)
    >>> abs(float(sol.ensemble.covariance()) - 1) < 0.15
    True
    """

    order: ClassVar[int] = 1
    integrates = True
    stochastic = True
    realises_shannon = True
    elementwise = True

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step. The memory is the later of its two noises, as reflected by walls, for use in the next step."""
        mu, gradient, temperature = state.mu, state.evaluation.gradient, dynamics.noise_temperature(state.t)
        if temperature <= 0:
            return euler_step(state, h)
        earlier = state.memory
        if earlier is None:
            earlier = noise.normal(mu.ids, state.step, mu.dim).to(mu.dtype)
        later = noise.normal(mu.ids, state.step + 1, mu.dim).to(mu.dtype)
        ratio = h / state.dt  # below 1 in a shortened last step; after a full one, x contains √(T dt/2) ξ_k
        half = math.sqrt(0.5 * temperature * state.dt)
        x = mu.x - h * gradient + (half * ratio) * earlier + (half * math.sqrt(ratio * (2 - ratio))) * later
        if dynamics.domain is not None:
            x, later = dynamics.domain.carry(x, later, start=mu.x)
        return Step(mu.moved(x), memory=later)

    def body(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Any:
        mu, temperature = state.mu, dynamics.noise_temperature(state.t)
        if temperature <= 0:
            return euler_body(mu, h)
        if not isinstance(noise, Noise) or h != state.dt:
            return None
        body = bodies.LeimkuhlerMatthews(noise.law(torch.float64), mu.x.numpy().dtype.type(h), 0.5 * h)
        return body.heated(np.array([temperature]))
