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

from typing import TYPE_CHECKING

from ..extension import Registry
from .base import Kernel as Kernel
from .base import KernelSum as KernelSum
from .composition import Exponential as Exponential
from .custom import RadialKernel as RadialKernel
from .moments import Cosine as Cosine
from .moments import Linear as Linear
from .moments import QuadraticKernel as QuadraticKernel
from .singular import Log as Log
from .singular import Newtonian as Newtonian
from .singular import Riesz as Riesz
from .smooth import Gaussian as Gaussian
from .smooth import InverseMultiquadric as InverseMultiquadric
from .smooth import Laplace as Laplace
from .smooth import Matern as Matern
from .smooth import Morse as Morse

REGISTRY: Registry[Kernel] = Registry("kernel", Kernel, globals(), without=(KernelSum,))
"""Every kernel by its name. A new kernel is one file and one import line above."""

if not TYPE_CHECKING:  # a type checker goes by the imports above
    __all__ = ["REGISTRY", "Exponential", "Kernel", "KernelSum", *REGISTRY]
