"""Explicit Runge–Kutta steps: a scheme is given by the coefficients of its Butcher tableau."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from wgf import ops
from wgf.measure import Ensemble, NoiseSource
from wgf.ops import bodies
from wgf.protocol import Dynamics, Solver, State, Step

Row = tuple[float, ...]


@dataclass(frozen=True)
class ExplicitRungeKutta(Solver):
    """An explicit Runge–Kutta scheme for the flow ẋ = v = −∇_W F. A subclass gives the coefficients a, b, c.

        x' = x + h Σ bᵢ kᵢ,   kᵢ = v(x + h Σⱼ aᵢⱼ kⱼ, t + cᵢ h)

    Notes
    -----
    t and h are times of the flow, in units of |x|² over F. A step costs one evaluation of ∇_W F per stage and keeps
    one velocity (n, d) per stage. The dissipation over a step is Σ bᵢ ∫|kᵢ|² dμ, in the Wasserstein metric.

    References
    ----------
    Hairer, Nørsett & Wanner (1993), Solving Ordinary Differential Equations I, section II.1.

    Examples
    --------
    A scheme is its table of coefficients, such as the midpoint rule:

    >>> class Midpoint(ExplicitRungeKutta):
    ...     a, b, c, order = ((), (0.5,)), (0.0, 1.0), (0.0, 0.5), 2
    >>> import wgf
    >>> wgf.solve(wgf.Quadratic(), wgf.Ensemble([[1.0]]), Midpoint(), dt=0.1, t_end=0.1).ensemble.x.item()
    0.905
    """

    a: ClassVar[tuple[Row, ...]]
    """How each stage combines the velocities before it: one row per stage."""
    b: ClassVar[Row]
    """The weights of the stages in the step."""
    c: ClassVar[Row]
    """The times of the stages, in fractions of h."""
    order: ClassVar[int]
    integrates = True
    elementwise = True
    on_surfaces = True

    @property
    def evaluations(self) -> int:  # type: ignore[override]
        """The number of stages."""
        return len(self.b)

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step. The first stage uses the evaluation that the state carries."""
        if len(self.b) == 1:
            return euler_step(state, h * self.b[0], self.b[0])
        mu = state.mu
        velocities = stages(dynamics, state, h, self.a, self.c)
        return Step(mu.moved(advance(mu.x, h, self.b, velocities)), quadrature(mu, self.b, velocities))

    def body(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Any:
        return tableau_body(state.mu, h, self.a, self.b, self.c)


def stages(dynamics: Dynamics, state: State, h: float, a: tuple[Row, ...], c: Row) -> list[Tensor]:
    """Compute the velocities of all stages of one step.

    Parameters
    ----------
    dynamics : Dynamics
        Evaluates ∇_W F.
    state : State
        Where the step begins. Its evaluation gives the first velocity.
    h : float
        The length of the step, a time of the flow.
    a, c : tuple
        The coefficients of the scheme, as in `ExplicitRungeKutta`.

    Returns
    -------
    list of Tensor
        The velocities kᵢ (n, d), in the dtype of the particles.
    """
    mu, velocities = state.mu, [-state.evaluation.gradient]
    for row, node in zip(a[1:], c[1:], strict=True):
        stage = mu.moved(advance(mu.x, h, row, velocities))
        velocities.append(-dynamics.evaluate(stage, state.t + node * h, state.step).gradient)
    return velocities


def quadrature(mu: Ensemble, b: Row, velocities: list[Tensor]) -> Tensor:
    """Compute the mean dissipation over a step, Σ bᵢ ∫|kᵢ|² dμ.

    Parameters
    ----------
    mu : Ensemble
        The ensemble at the start of the step; its weights are used.
    b : tuple of float
        The weights of the stages.
    velocities : list of Tensor
        The velocities kᵢ (n, d) of the stages.

    Returns
    -------
    Tensor
        0-d float64, in units of F over time.
    """
    parts = [w * mu.inner(v, v) for w, v in zip(b, velocities, strict=True)]
    return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]


def tableau_body(mu: Ensemble, h: float, a: tuple[Row, ...], b: Row, c: Row) -> bodies.RungeKutta:
    """Give the steps of a scheme as plain numbers, for compiled stretches.

    Parameters
    ----------
    mu : Ensemble
        The particles; their dtype is used.
    h : float
        The length of a step, a time of the flow.
    a, b, c : tuple
        The coefficients of the scheme, as in `ExplicitRungeKutta`.

    Returns
    -------
    RungeKutta
        The body of the scheme.
    """
    rows = np.zeros((len(b), len(b)))
    for i, row in enumerate(a):
        rows[i, : len(row)] = row
    weights, dtype = np.array(b), mu.x.numpy().dtype
    return bodies.RungeKutta((h * rows).astype(dtype), (h * weights).astype(dtype), weights, np.array(c))


def euler_body(mu: Ensemble, h: float) -> bodies.RungeKutta:
    """The body of explicit Euler, for schemes with noise at T = 0; as `tableau_body`."""
    return tableau_body(mu, h, ((),), (1.0,), (0.0,))


def euler_step(state: State, h: float, weight: float = 1.0) -> Step:
    """Take one step of explicit Euler, x' = x + h v. Schemes with noise use it at T = 0, to have the bits of `Euler`.

    Parameters
    ----------
    state : State
        Where the step begins. Its evaluation gives v = −∇_W F.
    h : float
        The length of the step, a time of the flow.
    weight : float, default 1
        A factor of the dissipation.

    Returns
    -------
    Step
        The moved ensemble and the dissipation ∫|v|² dμ.
    """
    mu, slope = state.mu, state.evaluation.gradient
    taken = ops.descend(mu.x, slope, mu.weights, h) if mu.whole else None
    if taken is not None:
        moved, dissipation = mu.moved(taken[0], finite=taken[2]), taken[1]
    else:
        moved, dissipation = mu.moved(mu.x - h * slope), mu.inner(slope, slope)
    return Step(moved, dissipation if weight == 1.0 else weight * dissipation)


def advance(x: Tensor, h: float, row: Row, velocities: list[Tensor]) -> Tensor:
    """Compute x + h Σ rowⱼ vⱼ.

    Parameters
    ----------
    x : Tensor
        Positions (n, d).
    h : float
        The length of the step.
    row : tuple of float
        One coefficient per velocity.
    velocities : list of Tensor
        Velocities (n, d).

    Returns
    -------
    Tensor
        The new positions (n, d), in the dtype of x.

    Notes
    -----
    Products and sums are separate operations. A fused operation would round differently where the chunk of one thread
    ends, and the result would depend on the number of threads.
    """
    for weight, velocity in zip(row, velocities, strict=True):
        if weight:
            x = x + (h * weight) * velocity
    return x
