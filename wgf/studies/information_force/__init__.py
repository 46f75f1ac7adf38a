"""Which entropy exerts a force on neurons and on representations? The study `information-force`."""

from .study import InformationForce

__all__ = ["InformationForce"]
