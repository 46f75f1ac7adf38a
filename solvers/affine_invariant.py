"""Affine-invariant Langevin dynamics (ALDI): the covariance of the ensemble preconditions force and noise."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from wgf import ops
from wgf.errors import ConfigError, WgfWarning, closest, shown
from wgf.extension import renamed
from wgf.functional import FreeEnergy, Term
from wgf.measure import Ensemble, NoiseSource, checks
from wgf.ops import linalg
from wgf.protocol import Dynamics, Slope, Solver, State, Step
from wgf.protocol.requirements import refuse, warn_without_spread

SQUARE_ROOTS = ("cholesky", "deviations")


@renamed(noise="square_root")
@dataclass(frozen=True)
class AffineInvariant(Solver):
    """Langevin dynamics preconditioned by the covariance (ALDI). Take it for a badly conditioned target and n > d + 1.

        x' = x − h C ∇_W E(x) + h T (d + 1) w (x − m) + √(2Th) C^{1/2} ξ,   ξ ~ N(0, I)

    m and C are the mean and covariance of the ensemble, and w is the weight of the particle (1/n if equal). T is the
    temperature of the Shannon term of F = E − T·Shannon. Other entropies are part of E and act by their force. An
    affine map of space maps the whole flow, so a badly conditioned target is as easy as a round one.

    Parameters
    ----------
    square_root : {"cholesky", "deviations"}, default "cholesky"
        How C^{1/2}ξ is made. "cholesky": Lξ with C = LLᵀ, d normals per particle, time O(n·d² + d³). A lower triangular
        map of space maps each path, any affine map the law. "deviations": Σⱼ √wⱼ (xⱼ − m) ξⱼ, n normals per particle,
        time O(n²·d). Any affine map of space maps each path, to rounding.
    gradient_free : bool, default False
        If True, `LeastSquares` terms use values of their forward map G in place of its derivative: C(∇G)ᵀ becomes the
        covariance of x and G (ensemble Kalman sampler). This is exact for an affine G, else an approximation, to which
        the forces and the dissipation of the ledger then belong. Other terms keep their gradients.

    Raises
    ------
    ConfigError
        If a setting is none of these. From `solve`, for "deviations" with more than MOST particles; for `gradient_free`
        without a `LeastSquares` term; and for a domain with walls, which would have to reflect along C times the
        normal, while a domain reflects along the normal.

    See Also
    --------
    wgf.LeastSquares, wgf.energies.LinearisedLeastSquares, wgf.solvers.Langevin

    Notes
    -----
    t and h are times of this flow, in units of one over F. The order is 1 (weak order 1 with noise). On V = ½x·Ax the
    scheme is stable for h < 2/λ_max(CA). With "cholesky" memory is O(n·d). The dissipation is ∫ ∇F·C∇F dμ.

    The second term of the formula is the divergence of C. It makes the product of n Gibbs laws invariant at every
    n > d + 1, weighted or not. Particles never leave the affine span of the ensemble. A start without spread in some
    direction gives a WgfWarning that names it; so does n ≤ d + 1 with noise. In a `PeriodicBox`, C jumps when a
    particle goes round, and invariance has an error of O(1/n). For V = ½x·Ax at T = 1, C⁻¹(t) = A + (C₀⁻¹ − A)e^{−2t}
    for large n, and for every n under `Quadratic(A) − LogDet()`.

    References
    ----------
    Garbuno-Iñigo, Nüsken & Reich (2020), Affine invariant interacting Langevin dynamics for Bayesian inference, SIAM J.
    Appl. Dyn. Syst. 19, 1633–1658.
    Garbuno-Iñigo, Hoffmann, Li & Stuart (2020), Interacting Langevin diffusions: gradient structure and ensemble Kalman
    sampler, SIAM J. Appl. Dyn. Syst. 19, 412–441. (Without gradients.)

    Examples
    --------
    >>> import wgf
    >>> F, mu = wgf.Quadratic([1.0, 100.0]) - wgf.LogDet(), wgf.Ensemble.gaussian(50, 2, cov=0.02)
    >>> sol = wgf.solve(F, mu, AffineInvariant(), dt=0.05, t_end=6.0)
    >>> [round(float(v), 3) for v in sol.ensemble.covariance().diagonal()]
    [1.0, 0.01]
    """

    square_root: str = "cholesky"
    gradient_free: bool = False

    order: ClassVar[int] = 1
    integrates = True
    stochastic = True
    realises_shannon = True
    metric = "∫ ∇F·C∇F dμ, C the covariance of the ensemble"

    MOST: ClassVar[int] = 2**14
    """The largest number of particles for "deviations"."""
    BLOCK: ClassVar[int] = 2**22
    """How many normals "deviations" keeps in memory at once: 32 MiB."""

    def __post_init__(self) -> None:
        if self.square_root not in SQUARE_ROOTS:
            raise ConfigError(f"square_root = {shown(self.square_root)}{closest(self.square_root, SQUARE_ROOTS)}")
        if not isinstance(self.gradient_free, bool):
            raise ConfigError(f"gradient_free = {shown(self.gradient_free)}: wanted True or False.")

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
        if self.gradient_free and not any(term.functional.by_values for term in dynamics.free_energy.terms):
            names = ", ".join(term.name for term in dynamics.free_energy.terms)
            refuse(
                self, f"gradient_free = True with {names}", "a LeastSquares term, whose forward map it can use",
                "Write the misfit as wgf.LeastSquares(forward, data, noise_cov), or leave gradient_free out.",
            )  # fmt: skip
        if dynamics.domain is not None and dynamics.domain.walls:
            refuse(self, f"domain = {dynamics.domain!r}", "all of space or PeriodicBox", "Use Langevin.")
        flat = warn_without_spread(self, mu, "Force and noise are multiplied by C, so it stays so.")
        if dynamics.shannon.terms:
            self._require_number(mu, flat)

    def _require_number(self, mu: Ensemble, warned: bool) -> None:
        """With noise: refuse "deviations" for too many particles, and warn where n ≤ d + 1."""
        if self.square_root == "deviations" and not mu.whole:
            refuse(self, "square_root = 'deviations' with particles divided among processes", "'cholesky'", "Take it.")
        if self.square_root == "deviations" and mu.n > self.MOST:
            given = f"square_root = 'deviations' with {mu.n} particles"
            refuse(self, given, f"at most {self.MOST}", "Take square_root='cholesky'.")
        if mu.n <= mu.dim + 1 and not warned:
            warnings.warn(
                f"{self.name}: {mu.n} particles in dimension {mu.dim} never leave their affine span, and the Gibbs law "
                f"is not invariant; take more than d + 1 = {mu.dim + 1}.",
                WgfWarning,
                stacklevel=4,
            )

    def rewrite(self, free_energy: FreeEnergy) -> FreeEnergy:
        """With `gradient_free`, replace each `LeastSquares` term by its form that needs no derivative."""

        def rewritten(term: Term) -> Term:
            return replace(term, functional=term.functional.linearised() or term.functional)

        return FreeEnergy(tuple(map(rewritten, free_energy.terms))) if self.gradient_free else free_energy

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step. The noise depends on the number of the step, so a run in pieces equals an unbroken one."""
        mu, gradient, temperature = state.mu, state.evaluation.gradient, dynamics.noise_temperature(state.t)
        mean, covariance = mu.moments()
        moved = mu.rowwise(lambda rows: _times(rows, covariance), gradient)
        x = mu.x - h * moved
        if temperature <= 0:
            return Step(mu.moved(x), mu.inner(gradient, moved))
        away = mu.x.double() - mean
        inflation = (h * temperature * (mu.dim + 1)) * mu.weights[:, None] * away
        if self.square_root == "cholesky":
            factor = _factor(covariance).T.contiguous()
            random = mu.rowwise(lambda rows: _times(rows, factor), noise.normal(mu.ids, state.step, mu.dim))
        else:
            random = self._by_deviations(mu, away, state.step, noise)
        shift = inflation + math.sqrt(2.0 * temperature * h) * random
        return Step(mu.moved(x + shift.to(mu.dtype)))

    def _by_deviations(self, mu: Ensemble, away: Tensor, step: int, noise: NoiseSource) -> Tensor:
        """Σⱼ √wⱼ (xⱼ − m) ξⱼ (n, d). The sum is in the order of the ids, so a permutation of rows changes nothing."""
        order = torch.argsort(mu.ids)
        spread = (mu.weights.sqrt()[:, None] * away)[order].contiguous()
        blocks = mu.ids.split(max(1, self.BLOCK // mu.n))
        return torch.cat([_times(noise.normal(ids, step, mu.n), spread) for ids in blocks])

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> Tensor | float:
        """∫ ∇F·C∇F dμ. With noise, ∇F is estimated twice and the product of both estimates is taken."""
        if slope is None:
            return math.nan
        covariance = state.mu.covariance()
        twin = slope.mu.rowwise(lambda rows: _times(rows, covariance), slope.twin)
        return slope.mu.inner(slope.force, twin)


def _times(rows: Tensor, matrix: Tensor) -> Tensor:
    """Multiply rows (n, k) by a matrix (k, d); the result has the dtype of the rows."""
    return ops.affine(rows, torch.zeros_like(matrix[:, 0]), matrix)


def _factor(covariance: Tensor) -> Tensor:
    """The lower triangular L with C = LLᵀ: by Cholesky, or, if C is singular, by QR of a square root of C."""
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
