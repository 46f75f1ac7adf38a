"""Which way to sum a kernel over pairs: all pairs, Fourier transforms, sorting or moments, with a guaranteed error."""

from .check import Check, check
from .choice import METHODS, Choice, Summation, choose, kernel_sums
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
]
