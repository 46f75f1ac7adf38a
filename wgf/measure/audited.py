"""How the sums of a kernel over an ensemble are made, and how exact they are."""

from __future__ import annotations

from ..kernels import Kernel
from ..summation import Check, Summation, Sums, check
from .ensemble import Ensemble


def audited(mu: Ensemble, kernel: Kernel, how: Summation) -> Check:
    """The method in use, and its error against sums over all pairs; on a torus all pairs are summed."""
    if mu.period is not None:
        return Check("dense", "all pairs, nearest images", None, how.rtol)
    return check(Sums(kernel, mu.x, mu.x, mu.weights, True), how)
