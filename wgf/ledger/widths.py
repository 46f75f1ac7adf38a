"""Scores from windows of several widths: which widths count, and how far the result may be from the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..ops.score_sums import width_sums

EXTRAPOLATED = 2.0 / 3.0
"""The largest part of the difference between windows of K and of 2K particles that is added to the scores. For a bias
like R⁴ it is 1/(2^{4/d} − 1), which is 1/3 in the plane and beyond this limit from d = 4 on."""
ALIKE = 0.25
"""The part of a window over which the errors of two scores are alike; found on laws with known scores."""
COMMON = 0.98
"""The part of all particles whose scores differ no more than usual."""
SURELY = 3.0
"""Noises by which narrower windows must see more than wider ones before they count."""
BIAS, UNSEEN, FEW, LEFT = 2.5, 20.0, 16.0, 1.5
"""Of the part that may be missing: the bias of narrow windows, in noises; what the narrowest cannot see, in their
noises times the part of all particles in them, and less where they have more than FEW (d + 1); and the change that does
not count, times LEFT."""


@dataclass(frozen=True, eq=False)
class Combination:
    """How scores of several widths are combined.

    Attributes
    ----------
    factors : ndarray
        The factors of the widths (2, w): for the scores, and for the same from wider windows.
    noise : float
        The standard error of ∫ s₁·s₂ dμ from the noise of the scores.
    missing : float
        How much ∫ s₁·s₂ dμ may be off besides.
    part : float
        The part of all particles in a window.
    """

    factors: np.ndarray
    noise: float
    missing: float
    part: float


def combination(scores: np.ndarray, inside: Sequence[float]) -> Combination:
    """Combine scores from windows of 2K, K, K/2, … particles.

    Smoothing makes ∫ |s|² dμ smaller: where narrower windows see more than noise, wider ones are too wide. Each width
    is extrapolated by the next wider one, t = s + (s − s')/(2^{4/d} − 1). Then the narrower ones are added as far as
    they differ,

        s = t₁ + Σ κ (t − t'),    κ = max(0, 1 − (3 noise/change)²),

    where the change is that of ∫ s₁·s₂ dμ, and κ = 0 where it is negative. Nothing jumps when the particles move a bit.

    The noise of a width is the standard error of ∫ s₁·s₂ dμ, which is ½ √(K/nd) ∫ ½|s₁ − s₂|² dμ without a few far-out
    particles.

    Parameters
    ----------
    scores : ndarray
        Two independent estimates for each width (w, 2, d, n), from wide to narrow, w ≥ 2.
    inside : sequence of float
        Particles in a window of each width.

    Returns
    -------
    Combination
        The factors of the widths, and what is known of the errors.
    """
    count, _, d, n = scores.shape
    products, squares = width_sums(scores, COMMON)
    parts = [min(1.0, particles / n) for particles in inside]
    noises = [math.sqrt(ALIKE * part / d) * 0.5 * float(square) for part, square in zip(parts, squares, strict=True)]
    step = min(EXTRAPOLATED, 1.0 / (2.0 ** (4.0 / d) - 1.0))
    unit = np.eye(count)
    wide, sharp = unit[0], unit[1] + step * (unit[1] - unit[0])
    variance, part, missing, last = noises[1] ** 2, parts[1], BIAS * noises[1], sharp
    for k in range(2, count):
        here = unit[k] + step * (unit[k] - unit[k - 1])
        change, noise = float(here @ products @ here - last @ products @ last), noises[k]
        kept = max(0.0, 1.0 - (SURELY * noise / change) ** 2) if change > 0 else 0.0
        sharp, wide = sharp + kept * (here - last), wide + kept * (unit[k - 1] - unit[k - 2])
        variance, part = variance + kept * noise**2, part + kept * (parts[k] - parts[k - 1])
        missing += kept * BIAS * noise + LEFT * (1.0 - kept) * max(change, 0.0)
        last = here
    missing += UNSEEN * parts[-1] * noises[-1] * min(1.0, FEW * (d + 1) / inside[-1])
    return Combination(np.stack([sharp, wide]), math.sqrt(variance), missing, part)
