"""The solvers: schemes that move an ensemble along the gradient flow of a free energy, one scheme per file.

Pass an instance to `wgf.solve`, such as `wgf.solvers.Heun()`. `benchmarks/README.md` tells which scheme to take when.
"""

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
"""Every scheme by its name. To add a scheme, write one file and one import line above."""


def by_name(name: str) -> Solver:
    """Make the scheme called `name`, with its default settings.

    Parameters
    ----------
    name : str
        The name of a class of `wgf.solvers`, such as "Heun".

    Returns
    -------
    Solver
        An instance, ready for `wgf.solve`.

    Raises
    ------
    ConfigError
        If no scheme has this name. The message suggests the nearest one.

    See Also
    --------
    wgf.protocol.Solver

    Examples
    --------
    >>> by_name("Heun")
    Heun()
    """
    return REGISTRY.make(name)


if not TYPE_CHECKING:  # a type checker goes by the imports above
    __all__ = ["REGISTRY", "by_name", *REGISTRY]
