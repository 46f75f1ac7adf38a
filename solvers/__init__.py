"""How a Wasserstein gradient flow is discretised: one scheme a file, and the registry by name."""

from __future__ import annotations

from wgf.errors import ConfigError, closest
from wgf.protocol import Solver

from .bogacki_shampine import BogackiShampine
from .euler import Euler
from .exponential_euler import ExponentialEuler
from .grid import Grid
from .heun import Heun
from .langevin import Langevin
from .runge_kutta4 import RungeKutta4

_SCHEMES: tuple[type[Solver], ...] = (
    BogackiShampine,
    Euler,
    ExponentialEuler,
    Grid,
    Heun,
    Langevin,
    RungeKutta4,
)

REGISTRY: dict[str, type[Solver]] = {scheme.__name__: scheme for scheme in _SCHEMES}
"""Every scheme by the name that configuration files use."""


def by_name(name: str) -> Solver:
    """The scheme called `name` with its default settings."""
    if name not in REGISTRY:
        raise ConfigError(f"solver {name!r}{closest(name, REGISTRY)}")
    return REGISTRY[name]()


__all__ = [
    "REGISTRY",
    "BogackiShampine",
    "Euler",
    "ExponentialEuler",
    "Grid",
    "Heun",
    "Langevin",
    "RungeKutta4",
    "by_name",
]
