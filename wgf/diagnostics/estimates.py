"""Estimates of what noise realises: the Shannon entropy and its score on particles, each under its name."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import ops
from ..ensemble import Ensemble
from ..entropies.blob import bandwidth_by_rule
from ..errors import ConfigError
from ..kernels import Gaussian
from ..noise import SUBSET, Noise
from .entropy import knn_entropy

MOST_PARTICLES = 5_000  # an estimate at a record may not cost more than the steps between records
LARGEST_DIM = 8  # beyond it neither nearest neighbours nor a kernel density say anything at affordable n
FEWEST_PARTICLES = 50


@dataclass(frozen=True, eq=False)
class ShannonEstimate:
    """S with its standard error, and ∇log ρ at the particles `rows`; NaN and None, with a reason, where unknown."""

    entropy: float
    standard_error: float
    score: Tensor | None
    rows: Tensor
    note: str


def estimate_shannon(mu: Ensemble, score: bool = True) -> ShannonEstimate:
    """Kozachenko–Leonenko entropy (k = 4) and the score of a Gaussian kernel density with Silverman's bandwidth.

    Of a larger ensemble MOST_PARTICLES stand for all, drawn by their ids: the order of the rows does not matter.
    """
    rows = _representatives(mu)
    reason = _refusal(mu)
    if reason:
        return ShannonEstimate(math.nan, math.nan, None, rows, reason)
    sample = mu if len(rows) == mu.n else mu.select(rows)
    note = f"Kozachenko–Leonenko, k = 4, {sample.n} particles; score by a Gaussian kernel density (Silverman)"
    try:
        estimate = knn_entropy(sample, k=4)
        gradient = kernel_score(sample) if score else None
    except ConfigError as error:
        return ShannonEstimate(math.nan, math.nan, None, rows, str(error))
    return ShannonEstimate(float(estimate), estimate.standard_error, gradient, rows, note)


def _representatives(mu: Ensemble) -> Tensor:
    if mu.n <= MOST_PARTICLES:
        return torch.arange(mu.n, device=mu.device)
    lots = Noise(0).uniform(mu.ids, 0, 1, SUBSET)[:, 0]
    return torch.argsort(lots)[:MOST_PARTICLES]


def _refusal(mu: Ensemble) -> str:
    if mu.dim > LARGEST_DIM:
        return f"no Shannon estimate in dimension {mu.dim} > {LARGEST_DIM}"
    if mu.n < FEWEST_PARTICLES:
        return f"no Shannon estimate from {mu.n} < {FEWEST_PARTICLES} particles"
    if not mu.equal_weights:
        return "no Shannon estimate for weighted particles"
    return ""


def kernel_score(sample: Ensemble) -> Tensor:
    """∇log(φ_h * μ) at the particles (n, d), h by Silverman's rule."""
    value, gradient = sample.kernel_sums(Gaussian(bandwidth_by_rule("silverman", sample)))
    with ops.one_torch_thread():
        return gradient / value[:, None]
