"""How far an approximate sum is from the sum over all pairs, on a subsample of the targets."""

from __future__ import annotations

from dataclasses import dataclass

from .choice import Summation, choose
from .sums import Sums, relative_error

TARGETS = 256


@dataclass(frozen=True)
class Check:
    """A method, how it was chosen and made, the relative error achieved (None where it is rounding) and allowed."""

    method: str
    note: str
    error: float | None
    allowed: float


def check(sums: Sums, how: Summation) -> Check:
    """Sum as `how` says, and compare an approximate result with sums over all pairs at 256 targets spread over x."""
    choice = choose(sums, how)
    if choice.method != "fourier":
        return Check(choice.method, choice.note, None, how.rtol)
    value, gradient = choice.run()
    rows, want, slope = sums.some(TARGETS)
    error = relative_error(value[rows], want, gradient[rows].double(), slope)
    return Check(choice.method, choice.note, error, how.rtol)
