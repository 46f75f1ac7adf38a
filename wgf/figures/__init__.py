"""Figures as matplotlib Figure objects: of a run from its ledger and ensembles, and the board they are drawn on."""

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
