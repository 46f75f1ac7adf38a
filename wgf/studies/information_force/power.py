"""How many seeds would decide: from the scatter of some, the number for a given interval or a given power."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from ..frame.statistics import LEVEL

MOST = 100_000
"""No larger number of seeds is told."""


def seeds_for_interval(values: Sequence[float], half_width: float, level: float = LEVEL) -> int:
    """The fewest seeds n with  t s/√n ≤ half_width,  s the deviation of these values, t Student's quantile.

    >>> seeds_for_interval([0.01, -0.01, 0.0], 0.005)
    18
    """
    deviation = float(np.std(values, ddof=1))
    tail = 0.5 + 0.5 * level
    return _fewest(lambda n: float(stats.t.ppf(tail, n - 1)) * deviation / math.sqrt(n) <= half_width)


def seeds_for_power(values: Sequence[float], effect: float, power: float, level: float = LEVEL) -> int:
    """The fewest seeds n at which a mean of `effect` is told from 0 by an interval at `level` with probability `power`.

    By the noncentral t distribution, with the deviation of these values.

    >>> seeds_for_power([0.01, -0.01, 0.0], 0.005, 0.8)
    34
    """
    deviation = float(np.std(values, ddof=1))
    if deviation == 0.0:
        return 2
    tail = 0.5 + 0.5 * level

    def found(n: int) -> bool:
        quantile = float(stats.t.ppf(tail, n - 1))
        return float(stats.nct.sf(quantile, n - 1, effect / deviation * math.sqrt(n))) >= power

    return _fewest(found)


def _fewest(holds: Callable[[int], bool]) -> int:
    """The least n ≥ 2 for which a condition holds that stays true once it is; at most `MOST`."""
    high = 2
    while not holds(high):
        if high >= MOST:
            return MOST
        high = min(2 * high, MOST)
    low = max(2, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
