"""Estimates of the entropy and of the effective dimension of an ensemble: values for diagnostics, no forces."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..errors import ConfigError, DivergenceError, require_integer
from ..measure import Ensemble, require_whole
from ..ops.moments import ROUNDING
from ..ops.threads import one_blas_thread

if TYPE_CHECKING:
    from ..measure import Ensemble


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error and the name of the estimator; `float()` gives the number.

    Parameters
    ----------
    value : float
        The estimate; in nats for an entropy.
    standard_error : float
        Its standard error, in the same units. It does not know the bias.
    name : str
        The estimator and its settings.

    Examples
    --------
    >>> float(Estimate(1.5, 0.1, "kozachenko-leonenko(k=4)"))
    1.5
    """

    value: float
    standard_error: float
    name: str

    def __float__(self) -> float:
        return self.value


def knn_entropy(mu: Ensemble, k: int = 4) -> Estimate:
    """Estimate the Shannon entropy −∫ρ log ρ from the distances to nearest neighbours (Kozachenko–Leonenko).

        S = ψ(n) − ψ(k) + log c_d + (d/n) Σᵢ log rᵢ

    rᵢ is the distance from particle i to its k-th neighbour, and c_d the volume of the unit ball.

    Parameters
    ----------
    mu : Ensemble
        Particles (n, d) of equal weights; computed in float64.
    k : int
        Which neighbour, 1 ≤ k < n. A larger k has less variance and more bias.

    Returns
    -------
    Estimate
        S in nats, with the standard error √(Var(d log r)/n).

    Raises
    ------
    ConfigError
        For unequal weights, n ≤ k, more than k coincident particles, or all particles at one place up to rounding:
        these have no density.
    DivergenceError
        If a coordinate is not finite.

    See Also
    --------
    wgf.Shannon, wgf.Blob, wgf.LogDet, wgf.solvers.Langevin

    Notes
    -----
    The standard error treats the rᵢ as independent. It does not know the bias, which grows with d as n^{−2/d}.
    Time O(n log n) in low dimensions, up to O(n² d) in high ones.

    References
    ----------
    Kozachenko & Leonenko (1987), Probl. Inf. Transm. 23, 95.
    Kraskov, Stögbauer & Grassberger (2004), Phys. Rev. E 69, 066138.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(4000, 2, seed=0)  # exact: log 2πe = 2.838
    >>> abs(float(knn_entropy(mu)) - 2.838) < 0.1
    True
    """
    require_whole("mu", mu)
    k = require_integer("k", k, low=1)
    n, d = mu.n, mu.dim
    if not mu.equal_weights:
        raise ConfigError("The k-nearest-neighbour entropy needs equal weights: resample the ensemble first.")
    if n <= k:
        raise ConfigError(f"The k-nearest-neighbour entropy needs more particles than k = {k}, not n = {n}.")
    x = mu.x.detach().cpu().numpy().astype(np.float64)
    for row, column in np.argwhere(~np.isfinite(x))[:1]:
        raise DivergenceError(f"The ensemble has the coordinate {x[row, column]} in row {row}, column {column}.")
    from scipy.spatial import cKDTree  # here, because it takes .3 s to import, which runs without noise never need

    extent, largest = np.ptp(x / 2, axis=0), np.abs(x / 2).max(axis=0)  # halved, so that they cannot overflow
    scale = 2.0 * float(extent.max()) or 1.0  # the tree squares distances: scaled to 1 they cannot overflow
    # Queries are independent, so the number of workers cannot change the result. k + 1: a particle finds itself first.
    distances, _ = cKDTree(x / scale).query(x / scale, k=[k + 1], workers=-1)
    if not distances.min() > 0:
        row = int(distances.argmin())
        raise ConfigError(f"More than k = {k} particles coincide (at row {row}): they have no density, so no entropy.")
    if (extent <= 2 * _rounding(mu) * largest).all():
        raise ConfigError(f"All {n} particles coincide, up to rounding: they have no density, so no entropy.")
    value, spread = kozachenko_leonenko(np.log(distances[:, 0]) + math.log(scale), n, d, k)
    return Estimate(value, spread, f"kozachenko-leonenko(k={k})")


def kozachenko_leonenko(logarithms: np.ndarray, n: int, d: int, k: int) -> tuple[float, float]:
    """The entropy and its standard error from the logarithms of the distances to the k-th of n particles (n,)."""
    value = _digamma(n) - _digamma(k) + _log_ball(d) + d * float(logarithms.mean())
    return value, d * float(logarithms.std(ddof=1)) / math.sqrt(n)


def extrapolated_entropy(logarithms: np.ndarray, n: int, d: int, k: int) -> tuple[float, float, float]:
    """The same from the distances to the 1st … K-th neighbour (K, n), without the bias of order n^{−2/d}.

    Σⱼ vⱼ Sⱼ with Σ vⱼ = 1 and Σ vⱼ Γ(j + 2/d)/Γ(j) = 0, the v of least squares (Berrett, Samworth & Yuan). The third
    number is the standard error of the difference to the estimate from the k-th neighbour alone.
    """
    j = range(1, len(logarithms) + 1)
    growth = np.array([math.exp(math.lgamma(i + 2.0 / d) - math.lgamma(i)) for i in j])
    mean = growth.mean()
    v = 1.0 / len(j) - mean * (growth - mean) / ((growth - mean) ** 2).sum()
    each = np.einsum("j,jn->n", v, logarithms)
    value = _digamma(n) - float((v * [_digamma(i) for i in j]).sum()) + _log_ball(d) + d * float(each.mean())
    spread, apart = (d * float(a.std(ddof=1)) / math.sqrt(n) for a in (each, each - logarithms[k - 1]))
    return value, spread, apart


def _log_ball(d: int) -> float:
    """The logarithm of the volume of the unit ball."""
    return 0.5 * d * math.log(math.pi) - math.lgamma(0.5 * d + 1)


def _digamma(n: int) -> float:
    """ψ(n), by torch: importing scipy.special takes as long as a hundred records."""
    return float(torch.digamma(torch.tensor(n, dtype=torch.float64)))


def gaussian_entropy(mu: Ensemble) -> float:
    """The entropy of the Gaussian that has the covariance of the ensemble: ½ log det(2πe C).

    Use it as an upper bound of the entropy of any density with that covariance.

    Parameters
    ----------
    mu : Ensemble
        Particles (n, d), n > d.

    Returns
    -------
    float
        The entropy in nats.

    Raises
    ------
    ConfigError
        If C is singular up to rounding. It always is for n ≤ d.
    DivergenceError
        If C is not finite.

    See Also
    --------
    wgf.diagnostics.effective_rank, wgf.diagnostics.knn_entropy

    References
    ----------
    Cover & Thomas (2006), Elements of Information Theory, theorem 8.6.5.

    Examples
    --------
    >>> import wgf
    >>> round(gaussian_entropy(wgf.Ensemble([[-1.0], [1.0]])), 4)  # variance 1: ½ log 2πe
    1.4189
    """
    _, values, _ = principal_axes(mu)
    if not values[0] > 0:
        raise ConfigError(
            f"The covariance of {mu.n} particles in {mu.dim} dimensions is singular (rank {np.count_nonzero(values)}): "
            "its Gaussian entropy is −∞."
        )
    return 0.5 * (mu.dim * math.log(2 * math.pi * math.e) + float(np.log(values).sum()))


def effective_rank(mu: Ensemble) -> float:
    """The number of directions that the particles fill: e to the entropy of the eigenvalues of the covariance.

        exp(−Σ p log p),    p = λ/Σλ

    Parameters
    ----------
    mu : Ensemble
        Particles (n, d).

    Returns
    -------
    float
        From 1 (a line) to d (equal variances); 0 where all particles coincide, up to rounding.

    Raises
    ------
    DivergenceError
        If the covariance is not finite.

    See Also
    --------
    wgf.diagnostics.gaussian_entropy, wgf.diagnostics.knn_entropy

    References
    ----------
    Roy & Vetterli (2007), The effective rank: a measure of effective dimensionality, EUSIPCO.

    Examples
    --------
    >>> import wgf
    >>> round(effective_rank(wgf.Ensemble([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 12)
    2.0
    """
    _, values, _ = principal_axes(mu)
    p = values[values > 0] / max(float(values.max()), np.finfo(np.float64).tiny)
    p = p / p.sum()
    return math.exp(-float((p * np.log(p)).sum())) if len(p) else 0.0


def principal_axes(mu: Ensemble) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean (d,), the eigenvalues (d,) of the covariance in rising order, and its eigenvectors (d, d) in columns.

    Eigenvalues at the level of rounding are set to 0. DivergenceError if the covariance is not finite.
    """
    mean, covariance = (part.detach().cpu().numpy().astype(np.float64) for part in require_whole("mu", mu).moments())
    if not np.isfinite(covariance).all():
        raise DivergenceError("The covariance of the ensemble is not finite.")
    with one_blas_thread():  # LAPACK rounds by its thread count
        values, vectors = np.linalg.eigh(covariance)
        # a variance may be rounding of the coordinates: look at it along its direction
        least = vectors.T**2 @ (_rounding(mu) * mean) ** 2
    zero = np.maximum(len(values) * np.finfo(np.float64).eps * np.abs(values).max(), least)
    return mean, np.where(values > zero, values, 0.0), vectors


def _rounding(mu: Ensemble) -> float:
    """The relative deviation at and below which coordinates count as equal."""
    return ROUNDING * float(torch.finfo(mu.dtype).eps)
