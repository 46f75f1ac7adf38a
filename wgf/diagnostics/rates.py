"""How fast a flow settles: rates measured on a run, and rates that a theorem certifies, never one as the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError, ShapeError, require_number

FEWEST_POINTS = 3
"""A line through two points has no error to be judged by."""


@dataclass(frozen=True)
class DecayRate:
    """gap(t) ≈ amplitude · e^{−rate·t}, fitted over `span`; a measurement, and no bound.

    `standard_error` is that of the fit under independent errors in the logarithm; along one run these are correlated,
    so intervals come from several runs. `drift` is the rate of the second half of the span less that of the first, in
    units of the rate: where it is not small the decay is not exponential there.
    """

    rate: float
    amplitude: float
    standard_error: float
    drift: float
    span: tuple[float, float]
    points: int


@dataclass(frozen=True)
class Certificate:
    """F(μ_t) − F* ≤ e^{−rate·t} (F(μ_0) − F*), by the theorem `name` under `assumption`: a bound, no measurement."""

    rate: float
    name: str
    assumption: str


def decay_rate(t: ArrayLike, gap: ArrayLike, span: tuple[float, float] | None = None, floor: float = 0.0) -> DecayRate:
    """Fit the exponential decay of gap(t) = F(μ_t) − F*, by least squares of its logarithm over `span`.

    t (m,), gap (m,); rates are per time of the flow. With `floor` > 0 the fit ends before the first gap at or below it:
    give the size of the noise in F, below which its logarithm means nothing. ShapeError where the lengths differ,
    ConfigError for fewer than three points or a gap in the span that is not positive.

    >>> t = np.linspace(0.0, 2.0, 9)
    >>> round(decay_rate(t, 5 * np.exp(-3 * t)).rate, 10)
    3.0
    """
    times, values = np.asarray(t, dtype=np.float64), np.asarray(gap, dtype=np.float64)
    if times.ndim != 1 or times.shape != values.shape:
        raise ShapeError(f"t {times.shape} and gap {values.shape}: wanted two rows of the same length.")
    require_number("floor", floor, nonnegative=True)
    low, high = span or (-math.inf, math.inf)
    inside = (times >= low) & (times <= high)
    if floor > 0 and (values[inside] <= floor).any():
        inside &= times < times[inside & (values <= floor)].min()
    x, y = times[inside], values[inside]
    if len(np.unique(x)) < FEWEST_POINTS:
        raise ConfigError(
            f"{len(np.unique(x))} times between {low:g} and {high:g} with a gap above {floor:g}: wanted at least "
            f"{FEWEST_POINTS}; record more often, or give a wider span."
        )
    if not (np.isfinite(y) & (y > 0)).all():
        worst = int(np.argmin(np.where(np.isfinite(y), y, -math.inf)))
        raise ConfigError(
            f"gap = {y[worst]:g} at t = {x[worst]:g}: wanted positive numbers, F less its infimum; is F* too large, or "
            "the gap below its noise (give floor)?"
        )
    slope, offset, error = _line(x, np.log(y))
    half = len(x) // 2
    drift = math.nan
    if half >= 2:
        first, second = _line(x[: half + 1], np.log(y[: half + 1]))[0], _line(x[half:], np.log(y[half:]))[0]
        drift = (second - first) / slope if slope else math.nan
    return DecayRate(-slope, math.exp(offset), error, drift, (float(x[0]), float(x[-1])), len(x))


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    """Slope, offset and the standard error of the slope."""
    lever = x - x.mean()
    slope = float(lever @ y / (lever @ lever))
    offset = float(y.mean() - slope * x.mean())
    residual = y - offset - slope * x
    return slope, offset, math.sqrt(float(residual @ residual) / max(len(x) - 2, 1) / float(lever @ lever))


def bakry_emery(curvature: float) -> Certificate:
    """V with ∇²V ≥ k > 0 and Shannon at any temperature T: KL(μ_t‖π) ≤ e^{−2kt} KL(μ_0‖π).

    The Gibbs law e^{−V/T} has the log-Sobolev constant α = k/T (KL ≤ I/2α), and the rate 2αT = 2k does not depend on
    T. A convex interaction W added to V leaves the certificate as it is (Carrillo, McCann & Villani 2003). ConfigError
    unless k > 0. (Bakry & Émery 1985.)

    >>> bakry_emery(1.5).rate
    3.0
    """
    k = require_number("curvature", curvature, positive=True)
    return Certificate(2 * k, "Bakry–Émery", f"∇²V ≥ {k:g}")


def holley_stroock(curvature: float, oscillation: float, temperature: float) -> Certificate:
    """V = V₀ + U with ∇²V₀ ≥ k > 0 and U bounded: the rate is 2k e^{−osc U/T}, osc U = sup U − inf U.

    The log-Sobolev constant of e^{−V/T} is at least that of e^{−V₀/T} times e^{−osc U/T}. ConfigError unless k > 0,
    osc ≥ 0 and T > 0. (Holley & Stroock 1987, J. Stat. Phys. 46, 1159.)

    >>> round(holley_stroock(1.0, 0.5, 1.0).rate, 6)
    1.213061
    """
    k = require_number("curvature", curvature, positive=True)
    osc = require_number("oscillation", oscillation, nonnegative=True)
    T = require_number("temperature", temperature, positive=True)
    rate = 2 * k * math.exp(-osc / T)
    return Certificate(rate, "Holley–Stroock", f"V = V₀ + U, ∇²V₀ ≥ {k:.4g}, osc U ≤ {osc:.4g}, T = {T:g}")


def double_well_certificate(temperature: float) -> Certificate:
    """The best `holley_stroock` of this split for V = x⁴/4 − x²/2 (plus any convex potential of other coordinates with
    at least this curvature).

    With c² = 1 + k let V₀ be V beyond |x| = c and the parabola kx²/2 that meets it there with the same slope within;
    then V₀″ ≥ k and U = V − V₀ = (x² − c²)²/4 on |x| < c, so osc U = (1 + k)²/4. The rate 2k e^{−(1+k)²/4T} is largest
    where k² + k = 2T.

    >>> round(double_well_certificate(0.5).rate, 4)
    0.3338
    """
    T = require_number("temperature", temperature, positive=True)
    k = 0.5 * (math.sqrt(1 + 8 * T) - 1)
    return holley_stroock(k, 0.25 * (1 + k) ** 2, T)


def relative_fisher(dissipation: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """I(μ‖π) = ∫|∇log(ρ/π)|² dμ = D/T², from the dissipation D of F = E − T·Shannon with linear E."""
    T = require_number("temperature", temperature, positive=True)
    return np.asarray(dissipation, dtype=np.float64) / T**2
