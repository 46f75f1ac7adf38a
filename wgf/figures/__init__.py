"""Figures of a run as matplotlib Figure objects, and the common look that all figures of the package share."""

from .canvas import WIDTH
from .run import (
    dissipation,
    free_energy,
    information_force,
    learning,
    overview,
    particles,
    transport,
    why_no_closure,
)

__all__ = [
    "WIDTH",
    "dissipation",
    "free_energy",
    "information_force",
    "learning",
    "overview",
    "particles",
    "transport",
    "why_no_closure",
]
