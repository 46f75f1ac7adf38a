"""Rates of decay of the free energy: measured on a run (`decay_rate`), or guaranteed by a theorem (`Certificate`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError, ShapeError, require_number, require_unmasked
from .certificates import Certificate, bakry_emery, double_well_certificate, holley_stroock

__all__ = [
    "Certificate",
    "DecayRate",
    "bakry_emery",
    "decay_rate",
    "double_well_certificate",
    "holley_stroock",
    "relative_fisher",
]

FEWEST_POINTS = 3
"""The fewest records for a fit: a line through two points has no residual."""


@dataclass(frozen=True)
class DecayRate:
    """A decay rate measured on one run: gap(t) ≈ amplitude · e^{−rate·t} over `span`. It is not a bound.

    Attributes
    ----------
    rate : float
        The fitted rate, per unit of flow time.
    amplitude : float
        The fitted gap at t = 0, in the units of F.
    standard_error : float
        Of the rate, for independent errors of log gap. The errors along one run are correlated, so take confidence
        intervals from several runs.
    drift : float
        (rate of the second half of the span − rate of the first half) / rate. If it is not small, the decay is not
        exponential. NaN for fewer than four points.
    span : (float, float)
        The first and the last time of the fit.
    points : int
        Number of records in the fit.

    See Also
    --------
    wgf.diagnostics.rates.decay_rate

    Examples
    --------
    >>> t = np.linspace(0.0, 1.0, 20)
    >>> round(decay_rate(t, 5.0 * np.exp(-2.0 * t)).rate, 6)
    2.0
    """

    rate: float
    amplitude: float
    standard_error: float
    drift: float
    span: tuple[float, float]
    points: int


def decay_rate(t: ArrayLike, gap: ArrayLike, span: tuple[float, float] | None = None, floor: float = 0.0) -> DecayRate:
    """Fit the exponential decay of gap(t) = F(μ_t) − F*, by least squares on its logarithm.

        log gap(t) ≈ log amplitude − rate · t

    Parameters
    ----------
    t : array (m,)
        The times of the records, in flow time.
    gap : array (m,)
        F(μ_t) − F* at these times, positive.
    span : (float, float), optional
        The first and the last time of the fit; by default all times.
    floor : float ≥ 0
        If positive, the fit ends before the first gap at or below it. Give the size of the noise in F.

    Returns
    -------
    DecayRate
        The rate with its standard error, and a measure of how exponential the decay is.

    Raises
    ------
    ShapeError
        Where `t` and `gap` differ in length.
    ConfigError
        For fewer than three different times in the fit, or a gap in it that is not positive.

    See Also
    --------
    wgf.diagnostics.rates.DecayRate, wgf.diagnostics.rates.relative_fisher

    Examples
    --------
    >>> t = np.linspace(0.0, 2.0, 9)
    >>> round(decay_rate(t, 5 * np.exp(-3 * t)).rate, 10)
    3.0
    """
    times = np.asarray(require_unmasked("t", t), dtype=np.float64)
    values = np.asarray(require_unmasked("gap", gap), dtype=np.float64)
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
    """Slope, offset and standard error of the slope of the least-squares line through (x, y)."""
    lever = x - x.mean()
    slope = float(lever @ y / (lever @ lever))
    offset = float(y.mean() - slope * x.mean())
    residual = y - offset - slope * x
    return slope, offset, math.sqrt(float(residual @ residual) / max(len(x) - 2, 1) / float(lever @ lever))


def relative_fisher(dissipation: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Compute the relative Fisher information from the dissipation D of F = E − T·Shannon with a linear energy E.

        I(μ‖π) = ∫|∇log(ρ/π)|² dμ = D/T²,   π ∝ e^{−V/T}

    Parameters
    ----------
    dissipation : array (m,) or float
        D, the rate at which F falls, in units of F per flow time.
    temperature : float > 0
        T, in the units of F.

    Returns
    -------
    array (m,), float64
        I(μ‖π), in units of 1/x².

    Raises
    ------
    ConfigError
        Unless T > 0.

    See Also
    --------
    wgf.diagnostics.rates.decay_rate

    Examples
    --------
    >>> relative_fisher([0.5, 0.25], temperature=0.5).tolist()
    [2.0, 1.0]
    """
    T = require_number("temperature", temperature, positive=True)
    return np.asarray(require_unmasked("dissipation", dissipation), dtype=np.float64) / T**2
