"""A finding of a study: an expectation, the measured number, and whether the measurement supports it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from ...errors import with_minus
from .estimate import Estimate


class Verdict(Enum):
    """Whether a measurement supports an expectation, contradicts it, or decides nothing.

    See Also
    --------
    wgf.studies.Finding

    Examples
    --------
    >>> Verdict.UNDECIDED.value
    'undecided'
    """

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Finding:
    """One question of a study, with the measured number and a verdict.

    Attributes
    ----------
    asked : str
        The question.
    measured : Estimate
        The measured number with its interval.
    verdict : Verdict
        Supported, contradicted or undecided.
    criterion : str
        The condition for "supported", in words; it is fixed before the measurement.
    expected : float, optional
        The number that theory predicts, where it does.
    remark : str
        What else the reader should know.

    See Also
    --------
    wgf.studies.Estimate, wgf.studies.Verdict, wgf.studies.Outcome

    Examples
    --------
    >>> Finding.within("Is the rate 2?", Estimate(2.01, 1.9, 2.1), 1.8, 2.2).verdict
    <Verdict.SUPPORTED: 'supported'>
    """

    asked: str
    measured: Estimate
    verdict: Verdict
    criterion: str
    expected: float | None = None
    remark: str = ""

    @staticmethod
    def within(
        asked: str, measured: Estimate, low: float, high: float, expected: float | None = None, remark: str = ""
    ) -> Finding:
        """An equivalence test against the range [low, high].

        Supported where the whole interval lies inside, contradicted where all of it lies outside, else undecided.
        """
        inside, outside = low <= measured.low and measured.high <= high, measured.high < low or high < measured.low
        verdict = Verdict.SUPPORTED if inside else Verdict.CONTRADICTED if outside else Verdict.UNDECIDED
        where = with_minus(f"in [{low:.4g}, {high:.4g}]")
        if math.inf in (high, -low):
            where = f"at or above {low:.4g}" if high == math.inf else f"at or below {high:.4g}"
        criterion = f"the whole interval lies {where}"
        return Finding(asked, measured, verdict, criterion, expected, remark)

    @staticmethod
    def covers(asked: str, measured: Estimate, expected: float, resolution: float, remark: str = "") -> Finding:
        """A test against an expected number.

        Supported where the interval contains it and is no wider than ± `resolution`. Contradicted where it does not
        contain it. Undecided where it contains it but is wider.
        """
        narrow = measured.half_width <= resolution
        verdict = Verdict.CONTRADICTED
        if measured.covers(expected):
            verdict = Verdict.SUPPORTED if narrow else Verdict.UNDECIDED
        criterion = f"the interval holds {expected:.6g} and its half-width is at most {resolution:.2g}"
        return Finding(asked, measured, verdict, criterion, expected, remark)


def above_zero(asked: str, measured: Estimate, remark: str = "") -> Finding:
    """A test for a positive number.

    Supported where the whole interval lies above 0, contradicted where all of it lies below, else undecided (also for
    NaN).
    """
    verdict = Verdict.UNDECIDED
    if measured.low > 0:
        verdict = Verdict.SUPPORTED
    elif measured.high < 0:
        verdict = Verdict.CONTRADICTED
    return Finding(asked, measured, verdict, "the whole interval lies above 0", remark=remark)
