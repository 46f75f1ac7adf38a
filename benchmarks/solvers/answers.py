"""The known answers to the problems of `wgf bench solvers` (closed forms and quadratures), and distances to them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.integrate import cumulative_trapezoid, trapezoid
from scipy.optimize import brentq

from ...precision.answer import gaussian_error as gaussian_error

Quantiles = Callable[[np.ndarray], np.ndarray]
_LEVELS = 100_000


def gaussian_floor(n: int, d: int) -> float:
    """The sampling error: the root mean square of `gaussian_error` for n independent points of the answer."""
    return math.sqrt((1 + (d + 1) / 4) / n)


def quantile_error(x: np.ndarray, weights: np.ndarray, quantiles: Quantiles) -> float:
    """W₂ of weighted points on a line to a law given by its quantiles, over the standard deviation of that law."""
    levels = (np.arange(_LEVELS) + 0.5) / _LEVELS
    order = np.argsort(x)
    reached = np.cumsum(weights[order])
    ours = x[order][np.minimum(np.searchsorted(reached / reached[-1], levels), len(x) - 1)]
    theirs = quantiles(levels)
    return float(np.sqrt(((ours - theirs) ** 2).mean()) / theirs.std())


def quantile_floor(n: int, quantiles: Quantiles, samples: int = 20) -> float:
    """The sampling error: the root mean square of `quantile_error` for n independent points of the answer."""
    rng = np.random.default_rng(0)
    weights = np.full(n, 1 / n)
    errors = [quantile_error(quantiles(rng.random(n)), weights, quantiles) for _ in range(samples)]
    return math.sqrt(float(np.mean(np.square(errors))))


def linear_flow(
    stiffness: np.ndarray, spread: np.ndarray, temperature: float, t: float, mean: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variances (d,) at time t of a linear flow, axis by axis.

    The mean relaxes at the rate `stiffness`, deviations from it at the rate `spread`. For Ornstein–Uhlenbeck the two
    are equal; V = a|x|²/2 with W = b|x|²/2 has a and a + b (docs/theory.md §7, cases 1 and 4).
    """
    rest = temperature / spread
    return mean * np.exp(-stiffness * t), rest + (variance - rest) * np.exp(-2 * spread * t)


def gibbs_quantiles(
    potential: Callable[[np.ndarray], np.ndarray], theta: float, temperature: float, reach: float = 4.0
) -> Quantiles:
    """Quantiles of the self-consistent Gibbs density  ρ ∝ exp(−(V + θ(x²/2 − m x))/T)  with m = ∫ x ρ dx.

    m is the largest solution: 0 where only the symmetric law exists. V and the density are taken on |x| ≤ `reach`.
    """
    x = np.linspace(-reach, reach, 40_001)

    def density(m: float) -> np.ndarray:
        energy = (potential(x) + theta * (x**2 / 2 - m * x)) / temperature
        rho = np.exp(energy.min() - energy)
        return rho / trapezoid(rho, x)

    def excess(m: float) -> float:
        return float(trapezoid(x * density(m), x)) - m

    m = brentq(excess, 0.02, reach, xtol=1e-14) if excess(0.02) > 0 else 0.0
    mass = cumulative_trapezoid(density(m), x, initial=0)
    kept = np.concatenate([[True], np.diff(mass) > 1e-15])
    return lambda levels: np.interp(levels, mass[kept] / mass[-1], x[kept])


def barenblatt_quantiles(t: float) -> Quantiles:
    """Quantiles of the Barenblatt solution of ∂ρ/∂t = (ρ²)'' that begins at a point (docs/theory.md §7, case 6).

    ρ = t^{−1/3}(c − x²/(12 t^{2/3}))₊ with the front at |x| = (9t)^{1/3}. With y = x/front the mass left of y is
    (2 + 3y − y³)/4, whose inverse is a cosine.
    """
    front = (9 * t) ** (1 / 3)
    return lambda levels: 2 * front * np.cos((np.arccos(1 - 2 * levels) + 4 * math.pi) / 3)


def hermite_zeros(n: int) -> np.ndarray:
    """The zeros of the Hermite polynomial Hₙ divided by √n, ascending (docs/theory.md §7, case 5).

    They are the rest positions of n particles under W = |x|²/2 − log|x|.
    """
    return np.polynomial.hermite.hermgauss(n)[0] / math.sqrt(n)


def hermite_scale(start: float, t: float) -> float:
    """The factor c(t) of the flow x = c(t)·zeros under W = |x|²/2 − log|x|, which solves ċ = 1/c − c."""
    return math.sqrt(1 + (start**2 - 1) * math.exp(-2 * t))


def relative_distance(x: np.ndarray, want: np.ndarray, scale: np.ndarray) -> float:
    """‖x − want‖ / ‖scale‖ over all particles."""
    return float(np.linalg.norm(x - want) / np.linalg.norm(scale))
