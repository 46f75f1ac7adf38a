"""Choose how to sum a kernel over pairs of particles: all pairs, Fourier transforms, sorting or moments.

`kernel_sums` takes the sums, `choose` picks the method by predicted time, `check` measures the error of a result.
"""

from .check import Check, check
from .choice import METHODS, Choice, Summation, choose, kernel_sums, takes_all_pairs
from .costs import Costs, default_costs, load_costs
from .methods import require_method
from .sums import Sums, relative_error

__all__ = [
    "METHODS",
    "Check",
    "Choice",
    "Costs",
    "Summation",
    "Sums",
    "check",
    "choose",
    "default_costs",
    "kernel_sums",
    "load_costs",
    "relative_error",
    "require_method",
    "takes_all_pairs",
]
