"""The eigenvalues of the covariance of an ensemble, and functions of it: singular ones too, and n < d."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .. import ops
from ..errors import DivergenceError
from ..measure import Ensemble
from ..ops import linalg

SINGULAR = 16 * torch.finfo(torch.float64).eps
"""An eigenvalue below SINGULAR · d · λ_max is rounding and counts as zero."""
Scaling = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Spectrum:
    """The matrix C + εI of an ensemble, with C the covariance, or the second moment about 0 where `centred` is false.

    With fewer particles than dimensions the Gram matrix YYᵀ (n, n) of the rows Y = √w (x − m) is used. C = YᵀY, so
    with YYᵀ = uλuᵀ, C has the eigenvectors V = Yᵀu/√λ. A function of it is f(C) = V f(λ) Vᵀ + f(0) (1 − VVᵀ). The
    second part is zero on the particles.
    """

    mu: Ensemble
    ridge: float
    owner: str
    centred: bool = True

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        mean, covariance = self.mu.moments()
        return (mean, covariance) if self.centred else (torch.zeros_like(mean), covariance + torch.outer(mean, mean))

    @cached_property
    def mean(self) -> Tensor:
        """m (d,), float64: what positions are measured from."""
        if not self._gram:
            return self._moments[0]
        return self.mu.mean() if self.centred else torch.zeros_like(self.mu.x[0], dtype=torch.float64)

    @cached_property
    def _gram(self) -> bool:
        return self.mu.n < self.mu.dim

    @cached_property
    def _rows(self) -> Tensor:
        return self.mu.weights.sqrt()[:, None] * (self.mu.x.double() - self.mean)

    @cached_property
    def _covariance(self) -> Tensor:
        """C (d, d), or the Gram matrix (n, n)."""
        return linalg.product(self._rows, self._rows.T) if self._gram else self._moments[1]

    @cached_property
    def trace(self) -> Tensor:
        """tr C, 0-d float64."""
        return linalg.total(self._covariance.diagonal())

    @cached_property
    def _least(self) -> Tensor:
        """The variance of each coordinate (d,) that is rounding."""
        return ops.least_variance(self.mean, self.mu.dtype)

    @property
    def coincide(self) -> bool:
        """Whether all particles are at one place, up to rounding."""
        return not bool(self.trace > linalg.total(self._least))

    @cached_property
    def _pairs(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues and eigenvectors of C or of the Gram matrix; DivergenceError where they are not finite."""
        values, vectors = linalg.symmetric_eigen(self._covariance)
        if not bool(torch.isfinite(values).all()):
            raise DivergenceError(f"{self.owner}: the covariance is not finite.")
        return values, vectors

    @cached_property
    def _zero(self) -> Tensor:
        """What is rounding for each eigenvalue: of the matrix, or of the coordinates along its direction."""
        values, vectors = self._pairs
        least = values.new_tensor(SINGULAR * self.mu.dim * float(values.max()))
        return least if self._gram else torch.maximum(least, (vectors.square() * self._least[:, None]).sum(0))

    @cached_property
    def eigen(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues of C (r,), and its eigenvectors as columns (d, r); the others are 0.

        r = d in the plain form with a ridge, which makes rounding harmless. Else r is the rank.
        """
        values, vectors = self._pairs
        if not self._gram:
            kept = values > self._zero
            if self.ridge > 0.0 or bool(kept.all()):
                return values.clamp(min=0.0), vectors
            return values[kept], vectors[:, kept]
        kept = values > SINGULAR * self.mu.dim * values.max()
        values, vectors = values[kept], vectors[:, kept]
        return values, linalg.product(self._rows.T.contiguous(), vectors.contiguous()) / values.sqrt()

    def map(self, at: Tensor | None, along: Scaling, across: Scaling) -> Tensor:
        """f(C) (x − m) for the rows x of `at` (m, d), by default the particles, in their dtype.

        `along` multiplies columns (·, r) by f(λ), and `across` what is outside the span of the eigenvectors by f(0).
        """
        if at is None:
            inside = self.mu.weights > 0
            found: Tensor = self.mu.rowwise(lambda x, held: self._mapped(x, held, along, across), self.mu.x, inside)
            return found
        return self._mapped(self.mu.points(at), None, along, across)

    def _mapped(self, points: Tensor, held: Tensor | None, along: Scaling, across: Scaling) -> Tensor:
        """`map` at points, of which those that are `held` (m,) lie in the span of the particles."""
        values, vectors = self.eigen
        back = vectors.T.contiguous()
        if len(values) == self.mu.dim:
            return ops.affine(points, self.mean, linalg.product(along(vectors), back))
        inside = ops.affine(points.double(), self.mean, vectors)
        origin = torch.zeros_like(inside[0])
        force = ops.affine(along(inside), origin, back)
        if held is None or not bool(held.all()):
            rest = points - self.mean - ops.affine(inside, origin, back)
            force = force + across(self._outside(points, rest, held))
        return force.to(points.dtype)

    def _outside(self, points: Tensor, rest: Tensor, held: Tensor | None) -> Tensor:
        """What of x − m is outside the span of V. Where that is rounding, 0: divided by ε it would be noise.

        Particles with a weight lie in the span. A particle of weight 0 may lie anywhere, like a point of `at`.
        """
        inside = rest.abs().amax(1) <= SINGULAR * (points.abs().amax(1) + self.mean.abs().amax())
        if held is not None:
            inside |= held
        return rest.masked_fill(inside[:, None], 0.0)
