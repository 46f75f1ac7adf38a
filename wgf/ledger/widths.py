"""Scores from windows of several widths: which widths count, and how far the result may be from the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

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
class Width:
    """Scores from windows of one width.

    Attributes
    ----------
    scores : ndarray
        Two independent estimates (2, n, d).
    inside : float
        Particles in a window.
    """

    scores: np.ndarray
    inside: float

    def part(self) -> float:
        """The part of all particles that is in a window."""
        return min(1.0, self.inside / self.scores.shape[1])

    def noise(self) -> float:
        """The standard error of ∫ s₁·s₂ dμ, which is ½ √(K/nd) ∫ ½|s₁ − s₂|² dμ without a few far-out particles."""
        apart = self.scores[0] - self.scores[1]
        squares = np.einsum("nc,nc->n", apart, apart)
        common = np.partition(squares, int(COMMON * (len(squares) - 1)))[int(COMMON * (len(squares) - 1))]
        return math.sqrt(ALIKE * self.part() / apart.shape[1]) * 0.5 * float(np.minimum(squares, common).mean())


@dataclass(frozen=True, eq=False)
class Combined:
    """Scores from all widths.

    Attributes
    ----------
    scores, smoother : ndarray
        Two independent estimates (2, n, d), and the same from wider windows.
    noise : float
        The standard error of ∫ s₁·s₂ dμ from the noise of the scores.
    missing : float
        How much ∫ s₁·s₂ dμ may be off besides.
    part : float
        The part of all particles in a window.
    """

    scores: np.ndarray
    smoother: np.ndarray
    noise: float
    missing: float
    part: float


def combined(widths: list[Width]) -> Combined:
    """Combine scores from windows of 2K, K, K/2, … particles.

    Smoothing makes ∫ |s|² dμ smaller: where narrower windows see more than noise, wider ones are too wide. Each width
    is extrapolated by the next wider one, t = s + (s − s')/(2^{4/d} − 1). Then the narrower ones are added as far as
    they differ,

        s = t₁ + Σ κ (t − t'),    κ = max(0, 1 − (3 noise/change)²),

    where the change is that of ∫ s₁·s₂ dμ, and κ = 0 where it is negative. Nothing jumps when the particles move a bit.

    Parameters
    ----------
    widths : list of Width
        From wide to narrow, two or more.

    Returns
    -------
    Combined
        The combination.
    """
    d, count = widths[0].scores.shape[2], len(widths)
    step = min(EXTRAPOLATED, 1.0 / (2.0 ** (4.0 / d) - 1.0))
    unit = np.eye(count)
    wide, sharp = unit[0], unit[1] + step * (unit[1] - unit[0])
    noises, parts = [width.noise() for width in widths[1:]], [width.part() for width in widths[1:]]
    products = np.array([[_mean_product(a.scores[0], b.scores[1]) for b in widths] for a in widths])
    variance, part, missing, last = noises[0] ** 2, parts[0], BIAS * noises[0], sharp
    for k in range(2, count):
        here = unit[k] + step * (unit[k] - unit[k - 1])
        change, noise = float(here @ products @ here - last @ products @ last), noises[k - 1]
        kept = max(0.0, 1.0 - (SURELY * noise / change) ** 2) if change > 0 else 0.0
        sharp, wide = sharp + kept * (here - last), wide + kept * (unit[k - 1] - unit[k - 2])
        variance, part = variance + kept * noise**2, part + kept * (parts[k - 1] - parts[k - 2])
        missing += kept * BIAS * noise + LEFT * (1.0 - kept) * max(change, 0.0)
        last = here
    missing += UNSEEN * parts[-1] * noises[-1] * min(1.0, FEW * (d + 1) / widths[-1].inside)
    return Combined(_sum(sharp, widths), _sum(wide, widths), math.sqrt(variance), missing, part)


def _mean_product(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.einsum("nc,nc->", a, b)) / len(a)


def _sum(factors: np.ndarray, widths: list[Width]) -> np.ndarray:
    """The sum of scores with factors; those that are 0 cost nothing."""
    chosen = [(factor, width.scores) for factor, width in zip(factors, widths, strict=True) if factor != 0]
    total = chosen[0][0] * chosen[0][1]
    for factor, scores in chosen[1:]:
        total += factor * scores
    return total
