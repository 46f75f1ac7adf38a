"""Does the free energy fall by what is dissipated? The study `dissipation`."""

from .study import Dissipation

__all__ = ["Dissipation"]
