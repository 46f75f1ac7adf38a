"""Estimates of the differential entropy and of the effective dimension of an ensemble."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma, gammaln

from ..errors import ConfigError, DivergenceError, require_integer
from ..ops.threads import one_blas_thread

if TYPE_CHECKING:
    from ..measure import Ensemble


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error and the name of the estimator; `float()` gives the number."""

    value: float
    standard_error: float
    name: str

    def __float__(self) -> float:
        return self.value


def knn_entropy(mu: Ensemble, k: int = 4) -> Estimate:
    """The Kozachenko–Leonenko estimate of −∫ρ log ρ in nats from particles (n, d), in float64.

    S = ψ(n) − ψ(k) + log c_d + (d/n) Σᵢ log rᵢ, with rᵢ the distance from particle i to its k-th neighbour and c_d the
    volume of the unit ball. The standard error √(Var(d log r)/n) treats the rᵢ as independent and knows nothing of the
    bias, which grows with d as n^{−2/d}. Raises ConfigError for unequal weights, n ≤ k, or more than k coincident
    particles (there is no density then), and DivergenceError for coordinates that are not finite.
    References: L. F. Kozachenko and N. N. Leonenko, Probl. Inf. Transm. 23, 95 (1987); A. Kraskov, H. Stögbauer and
    P. Grassberger, Phys. Rev. E 69, 066138 (2004).

    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(4000, 2, seed=0)  # exact: log 2πe = 2.838
    >>> abs(float(knn_entropy(mu)) - 2.838) < 0.1
    True
    """
    k = require_integer("k", k, low=1)
    n, d = mu.n, mu.dim
    if not mu.equal_weights:
        raise ConfigError("The k-nearest-neighbour entropy needs equal weights: resample the ensemble first.")
    if n <= k:
        raise ConfigError(f"The k-nearest-neighbour entropy needs more particles than k = {k}, not n = {n}.")
    x = mu.x.detach().cpu().numpy().astype(np.float64)
    for row, column in np.argwhere(~np.isfinite(x))[:1]:
        raise DivergenceError(f"The ensemble has the coordinate {x[row, column]} in row {row}, column {column}.")
    scale = float(np.ptp(x, axis=0).max()) or 1.0  # the tree squares distances: near 1 they neither over- nor underflow
    # Each query is answered alone, so the number of workers cannot change the result; the particle itself comes first.
    distances, _ = cKDTree(x / scale).query(x / scale, k=[k + 1], workers=-1)
    if not distances.min() > 0:
        row = int(distances.argmin())
        raise ConfigError(f"More than k = {k} particles coincide (at row {row}): they have no density, so no entropy.")
    terms = d * (np.log(distances[:, 0]) + math.log(scale))
    ball = 0.5 * d * math.log(math.pi) - float(gammaln(0.5 * d + 1))
    value = float(digamma(n) - digamma(k)) + ball + float(terms.mean())
    return Estimate(value, float(terms.std(ddof=1)) / math.sqrt(n), f"kozachenko-leonenko(k={k})")


def gaussian_entropy(mu: Ensemble) -> float:
    """½ log det(2πe C) in nats: the entropy of the Gaussian with the covariance C (d, d) of the ensemble.

    An upper bound of the entropy of any density with that covariance. Raises ConfigError where C is singular to
    rounding (always so for n ≤ d), DivergenceError where it is not finite.
    Reference: T. M. Cover and J. A. Thomas, Elements of Information Theory, theorem 8.6.5 (2006).

    >>> import wgf
    >>> round(gaussian_entropy(wgf.Ensemble([[-1.0], [1.0]])), 4)  # variance 1: ½ log 2πe
    1.4189
    """
    values = _spectrum(mu)
    if not values[0] > 0:
        raise ConfigError(
            f"The covariance of {mu.n} particles in {mu.dim} dimensions is singular (rank {np.count_nonzero(values)}): "
            "its Gaussian entropy is −∞."
        )
    return 0.5 * (mu.dim * math.log(2 * math.pi * math.e) + float(np.log(values).sum()))


def effective_rank(mu: Ensemble) -> float:
    """exp(−Σ p log p) of p = λ/Σλ, the normalised eigenvalues of the covariance: from 1 to d, and 0 for one point.

    Raises DivergenceError where the covariance is not finite.
    Reference: O. Roy and M. Vetterli, The effective rank, EUSIPCO (2007).

    >>> import wgf
    >>> round(effective_rank(wgf.Ensemble([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 12)
    2.0
    """
    values = _spectrum(mu)
    p = values[values > 0] / max(float(values.max()), np.finfo(np.float64).tiny)
    p = p / p.sum()
    return math.exp(-float((p * np.log(p)).sum())) if len(p) else 0.0


def _spectrum(mu: Ensemble) -> np.ndarray:
    """Eigenvalues (d,) of the covariance, rising, with 0 for those that rounding cannot tell from it."""
    covariance = mu.covariance().detach().cpu().numpy().astype(np.float64)
    if not np.isfinite(covariance).all():
        raise DivergenceError("The covariance of the ensemble is not finite.")
    with one_blas_thread():  # LAPACK rounds by its thread count
        values = np.linalg.eigvalsh(covariance)
    return np.where(values > len(values) * np.finfo(np.float64).eps * np.abs(values).max(), values, 0.0)
