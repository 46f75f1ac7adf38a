"""Entropies as regularizers of any torch training: S of a batch of representations, and the forces that act on it.

Every entropy of `wgf.entropies` that has a force is here as a torch module, with the same name and settings. In
loss = task − T · S(z) a step of the optimiser pushes z by +T ∂S/∂z, uphill in S.
"""

from typing import Any

from ..entropies import REGISTRY as _ENTROPIES
from ..functional import WarmStarted
from .entropy import Regularizer, regularizer_of
from .monitor import ForceMonitor


def _names() -> list[str]:
    return [
        name
        for name, entropy in _ENTROPIES.items()
        if not (entropy.realised_by_noise or issubclass(entropy, WarmStarted))
    ]


def __getattr__(name: str) -> Any:
    if name in _names():
        return regularizer_of(_ENTROPIES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_names()]


__all__ = ["ForceMonitor", "Regularizer", *_names()]
