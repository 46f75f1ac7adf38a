"""Kernels W(x − y) as users name them: closed forms, scaled and added like terms, summed over particles."""

from typing import TYPE_CHECKING

from ..extension import Registry
from .base import Exponential as Exponential
from .base import Kernel as Kernel
from .base import KernelSum as KernelSum
from .custom import RadialKernel as RadialKernel
from .moments import Cosine as Cosine
from .moments import Linear as Linear
from .moments import QuadraticKernel as QuadraticKernel
from .radial import Gaussian as Gaussian
from .radial import InverseMultiquadric as InverseMultiquadric
from .radial import Laplace as Laplace
from .radial import Log as Log
from .radial import Matern as Matern
from .radial import Morse as Morse
from .radial import Newtonian as Newtonian
from .radial import Riesz as Riesz

REGISTRY: Registry[Kernel] = Registry("kernel", Kernel, globals(), without=(KernelSum,))
"""Every kernel by its name. A new kernel is one file and one import line above."""

if not TYPE_CHECKING:  # a type checker goes by the imports above
    __all__ = ["REGISTRY", "Exponential", "Kernel", "KernelSum", *REGISTRY]
