"""How a Wasserstein gradient flow is discretised: one scheme a file, and the registry by name."""

from typing import TYPE_CHECKING

from wgf.extension import Registry
from wgf.protocol import Solver

from .accelerated import Accelerated as Accelerated
from .affine_invariant import AffineInvariant as AffineInvariant
from .birth_death import BirthDeath as BirthDeath
from .bogacki_shampine import BogackiShampine as BogackiShampine
from .euler import Euler as Euler
from .exponential_euler import ExponentialEuler as ExponentialEuler
from .grid import Grid as Grid
from .heun import Heun as Heun
from .jko import JKO as JKO
from .langevin import Langevin as Langevin
from .leimkuhler_matthews import LeimkuhlerMatthews as LeimkuhlerMatthews
from .random_batch import RandomBatch as RandomBatch
from .runge_kutta4 import RungeKutta4 as RungeKutta4
from .stein import Stein as Stein
from .underdamped import Underdamped as Underdamped

REGISTRY: Registry[Solver] = Registry("solver", Solver, globals())
"""Every scheme by its name. A new scheme is one file and one import line above."""


def by_name(name: str) -> Solver:
    """The scheme called `name` with its default settings; ConfigError with the nearest name where there is none."""
    return REGISTRY.make(name)


if not TYPE_CHECKING:  # a type checker goes by the imports above
    __all__ = ["REGISTRY", "by_name", *REGISTRY]
