"""What a noisy representation can know of its input, and what that says of the gap (docs/theory.md §6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from ..entropies.estimators import Estimate, _spectrum
from ..errors import require_integer, require_number, require_seed
from ..measure import Ensemble
from ..ops.threads import one_blas_thread

_BLOCK = 1 << 22
"""Distances held at a time, in numbers."""


def information_bound(z: Any, sigma: float) -> float:
    """B = ½ log det(I + C/σ²) ≥ I(X; Z) in nats, for Z = f(X) + σξ, ξ ~ N(0, I) and C the covariance of f(X).

    Equality holds where f(X) is Gaussian; nothing else is assumed of f or X. `z` has the values f(X) without the noise,
    as rows (m, k), each of weight 1/m, or as an `Ensemble`; C may be singular. `sigma` is σ, in the units of z.

    Raises ConfigError for σ ≤ 0, where Z would tell X exactly and B is infinite, ShapeError and DivergenceError for
    values that are no finite rows.
    Reference: T. M. Cover and J. A. Thomas, Elements of Information Theory, §9.4 (2006).

    >>> round(information_bound([[-1.0], [1.0]], sigma=1.0), 6)  # ½ log 2: the Gaussian channel at signal = noise
    0.346574
    """
    sigma = _noise(sigma)
    return 0.5 * float(np.log1p(_spectrum(_rows(z)) / sigma / sigma).sum())


def channel_information(z: Any, sigma: float, *, draws: int = 2000, seed: int = 0) -> Estimate:
    """I(X; Z) in nats of Z = f(X) + σξ where X is drawn from the m rows of `z` by their weights: what B bounds.

    Z is then a mixture of m Gaussians and I = E[log p(Z|X) − log Σⱼ wⱼ p(Z|xⱼ)], averaged over `draws` pairs (X, Z);
    the standard error is that of the average. It is at most log m, while B grows without end as σ → 0.
    Raises as `information_bound` does.

    >>> round(float(channel_information([[-50.0], [50.0]], sigma=1.0)), 11)  # always told apart: one bit
    0.69314718056
    """
    sigma, draws = _noise(sigma), require_integer("draws", draws, low=2)
    mu = _rows(z)
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
    """log p(z|x) − log Σⱼ wⱼ p(z|xⱼ) at z = x + σξ, from |z − xⱼ|² − |σξ|² = |x − xⱼ|² + 2σ ξ·(x − xⱼ)."""
    with one_blas_thread():  # BLAS rounds by its thread count
        along = (own * noise).sum(axis=1)[:, None] - noise @ x.T
    exponents = -0.5 * cdist(own / sigma, x / sigma, "sqeuclidean") - along / sigma
    return -np.asarray(logsumexp(exponents, axis=1, b=weights))


@dataclass(frozen=True)
class GapBound:
    """A bound on |E gap|, the expected test loss minus training loss, and what must be true for it to hold."""

    name: str
    value: float
    assumption: str


def gap_bounds(
    information: float, samples: int, *, sub_gaussian: float = 0.5, label_entropy: float | None = None
) -> dict[str, GapBound]:
    """Bounds on the gap of a decoder learned from n samples of (Z, Y), each with its assumption; B in nats.

    All start from |gap| ≤ √(2 σ_ℓ² I(S; W)/n) for a loss that is σ_ℓ-sub-Gaussian (Xu & Raginsky 2017); a loss in
    [0, 1] has σ_ℓ = ½. They differ in what they take for I(S; W), the information of the weights on the sample:

        "assumed"    I(S; W) ≤ B            √(2 σ_ℓ² B/n)         a separate assumption, not a theorem
        "unlabelled" I(S; W) ≤ nB           √(2 σ_ℓ² B)           by data processing, if W saw Z and no labels
        "labelled"   I(S; W) ≤ n(B + H(Y))  √(2 σ_ℓ² (B + H(Y)))  by data processing, as W also saw the labels

    The last is there where `label_entropy`, H(Y) in nats, is given: I(X,Y; Z,Y) = H(Y) + I(X; Z|Y) ≤ H(Y) + B, as Z
    depends on X alone. Raises ConfigError for B < 0, σ_ℓ ≤ 0, H(Y) < 0 or n < 1.
    Reference: A. Xu and M. Raginsky, Information-theoretic analysis of generalization capability, NeurIPS (2017).

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
    """σ > 0, or a ConfigError."""
    return require_number("sigma", sigma, positive=True)


def _rows(z: Any) -> Ensemble:
    return z if isinstance(z, Ensemble) else Ensemble(z)
