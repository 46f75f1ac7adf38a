"""Fits of three scaling laws (power, exponential, logarithmic) to the same data, and their comparison by AICc."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from ...errors import ConfigError, closest
from ..frame import Estimate
from ..frame.statistics import LEVEL, quantile_interval, resampled, sizes_with_replicas

FEWEST = 4
"""The fewest sizes for a law with three parameters: with three there would be no residual."""

LAWS = {
    "power": ("offset", "amplitude", "exponent"),
    "exponential": ("offset", "amplitude", "rate"),
    "logarithmic": ("offset", "amplitude"),
}
"""R = R∞ + c N^{−α};  R = R∞ + c e^{−rN};  R = R∞ − c log N (which has no finite limit: R∞ is its value at N = 1)."""


@dataclass(frozen=True)
class LawFit:
    """A fitted scaling law.

    Attributes
    ----------
    law, parameters : str and dict of str to float
        Its name and its parameters, as in `LAWS`.
    chi_square : float
        χ² over the sizes.
    aicc : float
        The corrected Akaike criterion; smaller is better. NaN for fewer than (parameters + 2) sizes.
    weight : float
        Its Akaike weight among the compared laws.
    prediction_error : float
        The error of predicting the largest size from the smaller ones, in standard errors of the value there.
    """

    law: str
    parameters: dict[str, float]
    chi_square: float
    aicc: float
    weight: float
    prediction_error: float

    def __call__(self, size: ArrayLike) -> NDArray[np.float64]:
        """The fitted value at a size."""
        return evaluate(self.law, self.parameters, size)


def evaluate(law: str, parameters: dict[str, float], size: ArrayLike) -> NDArray[np.float64]:
    """R at a size for given parameters of a law."""
    n = np.asarray(size, dtype=np.float64)
    return parameters["offset"] + parameters["amplitude"] * _shape(law, n, parameters)


def _shape(law: str, n: NDArray[np.float64], parameters: dict[str, float]) -> NDArray[np.float64]:
    if law == "power":
        return n ** -parameters["exponent"]
    if law == "exponential":
        return np.exp(-parameters["rate"] * n)
    return -np.log(n)


def fit_law(
    law: str, sizes: ArrayLike, values: ArrayLike, errors: ArrayLike | None = None
) -> tuple[dict[str, float], float]:
    """Fit a scaling law by weighted least squares.

    Parameters
    ----------
    law : str
        A name of `LAWS`.
    sizes, values : arrays (m,)
        At least four different positive sizes, and the value at each.
    errors : array (m,), optional
        Standard errors of the values; 1 by default.

    Returns
    -------
    (dict of str to float, float)
        The parameters by name, and χ² = Σ (residual/error)².

    Raises
    ------
    ConfigError
        For an unknown law, too few sizes, or errors that are not positive.

    Notes
    -----
    Offset and amplitude are linear and are solved exactly for every shape (variable projection, Golub & Pereyra 1973).
    The shape is searched on a logarithmic grid (α from 0.02 to 20, 1/r from a twentieth of the smallest size to 50
    times the largest), then refined. A shape at an end of that range is a sign that the law does not fit.

    Examples
    --------
    >>> p, _ = fit_law("power", [1, 2, 4, 8, 16], [1 + 2 / n for n in (1, 2, 4, 8, 16)])
    >>> [round(p[k], 5) for k in ("offset", "amplitude", "exponent")]
    [1.0, 2.0, 1.0]
    """
    if law not in LAWS:
        raise ConfigError(f"law {law!r}{closest(law, LAWS)}")
    n, y = np.asarray(sizes, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if n.ndim != 1 or n.shape != y.shape or len(np.unique(n)) < FEWEST or not (n > 0).all() or not np.isfinite(y).all():
        raise ConfigError(
            f"a law with an offset fitted over {len(np.unique(n))} sizes with {y.size} values: wanted at least "
            f"{FEWEST} different positive sizes and one finite value for each."
        )
    sigma = np.ones_like(n) if errors is None else np.asarray(errors, dtype=np.float64)
    if sigma.shape != n.shape or not (np.isfinite(sigma) & (sigma > 0)).all():
        raise ConfigError("errors: wanted one positive number for each size.")
    if law == "logarithmic":
        return _linear(law, n, y, sigma, {})
    name = LAWS[law][2]
    grid = np.geomspace(0.02, 20.0, 60) if law == "power" else 1.0 / np.geomspace(50 * n.max(), 0.05 * n.min(), 120)

    def misfit(log_shape: float) -> float:
        return _linear(law, n, y, sigma, {name: math.exp(log_shape)})[1]

    logs = np.sort(np.log(grid))
    best = int(np.argmin([misfit(value) for value in logs]))
    bracket = logs[max(best - 1, 0)], logs[min(best + 1, len(logs) - 1)]
    found = optimize.minimize_scalar(misfit, bounds=bracket, method="bounded", options={"xatol": 1e-9})
    shape = found.x if found.fun <= misfit(logs[best]) else logs[best]
    return _linear(law, n, y, sigma, {name: math.exp(shape)})


def _linear(
    law: str, n: NDArray[np.float64], y: NDArray[np.float64], sigma: NDArray[np.float64], shape: dict[str, float]
) -> tuple[dict[str, float], float]:
    """Offset and amplitude at a given shape, by the weighted least-squares line through (column, y), and χ²."""
    column = _shape(law, n, shape)
    w = sigma**-2 / (sigma**-2).sum()
    lever = column - w @ column
    moment = float(w @ lever**2)
    amplitude = float(w @ (lever * y)) / moment if moment > 0 else 0.0  # 0 where the column underflows
    offset = float(w @ y) - amplitude * float(w @ column)
    chi_square = float((((offset + amplitude * column - y) / sigma) ** 2).sum())
    return {"offset": offset, "amplitude": amplitude, **shape}, chi_square


def compare_laws(
    sizes: ArrayLike, replicas: Sequence[ArrayLike], laws: Sequence[str] = tuple(LAWS)
) -> dict[str, LawFit]:
    """Fit each law to the means of the replicas at m sizes, and compare the laws by AICc and by prediction.

        AICc = χ² + 2k + 2k(k+1)/(m − k − 1)

    Parameters
    ----------
    sizes, replicas : array (m,) and m arrays (replicas,)
        At least four different positive sizes, and at each the values over seeds.
    laws : sequence of str
        Names of `LAWS`.

    Returns
    -------
    dict of str to LawFit
        The fits by the name of the law.

    Raises
    ------
    ConfigError
        For fewer than four sizes or two replicas, or where the replicas at a size are all equal.

    Notes
    -----
    χ² uses the standard errors of the means over replicas. So k counts the parameters of the law alone (Burnham &
    Anderson 2002). For the prediction error all sizes but the largest are fitted and that one is predicted. Unlike χ²
    it does not improve just by more parameters. It is NaN where too few sizes are left.
    """
    n, rows = sizes_with_replicas(sizes, replicas, FEWEST)
    y = np.array([row.mean() for row in rows])
    sigma = np.array([row.std(ddof=1) / math.sqrt(len(row)) for row in rows])
    if not (sigma > 0).all():
        raise ConfigError("replicas without any scatter: their standard error is 0 and laws cannot be weighed.")
    raw: dict[str, LawFit] = {}
    last = int(n.argmax())
    rest = np.arange(len(n)) != last
    for law in laws:
        parameters, chi_square = fit_law(law, n, y, sigma)
        k, m = len(LAWS[law]), len(n)
        aicc = chi_square + 2 * k + 2 * k * (k + 1) / (m - k - 1) if m >= k + 2 else math.nan
        error = math.nan
        if len(n) > FEWEST:
            smaller, _ = fit_law(law, n[rest], y[rest], sigma[rest])
            error = float((evaluate(law, smaller, n[last]) - y[last]) / sigma[last])
        raw[law] = LawFit(law, parameters, chi_square, aicc, math.nan, error)
    scores = np.array([fit.aicc for fit in raw.values()])
    if np.isfinite(scores).all():
        weights = np.exp(-0.5 * (scores - scores.min()))
        weights = weights / weights.sum()
        raw = {
            law: LawFit(law, fit.parameters, fit.chi_square, fit.aicc, float(weight), fit.prediction_error)
            for (law, fit), weight in zip(raw.items(), weights, strict=True)
        }
    return raw


def law_intervals(
    law: str,
    sizes: ArrayLike,
    replicas: Sequence[ArrayLike],
    *,
    paired: bool = False,
    level: float = LEVEL,
    resamples: int = 400,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Each parameter of a law with its percentile interval over resampled replicas; the weights are those of
    `compare_laws`."""
    n, rows = sizes_with_replicas(sizes, replicas, FEWEST)
    sigma = np.array([row.std(ddof=1) / math.sqrt(len(row)) for row in rows])
    sigma = sigma if (sigma > 0).all() else np.ones_like(sigma)
    fitted, _ = fit_law(law, n, [row.mean() for row in rows], sigma)
    copies = np.stack([block.mean(axis=-1) for block in resampled(rows, resamples, seed, paired)], axis=1)
    parameters = [fit_law(law, n, y, sigma)[0] for y in copies]
    fewest = min(map(len, rows))
    method = f"bootstrap over {fewest} seeds at {len(n)} sizes"
    return {
        name: quantile_interval(value, [copy[name] for copy in parameters], level, method, fewest)
        for name, value in fitted.items()
    }
