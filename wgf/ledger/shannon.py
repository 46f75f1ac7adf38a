"""Estimates of the Shannon entropy and of its score from particles, for runs in which noise realises the entropy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .. import ops
from ..domains import Domain, PeriodicBox
from ..entropies.blob import bandwidth_by_rule
from ..entropies.estimators import knn_entropy
from ..errors import ConfigError, ResourceError
from ..measure import SUBSET, Ensemble, Noise, unwrapped
from ..ops import forms
from ..ops.reference import nearest_image

MOST_PARTICLES = 5_000  # so that the estimate at a record costs no more than the steps between records
LARGEST_DIM = 8  # above it, nearest neighbours and kernel densities need more particles than one can afford
FEWEST_PARTICLES = 50
REACH = 5.0
"""Images are taken of particles within so many bandwidths of a wall or seam."""
MOST_IMAGES = 20
"""Images for each particle beyond which there is no score: many dimensions and a wide bandwidth."""
WIDTHS = tuple(
    2 ** (0.5 - 0.5 * k) for k in range(6)
)  # the bandwidths that are tried, in units of Silverman's: √2 down to 1/4


@dataclass(frozen=True, eq=False)
class ShannonEstimate:
    """An estimate of the Shannon entropy S = −∫ ρ log ρ and of the score ∇log ρ.

    Attributes
    ----------
    entropy : float
        S; NaN where it cannot be estimated.
    standard_error : float
        Of the entropy.
    scores : (Tensor, Tensor) or None
        Two independent estimates of ∇log ρ (m, d), from disjoint halves of the particles.
    smoother : (Tensor, Tensor) or None
        The same with a bandwidth √2 times as large. The change from `scores` measures the smoothing error.
    rows : Tensor
        The m particles to which the scores belong.
    note : str
        How it was estimated, or why not.
    """

    entropy: float
    standard_error: float
    scores: tuple[Tensor, Tensor] | None
    smoother: tuple[Tensor, Tensor] | None
    rows: Tensor
    note: str


def estimate_shannon(mu: Ensemble, score: bool = True, domain: Domain | None = None) -> ShannonEstimate:
    """Estimate the Shannon entropy (Kozachenko–Leonenko, k = 4) and the score (Gaussian kernel densities).

    Parameters
    ----------
    mu : Ensemble
        The particles (n, d), with equal weights.
    score : bool, default True
        Whether the score is wanted.
    domain : Domain, optional
        Where the particles may be. Densities go on across the walls of a box as mirror images, and across the seam of
        a torus. A curved wall has no images, so there is no estimate in a ball.

    Returns
    -------
    ShannonEstimate
        The estimate. Its entropy is NaN, with the reason in `note`, for d > 8, n < 50 or weighted particles.

    Notes
    -----
    Of more than 5000 particles a sample of 5000 is used. It is drawn by the ids, so the order of the rows does not
    matter.
    """
    reason = _refusal(mu, domain)
    if reason:
        return ShannonEstimate(math.nan, math.nan, None, None, mu.ids[:0], reason)
    rows = torch.argsort(Noise(0).uniform(mu.ids, 0, 1, SUBSET)[:, 0])[:MOST_PARTICLES]
    sample, domain = around_its_centre(mu.select(rows), domain)
    note = f"Kozachenko–Leonenko, k = 4, {sample.n} particles; score by Gaussian kernel densities of their halves"
    try:
        images = None if domain is None else partial(domain.images, sample.x)
        estimate = knn_entropy(sample, k=4, images=images)
        scores, smoother = _scores(sample, domain) if score else (None, None)
    except (ConfigError, ResourceError) as error:
        return ShannonEstimate(math.nan, math.nan, None, None, rows, str(error))
    return ShannonEstimate(float(estimate), estimate.standard_error, scores, smoother, rows, note)


def around_its_centre(mu: Ensemble, domain: Domain | None) -> tuple[Ensemble, Domain | None]:
    """Particles on a torus around their circular mean, and the torus with its seam farthest from it."""
    if not isinstance(domain, PeriodicBox):
        return mu, domain
    moved = unwrapped(mu.on(domain.period(mu.dim)))
    centre = moved.x[0] + nearest_image(moved.mean().to(moved.x) - moved.x[0], domain.period(mu.dim).to(moved.x))
    turned = domain.centred(centre.double())
    return mu.moved(turned.fold(moved.x)).on(None), turned


def _scores(sample: Ensemble, domain: Domain | None = None) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Scores at the bandwidth with the highest likelihood of the particles left out, and at √2 times that bandwidth."""
    tried = [half_scores(sample, wider, domain) for wider in WIDTHS]
    best = max(range(1, len(WIDTHS)), key=lambda k: tried[k][1])
    return tried[best][0], tried[best - 1][0]


def half_scores(
    sample: Ensemble, wider: float = 1.0, domain: Domain | None = None
) -> tuple[tuple[Tensor, Tensor], float]:
    """Estimate the score ∇log(φ_h * ν) at all particles, with ν the even rows and then the odd rows.

    Parameters
    ----------
    sample : Ensemble
        The particles (n, d).
    wider : float, default 1.0
        The bandwidth h, in units of Silverman's bandwidth of the half.
    domain : Domain, optional
        A box or a torus, across whose ends the density goes on.

    Returns
    -------
    scores : (Tensor, Tensor)
        ∇log(φ_h * ν) (n, d) for the two halves ν. At a given particle their errors are independent.
    likelihood : float
        The mean of log(φ_h * ν), summed over the two halves.

    Notes
    -----
    Each particle is left out of its own density.
    """
    scores, likelihood = [], 0.0
    halves = [torch.arange(k, sample.n, 2, device=sample.device) for k in (0, 1)]
    for half, other in (halves, halves[::-1]):
        centres, weights = sample.x[half], sample.weights[half]
        h = wider * bandwidth_by_rule("silverman", sample.select(half))
        value, gradient = torch.empty_like(sample.weights), torch.empty_like(sample.x)
        value[other], gradient[other] = ops.pair_sums(
            sample.x[other], centres, weights, forms.GAUSSIAN, [h], 0.0, False
        )
        value[half], gradient[half] = ops.pair_sums(centres, centres, weights, forms.GAUSSIAN, [h], 0.0, True)
        if domain is not None:
            added, slope = _of_images(sample, half, h, domain)
            value, gradient = value + added, gradient + slope
        with ops.one_torch_thread():
            likelihood += float(sample.expect(torch.log(value))) - sample.dim * math.log(h)
        # far out, the densities of all other particles underflow to 0; the score there is taken as 0
        scores.append(torch.where(value[:, None] > 0, gradient / value[:, None], torch.zeros_like(gradient)))
    return (scores[0], scores[1]), likelihood


def _of_images(sample: Ensemble, half: Tensor, h: float, domain: Domain) -> tuple[Tensor, Tensor]:
    """Sums of the Gaussian over the images of the rows `half`, at all particles: each is left out of its own images."""
    found = domain.images(sample.x[half], REACH * h)
    assert found is not None
    points, rows = found[0], half[found[1]]
    if len(points) > MOST_IMAGES * sample.n:
        raise ResourceError(f"no score: {len(points)} images of {sample.n} particles at the walls")
    if not len(points):
        return torch.zeros_like(sample.weights), torch.zeros_like(sample.x)
    value, gradient = ops.pair_sums(sample.x, points, sample.weights[rows], forms.GAUSSIAN, [h], 0.0, False)
    u = (sample.x[rows] - points).double()
    own = sample.weights[rows] * torch.exp(-0.5 * (u * u).sum(1) / h**2)
    value = value.index_add(0, rows, -own)
    return value, gradient.index_add(0, rows, (own[:, None] * u / h**2).to(gradient.dtype))


def _refusal(mu: Ensemble, domain: Domain | None) -> str:
    """Why there is no estimate, or an empty string."""
    if domain is not None and domain.images(mu.x[:1], 0.0) is None:
        return f"no Shannon estimate in a {type(domain).__name__}, whose curved wall has no mirror images"
    if mu.dim > LARGEST_DIM:
        return f"no Shannon estimate in dimension {mu.dim} > {LARGEST_DIM}"
    if mu.n < FEWEST_PARTICLES:
        return f"no Shannon estimate from {mu.n} < {FEWEST_PARTICLES} particles"
    if not mu.equal_weights:
        return "no Shannon estimate for weighted particles"
    return ""
