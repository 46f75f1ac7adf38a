"""Entropy surrogates that depend on the covariance only: log-determinant, variance and log-variance."""

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
"""An eigenvalue below _SINGULAR · d · λ_max is rounding and counts as zero."""
_SUSPECT = 4 * _SINGULAR
"""A matrix with λ_min/λ_max > _SUSPECT · d is certainly regular. This allows for the rounding of its Cholesky factor,
and for a condition number that is estimated by Frobenius norms."""
_HALF_THE_DIGITS = torch.finfo(torch.float64).eps ** 0.5
"""For λ_min/λ_max of a Gram matrix above this, Cholesky keeps half of the digits. Below, eigenvectors keep more."""


@dataclass(frozen=True)
class _Precision:
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
        """Refuse eigenvalues that are not finite, and a singular covariance without a ridge."""
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


class LogDet(Entropy):
    """The entropy of a Gaussian with the covariance of the particles, up to a constant; the default surrogate.

        S[μ] = ½ log det(C + εI)
        δS/δμ = ½ (x − m)·(C + εI)⁻¹(x − m),    ∇_W S = (C + εI)⁻¹(x − m)

    The force pushes particles away from their mean, the harder the smaller the variance in that direction.

    Parameters
    ----------
    ridge : float
        ε ≥ 0, in the units of a variance (length²).

    Raises
    ------
    ConfigError
        If ε is negative, or ε = 0 and C is singular. C always is for n ≤ d: a ridge is required then.
    DivergenceError
        If C is not finite.

    Notes
    -----
    At ε = 0 the force never vanishes: ‖∇_W S‖² = tr C⁻¹ ≥ d²/tr C. With a ridge ‖∇_W S‖² = Σ λ/(λ + ε)², which goes to
    0 as the variances λ do. One Euler step of length h multiplies a deviation by 1 + hT/(λ + ε): keep hT below the
    smallest λ + ε. Only second moments count: clusters are not seen. Time O(n d² + d³); for n < d O(n² d + n³), by the
    Gram form.

    References
    ----------
    Cover & Thomas (2006), Elements of Information Theory, theorems 8.4.1 and 8.6.5.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble([[-2.0], [2.0]])  # variance 4
    >>> round(wgf.LogDet().value(mu).item(), 4), wgf.LogDet().gradient(mu).flatten().tolist()  # outwards
    (0.6931, [-0.5, 0.5])
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
    """Half the total variance of the particles; the simplest surrogate.

        S[μ] = ½ tr C,    δS/δμ = ½ |x − m|²,    ∇_W S = x − m

    The force pushes particles away from their mean, in proportion to the distance.

    Notes
    -----
    S grows without bound: under a confinement k|x|²/2 the variance is v₀ e^{−2(k−T)t}, so that the flow is unstable
    once T > k. The force goes to 0 as particles collapse on a point: it does not prevent collapse. It scales the cloud
    and does not change its shape. Time O(n d).

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble([[-2.0], [2.0]])
    >>> wgf.Variance().value(mu).item(), wgf.Variance().gradient(mu).flatten().tolist()  # outwards
    (2.0, [-2.0, 2.0])
    """

    words = "variance"

    def _value(self, mu: Ensemble) -> Tensor:
        return 0.5 * linalg.total(_variances(mu))

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        centred = _centred(mu, at)
        return (0.5 * linalg.row_dot(centred, centred)).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return _centred(mu, at)


class LogVariance(Entropy):
    """The logarithm of the variance of each coordinate: the diagonal form of `LogDet`.

        S[μ] = ½ Σⱼ log(Cⱼⱼ + ε)
        δS/δμ = ½ Σⱼ (xⱼ − mⱼ)²/(Cⱼⱼ + ε),    (∇_W S)ⱼ = (xⱼ − mⱼ)/(Cⱼⱼ + ε)

    The force pushes particles away from their mean in every coordinate, the harder the smaller its variance.

    Parameters
    ----------
    ridge : float
        ε ≥ 0, in the units of a variance (length²).

    Raises
    ------
    ConfigError
        If ε is negative, or ε = 0 and a coordinate has no variance.

    Notes
    -----
    Blind to correlations: particles on a line that is not along an axis are not spread off it. At ε = 0 the force does
    not vanish; with a ridge it goes to 0 as the variances do. One Euler step of length h multiplies a deviation by 1 +
    hT/(Cⱼⱼ + ε): keep hT below the smallest of them. Time O(n d); it works for n ≤ d.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble([[-2.0, 1.0], [2.0, -1.0]])  # variances 4 and 1
    >>> wgf.LogVariance().gradient(mu).tolist()
    [[-0.5, 1.0], [0.5, -1.0]]
    """

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
