"""The study `information-force`: which entropy exerts a force on neurons and on representations?"""

from .study import InformationForce

__all__ = ["InformationForce"]
