"""How far are n particles from their mean-field limit? The study `chaos`."""

from .study import Chaos

__all__ = ["Chaos"]
