"""How a Wasserstein gradient flow is discretised: one scheme a file, and the registry by name."""

from __future__ import annotations

from wgf.errors import ConfigError, closest
from wgf.protocol import Solver

from .euler import Euler
from .heun import Heun
from .langevin import Langevin
from .runge_kutta4 import RungeKutta4

REGISTRY: dict[str, type] = {scheme.__name__: scheme for scheme in (Euler, Heun, RungeKutta4, Langevin)}
"""Every scheme by the name that configuration files use."""


def by_name(name: str) -> Solver:
    """The scheme called `name` with its default settings."""
    if name not in REGISTRY:
        raise ConfigError(f"solver {name!r}{closest(name, REGISTRY)}")
    return REGISTRY[name]()


__all__ = ["REGISTRY", "Euler", "Heun", "Langevin", "RungeKutta4", "by_name"]
