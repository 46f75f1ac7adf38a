"""Affine-invariant Langevin dynamics: the ensemble's covariance preconditions drift and noise."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from wgf import ops
from wgf.errors import ConfigError, WgfWarning, closest
from wgf.extension import renamed
from wgf.functional import FreeEnergy, Term
from wgf.measure import Ensemble, NoiseSource, checks
from wgf.ops import linalg
from wgf.protocol import Dynamics, Slope, Solver, State, Step
from wgf.protocol.requirements import refuse

SQUARE_ROOTS = ("cholesky", "deviations")


@renamed(noise="square_root")
@dataclass(frozen=True)
class AffineInvariant(Solver):
    """x' = x − h C ∇_W E(x) + h T (d + 1) w (x − m) + √(2Th) C^{1/2} ξ  (Garbuno-Iñigo, Nüsken & Reich 2020: ALDI).

    m, C are mean and covariance of the ensemble and w the particle's weight, 1/n: its term is the divergence of C, with
    which the product of n Gibbs laws is invariant at every n > d + 1, weighted or not. T is the temperature of Shannon;
    other entropies act by their force. Under an affine map of space everything is mapped along, so that a badly
    conditioned target is no harder than a round one: for V = ½x·Ax at T = 1 the covariance goes by
    C⁻¹ = A + (C₀⁻¹ − A)e^{−2t} for large n, and exactly for every n under `Quadratic(A) − LogDet()`.

    t and h are in units of 1/F. Order 1 (weak order 1 with noise); stable for h < 2/λ_max(CA). Particles stay in the
    affine span of the ensemble: take n > d + 1, or a WgfWarning says so. Dissipation: ∫ ∇F·C∇F dμ.

    Domains with walls are refused: a fold reflects along the normal, and diffusion by C needs it along C times that. On
    a torus C is of the coordinates and jumps as a particle goes round, which costs invariance O(1/n).

    `square_root` is how C^{1/2}ξ is made:

    - "cholesky": Lξ with C = LLᵀ, d normals a particle, O(n·d² + d³). Pathwise invariant under lower triangular maps,
      in law under all.
    - "deviations": Σⱼ √wⱼ (xⱼ − m) ξⱼ, n normals a particle in the order of the ids, O(n²·d) in blocks of rows, for n
      up to some thousands (refused above 2¹⁴). Pathwise invariant under every affine map, to rounding.

    With `gradient_free` every `LeastSquares` term is taken by values of its forward map: C(∇G)ᵀ becomes the covariance
    of x and G (ensemble Kalman sampler; Garbuno-Iñigo, Hoffmann, Li & Stuart 2020). It is the same scheme for an
    affine G and an approximation else; the ledger's forces and dissipation are then those of the approximation. Other
    terms keep their gradients.
    """

    square_root: str = "cholesky"
    gradient_free: bool = False

    order: ClassVar[int] = 1
    stochastic = True
    realises_shannon = True
    metric = "∫ ∇F·C∇F dμ, C the covariance of the ensemble"

    MOST: ClassVar[int] = 2**14
    """Particles for which deviation noise is made."""
    BLOCK: ClassVar[int] = 2**22
    """Normals of deviation noise that are held at once: 32 MiB."""

    def __post_init__(self) -> None:
        if self.square_root not in SQUARE_ROOTS:
            raise ConfigError(f"square_root = {self.square_root!r}{closest(self.square_root, SQUARE_ROOTS)}")
        if not isinstance(self.gradient_free, bool):
            raise ConfigError(f"gradient_free = {self.gradient_free!r}: wanted True or False.")

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
        if self.gradient_free and not any(term.functional.by_values for term in dynamics.free_energy.terms):
            names = ", ".join(term.name for term in dynamics.free_energy.terms)
            refuse(
                self, f"gradient_free = True with {names}", "a LeastSquares term, whose forward map it can use",
                "Write the misfit as wgf.LeastSquares(forward, data, noise_cov), or leave gradient_free out.",
            )  # fmt: skip
        if dynamics.domain is not None and dynamics.domain.walls:
            refuse(self, f"domain = {dynamics.domain!r}", "all of space or PeriodicBox", "Use Langevin.")
        if dynamics.shannon.terms:
            self._require_number(mu)

    def _require_number(self, mu: Ensemble) -> None:
        """Where there is noise: as many particles as it can be made for, a warning where they are too few."""
        if self.square_root == "deviations" and mu.n > self.MOST:
            given = f"square_root = 'deviations' with {mu.n} particles"
            refuse(self, given, f"at most {self.MOST}", "Take square_root='cholesky'.")
        if mu.n <= mu.dim + 1:
            warnings.warn(
                f"{self.name}: {mu.n} particles in dimension {mu.dim} never leave their affine span, and the Gibbs law "
                f"is not invariant; take more than d + 1 = {mu.dim + 1}.",
                WgfWarning,
                stacklevel=4,
            )

    def rewrite(self, free_energy: FreeEnergy) -> FreeEnergy:
        """Misfits by values of their forward maps, where that was asked for."""

        def rewritten(term: Term) -> Term:
            return replace(term, functional=term.functional.linearised() or term.functional)

        return FreeEnergy(tuple(map(rewritten, free_energy.terms))) if self.gradient_free else free_energy

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step; the noise is keyed by the step, so that it does not depend on how the run was cut."""
        mu, gradient, temperature = state.mu, state.evaluation.gradient, dynamics.noise_temperature(state.t)
        mean, covariance = mu.moments()
        moved = _times(gradient, covariance)
        x = mu.x - h * moved
        if temperature <= 0:
            return Step(mu.moved(x), mu.inner(gradient, moved))
        away = mu.x.double() - mean
        inflation = (h * temperature * (mu.dim + 1)) * mu.weights[:, None] * away
        if self.square_root == "cholesky":
            random = _times(noise.normal(mu.ids, state.step, mu.dim), _factor(covariance).T.contiguous())
        else:
            random = self._by_deviations(mu, away, state.step, noise)
        shift = inflation + math.sqrt(2.0 * temperature * h) * random
        return Step(mu.moved(x + shift.to(mu.dtype)))

    def _by_deviations(self, mu: Ensemble, away: Tensor, step: int, noise: NoiseSource) -> Tensor:
        """Σⱼ √wⱼ (xⱼ − m) ξⱼ (n, d), j in the order of the ids so that permuting the rows changes nothing."""
        order = torch.argsort(mu.ids)
        spread = (mu.weights.sqrt()[:, None] * away)[order].contiguous()
        blocks = mu.ids.split(max(1, self.BLOCK // mu.n))
        return torch.cat([_times(noise.normal(ids, step, mu.n), spread) for ids in blocks])

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> Tensor | float:
        """∫ ∇F·C∇F dμ, by two estimates of ∇F where noise realises an entropy."""
        if slope is None:
            return math.nan
        twin = _times(slope.twin, state.mu.covariance())
        return slope.mu.inner(slope.force, twin)


def _times(rows: Tensor, matrix: Tensor) -> Tensor:
    """rows (n, k) times a matrix (k, d), in the dtype of the rows."""
    return ops.affine(rows, torch.zeros_like(matrix[:, 0]), matrix)


def _factor(covariance: Tensor) -> Tensor:
    """Lower triangular L with C = LLᵀ: by Cholesky, and by QR of a square root where C is singular."""
    with ops.one_torch_thread():
        factor, info = torch.linalg.cholesky_ex(covariance)
    if checks.holds(info == 0):
        return factor
    values, vectors = linalg.symmetric_eigen(covariance)
    root = (values.clamp(min=0.0).sqrt() * vectors).T.contiguous()  # C = rootᵀ root
    with ops.one_blas_thread():
        upper = torch.from_numpy(np.linalg.qr(root.cpu().numpy(), mode="r")).to(covariance.device)
    signs = torch.where(upper.diagonal() < 0, -1.0, 1.0).to(upper)
    return (signs[:, None] * upper).T.contiguous()
