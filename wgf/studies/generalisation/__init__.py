"""Does information in a representation bound the generalisation gap? The study `generalisation`."""

from .study import Generalisation

__all__ = ["Generalisation"]
