"""Error bars of estimates from n particles: of the dissipation, and of the energy."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from ..errors import DivergenceError, WgfError
from ..functional import FreeEnergy
from ..measure import Ensemble
from ..ops.score_sums import divergence
from .shannon import SURE, ShannonEstimate

SMOOTHING, ROUGH = 0.5, 2.5
"""The part of the change between narrow and wide windows that counts as error: SMOOTHING + ROUGH × the part of all
particles that is in a window. Where that is large, the change says less about narrower windows."""


def dissipation_error(
    shannon: ShannonEstimate, points: Tensor, force: Tensor, temperature: float, change: float
) -> tuple[float, float]:
    """The error bar of D = ∫ |g + T s|² dμ, where s = ∇log ρ is estimated.

        error = √(4 Var ψ/n + 4 T⁴ noise² + T⁴ missing²) + ½(1 + 5K/n) |change|

    ψ = |g|² − 2T ∇·g − T² (2 ∇·s + |s|²) is what one more particle adds to D, also through ρ. K particles are in a
    window. The noise is that of the product of the two estimates of s, and `missing` is what windows may not see;
    `wgf.ledger.widths` has both. These three are random and independent, so their squares are added. The change
    measures the bias by smoothing, which has one sign.

    Parameters
    ----------
    shannon : ShannonEstimate
        The estimate, with scores.
    points : Tensor
        The particles (n, d).
    force : Tensor
        g (n, d): ∇_W of all terms but Shannon.
    temperature : float
        T of the noise.
    change : float
        The difference of D from that by the scores of wider windows.

    Returns
    -------
    error : float
        The error bar, in the units of D.
    usual : float
        The same without `missing`, which is an upper bound and seldom reached.
    """
    assert shannon.scores is not None
    assert shannon.divergence is not None
    assert shannon.places is not None
    arrays = (points, force, *shannon.scores)
    x, g, first, second = (t.detach().cpu().numpy().astype(np.float64) for t in arrays)
    curvature = shannon.divergence.cpu().numpy()
    n = len(g)
    added = (
        (g * g).sum(1)
        - 2 * temperature * divergence(x, g, *shannon.places)
        - temperature**2 * (2 * curvature + (first * second).sum(1))
    )
    smoothing = (SMOOTHING + ROUGH * shannon.part) * abs(change)
    noise = temperature**2 * shannon.noise
    scatter = SURE * math.sqrt(float(added.var()) / n + noise * noise)
    return math.hypot(scatter, temperature**2 * shannon.missing) + smoothing, scatter + smoothing


def variance_of_mean(free_energy: FreeEnergy, mu: Ensemble) -> float:
    """Var δE/δμ / n, the variance of E over samples of n particles; NaN where δE/δμ has no numbers.

    δE/δμ is a square of lengths, which float32 may not hold where it holds the particles: it is then taken in float64.
    """
    try:
        energy = free_energy.first_variation(mu)
    except DivergenceError:
        try:
            energy = free_energy.first_variation(mu.to(dtype="float64"))
        except WgfError:
            return math.nan
    centred = energy.double() - mu.expect(energy.double())
    return float(mu.expect(centred**2)) / mu.n
