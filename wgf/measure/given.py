"""The check of an argument that has to be an ensemble."""

from __future__ import annotations

from ..errors import ConfigError
from .ensemble import Ensemble


def require_whole(name: str, value: object) -> Ensemble:
    """The value, if it is an ensemble with all particles in this process; else a ConfigError that names it."""
    mu = require_ensemble(name, value)
    if not mu.whole:
        raise ConfigError(
            f"{name}: its particles are divided among processes; wanted all of them in one. Take mu.gathered()."
        )
    return mu


def require_ensemble(name: str, value: object) -> Ensemble:
    """The value, if it is an ensemble; else a ConfigError that names the argument and says how to make one."""
    if not isinstance(value, Ensemble):
        raise ConfigError(f"{name} is {type(value).__name__}: wanted a wgf.Ensemble (wgf.Ensemble(x) makes one).")
    return value
