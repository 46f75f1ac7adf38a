"""Underdamped Langevin dynamics: particles with momenta, friction and noise, by the splitting BAOAB."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from wgf.errors import require_number
from wgf.measure import SECOND, Ensemble, Noise, NoiseSource
from wgf.ops import bodies
from wgf.protocol import Dynamics, Slope, Solver, State, Step


@dataclass(frozen=True)
class Underdamped(Solver):
    """Langevin dynamics with momenta p, by BAOAB steps. Take it to sample the equilibrium of F with Shannon.

    It integrates dx = p dt, dp = −∇_W E[μ](x) dt − γ p dt + √(2γT) dB. A step is half a kick, half a drift, friction
    with noise, half a drift, half a kick:

        p ← p − ½h ∇E(x),  x ← x + ½h p,  p ← e^{−γh} p + √(T(1 − e^{−2γh})) ξ,  x ← x + ½h p,  p ← p − ½h ∇E(x)

    T is the temperature of the Shannon term of F = E − T·Shannon, and ξ ~ N(0, I). Other entropies are part of E and
    act by their force. Without Shannon the scheme is a damped descent.

    Parameters
    ----------
    friction : float, default 1.0
        The rate γ at which momenta decay: one over the time of this dynamics, > 0.

    Raises
    ------
    ConfigError
        If `friction` is not a positive number.

    See Also
    --------
    wgf.solvers.Accelerated, wgf.solvers.Euler, wgf.solvers.Langevin, wgf.solvers.LeimkuhlerMatthews

    Notes
    -----
    t and h are times of this dynamics, in units of |x| over √F. For large γ, the time of the gradient flow is t/γ. The
    order is 2, weakly and without noise. On a quadratic of stiffness k the scheme is stable for h < 2/√k, the
    stationary law of x is exact at every stable h, and ⟨p²⟩ = T(1 − kh²/4) per component. A step costs one evaluation
    of ∇_W E, which the next step uses too, and n·d normals. Memory is O(n·d).

    Momenta start from N(0, T I) and are the memory of the solver. Walls of a domain reflect them. The ledger records
    the kinetic energy ½∫|p|² dμ. Without noise F + ½∫|p|² dμ falls at the rate γ∫|p|² dμ, the dissipation. With noise
    the free energy of positions and momenta together falls. It needs their joint density, which is not estimated, so
    the dissipation is NaN.

    References
    ----------
    Leimkuhler & Matthews (2013), Robust and efficient configurational molecular sampling via Langevin dynamics, J.
    Chem. Phys. 138, 174102.

    Examples
    --------
    >>> import wgf
    >>> mu, F = wgf.Ensemble.gaussian(2000, 1, cov=4.0), wgf.Quadratic() - wgf.Shannon()
    >>> sol = wgf.solve(F, mu, Underdamped(), dt=0.5, t_end=15.0, record_every=30)
    >>> abs(float(sol.ensemble.covariance()) - 1) < 0.15
    True
    """

    friction: float = 1.0

    order: ClassVar[int] = 2
    integrates = True
    stochastic = True
    realises_shannon = True
    elementwise = True
    on_surfaces = True
    metric = "friction, γ∫|p|² dμ; NaN with noise, where it needs the density of positions and momenta together"

    def __post_init__(self) -> None:
        require_number("friction", self.friction, positive=True)

    def init(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Tensor:
        """Draw momenta (n, d) from N(0, T I), from another noise stream than that of the initial positions."""
        temperature = dynamics.noise_temperature(t)
        if temperature <= 0:
            return torch.zeros_like(mu.x)
        normal = dynamics.noise.normal(mu.ids, 0, mu.dim, SECOND).to(mu.dtype)
        return math.sqrt(temperature) * dynamics.tangent(mu, normal)

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step. Without noise its dissipation is the energy that the friction took, divided by h."""
        mu, half, end = state.mu, 0.5 * h, state.t + h
        temperature = dynamics.noise_temperature(state.t + half)
        x, p = _drifted(dynamics, mu.x, state.memory - half * state.evaluation.gradient, half)
        kept, lost = math.exp(-self.friction * h), -math.expm1(-2 * self.friction * h)
        dissipation = None if dynamics.shannon.terms else (0.5 * lost / h) * mu.inner(p, p)
        p = kept * p
        if temperature > 0:
            normal = noise.normal(mu.ids, state.step, mu.dim).to(mu.dtype)
            p = p + math.sqrt(temperature * lost) * dynamics.tangent(mu.moved(x), normal)
        x, p = _drifted(dynamics, x, p, half)
        new = mu.moved(x)
        evaluation = dynamics.evaluate(new, end, state.step + 1)
        return Step(new, dissipation, p - half * evaluation.gradient, evaluation=evaluation)

    def body(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Any:
        number, temperature = state.mu.x.numpy().dtype.type, dynamics.noise_temperature(state.t)
        kept, lost = math.exp(-self.friction * h), -math.expm1(-2 * self.friction * h)
        if not dynamics.shannon.terms:
            return bodies.Damped(number(0.5 * h), number(kept), np.array([0.5 * lost / h]))
        if temperature <= 0 or not isinstance(noise, Noise):
            return None
        body = bodies.Underdamped(noise.law(torch.float64), number(0.5 * h), number(kept), lost)
        return body.heated(np.array([temperature]))

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> Tensor | float:
        return math.nan if dynamics.shannon.terms else 2 * self.friction * self.kinetic(state)

    def kinetic(self, state: State) -> Tensor:
        return 0.5 * state.mu.inner(state.memory, state.memory)


def _drifted(dynamics: Dynamics, x: Tensor, p: Tensor, h: float) -> tuple[Tensor, Tensor]:
    """Move x by h p, and reflect both x and p at the walls of the domain."""
    later = x + h * p
    return (later, p) if dynamics.domain is None else dynamics.domain.carry(later, p, start=x)
