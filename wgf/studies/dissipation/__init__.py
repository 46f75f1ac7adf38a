"""The study `dissipation`: does the free energy fall by what is dissipated, and how fast?"""

from .study import Dissipation

__all__ = ["Dissipation"]
