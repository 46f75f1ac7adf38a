"""Entropy surrogates of the covariance: log-determinant, variance and log-variance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, DivergenceError
from ..functional import Evaluation
from ..measure import Ensemble, checks
from ..ops import linalg
from .base import Entropy, require_ridge

_SINGULAR = 16 * torch.finfo(torch.float64).eps
"""An eigenvalue below this, times the dimension and the largest one, is rounding."""
_SUSPECT = 4 * _SINGULAR
"""A matrix with λ_min/λ_max above this, times the dimension, is certainly regular, its Cholesky factor's rounding and
the slack of Frobenius norms included."""
_HALF_THE_DIGITS = torch.finfo(torch.float64).eps ** 0.5
"""λ_min/λ_max of a Gram matrix above which a solution keeps half the digits; below, the eigenvectors keep more."""


@dataclass(frozen=True)
class _Precision:
    """(C + εI)⁻¹ of an ensemble: by Cholesky, or through the eigenvectors of C where it is singular or nearly so.

    Where particles are fewer than dimensions, C = YᵀY with Y = √w (x − m), and (C + ε)⁻¹Yᵀ = Yᵀ(YYᵀ + ε)⁻¹ needs the
    Gram matrix YYᵀ only. It has the null vector √w, which adding a multiple of √w√wᵀ removes: the rows of Y are
    across it. C has the eigenvectors V = Yᵀu/√λ where YYᵀ = uλuᵀ, and (C + ε)⁻¹ = V (λ + ε)⁻¹ Vᵀ + (1 − VVᵀ)/ε; the
    second part vanishes on the particles.
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
        """C, or the Gram matrix."""
        return linalg.product(self._rows, self._rows.T) if self._gram else self._moments[1]

    @cached_property
    def _filled(self) -> Tensor:
        """What is added along √w: the mean eigenvalue."""
        return self._covariance.diagonal().mean()

    @cached_property
    def _inverse(self) -> tuple[Tensor, Tensor] | None:
        """The inverse and log det of C + εI, or of YYᵀ + εI + fill √w√wᵀ; None where Cholesky loses too much."""
        if self._gram and (self.ridge == 0.0 or not self.mu.positive_weights):
            return None
        matrix = self._covariance.clone()
        matrix.diagonal().add_(self.ridge)
        if self._gram:
            root = self.mu.weights.sqrt()
            matrix += self._filled * torch.outer(root, root)
        inverse, log_det, condition = linalg.inverse_and_log_det(matrix)
        least = _HALF_THE_DIGITS if self._gram else _SUSPECT * self.mu.dim
        return (inverse, log_det) if checks.holds(condition < 1.0 / least) else None

    @cached_property
    def _eigen(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues of C, and its eigenvectors as columns (d, r); r = d, or the rank in the Gram form."""
        values, vectors = linalg.symmetric_eigen(self._covariance)
        self._require_regular(values)
        if not self._gram:
            return values.clamp(min=0.0), vectors
        kept = values > _SINGULAR * self.mu.dim * values.max()
        values, vectors = values[kept], vectors[:, kept]
        return values, linalg.product(self._rows.T.contiguous(), vectors.contiguous()) / values.sqrt()

    def _require_regular(self, values: Tensor) -> None:
        if not bool(torch.isfinite(values).all()):
            raise DivergenceError("LogDet: the covariance is not finite.")
        d, largest = self.mu.dim, float(values.max())
        rank = int((values > _SINGULAR * d * largest).sum())
        if self.ridge == 0.0 and rank < d:
            raise ConfigError(
                f"LogDet: the covariance of {self.mu.n} particles in dimension {d} is singular (rank {rank}); "
                f"give a ridge in the units of a variance (ridge = 1e-3, say), or more than {d} particles."
            )

    def log_det(self) -> Tensor:
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
        if at is not None:  # particles have no part across the span: dividing its rounding by ε would be noise
            force = force + (points - self.mean - ops.affine(along, origin, back)) / self.ridge
        return force.to(points.dtype)


class LogDet(Entropy):
    """S = ½ log det(C + εI), ∇_W S = (C + εI)⁻¹(x − m): the entropy of a Gaussian, up to a constant.

    At ε = `ridge` = 0 the force never vanishes, ‖∇_W S‖² = tr C⁻¹ ≥ d²/tr C, and a singular C is a ConfigError.
    With fewer particles than dimensions a ridge is required and the Gram form is used.
    """

    is_log_density = True
    words = "log-det"

    def __init__(self, ridge: float = 0.0) -> None:
        self.ridge = require_ridge(ridge)

    def _value(self, mu: Ensemble) -> Tensor:
        return 0.5 * _Precision(mu, self.ridge).log_det()

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        precision = _Precision(mu, self.ridge)
        return (0.5 * linalg.row_dot(precision.apply(at), mu.points(at) - precision.mean)).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return _Precision(mu, self.ridge).apply(at)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        precision = _Precision(mu, self.ridge)
        return Evaluation(0.5 * precision.log_det(), precision.apply(None))


def _centred(mu: Ensemble, at: Tensor | None) -> Tensor:
    return (mu.points(at) - mu.mean()).to(mu.dtype)


def _variances(mu: Ensemble) -> Tensor:
    return mu.expect(_centred(mu, None).double() ** 2)


class Variance(Entropy):
    """S = ½ tr C, ∇_W S = x − m. It grows without bound: the flow is unstable once T exceeds the confinement."""

    words = "variance"

    def _value(self, mu: Ensemble) -> Tensor:
        return 0.5 * linalg.total(_variances(mu))

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        centred = _centred(mu, at)
        return (0.5 * linalg.row_dot(centred, centred)).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return _centred(mu, at)


class LogVariance(Entropy):
    """S = ½ Σⱼ log(Cⱼⱼ + ε), ∇_W S = (xⱼ − mⱼ)/(Cⱼⱼ + ε): the diagonal log-determinant, blind to correlations."""

    words = "log-variance"

    def __init__(self, ridge: float = 0.0) -> None:
        self.ridge = require_ridge(ridge)

    def _regular(self, mu: Ensemble) -> Tensor:
        variances = _variances(mu) + self.ridge
        if not checks.holds(~(variances <= 0).any()):
            column = int(variances.argmin())
            raise ConfigError(
                f"LogVariance: coordinate {column} has zero variance over {mu.n} particles; give a ridge, "
                "LogVariance(ridge=1e-3)."
            )
        return variances

    def _value(self, mu: Ensemble) -> Tensor:
        return 0.5 * linalg.total(torch.log(self._regular(mu)))

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        centred = _centred(mu, at)
        return (0.5 * linalg.row_dot(centred, centred / self._regular(mu))).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return (_centred(mu, at) / self._regular(mu)).to(mu.dtype)
