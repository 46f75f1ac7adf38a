"""Domains: the part of space in which particles may be. A particle that leaves is folded back into it.

`Box` and `Ball` have reflecting walls; `PeriodicBox` is a torus. `Sphere` is a curved surface.
"""

from typing import TYPE_CHECKING

from ..extension import Registry
from .ball import Ball as Ball
from .base import Domain as Domain
from .box import Box as Box
from .box import PeriodicBox as PeriodicBox
from .sphere import Sphere as Sphere

REGISTRY: Registry[Domain] = Registry("domain", Domain, globals())
"""Every domain by its name. A new domain is one file and one import line above."""

if not TYPE_CHECKING:  # a type checker goes by the imports above
    __all__ = ["REGISTRY", "Domain", *REGISTRY]
