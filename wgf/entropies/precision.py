"""The inverse of the covariance of an ensemble, where it is singular too, or n < d."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, DivergenceError
from ..measure import Ensemble, checks
from ..ops import linalg

_SINGULAR = 16 * torch.finfo(torch.float64).eps
"""An eigenvalue below _SINGULAR · d · λ_max is rounding and counts as zero."""
_SUSPECT = 4 * _SINGULAR
"""A matrix with λ_min/λ_max > _SUSPECT · d is certainly regular. This allows for the rounding of its Cholesky factor,
and for a condition number that is estimated by Frobenius norms."""
_HALF_THE_DIGITS = torch.finfo(torch.float64).eps ** 0.5
"""For λ_min/λ_max of a Gram matrix above this, Cholesky keeps half of the digits. Below, eigenvectors keep more."""


@dataclass(frozen=True)
class Precision:
    """The matrix (C + εI)⁻¹ of an ensemble: by Cholesky, or by eigenvectors where C is singular or nearly so.

    With fewer particles than dimensions the Gram matrix YYᵀ (n, n) of the rows Y = √w (x − m) is used. C = YᵀY, so
    (C + ε)⁻¹Yᵀ = Yᵀ(YYᵀ + ε)⁻¹. YYᵀ has the null vector √w, since the rows are centred. Adding a multiple of √w√wᵀ
    makes it regular and changes nothing on Y.

    With YYᵀ = uλuᵀ, C has the eigenvectors V = Yᵀu/√λ, and (C + ε)⁻¹ = V (λ + ε)⁻¹ Vᵀ + (1 − VVᵀ)/ε. The second part is
    zero on the particles.
    """

    mu: Ensemble
    ridge: float

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        return self.mu.moments()

    @cached_property
    def mean(self) -> Tensor:
        return self.mu.mean() if self._gram else self._moments[0]

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
    def _filled(self) -> Tensor:
        """The multiple of √w√wᵀ that is added to the Gram matrix: its mean eigenvalue."""
        return self._covariance.diagonal().mean()

    @cached_property
    def _inverse(self) -> tuple[Tensor, Tensor] | None:
        """The inverse and log det of C + εI, or of YYᵀ + εI + fill √w√wᵀ; None where Cholesky is too inaccurate."""
        if self._gram and (self.ridge == 0.0 or not self.mu.positive_weights):
            return None
        matrix = self._covariance.clone()
        matrix.diagonal().add_(self.ridge)
        if self._gram:
            root = self.mu.weights.sqrt()
            matrix += self._filled * torch.outer(root, root)
        inverse, log_det, condition = linalg.inverse_and_log_det(matrix)
        least = _HALF_THE_DIGITS if self._gram else _SUSPECT * self.mu.dim
        regular = condition < 1.0 / least
        if self.ridge == 0.0:  # the smallest eigenvalue is at least 1/‖C⁻¹‖; it may be rounding of the coordinates
            regular &= torch.linalg.matrix_norm(inverse) * self._least.max() < 1.0
        return (inverse, log_det) if checks.holds(regular) else None

    @cached_property
    def _least(self) -> Tensor:
        """The variance of each coordinate (d,) that is rounding."""
        return ops.least_variance(self.mean, self.mu.dtype)

    @cached_property
    def _eigen(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues of C, and its eigenvectors as columns (d, r); r = d, or the rank in the Gram form."""
        values, vectors = linalg.symmetric_eigen(self._covariance)
        self._require_regular(values, vectors)
        if not self._gram:
            return values.clamp(min=0.0), vectors
        kept = values > _SINGULAR * self.mu.dim * values.max()
        values, vectors = values[kept], vectors[:, kept]
        return values, linalg.product(self._rows.T.contiguous(), vectors.contiguous()) / values.sqrt()

    def _require_regular(self, values: Tensor, vectors: Tensor) -> None:
        """Refuse eigenvalues that are not finite, and a singular covariance without a ridge."""
        if not bool(torch.isfinite(values).all()):
            raise DivergenceError("LogDet: the covariance is not finite.")
        d, largest = self.mu.dim, float(values.max())
        least = values.new_tensor(_SINGULAR * d * largest)
        if self.ridge == 0.0 and not self._gram:
            least = torch.maximum(least, (vectors.square() * self._least[:, None]).sum(0))
        rank = int((values > least).sum())
        if self.ridge == 0.0 and rank < d:
            raise ConfigError(
                f"LogDet: the covariance of {self.mu.n} particles in dimension {d} is singular (rank {rank}); "
                f"give a ridge in the units of a variance (ridge = 1e-3, say), or more than {d} particles."
            )

    def log_det(self) -> Tensor:
        """log det(C + εI), 0-d float64."""
        if self._inverse is not None:
            log_det = self._inverse[1]
            if self._gram:
                across = self.mu.dim - self.mu.n + 1
                log_det = log_det - torch.log(self._filled + self.ridge) + across * math.log(self.ridge)
            return log_det
        values, _ = self._eigen
        missing = self.mu.dim - len(values)
        return linalg.total(torch.log(values + self.ridge)) + (missing * math.log(self.ridge) if missing else 0.0)

    def apply(self, at: Tensor | None) -> Tensor:
        """(C + εI)⁻¹ (x − m) for the rows x of `at`, by default the particles."""
        points = self.mu.points(at)
        if self._inverse is not None and not self._gram:
            return ops.affine(points, self.mean, self._inverse[0])
        if self._inverse is not None and at is None:
            solved = ops.affine(self._inverse[0], torch.zeros_like(self._inverse[0][0]), self._rows)
            return (solved / self.mu.weights.sqrt()[:, None]).to(points.dtype)
        values, vectors = self._eigen
        if not self._gram:
            inverse = linalg.product(vectors / (values + self.ridge), vectors.T.contiguous())
            return ops.affine(points, self.mean, inverse)
        along = ops.affine(points.double(), self.mean, vectors)
        origin, back = torch.zeros_like(along[0]), vectors.T.contiguous()
        force = ops.affine(along / (values + self.ridge), origin, back)
        if at is not None or not self.mu.positive_weights:
            force = force + self._across(points, points - self.mean - ops.affine(along, origin, back), at) / self.ridge
        return force.to(points.dtype)

    def _across(self, points: Tensor, rest: Tensor, at: Tensor | None) -> Tensor:
        """What of x − m is outside the span of V. Where that is rounding, 0: divided by ε it would be noise.

        Particles with a weight lie in the span. A particle of weight 0 may lie anywhere, like a point of `at`.
        """
        inside = rest.abs().amax(1) <= _SINGULAR * (points.abs().amax(1) + self.mean.abs().amax())
        if at is None:
            inside |= self.mu.weights > 0
        return rest.masked_fill(inside[:, None], 0.0)
