"""Statistics over replicas (runs with different seeds): confidence intervals, power-law fits and extrapolations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ...errors import ConfigError, require_integer, require_number, require_unmasked
from ...ops import ROUNDING
from ...ops.memory import counted, require_memory
from .estimate import LEVEL, Estimate

RESAMPLES = 2000
"""The default number of bootstrap resamples: enough to know the ends of a 95 % interval to about 5 % of its width."""
FEWEST_SIZES = 3
"""The fewest sizes for a fit: a line through two sizes has no residual."""


def _sample(values: ArrayLike, fewest: int, what: str) -> NDArray[np.float64]:
    """Check one value per seed: a float64 array with at least `fewest` finite values."""
    sample = np.asarray(require_unmasked("values", values), dtype=np.float64)
    if sample.ndim != 1 or len(sample) < fewest or not np.isfinite(sample).all():
        raise ConfigError(
            f"{what} of {sample.size} values, {int(np.isfinite(sample).sum())} of them finite: wanted at least "
            f"{fewest} finite numbers in one row, one per seed; run more seeds."
        )
    return sample


def t_interval(values: ArrayLike, level: float = LEVEL) -> Estimate:
    """Student's interval  m ± t s/√n  for the mean of n ≥ 2 independent values; exact for normal values (Student 1908).

    Raises ConfigError for fewer than two values, or a value that is not finite.

    >>> print(t_interval([1.0, 2.0, 3.0]))
    2 [−0.4841, 4.484]
    """
    sample = _sample(values, 2, "an interval")
    level = _level(level)
    mean, error = float(sample.mean()), float(sample.std(ddof=1)) / math.sqrt(len(sample))
    reach = float(stats.t.ppf(0.5 + 0.5 * level, len(sample) - 1)) * error
    return Estimate(mean, mean - reach, mean + reach, level, f"Student t, {len(sample)} seeds")


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[..., Any] = np.mean,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Compute a statistic of n ≥ 3 independent values, with its BCa bootstrap interval (Efron 1987) by SciPy.

    `statistic` is a function of an array and `axis`, such as `numpy.median`. Equal values give an interval of length 0.
    """
    sample = _sample(values, 3, "a bootstrap")
    value = float(statistic(sample, axis=-1))
    if np.ptp(sample) <= 2 * ROUNDING * np.finfo(np.float64).eps * np.abs(sample).max():
        return Estimate(value, value, value, _level(level), "all values equal")
    count = require_integer("resamples", resamples, low=100)
    _require_room(count, len(sample))
    result = stats.bootstrap(
        (sample,), statistic, confidence_level=_level(level), method="BCa",
        n_resamples=count, rng=np.random.default_rng(seed), vectorized=True,
    )  # fmt: skip
    low, high = (float(end) for end in result.confidence_interval)
    return Estimate(value, low, high, level, f"BCa bootstrap, {len(sample)} seeds")


def quantile_interval(
    value: float, resampled: ArrayLike, level: float = LEVEL, method: str = "bootstrap", replicas: int | None = None
) -> Estimate:
    """Attach to a number the percentile interval of its bootstrap copies `resampled` (copies,).

    Plain percentile intervals are too narrow for few replicas. If the number r of replicas is given, the interval is
    the expanded one of Hesterberg (2015, Am. Stat. 69): its tails have the probability Φ(−√(r/(r−1)) t), with t
    Student's quantile for r − 1 degrees of freedom.
    """
    copies = _sample(resampled, 20, "a percentile interval")
    tail = 0.5 - 0.5 * _level(level)
    if replicas is not None:
        tail = float(stats.norm.cdf(math.sqrt(replicas / (replicas - 1)) * stats.t.ppf(tail, replicas - 1)))
    low, high = np.quantile(copies, [tail, 1 - tail])
    return Estimate(float(value), float(low), float(high), level, method)


def _require_room(resamples: int, values: int) -> None:
    """Refuse more bootstrap copies than memory holds."""
    require_memory(
        f"{counted(resamples)} bootstrap copies of {values} values", 16 * resamples * values, "take fewer resamples"
    )


def _level(level: float) -> float:
    if not 0 < require_number("level", level) < 1:
        raise ConfigError(f"level = {level!r}: wanted a number between 0 and 1, as in 0.95.")
    return float(level)


# ---------------------------------------------------------------------------------------------- over sizes


@dataclass(frozen=True)
class PowerLaw:
    """A fitted power law y = prefactor · size^exponent, with an interval for both parameters.

    `chi_square` is χ² per degree of freedom. Far above 1, no power law fits within the scatter of the replicas.
    """

    exponent: Estimate
    prefactor: Estimate
    chi_square: float

    def __call__(self, size: ArrayLike) -> NDArray[np.float64]:
        """The fitted y at a size."""
        return self.prefactor.value * np.asarray(size, dtype=np.float64) ** self.exponent.value


def sizes_with_replicas(
    sizes: ArrayLike, replicas: Sequence[ArrayLike], fewest: int = FEWEST_SIZES
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Check the data of a fit: at least `fewest` different positive sizes, each with a row of values over seeds."""
    n = np.asarray(sizes, dtype=np.float64)
    if n.ndim != 1 or len(np.unique(n)) < fewest:
        raise ConfigError(
            f"a fit over {len(np.unique(n))} sizes: wanted at least {fewest} different ones; add sizes to the sweep."
        )
    if len(n) != len(np.unique(n)) or not (np.isfinite(n) & (n > 0)).all() or len(replicas) != len(n):
        raise ConfigError(
            f"sizes {n.tolist()} with {len(replicas)} rows of replicas: wanted distinct positive sizes, a row for each."
        )
    return n, [_sample(row, 2, f"replicas at size {size:g}") for size, row in zip(n, replicas, strict=True)]


def resampled(
    rows: Sequence[NDArray[np.float64]], resamples: int = RESAMPLES, seed: int = 0, paired: bool = False
) -> list[NDArray[np.float64]]:
    """Draw bootstrap copies of each row of values, with replacement: a list of arrays (resamples, replicas).

    Set `paired` where the rows share their seeds, that is, replica k of every row has the same noise. Then the same
    replicas are drawn in all rows; otherwise each row is drawn independently.
    """
    _require_room(resamples, sum(map(len, rows)))
    rng = np.random.default_rng(seed)
    if paired:
        count = len(rows[0])
        if any(len(row) != count for row in rows):
            raise ConfigError("replicas with common seeds must be equally many at every size.")
        pick = rng.integers(count, size=(resamples, count))
        return [row[pick] for row in rows]
    return [row[rng.integers(len(row), size=(resamples, len(row)))] for row in rows]


def power_law(
    sizes: ArrayLike,
    replicas: Sequence[ArrayLike],
    *,
    statistic: Callable[..., Any] = np.mean,
    paired: bool = False,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PowerLaw:
    """Fit the power law  log y = log c + a log size,  where y is a statistic of the replicas at each size.

    Parameters
    ----------
    sizes, replicas : arrays (m,) and m arrays (replicas,)
        Different positive sizes, and at each the values over seeds.
    statistic : function of an array and `axis`
        Makes y from the values at one size.
    paired : bool
        Whether the sizes share their seeds; see `resampled`.
    level, resamples, seed : float, int, int
        Of the bootstrap intervals.

    Returns
    -------
    PowerLaw
        The exponent a and the prefactor c, and how well the law fits.

    Raises
    ------
    ConfigError
        For fewer than three sizes or two replicas, or where the interval of y contains 0, which has no logarithm.

    Notes
    -----
    Weighted least squares with the weights (y/s)², s the bootstrap deviation of y, or 1 where nothing scatters. The
    intervals are expanded percentiles over resampled replicas at fixed weights; they need no model of the noise.

    Examples
    --------
    >>> fit = power_law([1, 2, 4, 8], [[3 / n, 3 / n] for n in (1, 2, 4, 8)])
    >>> round(fit.exponent.value, 12), round(fit.prefactor.value, 12)
    (-1.0, 3.0)
    """
    n, rows = sizes_with_replicas(sizes, replicas)
    resamples = require_integer("resamples", resamples, low=100)
    y = np.array([float(statistic(row, axis=-1)) for row in rows])
    copies = np.stack([statistic(block, axis=-1) for block in resampled(rows, resamples, seed, paired)])
    for size, value, block in zip(n, y, copies, strict=True):
        if value <= 0 or np.mean(block <= 0) > 0.5 - 0.5 * level:
            raise ConfigError(
                f"size {size:g}: {value:.3g} ± {block.std():.2g} is not told from 0, so it has no logarithm to fit; "
                "run more seeds or leave the size out."
            )
    scatter = copies.std(axis=1) / y
    noisy = bool((scatter > 0).all())
    weight = scatter**-2 if noisy else np.ones(len(y))
    positive = np.where(copies > 0, copies, np.min(copies, axis=1, where=copies > 0, initial=math.inf)[:, None])
    slope, offset = _line(np.log(n), np.log(y), weight)
    slopes, offsets = _line(np.log(n), np.log(positive), weight)
    residual = np.log(y) - offset - slope * np.log(n)
    chi_square = float((weight * residual**2).sum()) / (len(n) - 2) if noisy else math.nan
    fewest = min(map(len, rows))
    method = f"bootstrap over {fewest} seeds at {len(n)} sizes"
    return PowerLaw(
        quantile_interval(float(slope), slopes, level, method, fewest),
        quantile_interval(math.exp(offset), np.exp(offsets), level, method, fewest),
        chi_square,
    )


@dataclass(frozen=True)
class Limit:
    """A fitted limit: y = limit + slope · size^{−exponent}, with intervals, and χ² per degree of freedom."""

    limit: Estimate
    slope: Estimate
    chi_square: float


def extrapolate(
    sizes: ArrayLike,
    replicas: Sequence[ArrayLike],
    *,
    exponent: float = 1.0,
    paired: bool = False,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Limit:
    """Extrapolate to infinite size:  y = limit + slope · size^{−exponent}  with a known exponent > 0.

    Parameters, intervals and errors are those of `power_law`, but y may have any sign. It is the mean of the replicas,
    weighted by its standard error.

    Examples
    --------
    >>> fit = extrapolate([1, 2, 4], [[5 + 3 / n, 5 + 3 / n] for n in (1, 2, 4)])
    >>> round(fit.limit.value, 12), round(fit.slope.value, 12)
    (5.0, 3.0)
    """
    n, rows = sizes_with_replicas(sizes, replicas)
    x = n ** -require_number("exponent", exponent, positive=True)
    y = np.array([row.mean() for row in rows])
    copies = np.stack([block.mean(axis=-1) for block in resampled(rows, resamples, seed, paired)])
    error = np.array([row.std(ddof=1) / math.sqrt(len(row)) for row in rows])
    noisy = bool((error > 0).all())
    weight = error**-2 if noisy else np.ones(len(y))
    slope, limit = _line(x, y, weight)
    slopes, limits = _line(x, copies, weight)
    chi_square = float((weight * (y - limit - slope * x) ** 2).sum()) / (len(n) - 2) if noisy else math.nan
    fewest = min(map(len, rows))
    method = f"bootstrap over {fewest} seeds at {len(n)} sizes"
    return Limit(
        quantile_interval(float(limit), limits, level, method, fewest),
        quantile_interval(float(slope), slopes, level, method, fewest),
        chi_square,
    )


def _line(x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[Any, Any]:
    """Weighted least squares through (x, y); y is (m,) or (m, copies)."""
    w = weight / weight.sum()
    centre = w @ x
    lever = w * (x - centre)
    slope = lever @ y / (lever @ x)
    return slope, w @ y - slope * centre
