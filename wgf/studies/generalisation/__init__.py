"""The study `generalisation`: does the information in a representation bound the generalisation gap?"""

from .study import Generalisation

__all__ = ["Generalisation"]
