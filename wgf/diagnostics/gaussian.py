"""The Wasserstein distance of two Gaussians (Bures distance), from their means and covariances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ConfigError, ShapeError, require_unmasked
from ..ops.threads import one_blas_thread

TOLERANCE = 1e-6  # how far a covariance may be from symmetric and positive, relative; float32 rounding is below it


def bures(mean0: Any, cov0: Any, mean1: Any, cov1: Any) -> float:
    """Compute the 2-Wasserstein distance of the Gaussians N(m₀, C₀) and N(m₁, C₁).

        W₂² = |m₀ − m₁|² + tr C₀ + tr C₁ − 2 tr (C₀^½ C₁ C₀^½)^½

    For laws that are not Gaussian it is a lower bound of their W₂ (Gelbrich).

    Parameters
    ----------
    mean0, mean1 : arrays or tensors (d,)
        The means, in the units of x. Computed in float64.
    cov0, cov1 : arrays or tensors (d, d)
        The covariances, symmetric and positive semidefinite up to 10⁻⁶ of their largest entry.

    Returns
    -------
    float
        W₂ (not its square), in the units of x.

    Raises
    ------
    ShapeError
        For shapes other than (d,) and (d, d), or two different d.
    ConfigError
        For a mean or covariance that is not finite, or a covariance that is not symmetric positive semidefinite.

    See Also
    --------
    wgf.diagnostics.Transport, wgf.diagnostics.wasserstein

    Notes
    -----
    Computed as |m₀ − m₁|² + min_U ‖C₀^½ − C₁^½ U‖² over orthogonal U. This loses no digits where the two are close.

    References
    ----------
    R. Bhatia, T. Jain and Y. Lim, Expositiones Mathematicae 37, 165 (2019).

    Examples
    --------
    >>> round(bures([0.0], [[1.0]], [3.0], [[25.0]]), 12)
    5.0
    """
    with one_blas_thread():  # LAPACK rounds differently for each number of threads
        (m0, root0), (m1, root1) = _root("0", mean0, cov0), _root("1", mean1, cov1)
        if m0.shape != m1.shape:
            raise ShapeError(f"mean0 {m0.shape} and mean1 {m1.shape} differ in dimension.")
        left, _, right = np.linalg.svd(root1 @ root0)
        return math.hypot(np.linalg.norm(m0 - m1), np.linalg.norm(root0 - root1 @ left @ right))


def _root(name: str, mean: Any, cov: Any) -> tuple[np.ndarray, np.ndarray]:
    """Check a mean and a covariance; return the mean and the symmetric square root of the covariance."""
    require_unmasked(f"mean{name} or cov{name}", (mean, cov))
    m, c = (np.asarray(v.detach().cpu() if hasattr(v, "detach") else v, dtype=np.float64) for v in (mean, cov))
    if m.ndim != 1 or not len(m) or c.shape != (len(m), len(m)):
        raise ShapeError(f"mean{name} {m.shape} and cov{name} {c.shape}: wanted (d,) and (d, d).")
    if not (np.isfinite(m).all() and np.isfinite(c).all()):
        raise ConfigError(f"mean{name} and cov{name} must be finite.")
    rounding = len(m) * np.finfo(np.float64).eps * np.abs(c).max()
    if np.abs(c - c.T).max() > TOLERANCE * np.abs(c).max():
        raise ConfigError(f"cov{name} must be symmetric.")
    values, vectors = np.linalg.eigh((c + c.T) / 2)
    if values[0] < -TOLERANCE * np.abs(c).max():
        raise ConfigError(f"cov{name} has the eigenvalue {values[0]:.3g}: wanted a positive semidefinite matrix.")
    values = np.where(values > rounding, values, 0.0)  # the root would turn a rounding error ε into √ε
    return m, (vectors * np.sqrt(values)) @ vectors.T
