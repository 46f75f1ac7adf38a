"""Laws with known entropy and dissipation, and one record or one run from their particles.

The energy is V = |x|²/2 at T = 1, so D = ∫ |x + ∇log ρ|² ρ. The constants of the estimates were chosen on these laws
and their kind; those of `held_out` are others.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import wgf

from ...errors import WgfWarning
from ...solvers import Langevin

Sampler = Callable[[Any, int], np.ndarray]


@dataclass(frozen=True)
class Law:
    """A probability law with its entropy S and its dissipation D under V = |x|²/2 at T = 1."""

    name: str
    sample: Sampler
    entropy: float
    dissipation: float


def gaussian(*variances: float, angle: float = 0.6) -> Law:
    """A Gaussian with these variances, turned in the plane of its first two axes."""
    v, turn = np.array(variances), np.eye(len(variances))
    if len(v) > 1:
        turn[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]

    def sample(rng: Any, n: int) -> np.ndarray:
        return (rng.normal(size=(n, len(v))) * np.sqrt(v)) @ turn.T

    name = "Gaussian " + ":".join(f"{a:g}" for a in variances)
    return Law(name, sample, 0.5 * float(np.log(2 * math.pi * math.e * v).sum()), float((v - 2 + 1 / v).sum()))


def line(log_density: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> tuple[Sampler, float, float]:
    """Numbers with a density on a line by its inverse distribution; its S, and ∫(x + s)²ρ."""
    x = np.linspace(low, high, 40_001)
    p, step = np.exp(log_density(x)), x[1] - x[0]
    total = np.concatenate([[0.0], np.cumsum(0.5 * (p[1:] + p[:-1]))])
    p = p / (total[-1] * step)
    score = np.gradient(log_density(x), x)
    entropy = -float((p * np.log(np.maximum(p, 1e-300))).sum() * step)

    def sample(rng: Any, n: int) -> np.ndarray:
        return np.interp(rng.random(n), total / total[-1], x)

    return sample, entropy, float((p * (x + score) ** 2).sum() * step)


def double_well(temperature: float, flat: bool) -> Law:
    """The Gibbs law of x⁴/4 − x²/2, times that of a parabola if `flat`."""
    sample, entropy, rate = line(lambda x: -(x**4 / 4 - x**2 / 2) / temperature, -4, 4)
    if not flat:
        return Law("double well", lambda rng, n: sample(rng, n)[:, None], entropy, rate)

    def both(rng: Any, n: int) -> np.ndarray:
        return np.stack([sample(rng, n), math.sqrt(temperature) * rng.normal(size=n)], axis=1)

    own = gaussian(temperature)
    return Law("double well × parabola", both, entropy + own.entropy, rate + own.dissipation)


def ring(radius: float, width: float) -> Law:
    """A ring: the density is a Gaussian of |x| around `radius`."""
    r = np.linspace(1e-9, radius + 10 * width, 40_001)
    log_density, step = -((r - radius) ** 2) / (2 * width**2), r[1] - r[0]
    mass = float((2 * math.pi * r * np.exp(log_density)).sum() * step)
    p = 2 * math.pi * r * np.exp(log_density) / mass
    entropy = -float((p * (log_density - math.log(mass))).sum() * step)
    rate = float((p * (r - (r - radius) / width**2) ** 2).sum() * step)
    along = line(lambda s: np.log(s) - (s - radius) ** 2 / (2 * width**2), 1e-9, radius + 10 * width)[0]

    def sample(rng: Any, n: int) -> np.ndarray:
        angle, s = 2 * math.pi * rng.random(n), along(rng, n)
        return np.stack([s * np.cos(angle), s * np.sin(angle)], axis=1)

    return Law("ring", sample, entropy, rate)


def banana(bend: float, length: float, width: float) -> Law:
    """(x, b(x² − s²) + e) for x of standard deviation s and e of standard deviation `width`."""

    def sample(rng: Any, n: int) -> np.ndarray:
        x = length * rng.normal(size=n)
        return np.stack([x, bend * (x * x - length**2) + width * rng.normal(size=n)], axis=1)

    information = 1 / length**2 + (1 + 4 * bend**2 * length**2) / width**2
    second = length**2 + 2 * bend**2 * length**4 + width**2
    name = f"banana {bend:g}, {length:g}, {width:g}"
    return Law(name, sample, math.log(2 * math.pi * math.e * length * width), second - 4 + information)


LAWS = (
    gaussian(4, 0.25), gaussian(10, 0.1), gaussian(4, 0.25, 1), gaussian(10, 0.1, 1), double_well(0.5, flat=True),
    ring(2, 0.3), banana(0.5, 1, 0.5), banana(0.3, 1.5, 0.3), banana(1, 1, 0.3), double_well(0.3, flat=False),
)  # fmt: skip
"""The laws on which constants were chosen."""


def record(law: Law, n: int, seed: int) -> tuple[float, float, float, float]:
    """D, its error bar, S and its error bar at one record."""
    mu = wgf.Ensemble(law.sample(np.random.default_rng(seed), n))
    row = wgf.solve(wgf.Quadratic() - wgf.Shannon(), mu, Langevin(), dt=0.1, t_end=0.0).ledger.row(0)
    return row["dissipation"], row["dissipation_error"], row["entropy"], row["entropy_error"]


def closure(law: Law, n: int, seed: int) -> tuple[float, float]:
    """The closure of a run to t = 1 and its error bar."""
    mu = wgf.Ensemble(law.sample(np.random.default_rng(seed), n))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WgfWarning)
        sol = wgf.solve(wgf.Quadratic() - wgf.Shannon(), mu, Langevin(), dt=0.005, t_end=1.0, record_every=5, seed=seed)
    return sol.ledger["closure_total"][-1], sol.ledger["closure_error"][-1]
