"""Exponential Euler: exact for the quadratic part of the free energy, explicit for the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wgf import ops
from wgf.functional import FreeEnergyEvaluation
from wgf.measure import NoiseSource
from wgf.ops import linalg
from wgf.protocol import Dynamics, Solver, State, Step

from .exponential import phi


@dataclass(frozen=True)
class ExponentialEuler(Solver):
    """x' = x − h φ₁(hK) ∇_W F[μ](x) + √(2Th φ₁(2hK)) ξ,   φ₁(z) = (1 − e^{−z})/z,  ξ ~ N(0, I).

    K is the stiffness of the sum of all `Quadratic` terms (numbers, diagonals or matrices), frozen over the step, and T
    the temperature of Shannon. Where F is these terms and Shannon, the Ornstein–Uhlenbeck process, the law is exact at
    every h; other terms act by their force at the start of the step, so that stiff confinement costs no stability:
    under `Quadratic(k) − T·LogDet()` the deviation of the covariance from (T/k) I is multiplied by 2e^{−kh} − 1 at
    equilibrium. Order 1 (weak order 1 with noise) otherwise. h is a time of the flow. Without noise the dissipation
    is that along the linear part, ∫ v·φ₁(2hK)v dμ. (Certaine 1960; Hochbruck & Ostermann 2010, §2.)
    """

    order: ClassVar[int] = 1
    stochastic = True
    realises_shannon = True

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step; the noise is keyed by the step, so that it does not depend on how the run was cut."""
        mu, gradient, temperature = state.mu, state.evaluation.gradient, dynamics.noise_temperature(state.t)
        stiffness = _Stiffness.of(state.evaluation)
        x = mu.x - stiffness.apply(lambda k: h * phi(h * k), gradient)
        if temperature <= 0:
            decayed = stiffness.apply(lambda k: phi(2 * h * k), gradient)
            return Step(mu.moved(x), mu.inner(gradient, decayed))
        normal = noise.normal(mu.ids, state.step, mu.dim).to(mu.dtype)
        x = x + stiffness.apply(lambda k: math.sqrt(2 * temperature * h) * torch.sqrt(phi(2 * h * k)), normal)
        return Step(mu.moved(x))


@dataclass(frozen=True, eq=False)
class _Stiffness:
    """K by its eigenvalues, 0-d or (d,), and the eigenvectors (d, d) as columns where it is a matrix."""

    values: Tensor
    vectors: Tensor | None

    @staticmethod
    def of(evaluation: FreeEnergyEvaluation) -> _Stiffness:
        """Of the sum of the quadratic terms of an evaluated, hence frozen, free energy; 0 where there is none."""
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

    def apply(self, function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """f(K) applied to each row (n, d)."""
        values = function(self.values)
        if self.vectors is None:
            return values.to(rows, non_blocking=True) * rows
        matrix = linalg.product(self.vectors * values, self.vectors.T.contiguous())
        matrix = (0.5 * (matrix + matrix.T)).to(rows, non_blocking=True)
        return ops.affine(rows, torch.zeros_like(rows[0]), matrix)
