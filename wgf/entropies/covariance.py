"""Entropy surrogates that depend on the covariance only: log-determinant, variance and log-variance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError
from ..functional import Evaluation, Work
from ..measure import Ensemble, checks
from ..ops import bodies, linalg
from .base import OfCoordinates, require_ridge
from .precision import Precision


class _OfMoments(OfCoordinates):
    """An entropy of means and covariances of coordinates."""

    integrates = True
    elementwise = True

    def _moments(self, mu: Ensemble, ridge: float) -> tuple[Any, ...] | None:
        """The numbers of a body of `bodies.Moments`; None where the sums are not those of a single block."""
        if mu.n > bodies.BLOCK or mu.dim > bodies.SUMMED or not mu.whole:
            return None
        rounding = ops.ROUNDING * torch.finfo(mu.dtype).eps
        return ridge, rounding, (0.0,) * mu.dim, (0.0,) * (mu.dim * (mu.dim + 1) // 2)


class LogDet(_OfMoments):
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

    See Also
    --------
    wgf.Shannon, wgf.Blob, wgf.solvers.Langevin, wgf.solvers.Grid

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
    foresees = "moments"
    words = "log-det"

    def __init__(self, ridge: float = 0.0) -> None:
        self.ridge = require_ridge(ridge)

    def body(self, mu: Ensemble) -> Any:
        numbers = self._moments(mu, self.ridge)
        return numbers and (bodies.LogDet(*numbers) if mu.n >= mu.dim else None)

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return Work(mu.n * mu.dim, products=float(mu.n) * mu.dim**2)

    def _value(self, mu: Ensemble) -> Tensor:
        return 0.5 * Precision(mu, self.ridge).log_det()

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        precision = Precision(mu, self.ridge)
        return (0.5 * linalg.row_dot(precision.apply(at), mu.points(at) - precision.mean)).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return Precision(mu, self.ridge).apply(at)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        precision = Precision(mu, self.ridge)
        return Evaluation(0.5 * precision.log_det(), precision.apply(None))


class Variance(_OfMoments):
    """Half the total variance of the particles; the simplest surrogate.

        S[μ] = ½ tr C,    δS/δμ = ½ |x − m|²,    ∇_W S = x − m

    The force pushes particles away from their mean, in proportion to the distance.

    See Also
    --------
    wgf.LogDet, wgf.LogVariance, wgf.CodingRate, wgf.SpectralEntropy

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

    foresees = "variances"
    words = "variance"

    def body(self, mu: Ensemble) -> Any:
        numbers = self._moments(mu, 0.0)
        return numbers and bodies.Variance(*numbers)

    def _value(self, mu: Ensemble) -> Tensor:
        return 0.5 * linalg.total(mu.variances()[1])

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        centred = self._gradient(mu, at)
        return (0.5 * linalg.row_dot(centred, centred)).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return _away(mu.points(at), mu.variances()[0])

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        mean, variances = mu.variances()
        return Evaluation(0.5 * linalg.total(variances), _away(mu.x, mean))


def _away(x: Tensor, mean: Tensor) -> Tensor:
    """x − m (n, d) in the dtype of x; the difference is formed in float64."""
    return ops.standardised(x, mean, torch.ones_like(mean))


class LogVariance(_OfMoments):
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
        If ε is negative, or ε = 0 and a coordinate has no variance, up to rounding.

    See Also
    --------
    wgf.LogDet, wgf.Variance, wgf.CodingRate, wgf.SpectralEntropy

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

    foresees = "variances"
    words = "log-variance"

    def __init__(self, ridge: float = 0.0) -> None:
        self.ridge = require_ridge(ridge)

    def body(self, mu: Ensemble) -> Any:
        numbers = self._moments(mu, self.ridge)
        return numbers and bodies.LogVariance(*numbers)

    def _regular(self, mu: Ensemble) -> tuple[Tensor, Tensor]:
        """The mean and C + ε (d,), float64."""
        mean, variances = mu.variances()
        least = ops.least_variance(mean, mu.dtype) if self.ridge == 0.0 else torch.zeros_like(mean)
        if not checks.holds(~(variances + self.ridge <= least).any()):
            column = int((variances + self.ridge - least).argmin())
            raise ConfigError(
                f"LogVariance: coordinate {column} has zero variance over {mu.n} particles, up to rounding; give a "
                "ridge, LogVariance(ridge=1e-3)."
            )
        return mean, variances + self.ridge

    def _value(self, mu: Ensemble) -> Tensor:
        return 0.5 * linalg.total(torch.log(self._regular(mu)[1]))

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        mean, variances = self._regular(mu)
        away = mu.points(at).double() - mean
        return (0.5 * linalg.row_dot(away, away / variances)).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return ops.standardised(mu.points(at), *self._regular(mu))

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        mean, variances = self._regular(mu)
        return Evaluation(0.5 * linalg.total(torch.log(variances)), ops.standardised(mu.x, mean, variances))
