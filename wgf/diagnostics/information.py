"""The information in a noisy representation, and the bounds on the generalisation gap from it (docs/theory.md §6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..entropies.estimators import Estimate, principal_axes
from ..errors import require_integer, require_number, require_seed
from ..measure import Ensemble
from ..ops.memory import counted, require_memory
from ..ops.threads import one_blas_thread

_BLOCK = 1 << 22
"""At most this many distances are held in memory at a time."""


def information_bound(z: Any, sigma: float) -> float:
    """Compute an upper bound B on the information I(X; Z) of a noisy representation Z = f(X) + σξ, in nats.

        B = ½ log det(I + C/σ²) ≥ I(X; Z),   ξ ~ N(0, I),  C the covariance of f(X)

    Equality holds where f(X) is Gaussian. Nothing else is assumed of f or X.

    Parameters
    ----------
    z : array or tensor (m, k), or Ensemble
        The values f(X) without the noise. Rows of an array have the weight 1/m. C may be singular.
    sigma : float > 0
        σ, the standard deviation of the noise in each component, in the units of z.

    Returns
    -------
    float
        B in nats.

    Raises
    ------
    ConfigError
        For σ ≤ 0: without noise B is infinite.
    ShapeError, DivergenceError
        For values that are not rows, or not finite.

    See Also
    --------
    wgf.diagnostics.GapBound, wgf.diagnostics.gap_bounds, wgf.diagnostics.channel_information

    References
    ----------
    T. M. Cover and J. A. Thomas, Elements of Information Theory, §9.4 (2006).

    Examples
    --------
    The Gaussian channel with signal variance equal to noise variance has ½ log 2:

    >>> round(information_bound([[-1.0], [1.0]], sigma=1.0), 6)
    0.346574
    """
    sigma = _noise(sigma)
    return 0.5 * float(np.log1p(principal_axes(_rows(z))[1] / sigma / sigma).sum())


def channel_information(z: Any, sigma: float, *, draws: int = 2000, seed: int = 0) -> Estimate:
    """Estimate the information I(X; Z) of Z = f(X) + σξ by Monte Carlo, in nats, with X drawn from the rows of `z`.

        I = E[log p(Z|X) − log Σⱼ wⱼ p(Z|xⱼ)],   p(·|x) the density of N(x, σ²I)

    This is the quantity that `information_bound` bounds.

    Parameters
    ----------
    z : array or tensor (m, k), or Ensemble
        The values f(X) without the noise. Row j is drawn with its weight wⱼ, 1/m for an array.
    sigma : float > 0
        The standard deviation of the noise in each component, in the units of z.
    draws : int ≥ 2
        Number of pairs (X, Z) in the average.
    seed : int
        Seed of the draws. The same seed gives the same number.

    Returns
    -------
    Estimate
        The average and its standard error, both in nats. `float(...)` gives the average.

    Raises
    ------
    ConfigError, ShapeError, DivergenceError
        As in `information_bound`.

    See Also
    --------
    wgf.diagnostics.GapBound, wgf.diagnostics.gap_bounds, wgf.diagnostics.information_bound

    Notes
    -----
    I is at most log m, while B grows without bound as σ → 0. The cost is draws × m distances in k dimensions.

    Examples
    --------
    Two points that the noise cannot confuse carry one bit, log 2 nats:

    >>> round(float(channel_information([[-50.0], [50.0]], sigma=1.0)), 11)
    0.69314718056
    """
    sigma, draws = _noise(sigma), require_integer("draws", draws, low=2)
    mu = _rows(z)
    require_memory(f"{counted(draws)} draws of {mu.dim} numbers", 8 * draws * (mu.dim + 2), "take fewer draws")
    x = mu.x.detach().cpu().numpy().astype(np.float64)
    weights = mu.weights.cpu().numpy()
    rng = np.random.default_rng(require_seed(seed))
    drawn = rng.choice(mu.n, size=draws, p=weights / weights.sum())
    noise = rng.standard_normal((draws, mu.dim))
    gained = np.empty(draws)
    rows = max(1, _BLOCK // mu.n)
    for start in range(0, draws, rows):
        part = slice(start, start + rows)
        gained[part] = _gained(x, weights, x[drawn[part]], noise[part], sigma)
    error = float(gained.std(ddof=1)) / math.sqrt(draws)
    return Estimate(float(gained.mean()), error, f"monte carlo over {draws} pairs")


def _gained(
    x: NDArray[np.float64],
    weights: NDArray[np.float64],
    own: NDArray[np.float64],
    noise: NDArray[np.float64],
    sigma: float,
) -> NDArray[np.float64]:
    """log p(z|x) − log Σⱼ wⱼ p(z|xⱼ) at z = x + σξ for rows `own` = x (b, k) and `noise` = ξ (b, k); an array (b,).

    The exponents come from |z − xⱼ|² − |σξ|² = |x − xⱼ|² + 2σ ξ·(x − xⱼ).
    """
    from scipy.spatial.distance import cdist  # here, because it takes .3 s to import, which most runs never need
    from scipy.special import logsumexp

    with one_blas_thread():  # BLAS rounds differently for each number of threads
        along = (own * noise).sum(axis=1)[:, None] - noise @ x.T
    exponents = -0.5 * cdist(own / sigma, x / sigma, "sqeuclidean") - along / sigma
    return -np.asarray(logsumexp(exponents, axis=1, b=weights))


@dataclass(frozen=True)
class GapBound:
    """A bound on |E gap|, the expected test loss minus training loss, with the assumption under which it holds.

    Attributes
    ----------
    name : str
        "assumed", "unlabelled" or "labelled", as in `gap_bounds`.
    value : float
        The bound, in the units of the loss.
    assumption : str
        What must be true for the bound to hold, in words.

    See Also
    --------
    wgf.diagnostics.gap_bounds, wgf.diagnostics.information_bound, wgf.diagnostics.channel_information

    Examples
    --------
    >>> GapBound("assumed", 0.1, "the weights know no more than B of the sample").value
    0.1
    """

    name: str
    value: float
    assumption: str


def gap_bounds(
    information: float, samples: int, *, sub_gaussian: float = 0.5, label_entropy: float | None = None
) -> dict[str, GapBound]:
    """Compute bounds on the generalisation gap of a decoder learned from n samples of (Z, Y).

        |gap| ≤ √(2 σ_ℓ² I(S; W)/n)   for a loss that is σ_ℓ-sub-Gaussian

    The bounds differ in how they bound I(S; W), the information that the weights W have about the sample S:

        "assumed"    I(S; W) ≤ B            √(2 σ_ℓ² B/n)         an extra assumption, not a theorem
        "unlabelled" I(S; W) ≤ nB           √(2 σ_ℓ² B)           by data processing, if W saw Z and no labels
        "labelled"   I(S; W) ≤ n(B + H(Y))  √(2 σ_ℓ² (B + H(Y)))  by data processing, if W also saw the labels

    Parameters
    ----------
    information : float ≥ 0
        B in nats, for example from `information_bound`.
    samples : int ≥ 1
        n, the number of samples that the decoder learned from.
    sub_gaussian : float > 0
        σ_ℓ in the units of the loss. A loss in [0, 1] has σ_ℓ = ½.
    label_entropy : float ≥ 0, optional
        H(Y) in nats. Only with it is the bound "labelled" computed.

    Returns
    -------
    dict of str to GapBound
        The bounds by name, each with its value and its assumption.

    Raises
    ------
    ConfigError
        For B < 0, n < 1, σ_ℓ ≤ 0 or H(Y) < 0.

    See Also
    --------
    wgf.diagnostics.GapBound, wgf.diagnostics.information_bound, wgf.diagnostics.channel_information

    Notes
    -----
    "labelled" uses I(X,Y; Z,Y) = H(Y) + I(X; Z|Y) ≤ H(Y) + B, which holds because Z depends on X alone.

    References
    ----------
    A. Xu and M. Raginsky, Information-theoretic analysis of generalization capability, NeurIPS (2017).

    Examples
    --------
    >>> {name: round(bound.value, 3) for name, bound in gap_bounds(2.0, 100, label_entropy=math.log(2)).items()}
    {'assumed': 0.1, 'unlabelled': 1.0, 'labelled': 1.16}
    """
    b = require_number("information", information, nonnegative=True)
    n = require_integer("samples", samples, low=1)
    scale = 2.0 * require_number("sub_gaussian", sub_gaussian, positive=True) ** 2
    bounds = [
        GapBound("assumed", math.sqrt(scale * b / n), "the weights know no more of the sample than B: I(S; W) ≤ B"),
        GapBound("unlabelled", math.sqrt(scale * b), "the weights saw the representations alone, no labels"),
    ]
    if label_entropy is not None:
        h = require_number("label_entropy", label_entropy, nonnegative=True)
        bounds.append(GapBound("labelled", math.sqrt(scale * (b + h)), "none beyond a sub-Gaussian loss"))
    return {bound.name: bound for bound in bounds}


def _noise(sigma: float) -> float:
    """Check that σ is a positive number."""
    return require_number("sigma", sigma, positive=True)


def _rows(z: Any) -> Ensemble:
    return z if isinstance(z, Ensemble) else Ensemble(z)
