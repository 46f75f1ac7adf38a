"""Estimates of what noise realises: the Shannon entropy and its score on particles, each under its name."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import ops
from ..entropies.blob import bandwidth_by_rule
from ..entropies.estimators import knn_entropy
from ..errors import ConfigError
from ..measure import SUBSET, Ensemble, Noise
from ..ops import forms

MOST_PARTICLES = 5_000  # an estimate at a record may not cost more than the steps between records
LARGEST_DIM = 8  # beyond it neither nearest neighbours nor a kernel density say anything at affordable n
FEWEST_PARTICLES = 50
WIDTHS = tuple(2 ** (0.5 - 0.5 * k) for k in range(6))  # bandwidths tried, in units of Silverman's: √2 down to 1/4


@dataclass(frozen=True, eq=False)
class ShannonEstimate:
    """S with its standard error, and ∇log ρ at the particles `rows`; NaN and None, with a reason, where unknown.

    `scores` are two independent estimates (from disjoint halves of the particles), `smoother` the same with a bandwidth
    √2 times as wide: what that changes is the size of the smoothing error.
    """

    entropy: float
    standard_error: float
    scores: tuple[Tensor, Tensor] | None
    smoother: tuple[Tensor, Tensor] | None
    rows: Tensor
    note: str


def estimate_shannon(mu: Ensemble, score: bool = True) -> ShannonEstimate:
    """Kozachenko–Leonenko entropy (k = 4) and scores of Gaussian kernel densities (see `_scores`).

    Of a larger ensemble MOST_PARTICLES stand for all, drawn by their ids: the order of the rows does not matter.
    """
    reason = _refusal(mu)
    if reason:
        return ShannonEstimate(math.nan, math.nan, None, None, mu.ids[:0], reason)
    rows = torch.argsort(Noise(0).uniform(mu.ids, 0, 1, SUBSET)[:, 0])[:MOST_PARTICLES]
    sample = mu.select(rows)
    note = f"Kozachenko–Leonenko, k = 4, {sample.n} particles; score by Gaussian kernel densities of their halves"
    try:
        estimate = knn_entropy(sample, k=4)
        scores, smoother = _scores(sample) if score else (None, None)
    except ConfigError as error:
        return ShannonEstimate(math.nan, math.nan, None, None, rows, str(error))
    return ShannonEstimate(float(estimate), estimate.standard_error, scores, smoother, rows, note)


def _scores(sample: Ensemble) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Scores with the bandwidth under which the particles left out are likeliest, and with one √2 times as wide."""
    tried = [half_scores(sample, wider) for wider in WIDTHS]
    best = max(range(1, len(WIDTHS)), key=lambda k: tried[k][1])
    return tried[best][0], tried[best - 1][0]


def half_scores(sample: Ensemble, wider: float = 1.0) -> tuple[tuple[Tensor, Tensor], float]:
    """∇log(φ_h * ν) at all particles (n, d) for ν the even and the odd rows, and the mean log of φ_h * ν there.

    h is `wider` times Silverman's bandwidth of the half, and each particle is left out of its own density. Given a
    particle, the errors of the two scores are independent.
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
        with ops.one_torch_thread():
            likelihood += float(sample.expect(torch.log(value))) - sample.dim * math.log(h)
        # a particle so far out that every other's density underflows has no score; it counts as 0
        scores.append(torch.where(value[:, None] > 0, gradient / value[:, None], torch.zeros_like(gradient)))
    return (scores[0], scores[1]), likelihood


def _refusal(mu: Ensemble) -> str:
    if mu.dim > LARGEST_DIM:
        return f"no Shannon estimate in dimension {mu.dim} > {LARGEST_DIM}"
    if mu.n < FEWEST_PARTICLES:
        return f"no Shannon estimate from {mu.n} < {FEWEST_PARTICLES} particles"
    if not mu.equal_weights:
        return "no Shannon estimate for weighted particles"
    return ""
