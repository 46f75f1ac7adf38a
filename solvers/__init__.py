"""How a Wasserstein gradient flow is discretised: one scheme a file, and the registry by name."""

from __future__ import annotations

from wgf.errors import ConfigError, closest
from wgf.protocol import Solver

from .accelerated import Accelerated
from .affine_invariant import AffineInvariant
from .birth_death import BirthDeath
from .bogacki_shampine import BogackiShampine
from .euler import Euler
from .exponential_euler import ExponentialEuler
from .grid import Grid
from .heun import Heun
from .jko import JKO
from .langevin import Langevin
from .leimkuhler_matthews import LeimkuhlerMatthews
from .random_batch import RandomBatch
from .runge_kutta4 import RungeKutta4
from .stein import Stein
from .underdamped import Underdamped

_SCHEMES: tuple[type[Solver], ...] = (
    Accelerated,
    AffineInvariant,
    BirthDeath,
    BogackiShampine,
    Euler,
    ExponentialEuler,
    Grid,
    Heun,
    JKO,
    Langevin,
    LeimkuhlerMatthews,
    RandomBatch,
    RungeKutta4,
    Stein,
    Underdamped,
)

REGISTRY: dict[str, type[Solver]] = {scheme.__name__: scheme for scheme in _SCHEMES}
"""Every scheme by the name that configuration files use."""


def by_name(name: str) -> Solver:
    """The scheme called `name` with its default settings."""
    if name not in REGISTRY:
        raise ConfigError(f"solver {name!r}{closest(name, REGISTRY)}")
    return REGISTRY[name]()


__all__ = [
    "JKO",
    "REGISTRY",
    "Accelerated",
    "AffineInvariant",
    "BirthDeath",
    "BogackiShampine",
    "Euler",
    "ExponentialEuler",
    "Grid",
    "Heun",
    "Langevin",
    "LeimkuhlerMatthews",
    "RandomBatch",
    "RungeKutta4",
    "Stein",
    "Underdamped",
    "by_name",
]
