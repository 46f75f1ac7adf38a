"""Kernels: functions K(x, y) of two points, from which interaction energies, Stein flows and distances are built.

A kernel is added, subtracted and scaled like a number: `2 * Gaussian(1.0) - Gaussian(0.5)` is a kernel again.

**Signs.** `Interaction(kernel)` is the energy ½ ∬ K dμ dμ, and a gradient flow lowers it. A kernel that decreases with
the distance therefore repels, a kernel that increases with it attracts, and `-kernel` does the opposite.

    repel       Gaussian, Matern, Laplace, InverseMultiquadric, Log, Riesz, Newtonian
    attract     QuadraticKernel and Cosine, with strength > 0
    both        Morse: the part Cr repels, the part Ca attracts
    your own    RadialKernel: repels where fn decreases
    neither     Linear: pulls the mean of the ensemble to the origin

**Units.** h, lr, la and the softening are lengths in the units of x. Strengths scale the energy.
"""

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
