"""The inverse of the covariance of an ensemble, where it is singular too, or n < d."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError
from ..measure import checks
from ..ops import linalg
from .spectrum import SINGULAR, Spectrum

_SUSPECT = 4 * SINGULAR
"""A matrix with λ_min/λ_max > _SUSPECT · d is certainly regular. This allows for the rounding of its Cholesky factor,
and for a condition number that is estimated by Frobenius norms."""
_HALF_THE_DIGITS = torch.finfo(torch.float64).eps ** 0.5
"""For λ_min/λ_max of a Gram matrix above this, Cholesky keeps half of the digits. Below, eigenvectors keep more."""


@dataclass(frozen=True)
class Precision(Spectrum):
    """The matrix (C + εI)⁻¹ of an ensemble: by Cholesky, or by eigenvectors where C is singular or nearly so.

    With fewer particles than dimensions the Gram matrix of `Spectrum` is used, by (C + ε)⁻¹Yᵀ = Yᵀ(YYᵀ + ε)⁻¹. Where
    the rows are centred YYᵀ has the null vector √w. Adding a multiple of √w√wᵀ makes it regular and changes nothing
    on Y.
    """

    owner: str = "LogDet"

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
        if self._gram and self.centred:
            root = self.mu.weights.sqrt()
            matrix += self._filled * torch.outer(root, root)
        inverse, log_det, condition = linalg.inverse_and_log_det(matrix)
        least = _HALF_THE_DIGITS if self._gram else _SUSPECT * self.mu.dim
        regular = condition < 1.0 / least
        if self.ridge == 0.0:  # the smallest eigenvalue is at least 1/‖C⁻¹‖; it may be rounding of the coordinates
            regular &= torch.linalg.matrix_norm(inverse) * self._least.max() < 1.0
        return (inverse, log_det) if checks.holds(regular) else None

    def _require_regular(self) -> None:
        """Refuse a singular covariance without a ridge."""
        if self.ridge > 0.0:
            return
        d, rank = self.mu.dim, int((self._pairs[0] > self._zero).sum())
        if rank < d:
            raise ConfigError(
                f"{self.owner}: the covariance of {self.mu.n} particles in dimension {d} is singular (rank {rank}); "
                f"give a ridge in the units of a variance (ridge = 1e-3, say), or more than {d} particles."
            )

    def log_det(self) -> Tensor:
        """log det(C + εI), 0-d float64."""
        if self._inverse is not None:
            log_det = self._inverse[1]
            if self._gram and self.centred:
                across = self.mu.dim - self.mu.n + 1
                log_det = log_det - torch.log(self._filled + self.ridge) + across * math.log(self.ridge)
            elif self._gram:
                log_det = log_det + (self.mu.dim - self.mu.n) * math.log(self.ridge)
            return log_det
        self._require_regular()
        values, _ = self.eigen
        missing = self.mu.dim - len(values)
        return linalg.total(torch.log(values + self.ridge)) + (missing * math.log(self.ridge) if missing else 0.0)

    def apply(self, at: Tensor | None) -> Tensor:
        """(C + εI)⁻¹ (x − m) for the rows x of `at`, by default the particles."""
        if self._inverse is not None and not self._gram:
            inverse = self._inverse[0]
            if at is None:
                moved: Tensor = self.mu.rowwise(lambda x: ops.affine(x, self.mean, inverse), self.mu.x)
                return moved
            return ops.affine(self.mu.points(at), self.mean, inverse)
        if self._inverse is not None and at is None:
            solved = ops.affine(self._inverse[0], torch.zeros_like(self._inverse[0][0]), self._rows)
            return (solved / self.mu.weights.sqrt()[:, None]).to(self.mu.dtype)
        self._require_regular()
        values, _ = self.eigen
        return self.map(at, lambda columns: columns / (values + self.ridge), lambda rest: rest / self.ridge)
