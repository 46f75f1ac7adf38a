"""Exponential Euler: exact for the quadratic terms of the free energy, explicit Euler for all other terms."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from wgf import ops
from wgf.functional import FreeEnergyEvaluation
from wgf.measure import Ensemble, Noise, NoiseSource
from wgf.ops import bodies, linalg
from wgf.protocol import Dynamics, Solver, State, Step

from .exponential import phi


@dataclass(frozen=True)
class ExponentialEuler(Solver):
    """Exponential Euler for dX = −∇_W E dt + √(2T) dB. Take it for stiff `Quadratic` terms among mild other terms.

        x' = x − h φ₁(hK) ∇_W F[μ](x) + √(2Th φ₁(2hK)) ξ,   φ₁(z) = (1 − e^{−z})/z,   ξ ~ N(0, I)

    K is the stiffness of the sum of all `Quadratic` terms (numbers, diagonals or matrices), frozen over the step. T is
    the temperature of the Shannon term. All other terms, other entropies too, act by their force at the start of the
    step. Without Shannon the scheme has no noise.

    See Also
    --------
    wgf.Quadratic, wgf.Potential, wgf.solvers.Langevin, wgf.solvers.LeimkuhlerMatthews

    Notes
    -----
    t and h are times of the flow, in units of |x|² over F. If F consists of `Quadratic` terms and Shannon (the
    Ornstein–Uhlenbeck process), the law is exact at every h. Otherwise the order is 1 (weak order 1 with noise). Stiff
    quadratic terms do not limit h; the other terms do. For example under `Quadratic(k) − T·LogDet()`, near
    equilibrium, one step multiplies the deviation of the covariance from (T/k) I by 2e^{−kh} − 1.

    A step costs one evaluation of ∇_W F and, with noise, n·d normals. A matrix K adds O(n·d² + d³). Memory is O(n·d).
    Without noise the dissipation of a step is ∫ v·φ₁(2hK)v dμ, v = −∇_W F, in the Wasserstein metric: that along the
    exact solution of the linear part. With noise the ledger estimates the dissipation at its records.

    References
    ----------
    Certaine (1960), The solution of ordinary differential equations with large time constants, in Mathematical Methods
    for Digital Computers.
    Hochbruck & Ostermann (2010), Exponential integrators, Acta Numerica 19, 209–286, section 2.

    Examples
    --------
    One step of any length is exact for a quadratic:

    >>> import math, wgf
    >>> sol = wgf.solve(wgf.Quadratic(3.0), wgf.Ensemble([[1.0]]), ExponentialEuler(), dt=1.0, t_end=1.0)
    >>> abs(sol.ensemble.x.item() - math.exp(-3.0)) < 1e-12
    True
    """

    order: ClassVar[int] = 1
    integrates = True
    stochastic = True
    realises_shannon = True
    elementwise = True

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step. The noise depends on the number of the step, so a run in pieces equals an unbroken one."""
        mu, gradient, temperature = state.mu, state.evaluation.gradient, dynamics.noise_temperature(state.t)
        stiffness = _Stiffness.of(state.evaluation)
        x = mu.x - stiffness.apply(lambda k: h * phi(h * k), gradient, mu)
        if temperature <= 0:
            decayed = stiffness.apply(lambda k: phi(2 * h * k), gradient, mu)
            return Step(mu.moved(x), mu.inner(gradient, decayed))
        normal = noise.normal(mu.ids, state.step, mu.dim).to(mu.dtype)
        x = x + stiffness.apply(lambda k: math.sqrt(2 * temperature * h) * torch.sqrt(phi(2 * h * k)), normal, mu)
        return Step(mu.moved(x))

    def body(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Any:
        mu, temperature = state.mu, dynamics.noise_temperature(state.t)
        stiffness = _Stiffness.of(state.evaluation)
        steady = all(term.functional.constant_hessian is None for term in dynamics.driven)
        if temperature <= 0 or not isinstance(noise, Noise) or not steady:
            return None
        k, law, heat = stiffness.values, noise.law(torch.float64), 2.0 * h
        body: Any = None
        pull, shape = h * phi(h * k), torch.sqrt(phi(2 * h * k))
        if stiffness.vectors is None:
            pull, shape = (part.expand(mu.dim).contiguous() for part in (pull.to(mu.dtype), shape))
            body = bodies.ExponentialEuler(law, pull.numpy(), heat, shape.numpy())
        elif mu.dim <= bodies.SUMMED:
            matrix = linalg.of_spectrum(pull, stiffness.vectors).to(mu.dtype).reshape(1, -1).numpy()
            turned = matrix, (0.0,) * mu.dim, heat, shape.numpy(), stiffness.vectors.contiguous().numpy()
            body = bodies.TurnedExponentialEuler(law, *turned)
        return body and body.heated(np.array([temperature]))


@dataclass(frozen=True, eq=False)
class _Stiffness:
    """The matrix K: its eigenvalues, 0-d or (d,), and for a full matrix its eigenvectors (d, d) as columns."""

    values: Tensor
    vectors: Tensor | None

    @staticmethod
    def of(evaluation: FreeEnergyEvaluation) -> _Stiffness:
        """Add up the stiffness of the quadratic terms, at the time of this evaluation; 0 if there are none."""
        parts = []
        for part in evaluation.terms:
            hessian = part.term.functional.constant_hessian
            if hessian is not None:
                parts.append(part.term.coefficient.number * hessian.cpu())
        full = [k for k in parts if k.ndim == 2]
        diagonal = sum((k for k in parts if k.ndim < 2), torch.zeros((), dtype=torch.float64))
        if not full:
            return _Stiffness(diagonal, None)
        matrix = torch.stack(full).sum(0) + torch.diag(diagonal.expand(len(full[0])))
        return _Stiffness(*linalg.symmetric_eigen(matrix))

    def apply(self, function: Callable[[Tensor], Tensor], rows: Tensor, mu: Ensemble) -> Tensor:
        """Multiply each row (n, d) by f(K)."""
        values = function(self.values)
        if self.vectors is None:
            return values.to(rows, non_blocking=True) * rows
        matrix = linalg.of_spectrum(values, self.vectors).to(rows, non_blocking=True)
        turned: Tensor = mu.rowwise(lambda part: ops.affine(part, torch.zeros_like(part[0]), matrix), rows)
        return turned
