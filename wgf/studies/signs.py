"""Findings about a sign: is a difference above zero?"""

from __future__ import annotations

from .statistics import Estimate
from .study import Finding, Verdict


def above_zero(asked: str, measured: Estimate, remark: str = "") -> Finding:
    """Supported where the whole interval lies above 0, contradicted where it lies below; NaN and 0 decide nothing."""
    verdict = Verdict.UNDECIDED
    if measured.low > 0:
        verdict = Verdict.SUPPORTED
    elif measured.high < 0:
        verdict = Verdict.CONTRADICTED
    return Finding(asked, measured, verdict, "the whole interval lies above 0", remark=remark)
