"""The measurements of a sweep over one resource, and the exponent that the balance of information predicts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..frame import Estimate
from ..frame.statistics import LEVEL, quantile_interval, resampled
from .laws import LAWS, fit_law
from .stock import Balance

Array = NDArray[np.float64]


RESOURCES = ("neurons", "samples", "steps")


CALIBRATION = {"neurons": "samples", "samples": "neurons", "steps": "samples"}
"""For each sweep, the other sweep from which the exponent β of R − R∞ = c I^{−β} is taken."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """The measurements of a sweep over one resource, as arrays (sizes, seeds): the fields of `Balance`."""

    resource: str
    sizes: tuple[int, ...]
    residual: Array
    stock: Array
    injection: Array
    dissipation: Array
    rate: Array
    closure: Array

    @staticmethod
    def of(resource: str, sizes: tuple[int, ...], balances: list[list[Balance]]) -> Sweep:
        """Make a sweep from a row of balances (one for each seed) for each size."""
        names = ("residual", "stock", "injection", "dissipation", "rate", "closure")
        parts = [np.array([[getattr(b, name) for b in row] for row in balances]) for name in names]
        return Sweep(resource, sizes, *parts)

    @property
    def balanced(self) -> Array:
        """J/γ, the stock at which injection and dissipation balance, an array (sizes, seeds)."""
        return self.injection / self.dissipation

    def exponent(self, residual: Array) -> float:
        """The exponent α of R = R∞ + c N^{−α}, fitted to means R (sizes,) with the weights of `errors`."""
        return fit_law("power", self.sizes, residual, self.errors)[0]["exponent"]

    @property
    def errors(self) -> Array:
        """Standard errors of the mean of R over seeds (sizes,)."""
        return self.residual.std(axis=1, ddof=1) / math.sqrt(self.residual.shape[1])

    def advantage(self, residual: Array) -> float:
        """(AICc of the better of the two other laws) − (AICc of the power law), for means R (sizes,).

        Positive where the power law is better. NaN for fewer than five sizes.
        """
        m, scores = len(self.sizes), {}
        for law, names in LAWS.items():
            k = len(names)
            _, chi_square = fit_law(law, self.sizes, residual, self.errors)
            scores[law] = chi_square + 2 * k + 2 * k * (k + 1) / (m - k - 1) if m >= k + 2 else math.nan
        return min(scores["exponential"], scores["logarithmic"]) - scores["power"]


def slope(sizes: tuple[int, ...], values: Array) -> float:
    """The exponent of a power law through positive values (sizes,), by least squares in logarithms.

    NaN where a value is not positive.
    """
    if not (values > 0).all():
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


@dataclass(frozen=True)
class Exponents:
    """The fitted and the predicted exponent of one sweep.

    Attributes
    ----------
    resource, calibration : str
        The sweep, and the other sweep that β is taken from.
    fitted : Estimate
        α, fitted to R.
    growth : Estimate
        κ of J/γ ∝ N^κ.
    foretold : Estimate
        The predicted α = βκ.
    difference : Estimate
        The fitted minus the predicted α.
    """

    resource: str
    calibration: str
    fitted: Estimate
    growth: Estimate
    foretold: Estimate
    difference: Estimate


def foretell(sweeps: dict[str, Sweep], resource: str, copies: int) -> Exponents:
    """Predict the exponent of a sweep: α = βκ, with its own κ and β = α/κ of the sweep in `CALIBRATION`.

    The intervals are over resampled seeds.
    """
    own, other = sweeps[resource], sweeps[CALIBRATION[resource]]

    def numbers(pick: Any) -> list[float]:
        a, b = own.exponent(own.residual[:, pick].mean(axis=1)), other.exponent(other.residual[:, pick].mean(axis=1))
        here = slope(own.sizes, own.balanced[:, pick].mean(axis=1))
        there = slope(other.sizes, other.balanced[:, pick].mean(axis=1))
        foretold = b / there * here
        return [a, here, foretold, a - foretold]

    seeds = np.arange(own.residual.shape[1])
    picks = resampled([seeds.astype(np.float64)], copies, seed=1)[0].astype(int)
    drawn = np.array([numbers(pick) for pick in picks])
    values = numbers(seeds)
    method = f"bootstrap over {len(seeds)} seeds"
    return Exponents(resource, other.resource, *(interval(v, c, method) for v, c in zip(values, drawn.T, strict=True)))


def interval(value: float, copies: Array, method: str, why: str = "J/γ is not positive in all copies") -> Estimate:
    """A percentile interval. NaN where a copy is not finite, because the tails are then not known; `why` says so."""
    if not (np.isfinite(copies).all() and math.isfinite(value)):
        return Estimate(math.nan, math.nan, math.nan, LEVEL, f"{method}; {why}")
    return quantile_interval(value, copies, method=method)
