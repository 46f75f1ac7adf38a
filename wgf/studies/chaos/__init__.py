"""The study `chaos`: how far are n particles from their mean-field limit?"""

from .study import Chaos

__all__ = ["Chaos"]
