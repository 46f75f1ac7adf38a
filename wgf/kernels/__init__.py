"""Kernels W(x − y) as users name them: closed forms, scaled and added like terms, summed over particles."""

from .base import Kernel, KernelSum
from .custom import RadialKernel
from .moments import Cosine, Linear, QuadraticKernel
from .radial import Gaussian, InverseMultiquadric, Laplace, Log, Matern, Morse, Newtonian, Riesz

__all__ = [
    "Cosine",
    "Gaussian",
    "InverseMultiquadric",
    "Kernel",
    "KernelSum",
    "Laplace",
    "Linear",
    "Log",
    "Matern",
    "Morse",
    "Newtonian",
    "QuadraticKernel",
    "RadialKernel",
    "Riesz",
]
