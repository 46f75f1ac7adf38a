"""The Wasserstein distance of Gaussians, from means and covariances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ConfigError, ShapeError
from ..ops.threads import one_blas_thread

TOLERANCE = 1e-6  # by how much a covariance may miss symmetry and positivity: what float32 leaves


def bures(mean0: Any, cov0: Any, mean1: Any, cov1: Any) -> float:
    """The 2-Wasserstein distance of the Gaussians N(m₀, C₀) and N(m₁, C₁); means (d,), covariances (d, d), float64.

    W₂² = |m₀ − m₁|² + tr C₀ + tr C₁ − 2 tr (C₀^½ C₁ C₀^½)^½, computed as |m₀ − m₁|² + min_U ‖C₀^½ − C₁^½ U‖² over
    orthogonal U, which does not cancel where the two are close. Raises ShapeError, or ConfigError for a covariance
    that is not finite, symmetric and positive semidefinite.
    Reference: R. Bhatia, T. Jain and Y. Lim, Expositiones Mathematicae 37, 165 (2019).

    >>> round(bures([0.0], [[1.0]], [3.0], [[25.0]]), 12)
    5.0
    """
    with one_blas_thread():  # LAPACK rounds by its thread count
        (m0, root0), (m1, root1) = _root("0", mean0, cov0), _root("1", mean1, cov1)
        if m0.shape != m1.shape:
            raise ShapeError(f"mean0 {m0.shape} and mean1 {m1.shape} differ in dimension.")
        left, _, right = np.linalg.svd(root1 @ root0)
        return math.hypot(np.linalg.norm(m0 - m1), np.linalg.norm(root0 - root1 @ left @ right))


def _root(name: str, mean: Any, cov: Any) -> tuple[np.ndarray, np.ndarray]:
    """A mean, and the symmetric square root of a covariance."""
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
    values = np.where(values > rounding, values, 0.0)  # what is left of a zero, ε, would come out of the root as √ε
    return m, (vectors * np.sqrt(values)) @ vectors.T
