"""A measured number with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...errors import with_minus

LEVEL = 0.95
"""The default confidence level of all intervals."""


@dataclass(frozen=True)
class Estimate:
    """A measured number with its interval [low, high].

    Parameters
    ----------
    value : float
        The number.
    low, high : float
        The ends of the interval.
    level : float
        The confidence level.
    method : str
        The method of the interval, in words.

    See Also
    --------
    wgf.studies.Finding

    Examples
    --------
    >>> mass = Estimate(2.0, 1.5, 2.5)
    >>> print(mass)
    2 [1.5, 2.5]
    >>> mass.covers(1.7), mass.half_width
    (True, 0.5)
    """

    value: float
    low: float
    high: float
    level: float = LEVEL
    method: str = ""

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        return 0.5 * (self.high - self.low)

    def covers(self, truth: float) -> bool:
        """Whether the interval contains a number."""
        return self.low <= truth <= self.high

    def scaled(self, factor: float) -> Estimate:
        """The estimate and its interval times a factor, for a change of units."""
        ends = sorted((factor * self.low, factor * self.high))
        return Estimate(factor * self.value, ends[0], ends[1], self.level, self.method)

    def __str__(self) -> str:
        """As text with enough digits to show the interval; without one, the number alone."""
        if self.low == self.high:
            return with_minus(f"{self.value:.4g}")
        spread = self.half_width / max(abs(self.value), self.half_width)
        digits = min(max(4, 2 - math.floor(math.log10(spread))), 9) if 0 < spread < math.inf else 4
        return with_minus(f"{self.value:.{digits}g} [{self.low:.{digits}g}, {self.high:.{digits}g}]")
